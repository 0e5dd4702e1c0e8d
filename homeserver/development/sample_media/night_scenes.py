"""Draws the sample room's night scenes: the observatory's dome, the Moon, Saturn and the stars."""

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from development.sample_media.drawing import (
    Colour,
    Size,
    add_vignette,
    blend_colours,
    colourize,
    glow_mask,
    gradient,
    hillshade,
    intersect_masks,
    mask_below,
    noise,
    ridge_line,
    scale_mask,
    spruce_mask,
)

_STAR_COLOURS: tuple[Colour, ...] = (
    (255, 255, 255),
    (206, 220, 255),
    (255, 236, 206),
    (255, 214, 176),
    (178, 204, 255),
)


def dome(size: Size = (1920, 1280)) -> Image.Image:
    """The observatory at dusk, with Venus."""
    rng = Random("the dome is open")
    sky = [
        (0, (14, 20, 58)),
        (0.35, (48, 62, 124)),
        (0.6, (150, 108, 146)),
        (0.76, (246, 156, 112)),
        (1, (255, 190, 120)),
    ]
    picture = gradient(size, sky)
    _scatter(picture, rng, 260, 0.42, 0.7)
    venus = (size[0] * 0.27, size[1] * 0.36)
    picture.paste((255, 248, 226), mask=scale_mask(glow_mask(size, venus, 90, 4), 0.9))
    picture.paste((255, 255, 250), mask=glow_mask(size, venus, 12, 0.8))
    for top, tone in ((0.68, (124, 84, 118)), (0.75, (74, 54, 92))):
        picture.paste(tone, mask=mask_below(size, ridge_line(rng, 300, 0.52), top, top + 0.1))
    black = (16, 15, 32)
    hill = [math.sin(math.pi * (0.1 + 0.8 * index / 99)) ** 1.5 for index in range(100)]
    picture.paste(black, mask=mask_below(size, hill, 0.8, 0.96))
    _draw_dome(picture, (size[0] * 0.58, size[1] * 0.81), size[0] * 0.115, 0.35, black, (58, 50, 86))
    feet = [
        (rng.choice((rng.uniform(0, 0.34), rng.uniform(0.78, 1))) * size[0], size[1], rng.uniform(120, 340))
        for _ in range(34)
    ]
    picture.paste(black, mask=spruce_mask(size, rng, feet))
    return add_vignette(picture, 0.35)


