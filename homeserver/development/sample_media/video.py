"""Draws the frames of the sample video: a day over a mountain lake, one second per hour, from four in the morning.

The film is committed, so that nobody needs ffmpeg; with it, this makes the film again from its frames::

    python -m development.sample_media.video film.mp4
"""

import io
import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from development.sample_media.drawing import (
    Colour,
    Stops,
    blend_colours,
    colour_at,
    colourize,
    fade_mask,
    glow_mask,
    gradient,
    mask_below,
    noise,
    ridge_line,
    scale_mask,
    spruce_mask,
)

SECONDS = 24
RATE = 25
SIZE = (1280, 720)
# The bottom left corner tells the second by its colour.
PATCH_BOX = (0, SIZE[1] * 7 // 8, SIZE[1] // 8, SIZE[1])

# VP9, because there are browsers without H.264; the index in front and a key frame every second, because films are
# played from the middle.
ENCODE = (
    *("ffmpeg", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(RATE), "-i", "-"),
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
    *("-c:v", "libvpx-vp9", "-crf", "27", "-b:v", "0", "-g", str(RATE), "-keyint_min", str(RATE)),
    *("-deadline", "good", "-cpu-used", "3", "-row-mt", "1", "-map_metadata", "-1", "-fflags", "+bitexact"),
    *("-movflags", "+faststart"),
)

_FIRST_HOUR = 4
_LAKE = 560  # where the water begins, in pixels from the top

_ZENITH: Stops = (
    *((0, (8, 12, 34)), (4, (13, 19, 50)), (5.5, (52, 76, 140)), (7, (92, 150, 212)), (9, (70, 146, 224))),
    *((13, (52, 132, 220)), (17, (72, 142, 214)), (19, (84, 112, 182)), (20.4, (62, 58, 124))),
    *((21.6, (24, 28, 74)), (23, (9, 13, 36)), (24, (8, 12, 34))),
)
_HORIZON: Stops = (
    *((0, (24, 34, 68)), (4, (58, 62, 104)), (5.5, (244, 158, 118)), (7, (252, 214, 168)), (9, (196, 226, 242))),
    *((13, (182, 220, 244)), (17, (222, 222, 212)), (19, (255, 186, 112)), (20.4, (246, 112, 78))),
    *((21.6, (104, 70, 112)), (23, (28, 36, 72)), (24, (24, 34, 68))),
)
# What daylight, dusk and moonlight leave of a colour.
_LIGHT: Stops = (
    *((0, (34, 44, 78)), (4, (46, 54, 92)), (5.5, (176, 140, 142)), (7, (250, 222, 196)), (9, (255, 252, 246))),
    *((17, (255, 246, 230)), (19, (250, 206, 160)), (20.4, (168, 104, 108)), (21.6, (62, 58, 98)), (24, (34, 44, 78))),
)


def draw_frame(t_seconds: float) -> Image.Image:
    """Draws the frame at a time from 0 up to 24 seconds."""
    hour = (_FIRST_HOUR + t_seconds) % 24
    frame = _sky(hour, t_seconds)
    _draw_land(frame, hour)
    _draw_hut(frame, hour)
    _draw_lake(frame, hour, t_seconds)
    second = min(int(t_seconds), SECONDS - 1)
    _draw_counter(frame, second)
    frame.paste(patch_colour(second), PATCH_BOX)
    return frame


def patch_colour(second: int) -> Colour:
    """Returns the patch's colour in a second: its number plus one, in base three, as levels of red, green and blue.

    Three levels lie so far apart that no encoder or browser takes one for another.
    """
    levels = (0, 128, 255)
    number = second + 1
    return levels[number // 9 % 3], levels[number // 3 % 3], levels[number % 3]


def second_of(colour: Colour) -> int:
    """Returns the second that a patch encodes; its colour may deviate, as in a screenshot."""
    red, green, blue = (round(value / 127.5) for value in colour)
    return red * 9 + green * 3 + blue - 1


def poster() -> bytes:
    """Returns the video's poster, a JPEG."""
    file = io.BytesIO()
    draw_frame(16.9).resize((640, 360), Image.Resampling.LANCZOS).save(file, "JPEG", quality=88)
    return file.getvalue()


def encode(path: Path) -> None:
    """Encodes the video with ffmpeg."""
    with subprocess.Popen([*ENCODE, str(path)], stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for number in range(SECONDS * RATE):
            ffmpeg.stdin.write(draw_frame(number / RATE).tobytes())
    if ffmpeg.returncode:
        raise SystemExit(ffmpeg.returncode)


# --- the sky ---------------------------------------------------------------------------------------------------------


def _sky(hour: float, t_seconds: float) -> Image.Image:
    zenith, horizon = colour_at(_ZENITH, hour), colour_at(_HORIZON, hour)
    frame = gradient(SIZE, [(0, zenith), (0.35, blend_colours(zenith, horizon, 0.35)), (0.7, horizon), (1, horizon)])
    night = _night(hour)
    if night > 0:
        for number, stars in enumerate(_stars()):
            twinkle = 0.75 + 0.25 * math.sin(t_seconds * 5 + number * 2)
            frame.paste((238, 240, 255), mask=scale_mask(stars, night * twinkle))
    _draw_disc(frame, _path(hour, 5.0, 20.8), 34, colour_at([(5, (255, 214, 150)), (9, (255, 250, 232))], hour), 340)
    _draw_disc(frame, _path((hour + 3.4) % 24, 0, 9.6), 22, (236, 236, 226), 120)
    _draw_clouds(frame, hour, t_seconds)
    return frame


def _night(hour: float) -> float:
    """How dark it is, from 0 to 1."""
    return min(max(max(5.2 - hour, hour - 20.6) / 1.2, 0), 1)


def _path(hour: float, rise: float, fall: float) -> tuple[float, float]:
    """Where a light stands in the sky that rises at the left and sets at the right."""
    fraction = (hour - rise) / (fall - rise)
    return 90 + 1100 * fraction, 470 - 370 * math.sin(math.pi * fraction)


def _draw_disc(frame: Image.Image, centre: tuple[float, float], radius: int, colour: Colour, reach: int) -> None:
    if not -reach < centre[0] < SIZE[0] + reach or centre[1] > SIZE[1]:
        return
    frame.paste(blend_colours(colour, (255, 190, 120), 0.25), mask=scale_mask(glow_mask(SIZE, centre, reach, 3), 0.75))
    # Drawn four times as large, so that it glides from frame to frame and has a smooth edge.
    side = radius * 2 + 4
    left, top = math.floor(centre[0]) - radius - 2, math.floor(centre[1]) - radius - 2
    disc = Image.new("L", (side * 4, side * 4))
    x, y, r = (centre[0] - left) * 4, (centre[1] - top) * 4, radius * 4
    ImageDraw.Draw(disc).ellipse((x - r, y - r, x + r, y + r), fill=255)
    frame.paste(colour, (left, top, left + side, top + side), disc.reduce(4))


def _draw_clouds(frame: Image.Image, hour: float, t_seconds: float) -> None:
    # Blended from two whole pixels: the clouds move less than one from frame to frame.
    whole, part = divmod(t_seconds * 22, 1)
    window = (int(whole), 0, int(whole) + SIZE[0], SIZE[1])
    one, other = _clouds().crop(window), ImageChops.offset(_clouds(), -1, 0).crop(window)
    colour = blend_colours(colour_at(_HORIZON, hour), colour_at(_LIGHT, hour), 0.55)
    frame.paste(colour, mask=scale_mask(Image.blend(one, other, part), 0.85 - 0.55 * _night(hour)))


@cache
def _clouds() -> Image.Image:
    size = (SIZE[0] + SECONDS * 22 + 2, SIZE[1])
    puffs = noise(size, Random("clouds"), (430, 110), 7, 0.48)
    puffs = puffs.point([max(0, min(255, round((value - 138) * 3.1))) for value in range(256)])
    return ImageChops.multiply(
        puffs, fade_mask(size, [(0, 40), (0.16, 190), (0.45, 235), (0.6, 60), (0.72, 0), (1, 0)])
    )


@cache
def _stars() -> tuple[Image.Image, ...]:
    """Two halves of the stars, which twinkle in turn."""
    rng = Random("stars")
    skies = []
    for _ in range(2):
        sky = Image.new("L", (SIZE[0] * 2, SIZE[1] * 2))
        pen = ImageDraw.Draw(sky)
        for _ in range(190):
            x, y, radius = rng.uniform(0, SIZE[0] * 2), rng.uniform(0, 900), rng.choice((1.2, 1.4, 1.8, 2.6))
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rng.randrange(130, 256))
        skies.append(sky.reduce(2))
    return tuple(skies)


# --- the land --------------------------------------------------------------------------------------------------------

# From far to near: the seed of its line, where that runs, its colours in shade and in light, its share of haze.
_RANGES: tuple[tuple[str, float, float, Colour, Colour, float], ...] = (
    ("far", 0.34, 0.60, (112, 128, 156), (176, 188, 206), 0.5),
    ("middle", 0.46, 0.68, (70, 94, 104), (128, 148, 138), 0.3),
    ("hills", 0.60, 0.745, (46, 78, 58), (112, 142, 84), 0.14),
)
_SHORE: tuple[Colour, Colour] = ((26, 48, 34), (78, 110, 58))


def _draw_land(frame: Image.Image, hour: float) -> None:
    light, horizon = colour_at(_LIGHT, hour), colour_at(_HORIZON, hour)
    for (_, _, _, dark, bright, haze), (mask, shade, mist) in zip(_RANGES, _ranges(), strict=True):
        tones = [blend_colours(_under(light, colour), horizon, haze) for colour in (dark, bright)]
        layer = colourize(shade, *tones)
        layer.paste(blend_colours(horizon, light, 0.15), mask=mist)
        frame.paste(layer, mask=mask)
    mask, shade = _shore()
    frame.paste(colourize(shade, *(_under(light, colour) for colour in _SHORE)), mask=mask)


def _under(light: Colour, colour: Colour) -> Colour:
    """A colour in a light."""
    red, green, blue = (a * b // 255 for a, b in zip(light, colour, strict=True))
    return red, green, blue


@cache
def _ranges() -> tuple[tuple[Image.Image, Image.Image, Image.Image], ...]:
    """Of every range its outline, its slopes and the mist at its feet."""
    layers = []
    for seed, top, bottom, _, _, _ in _RANGES:
        rng = Random(seed)
        outline = mask_below(SIZE, ridge_line(rng, 260, 0.52), top, bottom)
        slopes = noise(SIZE, rng, (150, 190), 5, 0.45).filter(ImageFilter.GaussianBlur(1))
        mist = fade_mask(SIZE, [(0, 0), (top, 0), (bottom, 120), (1, 190)])
        layers.append((outline, slopes, mist))
    return tuple(layers)


@cache
def _shore() -> tuple[Image.Image, Image.Image]:
    """The near shore's outline, with its trees, and its shade."""
    rng = Random("shore")
    line = ridge_line(rng, 130, 0.5)
    outline = mask_below(SIZE, line, 0.70, 0.79)
    feet = []
    for _ in range(150):
        x = rng.uniform(0, SIZE[0])
        # A clearing for the hut.
        if not 840 < x < 1010:
            ground = line[round(x / SIZE[0] * (len(line) - 1))]
            feet.append((x, SIZE[1] * (0.79 - 0.09 * ground) + 10, rng.uniform(26, 74)))
    outline = ImageChops.lighter(outline, spruce_mask(SIZE, rng, sorted(feet, key=lambda foot: foot[2])))
    return outline, noise(SIZE, rng, (60, 40), 4, 0.5)


def _draw_hut(frame: Image.Image, hour: float) -> None:
    light = colour_at(_LIGHT, hour)
    pen = ImageDraw.Draw(frame)
    left, top = 880, 486
    pen.rectangle((left, top, left + 96, top + 56), fill=_under(light, (134, 74, 52)))
    for board in range(0, 96, 12):
        pen.line((left + board, top, left + board, top + 56), fill=_under(light, (108, 58, 42)))
    pen.polygon([(left - 12, top + 4), (left + 48, top - 38), (left + 108, top + 4)], fill=_under(light, (70, 66, 70)))
    pen.rectangle((left + 70, top - 44, left + 80, top - 16), fill=_under(light, (96, 90, 90)))
    glass = (255, 208, 112) if hour > 20.3 or hour < 0.5 else _under(light, (150, 178, 196))
    for x in (14, 60):
        pen.rectangle((left + x, top + 16, left + x + 22, top + 38), fill=glass, outline=_under(light, (226, 216, 200)))
    if hour > 20.3 or hour < 0.5:
        frame.paste((255, 196, 104), mask=scale_mask(glow_mask(SIZE, (left + 48, top + 28), 150, 2.5), 0.45))


# --- the lake, and what tells the time -------------------------------------------------------------------------------


def _draw_lake(frame: Image.Image, hour: float, t_seconds: float) -> None:
    wide, high = SIZE[0], SIZE[1] - _LAKE
    mirrored = frame.crop((0, _LAKE - high * 2, wide, _LAKE)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = mirrored.resize((wide, high)).filter(ImageFilter.BoxBlur((3, 1)))
    water = Image.blend(
        water, gradient((wide, high), [(0, colour_at(_HORIZON, hour)), (1, colour_at(_ZENITH, hour))]), 0.3
    )
    water = _rippled(water, t_seconds)
    frame.paste(water, (0, _LAKE))
    frame.paste(blend_colours(colour_at(_HORIZON, hour), (255, 255, 255), 0.15), (0, _LAKE, wide, _LAKE + 1))


def _rippled(water: Image.Image, t_seconds: float) -> Image.Image:
    """Rows swing sideways, the wider the nearer."""
    still = water.copy()
    for y in range(water.height):
        swing = (1 + y / 20) * math.sin(900 / (y + 14) + t_seconds * 3.1)
        water.paste(ImageChops.offset(still.crop((0, y, water.width, y + 1)), round(swing), 0), (0, y))
    return water


def _draw_counter(frame: Image.Image, second: int) -> None:
    font = ImageFont.load_default(150)
    words, place = f"{second:02d}", (SIZE[0] - 40, 24)
    shadow = Image.new("L", SIZE)
    ImageDraw.Draw(shadow).text((place[0] + 3, place[1] + 5), words, font=font, fill=150, anchor="ra")
    frame.paste((10, 14, 30), mask=shadow.filter(ImageFilter.GaussianBlur(5)))
    ImageDraw.Draw(frame).text(place, words, font=font, fill=(255, 255, 255), anchor="ra")


if __name__ == "__main__":
    encode(Path(sys.argv[1]))
