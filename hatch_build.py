"""Adds hash-wasm's SHA-256 to wheel and source distribution, where npm has installed it.

Without it, as in an installation from the repository, large encrypted attachments are decrypted as a whole.
https://hatch.pypa.io/latest/plugins/build-hook/custom/
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE = "web/node_modules/hash-wasm"
# The files of the package, and their names in the wheel.
_FILES = {
    "dist/sha256.umd.min.js": "authmedia/browser/sha256.js",
    "LICENSE": "authmedia/browser/LICENSE-hash-wasm",
}


class HashWasm(BuildHookInterface[Any]):
    """Forces the files of hash-wasm into what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the files, unless they are missing."""
        for name, in_wheel in _FILES.items():
            file = Path(self.root) / _PACKAGE / name
            if file.is_file():
                target = in_wheel if self.target_name == "wheel" else f"{_PACKAGE}/{name}"
                build_data["force_include"][str(file)] = target