def moon(size: Size = (1000, 1000)) -> Image.Image:
    """The Moon, a day past its first quarter, through a telescope."""
    rng = Random("Moon, 21:50")
    wide = size[0]
    ground = noise(size, rng, (46, 46), 6, 0.6)
    heights = scale_mask(ground, 0.35)
    for _ in range(900):
        _crater(heights, rng, wide)
    shade = hillshade(heights.filter(ImageFilter.GaussianBlur(0.9)), 2.6, (-3, 0))
    seas = noise(size, rng, (230, 230), 7, 0.5).point([max(0, min(255, round((v - 112) * 3.2))) for v in range(256)])
    surface = colourize(shade, (74, 72, 70), (255, 252, 244), (186, 183, 178))
    surface = Image.composite(ImageChops.multiply(surface, Image.new("RGB", size, (164, 165, 172))), surface, seas)
    middle, radius = wide / 2, wide * 0.42
    disc = Image.new("L", (wide * 2, wide * 2))
    ImageDraw.Draw(disc).ellipse([(middle - radius) * 2] * 2 + [(middle + radius) * 2] * 2, fill=255)
    # The shadow's edge is half of an ellipse.
    night = Image.new("L", size)
    pen = ImageDraw.Draw(night)
    pen.rectangle((0, 0, middle - radius * 0.1, wide), fill=255)
    pen.ellipse(
        (middle - radius * 0.34, middle - radius * 1.05, middle + radius * 0.34, middle + radius * 1.05), fill=0
    )
    night = ImageChops.add(night.filter(ImageFilter.GaussianBlur(wide / 26)), scale_mask(shade, 0.3), offset=-38)
    surface.paste((7, 8, 13), mask=night)
    picture = Image.new("RGB", size, (5, 6, 11))
    picture.paste(
        (150, 150, 160), mask=scale_mask(glow_mask(size, (middle + radius * 0.3, middle), wide * 0.7, 3), 0.16)
    )
    picture.paste(surface, mask=disc.reduce(2))
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def saturn(size: Size = (800, 600)) -> Image.Image:
    """Saturn, small and a little unsteady in the air."""
    rng = Random("Saturn")
    wide, high = size[0] * 2, size[1] * 2
    middle, radius = (wide / 2, high / 2), wide * 0.115
    stops = [
        (0, (150, 122, 86)),
        (0.2, (206, 178, 128)),
        (0.34, (226, 202, 154)),
        (0.46, (196, 160, 112)),
        (0.54, (240, 220, 176)),
        (0.68, (214, 184, 134)),
        (0.85, (176, 146, 104)),
        (1, (130, 104, 76)),
    ]
    ball_box = [
        round(v) for v in (middle[0] - radius, middle[1] - radius * 0.92, middle[0] + radius, middle[1] + radius * 0.92)
    ]
    ball_size = (ball_box[2] - ball_box[0], ball_box[3] - ball_box[1])
    ball = gradient(ball_size, stops)
    limb = Image.radial_gradient("L").point([min(255, round(255 * (v / 181) ** 3.5)) for v in range(256)])
    ball.paste((40, 28, 20), mask=scale_mask(limb.resize(ball_size), 0.8))
    outline = Image.new("L", ball_size)
    ImageDraw.Draw(outline).ellipse((0, 0, ball_size[0] - 1, ball_size[1] - 1), fill=255)
    rings, mask = _rings((wide, high), middle, radius)
    picture = Image.new("RGB", (wide, high), (3, 4, 9))
    picture.paste(rings, mask=mask)
    picture.paste(ball, (ball_box[0], ball_box[1]), outline)
    # The near half of the rings passes in front of the ball.
    front = mask.copy()
    front.paste(0, (0, 0, wide, round(middle[1])))
    picture.paste(rings, mask=front)
    picture = picture.rotate(-14, Image.Resampling.BICUBIC, fillcolor=(3, 4, 9)).reduce(2)
    _scatter(picture, rng, 9, 1.0, 0.6)
    halo = scale_mask(glow_mask(size, (size[0] / 2, size[1] / 2), size[0] * 0.45, 3), 0.14)
    picture.paste((226, 200, 150), mask=halo)
    return picture.filter(ImageFilter.GaussianBlur(1.1))


def star_trails(size: Size = (1200, 1600)) -> Image.Image:
    """An hour of stars turning round Polaris."""
    rng = Random("one hour on a stone")
    picture = gradient(size, [(0, (9, 14, 40)), (0.6, (22, 40, 84)), (0.85, (58, 76, 116)), (1, (110, 104, 116))])
    pole = (size[0] * 0.46 * 2, size[1] * 0.4 * 2)
    trails = Image.new("RGB", (size[0] * 2, size[1] * 2))
    pen = ImageDraw.Draw(trails)
    for _ in range(720):
        radius, start = 30 + 2700 * rng.random() ** 0.75, rng.uniform(0, 360)
        bright = 0.16 + 0.84 * rng.random() ** 3
        colour = blend_colours((0, 0, 0), rng.choice(_STAR_COLOURS), bright)
        box = (pole[0] - radius, pole[1] - radius, pole[0] + radius, pole[1] + radius)
        pen.arc(box, start, start + 15 + rng.uniform(-0.4, 0.4), fill=colour, width=2 + round(3 * bright))
    ImageDraw.Draw(trails).ellipse((pole[0] - 5, pole[1] - 9, pole[0] + 9, pole[1] + 5), fill=(255, 244, 220))
    picture = ImageChops.screen(picture, trails.reduce(2))
    for top, tone in ((0.83, (20, 26, 46)), (0.89, (8, 10, 20))):
        picture.paste(tone, mask=mask_below(size, ridge_line(rng, 200, 0.52), top, top + 0.07))
    feet = [(rng.uniform(-0.1, 1.1) * size[0], size[1] * 1.01, 90 + 420 * rng.random() ** 2) for _ in range(26)]
    picture.paste((5, 6, 13), mask=spruce_mask(size, rng, feet))
    return add_vignette(picture, 0.4)


