"""The gateway as a process of its own, in front of a homeserver."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.homeserver.support import wait_for
from tests.relay import free_port

_PACKAGES = Path(__file__).resolve().parents[2] / "homeserver"
SECRET = "a secret of the gateway, of thirty-two bytes or more"


class Gateway:
    """A gateway, as `python -m gateway` starts it.

    :param options: of its configuration file, beside address, secret and folder.
    """

    def __init__(self, directory: Path, homeserver: str, **options: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = directory / "gateway.log"
        self._config = directory / "gateway.toml"
        values = {"homeserver": homeserver, "state_directory": str(directory / "state"), **options}
        secrets = values.pop("secrets", [{"id": "1", "secret": SECRET}])
        self._config.write_text(_toml(values, secrets))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def media_directory(self) -> Path:
        return self.directory / "state" / "media"

    @property
    def process_id(self) -> int:
        assert self._process
        return self._process.pid

    def __enter__(self) -> Self:
        others = os.environ.get("PYTHONPATH")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "--port", str(self.port), "--config", str(self._config)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), others]))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers, 30, "the gateway")
        return self

    def __exit__(self, *_exception: object) -> None:
        process, self._process = self._process, None
        assert process
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def metric(self, name: str, **labels: str) -> float:
        """Returns the value of a counter; 0 for one that has not counted anything."""
        written = ",".join(f'{key}="{value}"' for key, value in labels.items())
        prefix = f"authmedia_gateway_{name}{{{written}}} " if labels else f"authmedia_gateway_{name} "
        lines = httpx.get(self.url + "/metrics").raise_for_status().text.splitlines()
        return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log_path.read_text()
        try:
            return httpx.get(self.url + "/health", timeout=1).is_success
        except httpx.HTTPError:
            time.sleep(0.05)
            return False


def _toml(values: Mapping[str, Any], secrets: list[dict[str, str]]) -> str:
    """Writes a configuration file: JSON's numbers, booleans, strings and lists of them are TOML's too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for secret in secrets:
        lines += ["[[secrets]]", *(f"{key} = {json.dumps(value)}" for key, value in secret.items())]
    return "\n".join(lines) + "\n"
