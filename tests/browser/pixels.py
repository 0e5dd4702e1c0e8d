"""Compares screenshots with original images by their pixels."""

import io
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageOps, ImageSequence, ImageStat

# Size for comparison: small enough to hide scaling and compression, large enough to distinguish all sample images.
_GRID = (12, 12)
# Margin of an element's box that is ignored, and offsets in pixels at which it is compared.
_EDGE = 0.2
_NEAR = (0, -0.5, 0.5, -1, 1)
# Largest mean difference of two equal images, of 255.
MAX_DIFFERENCE = 6.0

Fit = tuple[int, int, str]


def decode_screenshot(png: bytes) -> Image.Image:
    """Decodes a screenshot."""
    return Image.open(io.BytesIO(png)).convert("RGB")


def cut(page: Image.Image, box: list[float]) -> Image.Image:
    """Crops the middle of an element's box, without its round corners and the controls at its bottom."""
    left, top, right, bottom = _middle(box)
    return page.crop((round(left), round(top), round(right), round(bottom)))


@cache
def frames(path: Path, fit: Fit | None = None) -> list[Image.Image]:
    """Returns an image's frames for comparison: of the original, or of the homeserver's thumbnail."""
    with Image.open(path) as picture:
        return [downsample(frame, fit) for frame in ImageSequence.Iterator(picture)]


def downsample(picture: Image.Image, fit: Fit | None = None) -> Image.Image:
    """Reduces an image to the size for comparison."""
    picture = picture.convert("RGB")
    whole = ImageOps.fit(picture, fit[:2]) if fit and fit[2] == "crop" else picture
    return cut(whole, [0, 0, *whole.size]).resize(_GRID, Image.Resampling.BOX)


def difference(shown: Image.Image, originals: list[Image.Image]) -> float:
    """Returns the mean difference from the most similar frame of the original, from 0 (equal) to 255."""
    return _distance(shown.resize(_GRID, Image.Resampling.BOX), originals)


def nearest(page: Image.Image, box: list[float], originals: list[Image.Image]) -> float:
    """Returns the least difference of a box of a screenshot from the original.

    Browsers round positions differently, so offsets of up to a pixel are compared as well.
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
    """Returns the thumbnail that an element requests, or None."""
    if "width" not in element:
        return None
    return int(element["width"]), int(element["height"]), element.get("method", "scale")
