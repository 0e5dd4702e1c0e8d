"""What users read of a body that their browser cannot show: the format's name, or that it is empty or damaged."""

from typing import Any

import pytest

from authmedia import errors, strategies
from authmedia.elements.binding import FAILED, Binding
from authmedia.elements.messages import Messages
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.transport.media_formats import identify
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, run, turns

DAMAGED = "This file is damaged, or not of the kind that it claims to be."
EMPTY = "This file is empty."


def boxes(major: bytes, *compatible: bytes) -> bytes:
    """The first box of an ISO base media file."""
    brands = b"".join(compatible)
    return (16 + len(brands)).to_bytes(4, "big") + b"ftyp" + major + b"\0\0\0\0" + brands + b"\0\0\0\0moov"


# The beginning of a file, and its format.
HEADS = [
    (boxes(b"heic", b"mif1", b"heic"), "HEIC"),
    (boxes(b"mif1", b"mif1", b"heic"), "HEIC"),
    (boxes(b"mif1", b"mif1"), "HEIF"),
    (boxes(b"mif1", b"mif1", b"avif"), "AVIF"),
    (boxes(b"avif", b"mif1"), "AVIF"),
    (boxes(b"isom", b"mp42"), "MP4"),
    (boxes(b"qt  "), "QuickTime"),
    (boxes(b"M4A "), "M4A"),
    (b"II*\0\x08\0\0\0", "TIFF"),
    (b"MM\0*\0\0\0\x08", "TIFF"),
    (b"\xff\x0a\xfa\x7f", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "MKV"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "WebM"),
    (b"RIFF\x24\0\0\0AVI LIST", "AVI"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "WAV"),
    (b"%PDF-1.7", "PDF"),
    (b"8BPS\0\1", "PSD"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff\xe0", "JPEG"),
    (b"ID3\x04", "MP3"),
    (b"<html>", ""),
    (b"", ""),
    (b"\x1a", ""),
]
# Element, body, words of the element, and what the user reads.
SHOWN = [
    ("img", boxes(b"heic"), "", "This browser cannot show HEIC."),
    ("img", b"II*\0\x08\0\0\0", "", "This browser cannot show TIFF."),
    ("img", b"\xff\x0a\xfa\x7f", "", "This browser cannot show JPEG XL."),
    ("img", boxes(b"isom"), "", "This browser cannot show MP4 as an image."),
    ("img", b"ID3\x04", "", "This browser cannot show MP3 as an image."),
    ("video", b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "", "This browser cannot show MKV."),
    ("video", b"\x89PNG\r\n\x1a\n", "", "This browser cannot show PNG as a video."),
    ("video", boxes(b"isom"), "DEMUXER_ERROR_NO_SUPPORTED_STREAMS: …", "This browser cannot show MP4."),
    ("video", boxes(b"isom"), "", DAMAGED),
    ("audio", b"#!AMR\n", "", "This browser cannot show AMR."),
    ("audio", boxes(b"isom"), "", DAMAGED),
    ("img", b"%PDF-1.7", "", "This browser cannot show PDF as an image."),
    ("img", b"\x89PNG\r\n\x1a\n and no picture", "", DAMAGED),
    ("img", b"<html>sign in</html>", "", DAMAGED),
    ("img", b"", "", EMPTY),
    ("video", b"", "", EMPTY),
]


@pytest.mark.parametrize(("head", "name"), HEADS)
def test_a_format_is_known_by_its_first_bytes(head: bytes, name: str) -> None:
    assert identify(head)[0] == name


async def failed(homeserver: Homeserver, strategy: str, tag: str, words: str, options: Any = None) -> Any:
    """An element that shows nothing, and its binding."""
    element = fake.Element(tag, data_mxc=MXC, data_label="IMG_0001.heic")
    element.media_error = words

    async def never(src: str) -> bool:
        return False

    element.shows = never
    binding = Binding(element, open_loader(strategy, homeserver), options=options)
    binding.start()
    await binding.settled()
    assert binding.state == FAILED
    return element, binding


@pytest.mark.parametrize("strategy", strategies.NAMES)
@pytest.mark.parametrize(("tag", "body", "words", "read"), SHOWN)
def test_every_strategy_says_the_same(
    script: Script,
    homeserver: Homeserver,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    tag: str,
    body: bytes,
    words: str,
    read: str,
) -> None:
    script.media["example.org/abc"] = body

    async def is_no_image(url: str) -> bool:
        return False

    monkeypatch.setattr(fake, "can_decode_image", is_no_image)

    async def scenario() -> None:
        element, binding = await failed(homeserver, strategy, tag, words)
        (view,) = element.siblings
        assert view.text == read
        buttons = [child.text for child in view.children]
        assert buttons == (["Save file"] if "cannot show" in read else ["Try again"])
        binding.close()

    run(scenario())


def test_a_file_that_cannot_be_shown_can_be_saved(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media["example.org/abc"] = boxes(b"heic")

    async def scenario() -> None:
        element, binding = await failed(homeserver, "blob", "img", "")
        (view,) = element.siblings
        view.children[0].fire("click")
        await turns()
        (link,) = browser.clicked
        assert link.get_attribute("download") == "IMG_0001.heic"
        assert browser.object_urls[link.get_attribute("href")].content == boxes(b"heic")
        binding.close()

    run(scenario())


def test_a_file_that_cannot_be_saved_says_so_behind_its_button(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.media["example.org/abc"] = boxes(b"heic")

    async def scenario() -> None:
        element, binding = await failed(homeserver, "blob", "img", "")
        (view,) = element.siblings
        (button,) = view.children
        script.media.pop("example.org/abc")
        button.fire("click")
        await turns()
        said = view.children[-1]
        assert (said.text, said.get_attribute("role")) == (" " + errors.MediaNotFound.user_message, "alert")
        assert (view.children[0], browser.clicked) == (button, [])
        script.media["example.org/abc"] = boxes(b"heic")
        button.fire("click")
        await turns()
        assert said.removed
        assert len(browser.clicked) == 1
        binding.close()

    run(scenario())


def test_an_error_of_another_language_names_the_format_too() -> None:
    error = errors.FormatUnsupported("x", mxc=MXC)
    error.format = "HEIC"
    messages = Messages({"AuthMediaError": "Fehler", "FormatUnsupported": "{format} geht nicht."}, retry="X", lang="de")
    assert messages.text(error) == "HEIC geht nicht."
