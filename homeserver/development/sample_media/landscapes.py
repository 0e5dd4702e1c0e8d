"""Draws the sample room's landscapes by day."""

from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from development.sample_media.drawing import (
    Colour,
    Size,
    Stops,
    add_vignette,
    blend_colours,
    colourize,
    fade_mask,
    fold_noise,
    glow_mask,
    gradient,
    hillshade,
    intersect_masks,
    mask_below,
    noise,
    ridge_line,
    scale_mask,
    spruce_mask,
    taper_around,
)


def ridge_morning(size: Size = (2400, 1600)) -> Image.Image:
    """Ridge behind ridge, blue, with the sun just up."""
    rng = Random("ridge at seven")
    sky: Stops = [(0, (92, 132, 188)), (0.3, (168, 186, 208)), (0.5, (250, 212, 172)), (1, (255, 200, 150))]
    picture = gradient(size, sky)
    _clouds(picture, rng, (255, 226, 200), (900, 120), top=0.02, bottom=0.42, fraction=0.75)
    sun = (size[0] * 0.68, size[1] * 0.40)
    picture.paste((255, 240, 205), mask=scale_mask(glow_mask(size, sun, size[0] * 0.55, 2.6), 0.95))
    far, near, haze = (156, 166, 192), (22, 32, 50), (250, 214, 184)
    for layer in range(7):
        fraction = layer / 6
        top, line = 0.38 + 0.075 * layer, ridge_line(rng, 500, 0.5 + 0.03 * fraction)
        tone = blend_colours(far, near, fraction**0.8)
        _range(
            picture,
            rng,
            line,
            (top, top + 0.16),
            (tone, blend_colours(tone, haze, 0.22)),
            blend_colours(haze, tone, fraction**2),
        )
    feet = [(rng.uniform(0, size[0]), size[1] * rng.uniform(0.97, 1.06), rng.uniform(120, 330)) for _ in range(70)]
    picture.paste((13, 20, 30), mask=spruce_mask(size, rng, feet))
    picture.paste((255, 206, 150), mask=scale_mask(glow_mask(size, sun, size[0] * 0.75, 1.6), 0.22))
    return add_vignette(picture, 0.3)


def fog(size: Size = (1200, 1800)) -> Image.Image:
    """Spruces that fade into fog."""
    rng = Random("fog in the spruces")
    picture = gradient(size, [(0, (226, 228, 222)), (0.45, (206, 214, 210)), (1, (128, 146, 140))])
    picture.paste((255, 250, 232), mask=scale_mask(glow_mask(size, (size[0] * 0.62, size[1] * 0.16), 900, 2), 0.9))
    pale, dark = (190, 202, 198), (18, 30, 28)
    for layer in range(7):
        fraction = layer / 6
        ground, height = size[1] * (0.52 + 0.085 * layer), 210 + 780 * fraction**1.4
        count = round(46 - 34 * fraction)
        feet = [
            (
                _beside_the_path(rng, size[0], fraction),
                ground + rng.uniform(-30, 60),
                height * rng.uniform(0.55, 1.15),
            )
            for _ in range(count)
        ]
        tone = blend_colours(pale, dark, fraction**0.9)
        picture.paste(tone, mask=spruce_mask(size, rng, feet))
        floor = mask_below(size, ridge_line(rng, 65, 0.4), ground / size[1] - 0.02, ground / size[1] + 0.05)
        picture.paste(blend_colours(tone, (70, 84, 62), 0.25 * fraction), mask=floor)
        veil = intersect_masks(
            noise(size, rng, (700, 260), 4), fade_mask(size, [(0, 0), (0.3, 60), (0.6, 230), (1, 160)])
        )
        picture.paste((214, 220, 216), mask=scale_mask(veil, 0.62 * (1 - fraction)))
    return add_vignette(picture, 0.28)


def _beside_the_path(rng: Random, wide: int, fraction: float) -> float:
    """A place left or right of an opening that widens towards the viewer."""
    gap = 0.08 + 0.5 * fraction
    edge = (1 - gap) / 2
    x = rng.uniform(-0.05, edge)
    return wide * (x if rng.random() < 0.5 else 1 - x)


