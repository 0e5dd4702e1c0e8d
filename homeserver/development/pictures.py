"""The sample pictures."""

import io
from collections.abc import Callable
from functools import partial
from random import Random

from development.brushes import gradient, grain


def _simple(name: str, size: tuple[int, int], form: str) -> bytes:
    chance = Random(name)
    colours = [(i / 3, (chance.randrange(256), chance.randrange(256), chance.randrange(256))) for i in range(4)]
    file = io.BytesIO()
    picture = grain(gradient(size, colours), chance, 0.2)
    if form == "GIF":
        picture.convert("P").save(file, "GIF", save_all=True, append_images=[picture.rotate(180).convert("P")])
    else:
        picture.save(file, form)
    return file.getvalue()


def avatar(name: str) -> bytes:
    """A person's avatar."""
    return _simple(name, (512, 512), "PNG")


def room_avatar() -> bytes:
    """The room's avatar."""
    return avatar("room")


PICTURES: dict[str, Callable[[], bytes]] = {
    "ridge-morning.jpg": partial(_simple, "1", (2400, 1600), "JPEG"),
    "fog.jpg": partial(_simple, "2", (1200, 1800), "JPEG"),
    "lake.jpg": partial(_simple, "3", (1920, 1280), "JPEG"),
    "meadow.jpg": partial(_simple, "4", (1920, 1280), "JPEG"),
    "clouds.jpg": partial(_simple, "5", (2048, 1365), "JPEG"),
    "sunset.jpg": partial(_simple, "6", (1920, 1280), "JPEG"),
    "dome.jpg": partial(_simple, "7", (1920, 1280), "JPEG"),
    "moon.png": partial(_simple, "8", (1000, 1000), "PNG"),
    "saturn.png": partial(_simple, "9", (800, 600), "PNG"),
    "star-trails.jpg": partial(_simple, "10", (1200, 1600), "JPEG"),
    "milky-way.png": partial(_simple, "11", (1080, 1620), "PNG"),
    "dome.gif": partial(_simple, "12", (480, 320), "GIF"),
}
