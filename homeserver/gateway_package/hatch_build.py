"""Adds the gateway's sources to wheel and source distribution, and its configurations of other programs to the latter.

https://hatch.pypa.io/latest/plugins/build-hook/custom/
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The packages, with their names in the wheel.
_PACKAGES = {"gateway": "authmedia_gateway", "media_protocol": "media_protocol"}
_CONFIGURATIONS = ("nginx/gateway.conf", "nginx/gateway-cache.conf", "systemd/authmedia-gateway@.service")


class GatewaySources(BuildHookInterface[Any]):
    """Forces the sources into what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the files."""
        folder = Path(self.root)
        if not (folder / "gateway").is_dir():  # in the repository
            folder = folder.parent
        is_wheel = self.target_name == "wheel"
        included = build_data["force_include"]
        for package, in_wheel in _PACKAGES.items():
            for file in sorted((folder / package).iterdir()):
                if file.suffix == ".py" or file.name == "py.typed":
                    included[str(file)] = f"{in_wheel if is_wheel else package}/{file.name}"
        if not is_wheel:
            included.update({str(folder / name): name for name in _CONFIGURATIONS})
