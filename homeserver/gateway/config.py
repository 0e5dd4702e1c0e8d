"""Parses the configuration file of the gateway (TOML)."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_protocol.origins import parse_base_url, parse_origin
from media_protocol.signing import KEY_ID_PATTERN, Keyring

TOKEN_MODES = ("sealed", "stored")

_MIN_SECRET_BYTES = 32
_SECRET_COMMAND = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
_DURATION = re.compile(r"(?P<number>[1-9][0-9]{0,9})(?P<unit>s|m|h|d)")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"(?P<number>[0-9]{1,12})(?P<unit>[KMGT]?)")
_UNIT_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_MAX_DURATION_MS = 365 * 24 * 3600 * 1000
_MAX_BYTES = 1024**5
# A bundle is held in the memory of the client's page, and each of its parts in the memory of this process.
_MAX_BUNDLE_BYTES = 64 * 1024 * 1024


class ConfigError(Exception):
    """A configuration that cannot be used: which key, and the values that it may have."""


@dataclass(frozen=True)
class GatewayConfig:
    """The configuration. ``docs/gateway.md`` explains every key."""

    homeserver: str
    keyring: Keyring
    base_url: str | None
    x_forwarded: bool
    bind_ip: bool
    lifetime_ms: int
    bucket_ms: int
    batch_limit: int
    links_per_second: int
    links_burst: int
    bundle_limit: int
    bundle_part_bytes: int
    bundle_bytes: int
    bundles_per_user: int
    bundles_at_once: int
    session_bytes_per_hour: int
    tokens: str
    redis: str | None
    redirect_origins: frozenset[str]
    state_directory: Path
    cache_bytes: int

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "GatewayConfig":
        """Parses the values of the file and sets the defaults.

        :raises ConfigError: with the name of the invalid key and the values that it may have.
        """
        fields = {key: parse(key, values.get(key, default)) for key, (default, parse) in _KEYS.items()}
        unknown = sorted(set(values) - set(_KEYS))
        if unknown:
            raise ConfigError(f"unknown key '{unknown[0]}'; the keys are: {', '.join(sorted(_KEYS))}")
        if fields["bundle_part_bytes"] > fields["bundle_bytes"]:
            raise ConfigError("'bundle_part_bytes' must not be more than 'bundle_bytes'")
        fields["keyring"] = fields.pop("secrets")
        fields["lifetime_ms"] = fields.pop("lifetime")
        fields["bucket_ms"] = fields.pop("bucket")
        return cls(**fields)


def read_config_file(path: Path) -> dict[str, Any]:
    """Reads a configuration file.

    :raises ConfigError: if it cannot be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _origin(key: str, value: object) -> str:
    origin = parse_origin(value) if isinstance(value, str) else None
    if origin is None:
        raise ConfigError(f"'{key}' must be an address without a path, such as 'https://matrix.example.org'")
    return origin


def _optional_base_url(key: str, value: object) -> str | None:
    if value is None:
        return None
    base_url = parse_base_url(value) if isinstance(value, str) else None
    if base_url is None:
        examples = "'https://matrix.example.org' or 'https://example.org/matrix'"
        raise ConfigError(f"'{key}' must be an address such as {examples}")
    return base_url