def milky_way(size: Size = (1280, 1920)) -> Image.Image:
    """The Milky Way over the ridge."""
    rng = Random("the river of heaven")
    picture = gradient(size, [(0, (6, 9, 24)), (0.6, (14, 22, 46)), (0.86, (44, 54, 74)), (1, (92, 84, 78))])
    band = _band(size, width=0.25)
    dust = noise(size, rng, (260, 380), 8, 0.55)
    cloud = intersect_masks(band, dust.point([min(255, max(0, round((v - 60) * 1.5))) for v in range(256)]))
    picture = ImageChops.screen(picture, colourize(scale_mask(cloud, 0.9), (0, 0, 0), (196, 178, 190), (52, 54, 84)))
    core = intersect_masks(
        _band(size, width=0.1), glow_mask(size, (size[0] * 0.36, size[1] * 0.68), size[1] * 0.5, 1.3)
    )
    picture = ImageChops.screen(picture, colourize(intersect_masks(core, dust), (0, 0, 0), (255, 206, 160)))
    lanes = noise(size, rng, (210, 330), 8, 0.55).point([min(255, max(0, round((v - 138) * 5))) for v in range(256)])
    picture.paste((12, 13, 26), mask=scale_mask(intersect_masks(lanes, _band(size, width=0.11)), 0.75))
    _scatter(picture, rng, 5200, 1.0, 0.55)
    _scatter(picture, rng, 5200, 1.0, 0.8, within=band)
    for top, tone in ((0.84, (16, 20, 32)), (0.9, (5, 6, 12))):
        picture.paste(tone, mask=mask_below(size, ridge_line(rng, 200, 0.54), top, top + 0.08))
    feet = [(rng.uniform(0.55, 1.1) * size[0], size[1] * 1.02, rng.uniform(150, 460)) for _ in range(14)]
    picture.paste((3, 4, 9), mask=spruce_mask(size, rng, feet))
    return picture


def turning_dome(size: Size = (480, 320), frames: int = 24) -> list[Image.Image]:
    """The dome turning under a turning sky, as pictures of an animation that runs on without a jump."""
    rng = Random("fifty times faster")
    # Three stars a third of a turn apart take each other's places, so a third of a turn closes the circle.
    stars = [
        (
            20 + 620 * rng.random() ** 0.7,
            rng.uniform(0, 120),
            rng.choice(_STAR_COLOURS),
            rng.uniform(0.8, 2.2),
        )
        for _ in range(150)
    ]
    line = ridge_line(rng, 120, 0.5)
    return [_turned(size, stars, line, frame / frames) for frame in range(frames)]


# --- what they are made of -------------------------------------------------------------------------------------------


def _turned(
    size: Size, stars: list[tuple[float, float, Colour, float]], line: list[float], fraction: float
) -> Image.Image:
    picture = gradient((size[0] * 2, size[1] * 2), [(0, (8, 12, 36)), (0.7, (28, 44, 88)), (1, (84, 78, 104))])
    pen = ImageDraw.Draw(picture)
    for radius, start, colour, reach in stars:
        for third in range(3):
            angle = math.radians(start + 120 * (third - fraction))
            x, y = 380 + radius * math.cos(angle), 190 + radius * math.sin(angle)
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    picture.paste((18, 22, 42), mask=mask_below(picture.size, line, 0.78, 0.92))
    _draw_dome(
        picture,
        (picture.width * 0.66, picture.height * 0.9),
        150,
        math.sin(2 * math.pi * fraction) * 0.62,
        (9, 9, 20),
        (58, 60, 92),
    )
    picture.paste((9, 9, 20), (0, round(picture.height * 0.89), picture.width, picture.height))
    return picture.reduce(2)


def _draw_dome(
    picture: Image.Image, foot: tuple[float, float], radius: float, turn: float, dark: Colour, edge: Colour
) -> None:
    """Draws the observatory with its slit to the left (-1), to the front (0) or to the right (1)."""
    scale = 2
    side = round(radius * 3)
    layer, mask = Image.new("RGB", (side * scale, side * scale), dark), Image.new("L", (side * scale, side * scale))
    x, y, r = side * scale / 2, side * scale * 0.55, radius * scale
    pen, cut = ImageDraw.Draw(layer), ImageDraw.Draw(mask)
    cut.pieslice((x - r, y - r, x + r, y + r), 180, 360, fill=255)
    cut.rectangle((x - r * 0.94, y, x + r * 0.94, y + r * 0.75), fill=255)
    for seam in range(-3, 4):
        reach = abs(math.sin(seam * 0.42)) * r
        pen.arc(
            (x - reach, y - r, x + reach, y + r),
            *((180, 270) if seam < 0 else (270, 360)),
            fill=blend_colours(dark, edge, 0.5),
            width=round(r / 60),
        )
    pen.arc((x - r, y - r, x + r, y + r), 180, 360, fill=edge, width=round(r / 28))
    pen.rectangle((x - r, y - r * 0.05, x + r, y + r * 0.03), fill=blend_colours(dark, edge, 0.6))
    wide = r * 0.17 * math.cos(turn * 1.2)
    centre = x + r * math.sin(turn * 1.2) * 0.8
    lean = (centre - x) * 0.35
    pen.polygon(
        [
            (centre - wide, y - r * 0.08),
            (centre + wide, y - r * 0.08),
            (centre + wide * 0.8 - lean, y - r * 0.84),
            (centre - wide * 0.8 - lean, y - r * 0.84),
        ],
        fill=(198, 54, 40),
    )
    pen.rectangle((x - r * 0.14, y + r * 0.32, x + r * 0.12, y + r * 0.75), fill=(104, 30, 30))
    place = (round(foot[0] - side / 2), round(foot[1] - side * 0.55 - radius * 0.55))
    picture.paste(layer.reduce(scale), place, mask.reduce(scale))
    lamp = (foot[0] + (centre - x) / scale, foot[1] - radius)
    picture.paste((255, 96, 70), mask=scale_mask(glow_mask(picture.size, lamp, radius * 1.2, 2.4), 0.3))


