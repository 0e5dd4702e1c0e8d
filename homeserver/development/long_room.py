"""Fills the long room of the page ``timeline.html``: thousands of messages, every other one with an image.

The members of the sample room send them over the client-server API. Filling is idempotent: after an interruption it
continues with the messages that are missing.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from development.blurhash_encoding import BLURHASH, blurhash_of
from development.conversation import CONVERSATION, ORGANISER, PEOPLE
from development.matrix import Matrix, segment
from development.sample_media.drawing import blend_colours, gradient
from development.seed_record import Record

ALIAS = "archive"
ROOM_NAME = "The ridge walk's archive"
ROOM_TOPIC = "Every picture that anybody took, in the order in which they were sent"
EVENTS = 2000
PICTURES = 500

# Key of a message's number in its content.
_STEP = "dev.authmedia.archive"
# Key of an image's SHA-256 in its message's content, for tests of what is shown.
_DIGEST = "dev.authmedia.sha256"
_SIZE = (480, 320)
_TALKERS = tuple(PEOPLE)[:12]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ArchiveRoom:
    """The room's id, and the SHA-256 of each of its images by ``mxc://`` URI."""

    room_id: str
    pictures: dict[str, str]


def picture(number: int) -> bytes:
    """Draws the image with this number, a JPEG of hills with the number in a corner; deterministic."""
    rng = Random(f"archive {number}")
    low, high = (tuple(rng.randint(a, b) for _ in range(3)) for a, b in ((150, 255), (60, 160)))
    image = gradient(_SIZE, [(0.0, high), (1.0, low)])  # type: ignore[list-item]
    pen = ImageDraw.Draw(image)
    wide, tall = _SIZE
    for layer in range(4):
        y = tall * (0.45 + 0.14 * layer)
        line = [(x, y + rng.uniform(-0.12, 0.06) * tall) for x in range(0, wide + 61, 60)]
        shade = blend_colours(high, (20, 30, 30), 0.3 + 0.18 * layer)  # type: ignore[arg-type]
        pen.polygon([(0, tall), *line, (wide, tall)], fill=shade)
    image = image.filter(ImageFilter.GaussianBlur(1.2))
    ImageDraw.Draw(image).text((14, 8), f"No. {number + 1}", fill=(255, 255, 255), font=ImageFont.load_default(30))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return file.getvalue()


def fill(
    base_url: str,
    directory: Path,
    *,
    events: int = EVENTS,
    pictures: int = PICTURES,
    progress: Progress = lambda done, total: None,
) -> ArchiveRoom:
    """Creates the long room and sends the messages that are missing.

    :param directory: the sample room's seeding folder, whose record holds the access tokens.
    :param events: number of messages; every other one shows one of ``pictures`` different images.
    :param progress: called before every message with its number and the total.
    :raises SeedError: with a message that says what to do.
    """
    with Matrix(base_url) as matrix:
        return _ArchiveFiller(matrix, Record.read(directory), pictures).run(events, progress)


class _ArchiveFiller:
    def __init__(self, matrix: Matrix, record: Record, pictures: int) -> None:
        self._matrix = matrix
        self._record = record
        self._pictures = pictures
        self._media: dict[int, dict[str, Any]] = {}

    def run(self, events: int, progress: Progress) -> ArchiveRoom:
        server = self._record.user_id.partition(":")[2]
        found = self._matrix.find(f"/directory/room/{segment(f'#{ALIAS}:{server}')}")
        room_id = found["room_id"] if found else self._make_room()
        for person in PEOPLE:
            self._call("POST", f"/join/{segment(room_id)}", person, {})
        path = f"/rooms/{segment(room_id)}"
        said = self._sent_numbers(room_id)
        for number in range(events):
            if number not in said:
                progress(number, events)
                content = self._content(number) | {_STEP: number}
                self._call("PUT", f"{path}/send/m.room.message/archive-{number}", _sender_of(number), content)
        return ArchiveRoom(room_id, {content["url"]: content[_DIGEST] for content in self._media.values()})

    def _make_room(self) -> str:
        body = {"preset": "public_chat", "room_alias_name": ALIAS, "name": ROOM_NAME, "topic": ROOM_TOPIC}
        return str(self._call("POST", "/createRoom", ORGANISER, body)["room_id"])

    def _sent_numbers(self, room_id: str) -> set[int]:
        """Returns the numbers of the messages in the room, and records their images."""
        events = self._matrix.messages(room_id, self._record.tokens[ORGANISER])
        contents = [event["content"] for event in events if _STEP in event["content"]]
        for content in contents:
            if "url" in content:
                self._media[self._picture_of(content[_STEP])] = content
        return {content[_STEP] for content in contents}

    def _picture_of(self, number: int) -> int:
        return number // 2 % self._pictures

    def _content(self, number: int) -> dict[str, Any]:
        if number % 2 == 0:
            line = CONVERSATION[number // 2 % len(CONVERSATION)]
            return {"msgtype": "m.text", "body": line.words or f"Message {number}"}
        which = self._picture_of(number)
        if which not in self._media:
            self._media[which] = self._uploaded(which)
        return self._media[which] | {"msgtype": "m.image"}

    def _uploaded(self, which: int) -> dict[str, Any]:
        body, token = picture(which), self._record.tokens[ORGANISER]
        mxc = self._matrix.reserve(token)
        self._matrix.upload(token, mxc, f"picture-{which + 1}.jpg", "image/jpeg", body)
        info = {"mimetype": "image/jpeg", "size": len(body), "w": _SIZE[0], "h": _SIZE[1]}
        with Image.open(io.BytesIO(body)) as image:
            info[BLURHASH] = blurhash_of(image, (3, 3), (12, 8))
        digest = hashlib.sha256(body).hexdigest()
        return {"body": f"picture-{which + 1}.jpg", "url": mxc, "info": info, _DIGEST: digest}

    def _call(self, method: str, path: str, person: str, body: dict[str, Any] | None = None) -> Any:
        return self._matrix.call(method, path, self._record.tokens[person], body)


def _sender_of(number: int) -> str:
    """Returns the sender of a message: three members take turns, two messages at a time; one changes every 24."""
    return _TALKERS[(number // 24 + number // 2 % 3) % len(_TALKERS)]
