"""Fills the attic: a room with one media of each odd kind that people send, for the page ``attic.html``.

Filling is idempotent: after an interruption it continues with the messages that are missing.
"""

import json
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from development.attachments import encrypt
from development.conversation import ORGANISER
from development.matrix import Matrix, segment
from development.sample_media import attic_files as files
from development.seed_record import Record

ALIAS = "attic"
ROOM_NAME = "The attic"
ROOM_TOPIC = "One of each odd kind of media that people send, and what becomes of it"
# Key of an oddity's name in its message's content, and of how its media has to end.
_NAME, _ENDS = "dev.authmedia.oddity", "dev.authmedia.ends"
_MEDIA = Path(__file__).resolve().parents[2] / "web" / "media"

SHOWN, FAILED = "shown", "failed"
#: It waits until it is played.
READY = "ready"
#: Some browsers show it, others do not.
EITHER = "either"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class File:
    """A file to upload.

    :param declared: the content type that its uploader declares.
    """

    make: Callable[[], bytes]
    declared: str
    name: str = ""
    encrypted: bool = False


@dataclass(frozen=True)
class Oddity:
    """One message of the attic.

    :param name: what it is, in a few words; also the media's label.
    :param ends: how its media has to end, by every strategy: `SHOWN`, `FAILED`, `READY`, or `EITHER`, by the browser.
    :param file: what is uploaded for it; ``None`` for what has no media, or none that exists.
    :param info: the event's ``info``.
    :param more: of the event's content, as it is.
    :param thumbnail: the event's own thumbnail.
    :param url_suffix: behind the ``mxc://`` URI.
    :param event: the event's type.
    """

    name: str
    ends: str
    file: File | None = None
    kind: str = "m.image"
    info: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    thumbnail: File | None = None
    url_suffix: str = ""
    event: str = "m.room.message"

    @property
    def loads(self) -> bool:
        """Whether the page loads its media by itself: a text has none, and a file waits for a user."""
        return self.kind in ("m.image", "m.video", "m.audio")


def _committed(name: str) -> Callable[[], bytes]:
    return lambda: (_MEDIA / name).read_bytes()


def _png(title: str, hue: int = 150) -> Callable[[], bytes]:
    return lambda: files.encoded(files.card(title, hue=hue), "PNG")


def _large() -> bytes:
    return files.encoded(files.card("Large", (800, 500), 30), "PNG", compress_level=0)


def _of(kind: str, **options: object) -> Callable[[], bytes]:
    return lambda: files.encoded(files.card(kind, hue=200), kind, **options)


_SIZED = {"w": 320, "h": 200}
_SMALL = File(lambda: files.encoded(files.card("Small", (240, 150), 30), "JPEG"), "image/jpeg")
_PNG_INFO = {"mimetype": "image/png", **_SIZED}
_HTML = "org.matrix.custom.html"
_SPOILER = "page.codeberg.everypizza.msc4193.spoiler"
_WARNING = "town.robin.msc3725.content_warning"
_EMOJI = (
    'Up here <img data-mx-emoticon src="{emoji0}" alt=":sun:" title=":sun:" height="32"> it is <em>warm</em> '
    '<img data-mx-emoticon src="{emoji1}" alt=":leaf:" height="32">'
)
_HOSTILE = (
    '<script>document.title="hacked"</script><img src="https://example.org/spy.png" alt="a tracker" '
    'onerror="document.title=1"><a href="javascript:alert(1)">a link</a> <b onclick="alert(1)">bold &amp; safe</b>'
)
_LONG_NAME = "a-picture-whose-name-does-not-end-" * 7 + ".png"
_RIGHT_TO_LEFT_NAME = "صورة من السطح \u202egnp.exe"

