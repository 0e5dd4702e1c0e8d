"""Encodes the sample images: photographs in JPEG and PNG, an animated GIF, and avatars.

Equal versions of Pillow produce equal bytes.
"""

import io
from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image

from development.sample_media import avatars, landscapes, night_scenes, note_photo
from development.sample_media.drawing import add_grain

_FRAME_MS = 120
_ICON_PIXELS = 512


def avatar(person: str) -> bytes:
    """Returns a member's avatar, a PNG."""
    return _png(avatars.portrait(person))


def room_avatar() -> bytes:
    """Returns the room's avatar, a PNG of the dome at dusk."""
    picture = night_scenes.dome()
    middle, reach = (round(picture.width * 0.56), round(picture.height * 0.66)), round(picture.height * 0.33)
    square = picture.crop((middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach))
    return _png(square.resize((_ICON_PIXELS, _ICON_PIXELS), Image.Resampling.LANCZOS))


def _jpeg(draw: Callable[[], Image.Image], strength: float, quality: int = 90) -> bytes:
    file = io.BytesIO()
    add_grain(draw(), Random("sensor"), strength).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _photograph_png(draw: Callable[[], Image.Image], strength: float) -> bytes:
    return _png(add_grain(draw(), Random("sensor"), strength))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _gif() -> bytes:
    pictures = night_scenes.turning_dome()
    # One palette for all frames, else colours flicker. It is quantized from a sheet in which the dome is enlarged and
    # starlight fills a strip, else their few pixels would get no palette entries.
    wide, high = pictures[0].size
    sheet = Image.new("RGB", (wide, high * 2), (240, 240, 250))
    sheet.paste(pictures[0])
    sheet.paste(pictures[0].crop((280, 170, 360, 290)).resize((wide, high - 24)), (0, high))
    palette = sheet.quantize(240)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=_FRAME_MS, loop=0)
    return file.getvalue()


PICTURES: dict[str, Callable[[], bytes]] = {
    "ridge-morning.jpg": partial(_jpeg, landscapes.ridge_morning, 0.14, 95),
    "fog.jpg": partial(_jpeg, landscapes.fog, 0.1),
    "lake.jpg": partial(_jpeg, landscapes.lake, 0.08),
    "meadow.jpg": partial(_jpeg, landscapes.meadow, 0.08),
    "clouds.jpg": partial(_jpeg, landscapes.clouds, 0.1),
    "sunset.jpg": partial(_jpeg, landscapes.sunset, 0.12),
    "dome.jpg": partial(_jpeg, night_scenes.dome, 0.14),
    "moon.png": partial(_photograph_png, night_scenes.moon, 0.04),
    "saturn.png": partial(_photograph_png, night_scenes.saturn, 0.03),
    "star-trails.jpg": partial(_jpeg, night_scenes.star_trails, 0.14, 85),
    "milky-way.png": partial(_photograph_png, night_scenes.milky_way, 0.1),
    "dome.gif": _gif,
    "door-code.jpg": partial(_jpeg, note_photo.door_code, 0.06),
}
