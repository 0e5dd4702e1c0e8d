"""Runs the gateway in the foreground, until Ctrl-C or SIGTERM: ``authmedia-gateway --config FILE``."""

import argparse
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from .application import create_application
from .config import ConfigError, GatewayConfig, read_config_file

DEFAULT_PORT = 8010


def main(arguments: list[str] | None = None) -> int:
    """Parses the arguments, and runs the gateway; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="authmedia-gateway", description="Serves signed links in front of a homeserver."
    )
    parser.add_argument("--homeserver", metavar="URL", help="the homeserver's address; or in the configuration file")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"the gateway's port (default: {DEFAULT_PORT})")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a configuration file (TOML)")
    parser.add_argument("--state", type=Path, default=Path("gateway-state"), help="folder of media and secret")
    options = parser.parse_args(arguments)
    return run(options.homeserver, options.host, options.port, options.config, options.state)


def run(homeserver: str | None, host: str, port: int, config_file: Path | None, state: Path) -> int:
    """Runs the gateway; returns the exit status.

    :param homeserver: its address, in the place of the configuration file's.
    :param state: the folder of media, tokens and secret, unless the configuration file names others.
    """
    try:
        application = create_application(load_config(homeserver, config_file, state))
    except ConfigError as error:
        print(f"authmedia-gateway: {error}", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # It logs each request's URL, with the names of media.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    server = _Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            # A link opens its media for everyone who reads it in a log.
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
    )
    server.on_shutdown = application.state.proxy.abort
    try:
        server.run()
    except KeyboardInterrupt:  # uvicorn has shut down, and raises it again
        return 130
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """A server that calls `on_shutdown` before it waits for requests in flight."""

    on_shutdown: Callable[[], None]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_shutdown()
        await super().shutdown(sockets)


def load_config(homeserver: str | None, config_file: Path | None, state: Path) -> GatewayConfig:
    """Returns the configuration of a file and of the command's options.

    :raises ConfigError: if it cannot be used.
    """
    values: dict[str, Any] = read_config_file(config_file) if config_file else {}
    if homeserver is not None:
        values["homeserver"] = homeserver
    values.setdefault("state_directory", str(state))
    if "secrets" not in values:
        values["secrets"] = [{"id": "1", "secret": _own_secret(Path(str(values["state_directory"])))}]
    return GatewayConfig.parse(values)


def _own_secret(directory: Path) -> str:
    """Returns the folder's random secret, generated on first use."""
    path = directory / "secret"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = directory / f"secret.{secrets.token_hex(8)}"
            with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            with suppress(FileExistsError):  # another process has made one first
                os.link(made, path)
            made.unlink()
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be used for the secret: {error}") from error
