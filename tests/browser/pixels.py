"""Compares what a browser shows with the originals, by pixels."""

import io
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageOps, ImageSequence, ImageStat

# Small enough that scaling and compression do not show, large enough that every picture is told from every other.
_GRID = (12, 12)
# What is left out on each side of an element's box, and how many pixels aside it is looked for.
_EDGE = 0.2
_NEAR = (0, -0.5, 0.5, -1, 1)
# Of 255, on the average of all pixels and colours.
MAX_DIFFERENCE = 6.0

Fit = tuple[int, int, str]


def decode_screenshot(png: bytes) -> Image.Image:
    """A screenshot as a picture."""
    return Image.open(io.BytesIO(png)).convert("RGB")


def cut(page: Image.Image, box: list[float]) -> Image.Image:
    """The middle of an element's box: its corners are round, and controls stand at its foot."""
    left, top, right, bottom = _middle(box)
    return page.crop((round(left), round(top), round(right), round(bottom)))


@cache
def frames(path: Path, fit: Fit | None = None) -> list[Image.Image]:
    """A picture's frames as an element shows them: whole, or as the homeserver's thumbnail."""
    with Image.open(path) as picture:
        return [downsample(frame, fit) for frame in ImageSequence.Iterator(picture)]


def downsample(picture: Image.Image, fit: Fit | None = None) -> Image.Image:
    """A picture as `difference` compares it."""
    picture = picture.convert("RGB")
    whole = ImageOps.fit(picture, fit[:2]) if fit and fit[2] == "crop" else picture
    return cut(whole, [0, 0, *whole.size]).resize(_GRID, Image.Resampling.BOX)


def difference(shown: Image.Image, originals: list[Image.Image]) -> float:
    """How far what is shown is from the nearest frame of its original, from 0 (the same) to 255."""
    return _distance(shown.resize(_GRID, Image.Resampling.BOX), originals)


def nearest(page: Image.Image, box: list[float], originals: list[Image.Image]) -> float:
    """How far what stands in a box of a screenshot is from its original.

    Browsers round where they paint in ways of their own, so that a pixel's neighbours are looked at too.
    """
    left, top, right, bottom = _middle(box)
    return min(
        _distance(
            page.resize(_GRID, Image.Resampling.BOX, (left + aside, top + below, right + aside, bottom + below)),
            originals,
        )
        for aside, below in product(_NEAR, repeat=2)
    )


def _middle(box: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    edge_x, edge_y = width * _EDGE, height * _EDGE
    return x + edge_x, y + edge_y, x + width - edge_x, y + height - edge_y


def _distance(small: Image.Image, originals: list[Image.Image]) -> float:
    return min(_mean(ImageChops.difference(small, original)) for original in originals)


def _mean(picture: Image.Image) -> float:
    return sum(ImageStat.Stat(picture).mean) / 3


def requested_thumbnail(element: dict[str, Any]) -> Fit | None:
    """The thumbnail that an element asks for."""
    if "width" not in element:
        return None
    return int(element["width"]), int(element["height"]), element.get("method", "scale")
