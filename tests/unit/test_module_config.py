"""The module's section of `homeserver.yaml`: valid values, defaults, and the messages of errors."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from synapse.config._base import ConfigError

from media_links import MediaLinks, MediaLinksConfig
from media_links.config import _KEYS
from media_links.presigned_urls import require_provider
from media_protocol.signing import Link, Media

SECRET = "a secret of thirty-two bytes or more"
SECRETS = [{"id": "1", "secret": SECRET}]


def parse(**config: Any) -> MediaLinksConfig:
    return MediaLinksConfig.parse({"secrets": SECRETS, **config})


def error_message(config: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        MediaLinksConfig.parse(config)
    return str(caught.value)


def test_defaults() -> None:
    config = parse()
    assert config.keyring.signing_key_id == "1"
    assert (config.lifetime_ms, config.bucket_ms) == (3_600_000, 21_600_000)
    assert config.batch_limit == 100
    assert config.bind_ip is False
    assert config.delegated is True
    assert config.native_ranges is False
    assert (config.offload, config.offload_downloads, config.offload_min_bytes) == (None, False, 65_536)
    assert (config.redirect_lifetime_ms, config.redirect_endpoint) == (600_000, None)
    assert config.x_accel_location == "/_media_store/"
    assert config.base_url is None
    assert (config.rc_links.per_second, config.rc_links.burst_count) == (20, 200)
    assert (config.bundle_limit, config.bundle_part_bytes, config.bundle_bytes) == (200, 512 * 1024, 8 * 1024 * 1024)
    assert (config.bundles_per_user, config.bundles_at_once) == (10, 100)
    assert config.session_bytes_per_hour == 20 * 1024**3
    assert (config.cookie, config.signed_query) == (False, False)
    assert config.signed_query_window_ms == 300_000


def test_all_keys(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    config = parse(
        secrets=[{"id": "new", "secret_path": str(tmp_path / "secret")}, {"id": "old", "secret": SECRET[::-1]}],
        lifetime="10m",
        bucket=90_000,
        batch_limit=1000,
        bind_ip=True,
        delegated=False,
        base_url="https://matrix.example.org:8448/",
        rc_links={"per_second": 0.5, "burst_count": 7},
        bundle_limit=50,
        bundle_part_bytes="64K",
        bundle_bytes=1_000_000,
        bundles_per_user=3,
        bundles_at_once=30,
        session_bytes_per_hour=0,
        native_ranges=True,
        offload="redirect",
        offload_downloads=True,
        offload_min_bytes=0,
        redirect_lifetime="1m",
        redirect_endpoint="https://s3.example.org/",
        x_accel_location="/a/b/",
        cookie=True,
        signed_query=True,
        signed_query_window="90s",
    )
    assert config.keyring.signing_key_id == "new"
    assert (config.lifetime_ms, config.bucket_ms) == (600_000, 90_000)
    assert (config.batch_limit, config.bind_ip, config.delegated) == (1000, True, False)
    assert config.base_url == "https://matrix.example.org:8448"
    assert (config.rc_links.per_second, config.rc_links.burst_count) == (0.5, 7)
    assert (config.bundle_limit, config.bundle_part_bytes, config.bundle_bytes) == (50, 65_536, 1_000_000)
    assert (config.bundles_per_user, config.bundles_at_once) == (3, 30)
    assert config.session_bytes_per_hour == 0
    assert config.native_ranges is True
    assert (config.offload, config.offload_downloads, config.offload_min_bytes) == ("redirect", True, 0)
    assert (config.redirect_lifetime_ms, config.redirect_endpoint) == (60_000, "https://s3.example.org")
    assert config.x_accel_location == "/a/b/"
    assert (config.cookie, config.signed_query) == (True, True)
    assert config.signed_query_window_ms == 90_000


@pytest.mark.parametrize("key", ["cookie", "signed_query"])
def test_baselines_are_enabled_independently(key: str) -> None:
    assert {name: getattr(parse(**{key: True}), name) for name in ("cookie", "signed_query")} == {
        "cookie": key == "cookie",
        "signed_query": key == "signed_query",
    }


def test_secret_path_equals_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"  {SECRET}\n\n")
    link = Link("1", Media("localhost", "abc"), 1, "s")
    path = {"id": "1", "secret_path": str(tmp_path / "secret")}
    assert parse(secrets=[path]).keyring.sign(link) == parse().keyring.sign(link)


def test_first_secret_signs_and_each_is_its_own() -> None:
    other = {"id": "2", "secret": SECRET + "!"}
    one, two = parse(secrets=[*SECRETS, other]).keyring, parse(secrets=[other, *SECRETS]).keyring
    assert (one.signing_key_id, two.signing_key_id) == ("1", "2")
    link = Link("2", Media("localhost", "abc"), 1, "s")
    assert one.sign(link) == two.sign(link)


def test_repr_has_no_secret() -> None:
    assert SECRET not in repr(parse())


def test_guide_has_every_key_with_its_default(tmp_path: Path) -> None:
    """The guide's longest example is parsed as it stands; apart from secrets and address, it has the defaults."""
    guide = (Path(__file__).parents[2] / "docs" / "administrators.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)]
    config = max((example["modules"][0]["config"] for example in examples if "modules" in example), key=len)
    assert set(config) == _KEYS
    for number, entry in enumerate(config["secrets"]):
        (tmp_path / str(number)).write_text(SECRET)
        entry["secret_path"] = str(tmp_path / str(number))
    written = MediaLinksConfig.parse(config)
    assert written.keyring.signing_key_id == "2026-11"
    assert replace(written, keyring=(default := parse()).keyring, base_url=None) == default
    for key in _KEYS - {"rc_links"}:
        assert f"| `{key}` | " in guide


def test_synapse_parses_through_the_module_class() -> None:
    assert MediaLinks.parse_config({"secrets": SECRETS}).batch_limit == 100


@pytest.mark.parametrize("config", [None, {}, {"secrets": None}, {"secrets": []}, {"secrets": ""}])
def test_error_of_missing_secrets_names_the_command(config: Any) -> None:
    words = error_message(config)
    assert words.startswith("media_links: 'secrets' is missing")
    assert 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"' in words


SECRET_ERRORS: list[tuple[Any, str]] = [
    ("a string", "'secrets' must be a list of entries"),
    ({"id": "1", "secret": SECRET}, "'secrets' must be a list of entries"),
    (["a string"], "every entry of 'secrets' has an 'id' and either"),
    ([{"id": "1", "secret": SECRET, "extra": 1}], "every entry of 'secrets' has an 'id' and either"),
    ([{"secret": SECRET}], "the 'id' of a secret must be a string of 1 to 32"),
    ([{"id": 1, "secret": SECRET}], "(write a number in quotes)"),
    ([{"id": "", "secret": SECRET}], "the 'id' of a secret must be"),
    ([{"id": "a b", "secret": SECRET}], "the 'id' of a secret must be"),
    ([{"id": "a\n", "secret": SECRET}], "the 'id' of a secret must be"),
    ([{"id": "a" * 33, "secret": SECRET}], "the 'id' of a secret must be"),
    ([{"id": "1"}], "secret '1' needs either 'secret' or 'secret_path', and not both"),
    ([{"id": "1", "secret": SECRET, "secret_path": "x"}], "secret '1' needs either"),
    ([{"id": "1", "secret": 12345}], "secret '1' must be a string (write it in quotes)"),
    ([{"id": "1", "secret": None}], "secret '1' must be a string"),
    ([{"id": "1", "secret": "a" * 31}], "secret '1' is shorter than 32 bytes"),
    ([{"id": "1", "secret_path": 5}], "the 'secret_path' of secret '1' must be a string"),
    ([*SECRETS, *SECRETS], "two secrets have the id '1'"),
]


@pytest.mark.parametrize(("secrets", "expected"), SECRET_ERRORS)
def test_invalid_secrets(secrets: Any, expected: str) -> None:
    message = error_message({"secrets": secrets})
    assert message.startswith("media_links: ")
    assert expected in message
    assert SECRET not in message


def test_unreadable_secret_file(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert f"secret '1' cannot be read from '{path}'" in error_message(
        {"secrets": [{"id": "1", "secret_path": str(path)}]}
    )
    path.write_bytes(b"\xff" * 40)
    assert "secret '1' cannot be read" in error_message({"secrets": [{"id": "1", "secret_path": str(path)}]})
    path.write_text("short\n")
    assert "secret '1' is shorter" in error_message({"secrets": [{"id": "1", "secret_path": str(path)}]})
    assert "cannot be read" in error_message({"secrets": [{"id": "1", "secret_path": "a\0b"}]})


WRONG: dict[str, tuple[str, list[Any]]] = {
    "batch_limit": ("'batch_limit' must be a whole number from 1 to 1000", [0, -1, 1001, "5", 5.0, True, None]),
    "bundles_per_user": ("'bundles_per_user' must be a whole number from 1 to 10000", [0, 10_001, "5"]),
    "bundles_at_once": ("'bundles_at_once' must be a whole number from 1 to 10000", [0, 10_001, "5"]),
    "session_bytes_per_hour": ("'session_bytes_per_hour' must be ", ["20X", "", -1, "1025T", None, 1.5, True]),
    "bundle_limit": ("'bundle_limit' must be a whole number from 1 to 1000", [0, 1001, "5"]),
    "bind_ip": ("'bind_ip' must be true or false", ["yes", 1, None]),
    "delegated": ("'delegated' must be true or false", ["yes", 1, None]),
    "native_ranges": ("'native_ranges' must be true or false", ["yes", 1, None]),
    "offload": ("'offload' must be 'redirect' or 'x-accel', or be left out", ["s3", "", True, False, []]),
    "offload_downloads": ("'offload_downloads' ", ["yes", 1, True]),
    "offload_min_bytes": ("'offload_min_bytes' must be ", ["20X", "", -1, "1025T", None, 1.5, True]),
    "redirect_endpoint": ("'redirect_endpoint' must be ", [5, True, "s3.example.org", "https://s3.example.org/path"]),
    "x_accel_location": (
        "'x_accel_location' must be an internal location of nginx",
        ["", "/", "media/", "/media", "/a b/", "/../", "/a//b/", None, 5],
    ),
    "cookie": ("'cookie' must be true or false", ["yes", 1, None]),
    "signed_query": ("'signed_query' must be true or false", ["yes", 1, None]),
    "base_url": ("'base_url' must be a string such as", [5, ["https://a.example"], True]),
    "rc_links": (
        "'rc_links' has the keys 'per_second' and 'burst_count'",
        [5, "5", [], {"persecond": 5}, {"per_second": 1, 2: 3}],
    ),
}
INVALID_DURATIONS: list[Any] = ["soon", "", "1.5h", None, 1.5, True, []]
OUT_OF_RANGE_DURATIONS: list[Any] = [0, "0s", -5, "-1h", "2y"]
INVALID_ORIGINS = [
    "",
    "matrix.example.org",
    "//matrix.example.org",
    "ftp://matrix.example.org",
    "https://",
    "https://:8448",
    "https://matrix.example.org/a b",
    "https://matrix.example.org/a/../b",
    "https://matrix.example.org/a//b",
    "https://matrix.example.org/%61",
    "https://matrix.example.org?query",
    "https://matrix.example.org#fragment",
    "https://user:word@matrix.example.org",
    "https://matrix.example.org:port",
    "https://matrix.example.org:99999",
    "https://matrix.example.org:0",
    "https://[::1",
    "https://matrix example.org",
]
INVALID_RATES: list[Any] = [0, -1, "5", None, True, float("nan"), float("inf")]

ERRORS: list[tuple[dict[Any, Any], str]] = [
    ({"lifetme": "1h"}, "unknown key 'lifetme'; the keys are: base_url, batch_limit, bind_ip, bucket, bundle_bytes,"),
    ({1: 2}, "unknown key '1'"),
    *(({key: value}, words) for key, (words, values) in WRONG.items() for value in values),
    *(({"base_url": value}, "'base_url' must be an address such as") for value in INVALID_ORIGINS),
    *(({"rc_links": {"per_second": value}}, "'rc_links.per_second' must be a number") for value in INVALID_RATES),
    *(({"rc_links": {"burst_count": value}}, "'rc_links.burst_count' must be a number") for value in INVALID_RATES),
    ({"rc_links": {"burst_count": 0.5}}, "'rc_links.burst_count' must be at least 1"),
    ({"bundle_part_bytes": "9M"}, "'bundle_part_bytes' must not be more than 'bundle_bytes'"),
]
for _key in ("bundle_part_bytes", "bundle_bytes"):
    ERRORS += [
        ({_key: value}, f"'{_key}' must be a size such as '512K'") for value in ("much", "", None, 1.5, True, [])
    ]
    ERRORS += [({_key: value}, f"'{_key}' must be more than nothing") for value in (0, -5, "65M")]
for _key in ("lifetime", "bucket", "signed_query_window", "redirect_lifetime"):
    ERRORS += [({_key: value}, f"'{_key}' must be a duration such as '10m', '1h'") for value in INVALID_DURATIONS]
    ERRORS += [({_key: value}, f"'{_key}' must be longer than nothing") for value in OUT_OF_RANGE_DURATIONS]


@pytest.mark.parametrize(("config", "expected"), ERRORS)
def test_invalid_value(config: dict[Any, Any], expected: str) -> None:
    message = error_message({"secrets": SECRETS, **config})
    assert message.startswith("media_links: ")
    assert expected in message


class _S3Provider:
    def _get_s3_client(self) -> None: ...


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ([], "needs a storage in 'media_storage_providers'"),
        ([(object, {}, None)], "needs a storage in 'media_storage_providers'"),
        ([(_S3Provider, {"extra_args": {"SSECustomerKey": "a"}}, None)], "cannot be used with 'sse_customer_key'"),
        ([(object, {}, None), (_S3Provider, {"extra_args": {}}, None)], ""),
    ],
)
def test_redirects_need_a_storage_that_presigns(configured: list[Any], expected: str) -> None:
    media = SimpleNamespace(media_storage_providers=configured)
    hs: Any = SimpleNamespace(config=SimpleNamespace(media=media))
    if not expected:
        require_provider(hs)
        return
    with pytest.raises(ConfigError) as caught:
        require_provider(hs)
    assert expected in str(caught.value)


@pytest.mark.parametrize("config", ["a string", ["secrets"], 5])
def test_config_that_is_no_mapping(config: Any) -> None:
    assert "'config' must be a mapping of keys to values" in error_message(config)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("http://localhost:8008", "http://localhost:8008"),
        ("https://[2001:db8::1]:8448/", "https://[2001:db8::1]:8448"),
        ("HTTPS://Matrix.Example.org/", "https://Matrix.Example.org"),
        ("https://example.org/matrix/", "https://example.org/matrix"),
        ("https://example.org:8448/a/b-c", "https://example.org:8448/a/b-c"),
    ],
)
def test_base_url(given: str | None, kept: str | None) -> None:
    assert parse(base_url=given).base_url == kept