ODDITIES = (
    # Formats
    Oddity("SVG", SHOWN, File(files.svg, "image/svg+xml", "drawing.svg"), info={"mimetype": "image/svg+xml", **_SIZED}),
    Oddity(
        "SVG with a script", SHOWN, File(lambda: files.svg("document.title='hacked'"), "image/svg+xml"), info=_SIZED
    ),
    Oddity("SVG that its event calls PNG", SHOWN, File(files.svg, "image/svg+xml"), info=_PNG_INFO),
    Oddity(
        "SVG, encrypted", SHOWN, File(files.svg, "", "drawing.svg", True), info={"mimetype": "image/svg+xml", **_SIZED}
    ),
    Oddity("AVIF", SHOWN, File(_of("AVIF"), "image/avif"), info={"mimetype": "image/avif", **_SIZED}),
    Oddity("BMP", EITHER, File(_of("BMP"), "image/bmp"), info={"mimetype": "image/bmp", **_SIZED}),
    Oddity("ICO", EITHER, File(_of("ICO"), "image/x-icon"), info={"mimetype": "image/x-icon", "w": 256, "h": 160}),
    Oddity("TIFF", EITHER, File(_of("TIFF"), "image/tiff"), info={"mimetype": "image/tiff", **_SIZED}),
    Oddity("HEIC", EITHER, File(files.heic, "image/heic", "IMG_0001.HEIC"), info={"mimetype": "image/heic", **_SIZED}),
    Oddity("JPEG XL", EITHER, File(files.jpeg_xl, "image/jxl"), info={"mimetype": "image/jxl", **_SIZED}),
    Oddity(
        "GIF, animated",
        SHOWN,
        File(lambda: files.animation("GIF"), "image/gif"),
        info={"mimetype": "image/gif", **_SIZED},
    ),
    Oddity(
        "WebP, animated",
        SHOWN,
        File(lambda: files.animation("WEBP"), "image/webp"),
        info={"mimetype": "image/webp", **_SIZED},
    ),
    Oddity(
        "PNG, animated",
        SHOWN,
        File(lambda: files.animation("PNG"), "image/apng"),
        info={"mimetype": "image/apng", **_SIZED},
    ),
    Oddity(
        "Matroska",
        FAILED,
        File(files.matroska, "video/x-matroska", "film.mkv"),
        "m.video",
        {"mimetype": "video/x-matroska"},
    ),
    # Types
    Oddity(
        "octet-stream, and the event knows better",
        SHOWN,
        File(_png("octets"), "application/octet-stream"),
        info=_PNG_INFO,
    ),
    Oddity("image/jpg, a synonym", SHOWN, File(_of("JPEG"), "image/jpg"), info={"mimetype": "image/jpg", **_SIZED}),
    Oddity(
        "capitals and parameters",
        SHOWN,
        File(_png("IMAGE/PNG; q=1"), "IMAGE/PNG; q=1"),
        info={"mimetype": "IMAGE/PNG; q=1", **_SIZED},
    ),
    Oddity(
        "audio/mp3, a synonym",
        SHOWN,
        File(_committed("tune.mp3"), "audio/mp3", "tune.mp3"),
        "m.audio",
        {"mimetype": "audio/mp3"},
    ),
    Oddity("audio/x-wav", SHOWN, File(files.tone, "audio/x-wav", "tone.wav"), "m.audio", {"mimetype": "audio/x-wav"}),
    Oddity(
        "video/x-m4v, a synonym, with a poster",
        SHOWN,
        File(_committed("film.mp4"), "video/x-m4v", "film.m4v"),
        "m.video",
        {"mimetype": "video/x-m4v", "w": 640, "h": 360, "duration": 24000},
        thumbnail=_SMALL,
    ),
    Oddity(
        "a video of 50 MB, as its event says",
        READY,
        File(_committed("film.mp4"), "video/mp4", "film.mp4"),
        "m.video",
        {"mimetype": "video/mp4", "size": 52_000_000, "w": 640, "h": 360, "duration": 24000},
        thumbnail=_SMALL,
    ),
    Oddity(
        "an encrypted video of 50 MB, as its event says",
        READY,
        File(_committed("film.mp4"), "", "film.mp4", encrypted=True),
        "m.video",
        {"mimetype": "video/mp4", "size": 52_000_000, "w": 640, "h": 360, "duration": 24000},
        thumbnail=File(_SMALL.make, "image/jpeg", encrypted=True),
    ),
    Oddity(
        "a picture that claims to be a video",
        FAILED,
        File(_png("no video"), "video/mp4"),
        "m.video",
        {"mimetype": "video/mp4"},
    ),
    # Bodies
    Oddity("an empty file", FAILED, File(lambda: b"", "image/png"), info={"mimetype": "image/png", "size": 0}),
    Oddity(
        "an empty file to save",
        SHOWN,
        File(lambda: b"", "text/plain", "empty.txt"),
        "m.file",
        {"mimetype": "text/plain", "size": 0},
    ),
    Oddity(
        "half of a picture",
        FAILED,
        File(lambda: files.encoded(files.card("half"), "JPEG")[:40], "image/jpeg"),
        info={"mimetype": "image/jpeg"},
    ),
    Oddity("missing media", FAILED, more={"url": "mxc://{server}/thisIsNotThere"}, info=_SIZED),
    # Addresses
    Oddity("an address with #auto", SHOWN, File(_png("#auto"), "image/png"), info=_SIZED, url_suffix="#auto"),
    Oddity("no address", FAILED, more={"url": "https://example.org/not-a-media.png"}, info=_SIZED),
    # Presentation
    Oddity(
        "turned by EXIF, and sized before",
        SHOWN,
        File(files.rotated_jpeg, "image/jpeg", "IMG_0002.jpg"),
        info={"mimetype": "image/jpeg", **_SIZED},
    ),
    Oddity(
        "a very long name",
        SHOWN,
        File(_png("long name"), "image/png", _LONG_NAME),
        info=_SIZED,
        more={"body": _LONG_NAME},
    ),
    Oddity(
        "a right-to-left name",
        SHOWN,
        File(_png("RTL"), "image/png", _RIGHT_TO_LEFT_NAME),
        info=_SIZED,
        more={"body": _RIGHT_TO_LEFT_NAME},
    ),
    Oddity(
        "a right-to-left name to save",
        SHOWN,
        File(lambda: b"nothing but text\n", "text/plain", _RIGHT_TO_LEFT_NAME),
        "m.file",
        {"mimetype": "text/plain", "size": 17},
        {"body": _RIGHT_TO_LEFT_NAME},
    ),
    Oddity(
        "a caption",
        SHOWN,
        File(_png("caption"), "image/png"),
        info=_SIZED,
        more={
            "filename": "roof.png",
            "body": "The roof, **seen** from below",
            "format": _HTML,
            "formatted_body": "The roof, <strong>seen</strong> from below",
        },
    ),
    Oddity(
        "a spoiler",
        SHOWN,
        File(_png("spoiler", 0), "image/png"),
        info=_SIZED,
        more={_SPOILER: True, f"{_SPOILER}.reason": "the end of the film"},
    ),
    Oddity(
        "a content warning",
        SHOWN,
        File(_png("spiders", 0), "image/png"),
        info=_SIZED,
        more={_WARNING: {"type": "m.spoiler", "description": "spiders"}},
    ),
    Oddity(
        "a sticker",
        SHOWN,
        File(files.sticker, "image/png"),
        info={"mimetype": "image/png", "w": 256, "h": 256},
        event="m.sticker",
    ),
    Oddity(
        "an image in a thread",
        SHOWN,
        File(_png("thread"), "image/png"),
        info=_SIZED,
        more={"m.relates_to": {"rel_type": "m.thread", "event_id": "{first}"}},
    ),
    Oddity(
        "small before large",
        SHOWN,
        File(_large, "image/png"),
        info={"mimetype": "image/png", "size": 1_200_000, "w": 800, "h": 500},
        thumbnail=_SMALL,
    ),
    Oddity(
        "small before large, encrypted",
        SHOWN,
        File(_large, "", encrypted=True),
        info={"mimetype": "image/png", "size": 1_200_000, "w": 800, "h": 500},
        thumbnail=File(_SMALL.make, "image/jpeg", encrypted=True),
    ),
    Oddity(
        "encrypted, with URL-safe base64",
        SHOWN,
        File(_png("URL-safe"), "", encrypted=True),
        info=_PNG_INFO,
        more={"url-safe": True},
    ),
    Oddity(
        "encrypted, with a wrong hash",
        FAILED,
        File(_png("altered"), "", encrypted=True),
        info=_PNG_INFO,
        more={"file": {"hashes": {"sha256": "A" * 43}}},
    ),
    # Text
    Oddity(
        "custom emoji",
        SHOWN,
        None,
        "m.text",
        more={"body": "Up here :sun: it is warm :leaf:", "format": _HTML, "formatted_body": _EMOJI},
    ),
    Oddity(
        "hostile markup", SHOWN, None, "m.text", more={"body": "plain", "format": _HTML, "formatted_body": _HOSTILE}
    ),
    Oddity(
        "a spoiler in a text",
        SHOWN,
        None,
        "m.text",
        more={
            "body": "It was [spoiler]",
            "format": _HTML,
            "formatted_body": 'It was <span data-mx-spoiler="who did it">the heron</span>.',
        },
    ),
)