def lake(size: Size = (1920, 1280)) -> Image.Image:
    """Snowy mountains and their reflection."""
    rng = Random("the lake, still")
    shore = round(size[1] * 0.56)
    land = gradient((size[0], shore), [(0, (44, 104, 178)), (0.6, (138, 186, 222)), (1, (208, 226, 232))])
    _clouds(land, rng, (255, 255, 255), (620, 150), top=0.0, bottom=0.7, fraction=0.9)
    _range(
        land, rng, ridge_line(rng, 600, 0.54), (0.28, 0.86), ((84, 102, 136), (182, 188, 200)), (196, 216, 230), 0.75
    )
    _range(land, rng, _summit(rng, 0.6), (0.1, 1.0), ((40, 48, 70), (156, 146, 138)), (132, 160, 184), 0.7, 3.4)
    for depth, tone in enumerate(((58, 84, 82), (30, 52, 44))):
        line = ridge_line(rng, 40, 0.5)
        _wood(land, rng, line, 0.84 + 0.07 * depth, 46 + 34 * depth, tone)
    picture = Image.new("RGB", size)
    picture.paste(land)
    water = land.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((size[0], size[1] - shore))
    water = water.filter(ImageFilter.BoxBlur((2, 7)))
    tint = gradient(water.size, [(0, (120, 156, 160)), (0.5, (54, 96, 116)), (1, (14, 44, 62))])
    water = Image.blend(water, tint, 0.38)
    ripples = intersect_masks(
        noise(water.size, rng, (520, 14), 3), fade_mask(water.size, [(0, 30), (0.2, 10), (1, 60)])
    )
    water.paste((228, 240, 246), mask=ripples)
    picture.paste(water, (0, shore))
    picture.paste((205, 220, 222), (0, shore - 1, size[0], shore + 2))
    _stones(picture, rng, size)
    return add_vignette(picture, 0.25)


def meadow(size: Size = (1920, 1280)) -> Image.Image:
    """Lupins and arnica below a mountain."""
    rng = Random("meadow in flower")
    picture = gradient(size, [(0, (58, 126, 204)), (0.4, (170, 208, 234)), (1, (214, 230, 236))])
    _clouds(picture, rng, (255, 255, 255), (560, 210), top=0.0, bottom=0.42, fraction=1.0)
    _range(
        picture,
        rng,
        ridge_line(rng, 500, 0.54),
        (0.2, 0.6),
        ((86, 106, 142), (186, 192, 202)),
        (198, 216, 230),
        0.7,
        3.0,
    )
    _range(picture, rng, ridge_line(rng, 300, 0.5), (0.38, 0.58), ((52, 90, 74), (132, 160, 112)), (170, 198, 180))
    _wood(picture, rng, ridge_line(rng, 60, 0.5), 0.52, 60, (40, 72, 54))
    line = ridge_line(rng, 33, 0.4)
    grass = mask_below(size, line, 0.5, 0.56)
    blades = noise(size, rng, (90, 40), 7, 0.66)
    field = colourize(blades, (58, 96, 34), (160, 184, 84))
    field = ImageChops.multiply(
        field, gradient(size, [(0, (255, 255, 255)), (0.55, (255, 255, 250)), (1, (120, 140, 110))])
    )
    picture.paste(field, mask=grass)
    _flowers(picture, rng, size)
    return add_vignette(picture, 0.22)


