"""A real Synapse for development and tests: one process, SQLite, reachable from this machine alone."""

import atexit
import hashlib
import hmac
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from signedjson.key import generate_signing_key, write_signing_keys

from development.private_files import UMASK, make_private_folder, open_private

_PACKAGES = Path(__file__).resolve().parent.parent
_START_S = 60.0
_STOP_S = 10.0
_REQUEST_S = 30.0
_NO_LIMIT = {"per_second": 10_000, "burst_count": 100_000}

logger = logging.getLogger(__name__)


class HomeserverError(Exception):
    """Something about the homeserver did not work: one sentence on what, and one on what to do."""


@dataclass(frozen=True)
class Federation:
    """A second port, with TLS, over which other homeservers on this machine can be spoken to.

    :param port: belongs to the server's name then, which becomes ``localhost:<port>``.
    :param certificate: for ``localhost``, in PEM form, and its ``private_key``.
    :param authority: the certificate of who signed it; what it signed is trusted.
    """

    port: int
    certificate: Path
    private_key: Path
    authority: Path


class Synapse:
    """One homeserver, with the ``media_links`` module beside this package loaded into it.

    Its data, secrets included, stay in ``directory``: started there again, on whatever port, it is the same homeserver.

    >>> with Synapse(Path("data"), 8008) as synapse:
    ...     synapse.register("alice", "a password")

    :param server_name: the part of a user id behind the colon; cannot change once there are data.
    :param module_config: the module's configuration, on top of secrets of its own.
    :param extra_config: anything else for ``homeserver.yaml``; replaces what is there by the same name.
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        server_name: str = "localhost",
        module_config: dict[str, Any] | None = None,
        extra_config: dict[str, Any] | None = None,
        federation: Federation | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.federation = federation
        self.server_name = f"localhost:{federation.port}" if federation else server_name
        self.base_url = f"http://localhost:{port}"
        self.log_path = self.directory / "homeserver.log"
        self._output_path = self.directory / "output.log"
        self._config_path = self.directory / "homeserver.yaml"
        self._module_config = module_config or {}
        self._extra_config = extra_config or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int | None:
        """The homeserver's process, while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> "Synapse":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the homeserver and returns once it answers; does nothing if it is running.

        :raises HomeserverError: if it cannot be started.
        """
        if self._process is not None:
            return
        if os.name == "nt":
            raise HomeserverError("Synapse does not run on Windows. Run this inside WSL (wsl --install).")
        addresses = _loopback_addresses()
        for port in [self.port] + ([self.federation.port] if self.federation else []):
            _check_free(port, addresses)
        self._write_configuration(addresses)
        self._launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the homeserver and returns once its process is gone; does nothing if there is none."""
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            logger.warning("Synapse did not stop within %d s and is ended by force", _STOP_S)
            process.kill()
            process.wait()

    def register(self, user: str, password: str, admin: bool = False) -> dict[str, Any]:
        """Makes an account, as an administrator can who knows the shared secret.

        See https://element-hq.github.io/synapse/latest/admin_api/register_api.html

        :returns: what a login gives: ``user_id``, ``device_id``, ``access_token``.
        :raises HomeserverError: if the homeserver refuses, for example because the name is taken.
        """
        nonce = self._ask("/_synapse/admin/v1/register")["nonce"]
        parts = (nonce, user, password, "admin" if admin else "notadmin")
        mac = hmac.new(self._secrets()["registration"].encode(), "\0".join(parts).encode(), hashlib.sha1)
        body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac.hexdigest()}
        return self._ask("/_synapse/admin/v1/register", body)

    # --- the process -------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        search_path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
        with open_private(self._output_path, text=False) as output:
            # In a session of its own: Ctrl-C in the terminal reaches us alone, and we stop it in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "synapse.app.homeserver", "--config-path", str(self._config_path)],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": search_path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=UMASK,
            )
        atexit.register(self.stop)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise HomeserverError(f"Synapse stopped while starting: {self._complaint()}")
            try:
                with urllib.request.urlopen(f"{self.base_url}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise HomeserverError(f"Synapse did not answer within {_START_S:.0f} s. Look into {self.log_path}.")

    def _complaint(self) -> str:
        """What Synapse said last, and where to read the rest."""
        lines = self._output_path.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(("*", "This server"))]
        return f"{' '.join(told[-4:]) or 'it said nothing'}. Look into {self._output_path} and {self.log_path}."

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode("utf-8", errors="replace")
            raise HomeserverError(f"The homeserver refused {path}: {words}") from error
        except OSError as error:
            raise HomeserverError(
                f"The homeserver at {self.base_url} does not answer ({error}). Is it started?"
            ) from error

    # --- the configuration -------------------------------------------------------------------------------------------

    def _write_configuration(self, addresses: list[str]) -> None:
        make_private_folder(self.directory)  # its database has every access token
        key_path = self.directory / "signing.key"
        if not key_path.exists():
            with open_private(key_path) as file:
                write_signing_keys(file, [generate_signing_key("a_1")])
        log_config_path = self.directory / "log.yaml"
        with open_private(log_config_path) as file:
            json.dump(_log_config(self.log_path), file, indent=2)
        configuration = self._configuration(addresses, key_path, log_config_path) | self._extra_config
        with open_private(self._config_path) as file:
            json.dump(configuration, file, indent=2)  # every JSON document is YAML too

    def _configuration(self, addresses: list[str], key_path: Path, log_config_path: Path) -> dict[str, Any]:
        own = self._secrets()
        module_config = {
            "secrets": [{"id": "1", "secret": own["media_links"]}],
            "rc_links": _NO_LIMIT,
            **self._module_config,
        }
        configuration: dict[str, Any] = {
            "server_name": self.server_name,
            "public_baseurl": self.base_url + "/",
            "pid_file": str(self.directory / "homeserver.pid"),
            "signing_key_path": str(key_path),
            "log_config": str(log_config_path),
            "media_store_path": str(self.directory / "media"),
            "database": {"name": "sqlite3", "args": {"database": str(self.directory / "homeserver.db")}},
            "listeners": [_listener(self.port, addresses, ["client", "federation"])],
            "modules": [{"module": "media_links.MediaLinks", "config": module_config}],
            "macaroon_secret_key": own["macaroon"],
            "form_secret": own["form"],
            "registration_shared_secret": own["registration"],
            "enable_registration": False,
            "report_stats": False,
            "presence": {"enabled": False},
            "url_preview_enabled": False,
            "max_upload_size": "200M",
            "dynamic_thumbnails": True,
            "thumbnail_sizes": [],  # made on demand, of whatever size is asked for
            # The passwords are long, random and of use on this machine alone: nobody has to be slowed down guessing.
            "bcrypt_rounds": 4,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            **_no_rate_limits(),
        }
        if self.federation:
            configuration |= self._federation_configuration(addresses, self.federation)
        return configuration

    def _federation_configuration(self, addresses: list[str], federation: Federation) -> dict[str, Any]:
        return {
            "listeners": [
                _listener(self.port, addresses, ["client"]),
                _listener(federation.port, addresses, ["federation"], tls=True),
            ],
            "tls_certificate_path": str(federation.certificate),
            "tls_private_key_path": str(federation.private_key),
            "federation_custom_ca_list": [str(federation.authority)],
            # By default no homeserver speaks to this machine's own addresses, where all the others are here.
            "ip_range_blacklist": [],
            "federation_ip_range_blacklist": [],
        }

    def _secrets(self) -> dict[str, str]:
        """Random, made once for this directory."""
        path = self.directory / "secrets.json"
        if not path.exists():
            purposes = ("macaroon", "form", "registration", "media_links")
            with open_private(path) as file:
                json.dump({purpose: secrets.token_urlsafe(48) for purpose in purposes}, file)
        return dict(json.loads(path.read_text(encoding="utf-8")))


