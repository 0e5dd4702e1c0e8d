"""Drawing primitives on Pillow: gradients, fractal noise, ridge lines, masks, hillshading and film grain.

All functions are deterministic; randomness comes from a ``random.Random`` that the caller seeds.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Colour = tuple[int, int, int]
Size = tuple[int, int]
Stops = Sequence[tuple[float, Colour]]


def blend_colours(one: Colour, other: Colour, fraction: float) -> Colour:
    """Interpolates between two colours: the first at fraction 0, the other at 1."""
    fraction = min(max(fraction, 0.0), 1.0)
    red, green, blue = (round(a + (b - a) * fraction) for a, b in zip(one, other, strict=True))
    return red, green, blue


def colour_at(stops: Stops, place: float) -> Colour:
    """Returns the colour at a position of a gradient."""
    for (start, one), (end, other) in pairwise(stops):
        if place <= end:
            return blend_colours(one, other, (place - start) / (end - start))
    return stops[-1][1]


def gradient(size: Size, stops: Stops) -> Image.Image:
    """Draws a vertical gradient, from top (0) to bottom (1)."""
    column = Image.new("RGB", (1, size[1]))
    column.putdata([colour_at(stops, y / max(size[1] - 1, 1)) for y in range(size[1])])
    return column.resize(size)


def fade_mask(size: Size, stops: Sequence[tuple[float, int]]) -> Image.Image:
    """Draws a mask with a vertical gradient, from top (0) to bottom (1)."""
    return gradient(size, [(place, (value, value, value)) for place, value in stops]).getchannel(0)


def noise(size: Size, rng: Random, cell: Size, octaves: int = 5, gain: float = 0.5) -> Image.Image:
    """Draws grey fractal noise over the full range; ``cell`` is the size of its largest features in pixels."""
    layers = []
    for octave in range(octaves):
        wide, high = (max(2, math.ceil(side * 2**octave / step) + 1) for side, step in zip(size, cell, strict=True))
        if wide > size[0] or high > size[1]:
            break
        dots = Image.frombytes("L", (wide, high), rng.randbytes(wide * high))
        layers.append(dots.resize(size, Image.Resampling.BICUBIC))
    sum_ = layers.pop()
    while layers:
        sum_ = Image.blend(layers.pop(), sum_, gain)
    return ImageOps.autocontrast(sum_, cutoff=0.5)


def fold_noise(heights: Image.Image) -> Image.Image:
    """Folds noise at its middle value, which turns it into ridges (ridged noise)."""
    return heights.point([max(0, 255 - abs(value - 128) * 2) for value in range(256)])


def hillshade(heights: Image.Image, strength: float, step: Size = (2, 2)) -> Image.Image:
    """Shades a height map as lit from the side opposite to ``step``."""
    moved = heights.copy()
    moved.paste(heights, step)
    return ImageChops.subtract(moved, heights, scale=1 / strength, offset=128)


def ridge_line(rng: Random, points: int, roughness: float = 0.55) -> list[float]:
    """Returns the outline of a mountain range, from 0 to 1, by midpoint displacement."""
    line = [rng.random(), rng.random()]
    spread = 1.0
    while len(line) < points:
        spread *= roughness
        finer = [line[0]]
        for left, right in pairwise(line):
            finer += [(left + right) / 2 + (rng.random() - 0.5) * spread, right]
        line = finer
    low, high = min(line), max(line)
    return [(value - low) / (high - low) for value in line]


def taper_around(line: Sequence[float], centre: float, least: float = 0.3) -> list[float]:
    """Lowers a line with the distance from a position (0 to 1)."""
    last = len(line) - 1
    return [value * max(least, 1 - 1.5 * abs(index / last - centre)) for index, value in enumerate(line)]


def mask_below(size: Size, line: Sequence[float], top: float, bottom: float) -> Image.Image:
    """Draws a mask of the area below a line that runs between two heights (0 is the image's top)."""
    wide, high = size[0] * 2, size[1] * 2
    mask = Image.new("L", (wide, high))
    step = wide / (len(line) - 1)
    crest = [(index * step, high * (bottom + (top - bottom) * value)) for index, value in enumerate(line)]
    ImageDraw.Draw(mask).polygon([*crest, (wide, high), (0, high)], fill=255)
    return mask.reduce(2)


def glow_mask(size: Size, centre: tuple[float, float], radius: float, power: float = 2.0) -> Image.Image:
    """Draws a mask that falls off from full at a centre to zero at a radius."""
    # Pillow's gradient is a cone that reaches 255 in the corners of its square, and 181 at the middle of its edges.
    light = Image.radial_gradient("L").point([round(255 * max(0.0, 1 - v / 181) ** power) for v in range(256)])
    side = max(2, round(radius * 2))
    mask = Image.new("L", size)
    mask.paste(
        light.resize((side, side), Image.Resampling.BICUBIC),
        (round(centre[0] - side / 2), round(centre[1] - side / 2)),
    )
    return mask


def scale_mask(mask: Image.Image, fraction: float) -> Image.Image:
    """Multiplies a mask by a factor."""
    return mask.point([min(255, round(value * fraction)) for value in range(256)])


def intersect_masks(one: Image.Image, other: Image.Image) -> Image.Image:
    """Intersects two masks."""
    return ImageChops.multiply(one, other)


def colourize(shade: Image.Image, dark: Colour, light: Colour, middle: Colour | None = None) -> Image.Image:
    """Maps a grey image to colours."""
    return ImageOps.colorize(shade, dark, light, mid=middle)


def spruce_mask(size: Size, rng: Random, feet: Sequence[tuple[float, float, float]]) -> Image.Image:
    """Draws a mask of spruces, each given by the position of its foot and its height, in pixels."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    pen = ImageDraw.Draw(mask)
    for x, y, height in feet:
        _spruce(pen, rng, x * 2, y * 2, height * 2)
    return mask.reduce(2)


def _spruce(pen: ImageDraw.ImageDraw, rng: Random, x: float, y: float, height: float) -> None:
    top, width = y - height, height * rng.uniform(0.15, 0.22)
    trunk = max(1.0, height / 70)
    pen.polygon([(x - trunk, y), (x, top), (x + trunk, y)], fill=255)
    tiers = max(7, round(height / 9))
    for tier in range(tiers):
        fraction = (tier + 1) / tiers
        reach = width * fraction**0.9 * rng.uniform(0.6, 1.2)
        level = top + height * 0.93 * fraction
        droop, thick = reach * rng.uniform(0.25, 0.45), height / tiers
        for side in (-1, 1):
            tip = x + side * reach * rng.uniform(0.8, 1.1)
            pen.polygon([(x, level - thick * 1.6), (tip, level + droop * 0.5), (x, level + thick * 0.3)], fill=255)


def add_grain(picture: Image.Image, rng: Random, strength: float) -> Image.Image:
    """Adds sensor noise, without which gradients show banding."""
    dots = Image.frombytes("L", picture.size, rng.randbytes(picture.width * picture.height))
    dots = dots.filter(ImageFilter.BoxBlur(0.6)).point([round(128 + (v - 128) * strength) for v in range(256)])
    return ImageChops.add(picture, Image.merge("RGB", [dots] * 3), offset=-128)


def add_vignette(picture: Image.Image, strength: float = 0.35) -> Image.Image:
    """Darkens the corners, as lenses do."""
    corners = Image.radial_gradient("L").point([round(255 * strength * (v / 255) ** 3) for v in range(256)])
    picture.paste((0, 0, 0), mask=corners.resize(picture.size, Image.Resampling.BICUBIC))
    return picture