def clouds(size: Size = (2048, 1365)) -> Image.Image:
    """Peaks in a sea of clouds, in the evening."""
    rng = Random("above the clouds")
    picture = gradient(
        size, [(0, (64, 92, 160)), (0.28, (150, 150, 190)), (0.46, (255, 206, 168)), (1, (255, 188, 150))]
    )
    _clouds(picture, rng, (255, 214, 190), (1000, 60), top=0.05, bottom=0.36, fraction=0.7)
    sun = (size[0] * 0.3, size[1] * 0.40)
    picture.paste((255, 236, 196), mask=scale_mask(glow_mask(size, sun, size[0] * 0.5, 2.4), 0.95))
    for layer in range(6):
        fraction = layer / 5
        top = 0.42 + 0.085 * layer
        if layer in (0, 1, 3):
            tone = blend_colours((124, 106, 146), (34, 36, 70), fraction * 1.3)
            peaks = [max(0.0, value - 0.25) for value in ridge_line(rng, 400, 0.58)]
            heights = (top - 0.13, top + 0.08)
            _range(picture, rng, peaks, heights, (tone, blend_colours(tone, (255, 190, 160), 0.5)), (238, 196, 186))
        _bank(picture, rng, top, fraction)
    picture.paste((255, 220, 176), mask=scale_mask(glow_mask(size, sun, size[0] * 0.8, 1.5), 0.25))
    return add_vignette(picture, 0.3)


def sunset(size: Size = (1920, 1280)) -> Image.Image:
    """The sun going down behind the fjord."""
    rng = Random("the last light")
    horizon = round(size[1] * 0.6)
    sky: Stops = [
        (0, (44, 46, 104)),
        (0.3, (140, 78, 124)),
        (0.62, (238, 118, 86)),
        (0.88, (255, 178, 92)),
        (1, (255, 206, 124)),
    ]
    above = gradient((size[0], horizon), sky)
    _clouds(above, rng, (112, 58, 96), (900, 70), top=0.0, bottom=0.8, fraction=0.85)
    _clouds(above, rng, (255, 156, 104), (700, 46), top=0.3, bottom=0.95, fraction=0.9)
    sun = (size[0] * 0.56, horizon * 0.9)
    above.paste((255, 226, 150), mask=scale_mask(glow_mask(above.size, sun, 620, 2.8), 0.9))
    above.paste((255, 250, 226), mask=glow_mask(above.size, sun, 74, 0.35))
    picture = Image.new("RGB", size)
    picture.paste(above)
    sea = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((size[0], size[1] - horizon))
    sea = Image.blend(
        sea.filter(ImageFilter.BoxBlur((30, 12))), gradient(sea.size, [(0, (206, 116, 96)), (1, (30, 30, 70))]), 0.5
    )
    waves = noise(sea.size, rng, (180, 11), 5, 0.5)
    sea = ImageChops.add(sea, Image.merge("RGB", [scale_mask(waves, 0.34)] * 3), offset=-44)
    glitter = waves.point([255 if value > 164 else 0 for value in range(256)])
    sea.paste((255, 220, 150), mask=intersect_masks(glitter, scale_mask(_column(sea.size, sun[0]), 0.95)))
    picture.paste(sea, (0, horizon))
    for left, top, tone in ((True, 0.475, (96, 56, 84)), (False, 0.5, (66, 40, 70))):
        line = ridge_line(rng, 300, 0.5)
        last = len(line) - 1
        slope = [value * ((last - index if left else index) / last) ** 1.3 for index, value in enumerate(line)]
        land = mask_below((size[0], horizon), slope, (top - 0.1) / 0.6, 1.0)
        picture.paste(tone, (0, 0), land)
    _grasses(picture, rng, size)
    return add_vignette(picture, 0.35)


# --- what they are made of -------------------------------------------------------------------------------------------


def _clouds(
    picture: Image.Image, rng: Random, colour: Colour, cell: Size, *, top: float, bottom: float, fraction: float
) -> None:
    puffs = noise(picture.size, rng, cell, 8, 0.52).point(
        [max(0, min(255, round((v - 118) * 3.4))) for v in range(256)]
    )
    middle = (top + bottom) / 2
    window = fade_mask(picture.size, [(0, 0), (max(top, 0.001), 60), (middle, 255), (bottom, 0), (1, 0)])
    body = intersect_masks(puffs, window)
    picture.paste(
        blend_colours(colour, (110, 120, 146), 0.3), mask=scale_mask(ImageChops.offset(body, 6, 14), fraction * 0.5)
    )
    picture.paste(colour, mask=scale_mask(body, fraction))