def _scatter(
    picture: Image.Image, rng: Random, count: int, bottom: float, fraction: float, within: Image.Image | None = None
) -> None:
    """Stars, the fewer the brighter, down to a height; ``within`` a mask, where it is strong."""
    wide, high = picture.size
    sky = Image.new("RGB", (wide * 2, high * 2))
    pen = ImageDraw.Draw(sky)
    for _ in range(count):
        x, y, size = rng.uniform(0, wide), rng.uniform(0, high * bottom), rng.random()
        if within and rng.randrange(256) > _value(within, x, y):
            continue
        reach = 0.7 + 2.6 * size**14
        colour = blend_colours((0, 0, 0), rng.choice(_STAR_COLOURS), fraction * (0.3 + 0.7 * size**3))
        pen.ellipse((x * 2 - reach, y * 2 - reach, x * 2 + reach, y * 2 + reach), fill=colour)
    picture.paste(ImageChops.screen(picture, sky.reduce(2)))


def _value(mask: Image.Image, x: float, y: float) -> int:
    value = mask.getpixel((min(int(x), mask.width - 1), min(int(y), mask.height - 1)))
    assert isinstance(value, int)
    return value


def _band(size: Size, width: float) -> Image.Image:
    """A soft band from the lower left to the upper right."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).line(
        [(size[0] * 0.12, size[1] * 1.1), (size[0] * 0.84, -size[1] * 0.1)],
        fill=255,
        width=round(size[0] * width * 1.5),
    )
    return mask.filter(ImageFilter.GaussianBlur(size[0] * width * 0.42))


def _crater(heights: Image.Image, rng: Random, wide: int) -> None:
    """A bowl with a rim, pressed into a map of heights."""
    radius = 2.5 + 36 * rng.random() ** 9
    x, y = rng.uniform(0, wide), rng.uniform(0, wide)
    side = math.ceil(radius * 2.8) + 4
    place = (round(x - side / 2), round(y - side / 2))
    heights.paste(235, place, scale_mask(glow_mask((side, side), (side / 2, side / 2), radius * 1.35, 0.8), 0.55))
    heights.paste(0, place, glow_mask((side, side), (side / 2, side / 2), radius, 0.55))


def _rings(size: Size, middle: tuple[float, float], radius: float) -> tuple[Image.Image, Image.Image]:
    """Saturn's rings, with Cassini's division in them."""
    rings, mask = Image.new("RGB", size), Image.new("L", size)
    pen, cut = ImageDraw.Draw(rings), ImageDraw.Draw(mask)
    steps = 120
    for step in range(steps):
        fraction = step / steps
        reach = radius * (2.3 - 1.07 * fraction)
        box = (middle[0] - reach, middle[1] - reach * 0.3, middle[0] + reach, middle[1] + reach * 0.3)
        gap = 0.25 < fraction < 0.3
        tone = 0.55 if fraction < 0.25 else 0.95 - 0.9 * max(0.0, fraction - 0.62)
        pen.ellipse(box, fill=blend_colours((0, 0, 0), (232, 208, 166), tone * (0.94 + 0.06 * math.sin(step * 1.7))))
        cut.ellipse(box, fill=0 if gap else round(255 * (0.9 if fraction < 0.8 else 0.35)))
    inner = radius * 1.23
    cut.ellipse((middle[0] - inner, middle[1] - inner * 0.3, middle[0] + inner, middle[1] + inner * 0.3), fill=0)
    return rings, mask
