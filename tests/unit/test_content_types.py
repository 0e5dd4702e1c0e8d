"""No untrusted body becomes a page of this origin, whatever content type it claims."""

import io
import sys
import urllib.request
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest

from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.traffic import Traffic
from authmedia.transport.bundle_client import BundleClient
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, part, run

HARMLESS = "application/octet-stream"
SVG_TYPE, SVG = "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
SHOWN_AS = {
    "text/html": HARMLESS,
    "image/svg+xml": HARMLESS,
    "application/xhtml+xml": HARMLESS,
    "text/xml": HARMLESS,
    "Text/HTML; charset=utf-8": HARMLESS,
    "image/png": "image/png",
}
# Of those that make object URLs: by which strategy, with which size, which decides whether it comes in a bundle.
WAYS = [("blob", {}), ("opfs", {}), ("bundle", {"width": 96, "height": 96}), ("bundle", {}), ("blocking", {})]
ENCRYPTED_WAYS = ["blob", "opfs", "link"]


@pytest.fixture(autouse=True)
def blocking_here(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has `urllib` ask the scripted homeserver, as `pyodide-http` has it ask the real one."""

    class Answer(io.BytesIO):
        status = 200
        headers = Message()

    def urlopen(request: urllib.request.Request) -> Answer:
        response = script(fake.Request("GET", request.full_url, {}, None))
        answer = Answer(response.content)
        answer.status, answer.headers = response.status, Message()
        if response.header("Content-Type"):
            answer.headers["Content-Type"] = response.header("Content-Type")
        return answer

    monkeypatch.setitem(sys.modules, "pyodide_http", SimpleNamespace(patch_urllib=lambda: None))
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def says(content_type: str, content: bytes = PICTURE) -> Any:
    """A homeserver that says so of every media."""

    def answer(request: Any) -> Any:
        if request.url.endswith(AUTHMEDIA_PREFIX + "/bundle"):
            return fake.Response(200, part(0, content, content_type=content_type))
        if AUTHMEDIA_PREFIX in request.url:
            return None
        return fake.Response(200, content, {"Content-Type": content_type} if content_type else {})

    return answer


@pytest.mark.parametrize("by_event", [False, True], ids=["the server says", "the event says"])
@pytest.mark.parametrize(("told", "shown"), SHOWN_AS.items())
@pytest.mark.parametrize(("name", "size"), WAYS)
def test_no_object_url_has_an_active_content_type(
    name: str,
    size: dict[str, int],
    told: str,
    shown: str,
    by_event: bool,
    script: Script,
    homeserver: Homeserver,
    browser: Any,
) -> None:
    script.instead = says("" if by_event else told)
    media = run(open_loader(name, homeserver).load(MediaRequest(MXC, content_type=told if by_event else "", **size)))  # type: ignore[arg-type]
    assert browser.object_urls[media.src].content_type == media.content_type == shown
    assert browser.object_urls[media.src].content == PICTURE


@pytest.mark.parametrize(("told", "shown"), SHOWN_AS.items())
@pytest.mark.parametrize("name", ENCRYPTED_WAYS)
def test_no_decrypted_media_has_an_active_content_type(
    name: str, told: str, shown: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.media["example.org/abc"], file = encrypt(PICTURE)
    request = MediaRequest(MXC, content_type=told, encrypted=EncryptedFile({**file, "url": MXC}))
    media = run(open_loader(name, homeserver).load(request))
    assert browser.object_urls[media.src].content_type == media.content_type == shown
    assert list(browser.object_urls) == [media.src]


@pytest.mark.parametrize(("by_server", "by_event"), [(SVG_TYPE, ""), ("", SVG_TYPE), (SVG_TYPE, "image/png")])
@pytest.mark.parametrize(("name", "size"), WAYS)
def test_svg_is_shown_in_a_document_that_contains_it(
    name: str, size: dict[str, int], by_server: str, by_event: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.instead = says(by_server, SVG)
    request = MediaRequest(MXC, content_type=by_event, **size)  # type: ignore[arg-type]
    media = run(open_loader(name, homeserver).load(request))
    assert browser.object_urls[media.src].content_type == media.content_type == SVG_TYPE
    assert browser.object_urls[media.src].content == b"contained " + SVG


@pytest.mark.parametrize("name", ENCRYPTED_WAYS)
def test_encrypted_svg_is_contained_as_well(name: str, script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media["example.org/abc"], file = encrypt(SVG)
    request = MediaRequest(MXC, content_type=SVG_TYPE, encrypted=EncryptedFile({**file, "url": MXC}))
    media = run(open_loader(name, homeserver).load(request))
    assert [blob.content for blob in browser.object_urls.values()] == [b"contained " + SVG]
    assert media.content_type == SVG_TYPE


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle"])
def test_svg_is_saved_as_it_is_and_as_no_page(name: str, script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.instead = says(SVG_TYPE, SVG)
    media = run(open_loader(name, homeserver).load(MediaRequest(MXC, kind="file")))
    assert browser.object_urls[media.src].content == SVG
    assert browser.object_urls[media.src].content_type == HARMLESS


def test_stored_svg_is_contained_by_the_next_visit_too(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.instead = says(SVG_TYPE, SVG)
    run(open_loader("opfs", homeserver).load(MediaRequest(MXC)))
    media = run(open_loader("opfs", homeserver).load(MediaRequest(MXC)))
    assert media.source == "disk"
    assert browser.object_urls[media.src].content == b"contained " + SVG


@pytest.mark.parametrize(("told", "shown"), SHOWN_AS.items())
def test_a_part_of_a_bundle_has_its_safe_content_type(
    told: str, shown: str, script: Script, homeserver: Homeserver
) -> None:
    script.instead = says(told)
    part = run(BundleClient(homeserver).request_part(MediaRequest(MXC), Traffic()))
    assert part.body.content_type == shown


# What the server and the event say of a media, for which element; and as what it is shown.
DECLARED = [
    ("image", "image/jpg", "", "image/jpeg"),
    ("image", "IMAGE/JPG; charset=binary", "", "image/jpeg"),
    ("image", "application/octet-stream", "image/jpeg", "image/jpeg"),
    ("image", "", "image/jpg", "image/jpeg"),
    ("image", "text/plain", "image/png", "image/png"),
    ("image", "image/webp", "image/png", "image/webp"),
    ("image", "text/html", "image/png", "image/png"),
    ("image", "image/x-png", "text/plain", "image/png"),
    ("audio", "audio/mp3", "", "audio/mpeg"),
    ("audio", "audio/x-m4a", "", "audio/mp4"),
    ("audio", "audio/opus", "", "audio/ogg"),
    ("audio", "application/ogg", "", "audio/ogg"),
    ("audio", "video/mp4", "audio/mp4", "video/mp4"),
    ("video", "video/x-m4v", "", "video/mp4"),
    ("video", "application/octet-stream", "video/webm; codecs=vp9", "video/webm"),
    ("video", "binary/octet-stream", "VIDEO/QuickTime", "video/quicktime"),
    ("file", "text/plain", "application/json", "text/plain"),
]


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle", "blocking"])
@pytest.mark.parametrize(("kind", "by_server", "by_event", "shown"), DECLARED)
def test_the_better_of_two_declared_types_is_used(
    name: str, kind: str, by_server: str, by_event: str, shown: str, script: Script, homeserver: Homeserver
) -> None:
    script.instead = says(by_server)
    media = run(open_loader(name, homeserver).load(MediaRequest(MXC, kind=kind, content_type=by_event)))
    assert media.content_type == shown
    assert fake.STATE.object_urls[media.src].content_type == shown


# Of what nobody names the type: the beginning of a body, and as what it is shown.
UNNAMED = [
    ("video", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video/mp4"),
    ("video", b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
    ("audio", b"ID3\x04\0\0", "audio/mpeg"),
    ("audio", b"OggS\0\x02", "audio/ogg"),
    ("audio", b"fLaC\0\0", "audio/flac"),
    ("video", b"<html>", HARMLESS),
    ("video", b"\x89PNG\r\n\x1a\n", HARMLESS),
    ("file", b"ID3\x04\0\0", HARMLESS),
]


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle", "link"])
@pytest.mark.parametrize(("kind", "body", "shown"), UNNAMED)
def test_video_and_audio_without_a_type_are_known_by_their_bytes(
    name: str, kind: str, body: bytes, shown: str, script: Script, homeserver: Homeserver
) -> None:
    request = MediaRequest(MXC, kind=kind)
    if name == "link":  # the object URL is that of the plaintext
        script.media["example.org/abc"], file = encrypt(body)
        request = MediaRequest(MXC, kind=kind, encrypted=EncryptedFile({**file, "url": MXC}))
    else:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        script.instead = lambda request: fake.Response(200, body, headers) if "/download/" in request.url else None
    assert run(open_loader(name, homeserver).load(request)).content_type == shown


def test_a_stored_file_gets_the_type_that_a_later_event_names(script: Script, homeserver: Homeserver) -> None:
    script.instead = says("application/octet-stream")

    async def scenario() -> list[str]:
        loader = open_loader("opfs", homeserver)
        first = await loader.load(MediaRequest(MXC, kind="image"))
        loader.close()
        loader = open_loader("opfs", homeserver)
        second = await loader.load(MediaRequest(MXC, kind="image", content_type="image/png"))
        return [first.content_type, second.content_type]

    assert run(scenario()) == [HARMLESS, "image/png"]