@dataclass(frozen=True)
class Attic:
    """The room's id, and by the ``mxc://`` URI of each media, the oddity that it is of."""

    room_id: str
    oddities: dict[str, Oddity]


def fill(base_url: str, directory: Path, progress: Progress = lambda done, total: None) -> Attic:
    """Creates the attic and sends the messages that are missing.

    :param directory: the sample room's seeding folder, whose record holds the access tokens.
    :param progress: called before every message with its number and the total.
    :raises SeedError: with a message that says what to do.
    """
    with Matrix(base_url) as matrix:
        return _AtticFiller(matrix, Record.read(directory)).run(progress)


class _AtticFiller:
    def __init__(self, matrix: Matrix, record: Record) -> None:
        self._matrix = matrix
        self._token = record.tokens[ORGANISER]
        # The event that begins the thread.
        self._first = ""
        self._server = record.user_id.partition(":")[2]

    def run(self, progress: Progress) -> Attic:
        alias = segment(f"#{ALIAS}:{self._server}")
        found = self._matrix.find(f"/directory/room/{alias}")
        room_id = str(found["room_id"] if found else self._make_room())
        # The newest first, so that the first of all is the last in the list.
        sent = [event for event in self._matrix.messages(room_id, self._token) if _NAME in event["content"]]
        contents = {event["content"][_NAME]: event["content"] for event in sent}
        self._first = str(sent[-1]["event_id"]) if sent else ""
        for number, oddity in enumerate(ODDITIES):
            if oddity.name not in contents:
                progress(number, len(ODDITIES))
                contents[oddity.name] = content = self._content(oddity)
                path = f"/rooms/{segment(room_id)}/send/{oddity.event}/attic-{number}"
                told = self._matrix.call("PUT", path, self._token, content)
                self._first = self._first or str(told["event_id"])
        return Attic(room_id, {_mxc_of(contents[oddity.name]): oddity for oddity in ODDITIES})

    def _make_room(self) -> str:
        body = {"preset": "public_chat", "room_alias_name": ALIAS, "name": ROOM_NAME, "topic": ROOM_TOPIC}
        return str(self._matrix.call("POST", "/createRoom", self._token, body)["room_id"])

    def _content(self, oddity: Oddity) -> dict[str, Any]:
        content: dict[str, Any] = {"msgtype": oddity.kind, "body": oddity.name, "info": dict(oddity.info)}
        if oddity.event == "m.sticker":
            del content["msgtype"]
        if oddity.file:
            content |= self._uploaded(oddity.file, "url", "file")
            content["filename"] = oddity.file.name or oddity.name
        if "url" in content:
            content["url"] += oddity.url_suffix
        if oddity.thumbnail:
            content["info"] |= self._uploaded(oddity.thumbnail, "thumbnail_url", "thumbnail_file")
            content["info"]["thumbnail_info"] = {"mimetype": oddity.thumbnail.declared, "w": 240, "h": 150}
        return self._altered(content, oddity.more) | {_NAME: oddity.name, _ENDS: oddity.ends}

    def _altered(self, content: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(more).replace("{server}", self._server).replace("{first}", self._first)
        for number in range(2):
            if f"{{emoji{number}}}" in text:
                made = self._uploaded(File(partial(files.emoji, number), "image/png"), "url", "file")
                text = text.replace(f"{{emoji{number}}}", made["url"])
        changes: dict[str, Any] = json.loads(text)
        if changes.pop("url-safe", False):
            content["file"] = _url_safe(content["file"])
        if "file" in changes:
            changes["file"] = content["file"] | changes["file"]
        return content | changes

    def _uploaded(self, file: File, url_key: str, file_key: str) -> dict[str, Any]:
        """Uploads a file; returns the field of an event that names it."""
        body, mxc = file.make(), self._matrix.reserve(self._token)
        if not file.encrypted:
            self._matrix.upload(self._token, mxc, file.name, file.declared, body)
            return {url_key: mxc}
        ciphertext, encrypted = encrypt(body)
        self._matrix.upload(self._token, mxc, "", "application/octet-stream", ciphertext)
        return {file_key: {"url": mxc, **encrypted}}


def _mxc_of(content: dict[str, Any]) -> str:
    return str(content.get("file", content).get("url") or content[_NAME])


def _url_safe(file: dict[str, Any]) -> dict[str, Any]:
    """Returns an ``EncryptedFile`` as some bridges write it: with the other alphabet, and padded."""
    iv, digest = (
        urlsafe_b64encode(a2b_base64(text + "==")).decode() for text in (file["iv"], file["hashes"]["sha256"])
    )
    return file | {"iv": iv, "hashes": {"sha256": digest}}