def _loopback_addresses() -> list[str]:
    """Both loopback addresses, or the one that this machine has."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def _check_free(port: int, addresses: list[str]) -> None:
    for address in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise HomeserverError(
                    f"Port {port} cannot be used for the homeserver ({error.strerror}). "
                    "End the program that uses it, or choose another port."
                ) from error


def _listener(port: int, addresses: list[str], names: list[str], *, tls: bool = False) -> dict[str, Any]:
    return {
        "port": port,
        "bind_addresses": addresses,
        "type": "http",
        "tls": tls,
        "x_forwarded": False,
        "resources": [{"names": names, "compress": False}],
    }


def _no_rate_limits() -> dict[str, Any]:
    """Limits that a demonstration, which does in a second what people do in a day, does not run into."""
    return {
        "rc_message": _NO_LIMIT,
        "rc_registration": _NO_LIMIT,
        "rc_joins": {"local": _NO_LIMIT, "remote": _NO_LIMIT},
        "rc_joins_per_room": _NO_LIMIT,
        "rc_invites": {"per_room": _NO_LIMIT, "per_user": _NO_LIMIT, "per_issuer": _NO_LIMIT},
        "rc_login": {"address": _NO_LIMIT, "account": _NO_LIMIT, "failed_attempts": _NO_LIMIT},
        "rc_media_create": _NO_LIMIT,
        "remote_media_download_per_second": "1G",
        "remote_media_download_burst_count": "10G",
        "rc_federation": {"sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 100},
    }


def _log_config(path: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.handlers.RotatingFileHandler",
                "formatter": "line",
                "filename": str(path),
                "maxBytes": 20_000_000,
                "backupCount": 1,
                "encoding": "utf-8",
            }
        },
        "root": {"level": "INFO", "handlers": ["file"]},
    }