def _origins(key: str, value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise ConfigError(f"'{key}' must be a list of addresses without a path")
    return frozenset(_origin(key, origin) for origin in value)


def _keyring(key: str, value: object) -> Keyring:
    if not isinstance(value, list) or not value:
        raise ConfigError(
            f"'{key}' is missing; links are signed with it. Make one with\n    {_SECRET_COMMAND}\nand write\n"
            '    [[secrets]]\n    id = "1"\n    secret = "<what the command printed>"'
        )
    secrets = dict(_secrets(value))
    if len(secrets) < len(value):
        raise ConfigError("two secrets have the same 'id'; every id must be used once only")
    return Keyring(secrets.items())


def _secrets(entries: Iterable[object]) -> Iterable[tuple[str, bytes]]:
    for entry in entries:
        if not isinstance(entry, Mapping) or set(entry) not in ({"id", "secret"}, {"id", "secret_path"}):
            raise ConfigError("every entry of 'secrets' has an 'id' and either 'secret' or 'secret_path'")
        key_id = entry["id"]
        if not isinstance(key_id, str) or not re.fullmatch(KEY_ID_PATTERN, key_id):
            raise ConfigError("the 'id' of a secret must be a string of 1 to 32 letters, digits, '-' or '_'")
        secret = entry["secret"] if "secret" in entry else _read_secret(key_id, entry["secret_path"])
        if not isinstance(secret, str) or len(secret.encode()) < _MIN_SECRET_BYTES:
            raise ConfigError(
                f"secret '{key_id}' must be a string of at least {_MIN_SECRET_BYTES} bytes; "
                f"make one with {_SECRET_COMMAND}"
            )
        yield key_id, secret.encode()


def _read_secret(key_id: str, path: object) -> str:
    try:
        # systemd gives each instance of a unit a folder of its own for credentials, and its path in the environment.
        return Path(os.path.expandvars(str(path))).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"secret '{key_id}' cannot be read from '{path}': {error}") from error


def _duration_ms(key: str, value: object) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    milliseconds = int(match["number"]) * _UNIT_MS[match["unit"]] if match else 0
    if not 0 < milliseconds <= _MAX_DURATION_MS:
        raise ConfigError(f"'{key}' must be a duration such as '90s', '10m' or '1h', and at most a year")
    return milliseconds


def _size(minimum: int, maximum: int) -> Any:
    def parse(key: str, value: object) -> int:
        match = _SIZE.fullmatch(str(value)) if type(value) in (int, str) else None
        size = int(match["number"]) * _UNIT_BYTES[match["unit"]] if match else -1
        if not minimum <= size <= maximum:
            raise ConfigError(f"'{key}' must be a size from {minimum} to {maximum} bytes, such as '512K' or '8M'")
        return size

    return parse


def _integer(maximum: int) -> Any:
    def parse(key: str, value: object) -> int:
        if type(value) is not int or not 1 <= value <= maximum:
            raise ConfigError(f"'{key}' must be a whole number from 1 to {maximum}")
        return value

    return parse


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"'{key}' must be true or false")
    return value


def _token_mode(key: str, value: object) -> str:
    if value not in TOKEN_MODES:
        raise ConfigError(f"'{key}' must be one of: {', '.join(TOKEN_MODES)}")
    return str(value)


def _optional_url(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigError(f"'{key}' must be such a URL as 'redis://localhost:6379/0' or 'unix:///run/redis/redis.sock'")
    return os.path.expandvars(value)  # a password may come by the environment


def _directory(key: str, value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"'{key}' must be the path of a folder, where the gateway keeps what it has downloaded")
    return Path(value)


# Each key with its default and its parser.
_KEYS: dict[str, tuple[object, Any]] = {
    "homeserver": (None, _origin),
    "secrets": (None, _keyring),
    "base_url": (None, _optional_base_url),
    "x_forwarded": (False, _boolean),
    "bind_ip": (False, _boolean),
    "lifetime": ("1h", _duration_ms),
    "bucket": ("6h", _duration_ms),
    "batch_limit": (100, _integer(1000)),
    "links_per_second": (20, _integer(1_000_000)),
    "links_burst": (200, _integer(1_000_000)),
    "bundle_limit": (200, _integer(1000)),
    "bundle_part_bytes": ("512K", _size(1, _MAX_BUNDLE_BYTES)),
    "bundle_bytes": ("8M", _size(1, _MAX_BUNDLE_BYTES)),
    "bundles_per_user": (10, _integer(10_000)),
    "bundles_at_once": (100, _integer(10_000)),
    "session_bytes_per_hour": ("20G", _size(0, _MAX_BYTES)),
    "tokens": ("sealed", _token_mode),
    "redis": (None, _optional_url),
    "redirect_origins": ([], _origins),
    "state_directory": (None, _directory),
    "cache_bytes": ("10G", _size(1024 * 1024, _MAX_BYTES)),
}