def _range(
    picture: Image.Image,
    rng: Random,
    line: list[float],
    heights: tuple[float, float],
    tones: tuple[Colour, Colour],
    haze: Colour,
    snow: float = 0.0,
    contrast: float = 2.4,
) -> None:
    """A mountain range: slopes in shade and light, haze at their feet, snow on top if ``snow`` is above 0."""
    size, (top, bottom) = picture.size, heights
    slopes = fold_noise(noise(size, rng, (size[0] // 6, size[1] // 3), 8, 0.52))
    shade = hillshade(slopes, contrast, (4, 5)).filter(ImageFilter.GaussianBlur(0.7))
    layer = colourize(shade, *tones)
    if snow:
        heights_of_snow = fade_mask(size, [(0, 255), (top, 220), (top + (bottom - top) * snow, 0), (1, 0)])
        # Snow lies where it is high and flat, and in what gullies there are.
        cover = Image.blend(heights_of_snow, noise(size, rng, (120, 170), 7, 0.6), 0.5)
        cover = cover.point([min(255, max(0, (v - 118) * 14)) for v in range(256)])
        layer.paste(colourize(shade, blend_colours(tones[0], (150, 172, 214), 0.7), (255, 252, 248)), mask=cover)
    layer.paste(haze, mask=fade_mask(size, [(0, 0), (top, 0), (bottom, 190), (1, 240)]))
    picture.paste(layer, mask=mask_below(size, line, top, bottom))


def _wood(picture: Image.Image, rng: Random, line: list[float], top: float, height: float, tone: Colour) -> None:
    """A hill full of spruces."""
    size = picture.size
    hill = mask_below(size, line, top, top + 0.06)
    feet = []
    for _ in range(round(size[0] / height * 7)):
        x = rng.uniform(0, size[0])
        level = top + 0.06 * (1 - line[round(x / size[0] * (len(line) - 1))])
        feet.append((x, level * size[1] + height * 0.35, height * rng.uniform(0.6, 1.25)))
    mask = ImageChops.lighter(hill, spruce_mask(size, rng, feet))
    picture.paste(
        colourize(
            noise(size, rng, (26, 40), 5, 0.6),
            blend_colours(tone, (0, 0, 0), 0.4),
            blend_colours(tone, (190, 200, 150), 0.2),
        ),
        mask=mask,
    )


def _summit(rng: Random, centre: float) -> list[float]:
    """The line of one mountain that rises over others."""
    rough = [0.72 + 0.28 * value for value in ridge_line(rng, 700, 0.6)]
    return taper_around(rough, centre)


def _stones(picture: Image.Image, rng: Random, size: Size) -> None:
    """Flat stones in the shallow water in front."""
    texture = noise(size, rng, (70, 40), 6, 0.62)
    stones = sorted(
        ((rng.uniform(-0.02, 1.02), 1.03 - abs(rng.gauss(0, 0.035))) for _ in range(80)),
        key=lambda place: place[1],
    )
    for x, y in stones:
        reach = (y - 0.84) * size[1] * rng.uniform(0.25, 0.5)
        wide, high = round(reach * 3.4), round(reach)
        left, top = round(x * size[0] - wide / 2), round(y * size[1] - high / 2)
        outline = Image.new("L", (wide * 2, high * 2))
        ImageDraw.Draw(outline).ellipse((0, 0, wide * 2 - 1, high * 2 - 1), fill=255)
        outline = outline.reduce(2)
        picture.paste((16, 36, 46), (left + 8, top + round(reach * 0.24)), outline)
        tone = blend_colours((86, 90, 92), (132, 122, 110), rng.random())
        corner = rng.randrange(size[0] - wide), rng.randrange(size[1] - high)
        surface = texture.crop((*corner, corner[0] + wide, corner[1] + high))
        colours = blend_colours(tone, (10, 20, 30), 0.6), blend_colours(tone, (255, 250, 235), 0.3)
        picture.paste(colourize(surface, *colours), (left, top), outline)


def _flowers(picture: Image.Image, rng: Random, size: Size) -> None:
    pen = ImageDraw.Draw(picture)
    colours = (
        (112, 84, 188),
        (146, 104, 206),
        (92, 76, 170),
        (190, 120, 200),
        (246, 202, 54),
        (250, 216, 90),
        (250, 248, 240),
    )
    places = sorted(0.57 + 0.47 * rng.random() ** 1.5 for _ in range(5200))
    for y in places:
        near = (y - 0.54) / 0.46
        x, reach = rng.uniform(0, size[0]), 1 + 9 * near**1.5
        colour = blend_colours(rng.choice(colours), (40, 60, 40), rng.uniform(0, 0.25))
        if colour[2] > colour[1] and reach > 2:
            _lupin(pen, rng, x, y * size[1], reach, colour)
        else:
            pen.ellipse((x - reach, y * size[1] - reach * 0.7, x + reach, y * size[1] + reach * 0.7), fill=colour)


def _lupin(pen: ImageDraw.ImageDraw, rng: Random, x: float, y: float, reach: float, colour: Colour) -> None:
    height, lean = reach * rng.uniform(6, 9), rng.uniform(-0.1, 0.1)
    pen.line(
        (x, y + height * 0.5, x + lean * height, y - height * 0.5), fill=(70, 110, 48), width=max(1, round(reach / 4))
    )
    for step in range(11):
        fraction = step / 10
        level, wide = y + height * (0.2 - 0.8 * fraction), reach * (1.05 - 0.8 * fraction)
        middle = x + lean * height * fraction
        for side in (-0.6, 0.0, 0.6):
            petal = blend_colours(colour, (255, 255, 255), 0.08 * (side + 0.6) * 3 + rng.uniform(0, 0.12))
            spot = middle + side * wide
            pen.ellipse((spot - wide * 0.5, level - wide * 0.45, spot + wide * 0.5, level + wide * 0.45), fill=petal)


def _bank(picture: Image.Image, rng: Random, top: float, fraction: float) -> None:
    """One bank of a sea of clouds: bright where the evening reaches, blue below."""
    size = picture.size
    puffs = noise(size, rng, (round(260 + 500 * fraction), round(60 + 130 * fraction)), 8, 0.46)
    step = round(6 + 14 * fraction)
    shade = hillshade(puffs, 2.6, (-step, step)).filter(ImageFilter.GaussianBlur(1 + 2 * fraction))
    body = colourize(
        shade,
        blend_colours((184, 140, 170), (74, 82, 140), fraction),
        blend_colours((255, 228, 206), (255, 206, 182), fraction),
    )
    soft = mask_below(size, ridge_line(rng, 130, 0.56), top, top + 0.05).filter(
        ImageFilter.GaussianBlur(6 + 10 * fraction)
    )
    ragged = ImageChops.add(soft, scale_mask(puffs, 0.5), offset=-60)
    picture.paste(body, mask=intersect_masks(ragged, soft.point([min(255, v * 2) for v in range(256)])))


def _column(size: Size, x: float) -> Image.Image:
    """A mask of the sun's path on water, widening towards the viewer."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x - 60, 0), (x + 60, 0), (x + 330, size[1]), (x - 330, size[1])], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(70))


def _grasses(picture: Image.Image, rng: Random, size: Size) -> None:
    """Grass in front of the last light."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    pen = ImageDraw.Draw(mask)
    for _ in range(520):
        x, height, lean = rng.uniform(0, size[0] * 2), rng.uniform(120, 420), rng.uniform(-0.25, 0.4)
        foot = size[1] * 2 + 30
        points = [(x + lean * height * (step / 8) ** 2, foot - height * step / 8) for step in range(9)]
        for step, (start, end) in enumerate(pairwise(points)):
            pen.line([start, end], fill=255, width=max(2, 8 - step))
        if rng.random() < 0.3:
            tip = points[-1]
            pen.ellipse((tip[0] - 7, tip[1] - 30, tip[0] + 7, tip[1] + 12), fill=255)
    picture.paste((20, 14, 30), mask=mask.reduce(2))
