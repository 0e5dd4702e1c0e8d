"""What proxies do to a media on its way: it ends the same by every strategy that transfers bodies."""

from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from development.attachments import encrypt
from tests.bodies import WHOLE
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, run

PICTURE = WHOLE["PNG"]()
TEXT = b"a text, of which no format says where it ends"
# The headers of a response whose body is TEXT or a picture, as they reach the page.
HEADERS: dict[str, dict[str, str]] = {
    "the compressed length, and the encoding": {"Content-Length": "20", "Content-Encoding": "gzip"},
    "the compressed length alone, as other origins show it": {"Content-Length": "20"},
    "a compressed length above the body's": {"Content-Length": "9000"},
    "no length, as by HTTP/1.0": {},
    "a length that is none": {"Content-Length": "unknown"},
    "no header at all": {"Content-Type": ""},
}
STRATEGIES = ("blob", "opfs", "link", "bundle")


def loaded(name: str, request: MediaRequest, homeserver: Homeserver, browser: Any) -> bytes:
    async def scenario() -> bytes:
        progress: list[int] = []
        loader = open_loader(name, homeserver)
        media = await loader.load(request, on_progress=lambda received, total: progress.append(received * 100 // total))
        content = bytes(browser.object_urls[media.src].content)
        loader.release(media)
        assert all(percent <= 100 for percent in progress)
        if name == "opfs":  # from the disk, as after a reload
            loader.close()
            loader = open_loader(name, homeserver)
            again = await loader.load(request)
            assert again.source == "disk"
            assert bytes(browser.object_urls[again.src].content) == content
        loader.close()
        return content

    return bytes(run(scenario()))


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("body", [TEXT, PICTURE], ids=["text", "picture"])
def test_the_length_of_a_compressed_body_means_nothing(
    name: str, kind: str, body: bytes, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    request, sent = MediaRequest(MXC), body
    if name == "link":
        sent, file = encrypt(body)
        request = MediaRequest(MXC, encrypted=EncryptedFile({**file, "url": MXC}))
    headers = {"Content-Type": "image/png", **HEADERS[kind]}
    script.instead = lambda asked: fake.Response(200, sent, headers) if "example.org/abc" in asked.url else None
    assert loaded(name, request, homeserver, browser) == body


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("headers", [{"Content-Length": "20"}, {"Content-Length": "9000"}])
def test_a_picture_that_ends_too_early_is_still_noticed_on_disk(
    headers: dict[str, str], script: Script, homeserver: Homeserver, browser: Any
) -> None:
    cut = PICTURE[:-8]
    script.instead = lambda asked: fake.Response(200, cut, headers) if "example.org/abc" in asked.url else None
    with pytest.raises(errors.ServerFailure):
        loaded("opfs", MediaRequest(MXC), homeserver, browser)
    assert not [name for name in browser.files if name != "index.json"]
