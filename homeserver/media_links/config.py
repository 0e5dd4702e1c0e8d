"""Parses this module's section of ``homeserver.yaml``."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synapse.config._base import Config, ConfigError
from synapse.config.ratelimiting import RatelimitSettings

from media_protocol.origins import parse_base_url, parse_origin
from media_protocol.signing import KEY_ID_PATTERN, Keyring

_KEYS = frozenset(
    {
        "secrets",
        "lifetime",
        "bucket",
        "batch_limit",
        "bind_ip",
        "delegated",
        "base_url",
        "bundle_limit",
        "bundle_part_bytes",
        "bundle_bytes",
        "bundles_per_user",
        "bundles_at_once",
        "session_bytes_per_hour",
        "rc_links",
        "native_ranges",
        "offload",
        "offload_downloads",
        "offload_min_bytes",
        "redirect_lifetime",
        "redirect_endpoint",
        "x_accel_location",
        "cookie",
        "signed_query",
        "signed_query_window",
    }
)
_MIN_SECRET_BYTES = 32
_MAX_DURATION_MS = 365 * 24 * 3600 * 1000
# The longest for which S3 lets a presigned URL be valid.
_MAX_PRESIGNED_MS = 7 * 24 * 3600 * 1000
_MAX_BATCH = 1000
_MAX_CONCURRENCY = 10_000
# A bundle is held in the memory of the client's page, and each of its parts in the memory of this process.
_MAX_BUNDLE_BYTES = 64 * 1024 * 1024
_MAX_BUDGET_BYTES = 1024**5
#: The values of ``offload``: who sends media in the place of Synapse.
REDIRECT, X_ACCEL = "redirect", "x-accel"
# A location of nginx, as a prefix of paths that need no escaping.
_LOCATION = re.compile(r"/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)+")
_SECRET_COMMAND = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


@dataclass(frozen=True)
class MediaLinksConfig:
    """The configuration. ``README.md`` explains every key."""

    keyring: Keyring
    lifetime_ms: int
    bucket_ms: int
    batch_limit: int
    bind_ip: bool
    delegated: bool
    base_url: str | None
    bundle_limit: int
    bundle_part_bytes: int
    bundle_bytes: int
    bundles_per_user: int
    bundles_at_once: int
    session_bytes_per_hour: int
    rc_links: RatelimitSettings
    native_ranges: bool
    offload: str | None
    offload_downloads: bool
    offload_min_bytes: int
    redirect_lifetime_ms: int
    redirect_endpoint: str | None
    x_accel_location: str
    cookie: bool
    signed_query: bool
    signed_query_window_ms: int

    @property
    def base_path(self) -> str:
        """The path of ``base_url``, under which clients see this homeserver; empty for the root."""
        return urlsplit(self.base_url or "").path

    @classmethod
    def parse(cls, config: Mapping[str, Any] | None) -> "MediaLinksConfig":
        """Parses the section and sets the defaults.

        :raises ConfigError: with the name of the invalid key and the values that it may have.
        """
        config = config or {}
        if not isinstance(config, Mapping):
            raise ConfigError("media_links: 'config' must be a mapping of keys to values")
        unknown = sorted(set(map(str, config)) - _KEYS)
        if unknown:
            raise ConfigError(f"media_links: unknown key '{unknown[0]}'; the keys are: {', '.join(sorted(_KEYS))}")
        part_bytes = _byte_size(config, "bundle_part_bytes", "512K")
        bundle_bytes = _byte_size(config, "bundle_bytes", "8M")
        if part_bytes > bundle_bytes:
            raise ConfigError("media_links: 'bundle_part_bytes' must not be more than 'bundle_bytes'")
        return cls(
            keyring=Keyring(_parse_secrets(config.get("secrets"))),
            lifetime_ms=_duration_ms(config, "lifetime", "1h"),
            bucket_ms=_duration_ms(config, "bucket", "6h"),
            batch_limit=_integer(config, "batch_limit", 100, _MAX_BATCH),
            bind_ip=_boolean(config, "bind_ip"),
            delegated=_boolean(config, "delegated", True),
            base_url=_parse_base_url(config.get("base_url")),
            bundle_limit=_integer(config, "bundle_limit", 200, _MAX_BATCH),
            bundle_part_bytes=part_bytes,
            bundle_bytes=bundle_bytes,
            bundles_per_user=_integer(config, "bundles_per_user", 10, _MAX_CONCURRENCY),
            bundles_at_once=_integer(config, "bundles_at_once", 100, _MAX_CONCURRENCY),
            session_bytes_per_hour=_byte_budget(config, "session_bytes_per_hour", "20G"),
            rc_links=_parse_rate_limit(config.get("rc_links")),
            native_ranges=_boolean(config, "native_ranges"),
            offload=_parse_offload(config),
            offload_downloads=_boolean(config, "offload_downloads"),
            offload_min_bytes=_offload_size(config, "offload_min_bytes", "64K"),
            redirect_lifetime_ms=_duration_ms(config, "redirect_lifetime", "10m", _MAX_PRESIGNED_MS),
            redirect_endpoint=_origin(config, "redirect_endpoint", "https://s3.example.org"),
            x_accel_location=_parse_location(config.get("x_accel_location", "/_media_store/")),
            cookie=_boolean(config, "cookie"),
            signed_query=_boolean(config, "signed_query"),
            signed_query_window_ms=_duration_ms(config, "signed_query_window", "5m"),
        )


def _parse_secrets(entries: object) -> Iterable[tuple[str, bytes]]:
    if not entries:
        raise ConfigError(
            "media_links: 'secrets' is missing; links are signed with it. Make one with\n"
            f"    {_SECRET_COMMAND}\n"
            "and put it into the module's config as\n"
            "    secrets:\n"
            '      - id: "1"\n'
            '        secret: "<what the command printed>"'
        )
    if not isinstance(entries, list):
        raise ConfigError("media_links: 'secrets' must be a list of entries with 'id' and 'secret' or 'secret_path'")
    secrets: dict[str, bytes] = {}
    for entry in entries:
        key_id, secret = _parse_secret(entry)
        if key_id in secrets:
            raise ConfigError(f"media_links: two secrets have the id '{key_id}'; every id must be used once only")
        secrets[key_id] = secret
    return secrets.items()


def _parse_secret(entry: object) -> tuple[str, bytes]:
    if not isinstance(entry, Mapping) or not set(entry) <= {"id", "secret", "secret_path"}:
        raise ConfigError("media_links: every entry of 'secrets' has an 'id' and either 'secret' or 'secret_path'")
    key_id = entry.get("id")
    if not isinstance(key_id, str) or not re.fullmatch(KEY_ID_PATTERN, key_id):
        raise ConfigError(
            "media_links: the 'id' of a secret must be a string of 1 to 32 letters, digits, '-' or '_' "
            "(write a number in quotes)"
        )
    if ("secret" in entry) == ("secret_path" in entry):
        raise ConfigError(f"media_links: secret '{key_id}' needs either 'secret' or 'secret_path', and not both")
    secret = entry["secret"] if "secret" in entry else _read_secret(key_id, entry["secret_path"])
    if not isinstance(secret, str):
        raise ConfigError(f"media_links: secret '{key_id}' must be a string (write it in quotes)")
    if len(secret.encode()) < _MIN_SECRET_BYTES:
        raise ConfigError(
            f"media_links: secret '{key_id}' is shorter than {_MIN_SECRET_BYTES} bytes; make one with {_SECRET_COMMAND}"
        )
    return key_id, secret.encode()


def _read_secret(key_id: str, path: object) -> str:
    if not isinstance(path, str):
        raise ConfigError(f"media_links: the 'secret_path' of secret '{key_id}' must be a string")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"media_links: secret '{key_id}' cannot be read from '{path}': {error}") from error


def _duration_ms(config: Mapping[str, Any], key: str, default: str, maximum_ms: int = _MAX_DURATION_MS) -> int:
    try:
        milliseconds = Config.parse_duration(config.get(key, default))
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"media_links: '{key}' must be a duration such as '10m', '1h' or a number of milliseconds"
        ) from error
    if not 0 < milliseconds <= maximum_ms:
        longest = "a year" if maximum_ms == _MAX_DURATION_MS else "seven days"
        raise ConfigError(f"media_links: '{key}' must be longer than nothing and at most {longest}")
    return milliseconds


def _byte_size(config: Mapping[str, Any], key: str, default: str) -> int:
    size = _parse_size(config, key, default)
    if not 0 < size <= _MAX_BUNDLE_BYTES:
        raise ConfigError(f"media_links: '{key}' must be more than nothing and at most 64M")
    return size


def _byte_budget(config: Mapping[str, Any], key: str, default: str) -> int:
    size = _parse_size(config, key, default)
    if not 0 <= size <= _MAX_BUDGET_BYTES:
        raise ConfigError(f"media_links: '{key}' must be 0, for no limit, or a size up to 1024T")
    return size


def _offload_size(config: Mapping[str, Any], key: str, default: str) -> int:
    size = _parse_size(config, key, default)
    if not 0 <= size <= _MAX_BUDGET_BYTES:
        raise ConfigError(f"media_links: '{key}' must be 0, for all media, or a size up to 1024T")
    return size


def _parse_size(config: Mapping[str, Any], key: str, default: str) -> int:
    try:
        return Config.parse_size(config.get(key, default))
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"media_links: '{key}' must be a size such as '512K', '8M' or a number of bytes") from error


def _integer(config: Mapping[str, Any], key: str, default: int, maximum: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or not 1 <= value <= maximum:
        raise ConfigError(f"media_links: '{key}' must be a whole number from 1 to {maximum}")
    return value


def _boolean(config: Mapping[str, Any], key: str, default: bool = False) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"media_links: '{key}' must be true or false")
    return value


def _origin(config: Mapping[str, Any], key: str, example: str) -> str | None:
    value = config.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"media_links: '{key}' must be a string such as '{example}'")
    origin = parse_origin(value)
    if origin is None:
        raise ConfigError(f"media_links: '{key}' must be an address without a path: '{example}'")
    return origin


def _parse_base_url(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError("media_links: 'base_url' must be a string such as 'https://matrix.example.org'")
    base_url = parse_base_url(value)
    if base_url is None:
        raise ConfigError(
            "media_links: 'base_url' must be an address such as 'https://matrix.example.org', or with a path: "
            "'https://example.org/matrix'"
        )
    return base_url


def _parse_offload(config: Mapping[str, Any]) -> str | None:
    value = config.get("offload")
    if value is None:
        if config.get("offload_downloads"):
            raise ConfigError("media_links: 'offload_downloads' needs 'offload', which says who sends the media")
        return None
    if value not in (REDIRECT, X_ACCEL):
        raise ConfigError(f"media_links: 'offload' must be '{REDIRECT}' or '{X_ACCEL}', or be left out")
    return str(value)


def _parse_location(value: object) -> str:
    if not isinstance(value, str) or not _LOCATION.fullmatch(value):
        raise ConfigError(
            "media_links: 'x_accel_location' must be an internal location of nginx, with a slash at both ends: "
            "'/_media_store/'"
        )
    return value


def _parse_rate_limit(value: object) -> RatelimitSettings:
    limits = {"per_second": 20.0, "burst_count": 200.0}
    if value is not None:
        if not isinstance(value, Mapping) or not set(value) <= set(limits):
            raise ConfigError("media_links: 'rc_links' has the keys 'per_second' and 'burst_count'")
        limits.update(value)
    for key, limit in limits.items():
        if type(limit) not in (int, float) or not 0 < limit < math.inf:
            raise ConfigError(f"media_links: 'rc_links.{key}' must be a number greater than 0")
    if limits["burst_count"] < 1:
        raise ConfigError("media_links: 'rc_links.burst_count' must be at least 1")
    return RatelimitSettings("media_links.rc_links", limits["per_second"], int(limits["burst_count"]))
