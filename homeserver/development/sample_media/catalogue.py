"""The catalogue of the sample media: drawn once into a folder or taken from the project, with their metadata.

>>> for sample in samples(Path("seed")):
...     print(sample.name, sample.mimetype, sample.size)
"""

import hashlib
import mimetypes
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from PIL import Image

from development.conversation import PEOPLE
from development.sample_media import audio, image_files, video

Kind = Literal["avatar", "image", "video", "audio", "file"]

ROOM_AVATAR = "avatar-room.png"
POSTER = "film-poster.jpg"
# Pillow releases the GIL while it works, so two threads draw nearly twice as fast as one.
DRAWING_THREADS = 2

_MEDIA = Path(__file__).resolve().parents[3] / "web" / "media"
_COMMITTED_FILES = ("film.mp4", "tune.mp3", "packing-list.txt", "ridge-walk.gpx")
_DURATIONS_MS = {"film.mp4": video.SECONDS * 1000, "tune.mp3": audio.DURATION_MS}


@dataclass(frozen=True)
class Sample:
    """One media before its upload.

    :param width: width in pixels, as ``height``; 0 for audio and files.
    :param duration_ms: 0 for images and files.
    """

    name: str
    path: Path
    mimetype: str
    kind: Kind
    sha256: str
    size: int
    width: int = 0
    height: int = 0
    duration_ms: int = 0


def samples(directory: Path) -> list[Sample]:
    """Returns every sample, and draws missing ones into ``directory`` first."""
    with ThreadPoolExecutor(DRAWING_THREADS) as pool:
        return [future.result() for future in prepare(directory, pool).values()]


def prepare(directory: Path, pool: Executor) -> dict[str, Future[Sample]]:
    """Returns a future of every sample by its name, which ``pool`` completes."""
    folder = directory / "media"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: pool.submit(_draw_if_missing, folder / name, draw) for name, draw in _draw_functions().items()}
    return drawn | {name: pool.submit(_describe, _MEDIA / name) for name in _COMMITTED_FILES}


def avatar_of(person: str) -> str:
    """Returns the name of the sample that is a member's avatar."""
    return f"avatar-{person}.png"


def _draw_functions() -> dict[str, Callable[[], bytes]]:
    avatars = {avatar_of(person): partial(image_files.avatar, person) for person in PEOPLE}
    # In the order in which seeding uploads them, so that it seldom waits for one to be drawn.
    return {**avatars, ROOM_AVATAR: image_files.room_avatar, **image_files.PICTURES, POSTER: video.poster}


def _draw_if_missing(path: Path, draw: Callable[[], bytes]) -> Sample:
    if not path.exists():
        part = path.with_name(path.name + ".part")
        part.write_bytes(draw())
        part.replace(path)
    return _describe(path)


def _describe(path: Path) -> Sample:
    content = path.read_bytes()
    kind = _kind(path)
    width, height = _size(path, kind)
    return Sample(
        name=path.name,
        path=path,
        mimetype=_mimetype(path),
        kind=kind,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        width=width,
        height=height,
        duration_ms=_DURATIONS_MS.get(path.name, 0),
    )


def _mimetype(path: Path) -> str:
    # Not every system's table of types has GPX.
    return "application/gpx+xml" if path.suffix == ".gpx" else mimetypes.types_map[path.suffix]


def _kind(path: Path) -> Kind:
    if path.name.startswith("avatar-"):
        return "avatar"
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return kinds.get(_mimetype(path).partition("/")[0], "file")


def _size(path: Path, kind: Kind) -> tuple[int, int]:
    if kind == "video":
        return video.SIZE
    if kind in ("avatar", "image"):
        with Image.open(path) as image:
            return image.width, image.height
    return 0, 0
