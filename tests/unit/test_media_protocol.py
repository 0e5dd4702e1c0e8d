"""The package `media_protocol`: what it imports, and the bytes that must stay the same from version to version."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import media_protocol
from media_protocol.bundle_format import mime_essence, part_head
from media_protocol.signing import Keyring, Link, Media, Thumbnail

MODULES = [f"media_protocol.{info.name}" for info in pkgutil.iter_modules(media_protocol.__path__)]
# Imports modules by name and prints the top-level packages that are loaded then.
SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def loaded_packages(*modules: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after it has imported these modules."""
    command = [sys.executable, "-c", SCRIPT, *modules]
    environment = {"PYTHONPATH": str(Path(media_protocol.__path__[0]).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_media_protocol_imports_no_server() -> None:
    assert len(MODULES) >= 3
    loaded = loaded_packages(*MODULES)
    assert "media_protocol" in loaded
    assert not loaded & {"synapse", "twisted", "media_links"}


def test_gateway_imports_no_synapse() -> None:
    loaded = loaded_packages("gateway.command")
    assert {"gateway", "media_protocol"} <= loaded
    assert not loaded & {"synapse", "twisted", "media_links"}


def test_media_links_imports_synapse() -> None:
    """Otherwise the test above could not fail."""
    assert {"synapse", "twisted", "media_protocol"} <= loaded_packages("media_links")


HANDLE = "7M03exOEYHWjehRyu7lo8jBaBYUGDnYDSM22_Mlh-g37_YWMJK85tY5i2rTMjogdF6x6bPc"
PATH = "/_matrix/client/unstable/dev.authmedia/media/signed"


@pytest.mark.parametrize(
    ("media", "address", "url"),
    [
        (
            Media("example.org:8448", "abcDEF_-12"),
            None,
            f"{PATH}/example.org:8448/abcDEF_-12?k=1&e=1800000000000&s={HANDLE}"
            "&sig=wEcztf4Fw4LjlYeEZnpgIU4s-K_0MUkOfixBguV1dMk",
        ),
        (
            Media("[2001:db8::7]", "abc", Thumbnail(64, 48, "crop", animated=True), download=True),
            "192.0.2.1",
            f"{PATH}/%5B2001:db8::7%5D/abc?k=1&e=1800000000000&s={HANDLE}&w=64&h=48&m=crop&a=1&d=1"
            "&sig=-meF9TbnVryoe5XfFCHwsJDJDL387XV7wk0vW1ZML1E",
        ),
    ],
)
def test_links_minted_by_earlier_versions_stay_valid(media: Media, address: str | None, url: str) -> None:
    keyring = Keyring([("1", b"the secret of this homeserver...")])
    assert keyring.seal(b'["d","@ana:example.org","DEVICE","1"]') == HANDLE
    link = Link("1", media, 1_800_000_000_000, HANDLE)
    assert keyring.sign(link, address) == url
    assert keyring.verify(url.encode(), 1_799_999_999_999, address) == link


def test_sealed_tokens_of_earlier_versions_stay_valid() -> None:
    keyring = Keyring([("1", b"the secret of this homeserver...")])
    assert keyring.open_token("1.gVZd37aOGVIaFhir3EEApqt5", "cookie") == b"[]"


def test_part_head() -> None:
    line = part_head(3, 200, "Image/PNG; charset=utf-8", 4711)
    assert line == b'{"part": 3, "status": 200, "type": "image/png", "length": 4711}\n'


@pytest.mark.parametrize("content_type", ["image/" + "x" * 2000, "nonsense", "image/p ng", "", 'a/"', "a/b/c", "a/é"])
def test_part_head_of_any_type_is_one_short_line(content_type: str) -> None:
    line = part_head(10**6, 200, content_type, 10**9)
    assert (line.count(b"\n"), len(line) <= 1024) == (1, True)
    assert json.loads(line)["type"] == mime_essence(content_type) == "application/octet-stream"
