"""Draws the members' avatars: faces for most, other motifs for the rest."""

import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from development.sample_media.drawing import (
    Colour,
    blend_colours,
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

SIZE = (512, 512)

_SKINS: tuple[Colour, ...] = (
    (250, 220, 196),
    (238, 194, 160),
    (214, 162, 122),
    (178, 122, 84),
    (134, 86, 58),
    (98, 62, 44),
)
_HAIR: dict[str, Colour] = {
    "black": (34, 30, 34),
    "brown": (88, 56, 38),
    "red": (176, 84, 40),
    "blond": (222, 184, 112),
    "grey": (170, 170, 176),
}

# Per face: skin, hair colour, haircut, accessory, colour of the clothes, colour of the background.
_FACES: dict[str, tuple[int, str, str, str, Colour, Colour]] = {
    "marit": (0, "blond", "bun", "", (38, 94, 128), (244, 190, 120)),
    "demo": (1, "brown", "short", "glasses", (226, 108, 70), (90, 170, 176)),
    "tomasz": (0, "brown", "short", "beard", (62, 88, 66), (196, 214, 190)),
    "aoi": (1, "black", "bob", "", (232, 230, 224), (226, 124, 138)),
    "leila": (2, "black", "scarf", "", (52, 116, 122), (246, 214, 170)),
    "yulia": (0, "red", "long", "", (70, 62, 120), (170, 204, 226)),
    "ananya": (3, "black", "long", "", (214, 62, 84), (250, 208, 96)),
    "kwame": (5, "black", "crop", "", (240, 180, 60), (58, 96, 140)),
    "mateo": (2, "black", "curls", "beard", (120, 60, 66), (150, 196, 160)),
    "ngozi": (4, "black", "afro", "", (250, 236, 214), (150, 92, 160)),
    "oskar": (0, "grey", "short", "beard", (44, 56, 84), (222, 150, 110)),
    "giulia": (1, "brown", "curls", "glasses", (92, 140, 96), (250, 226, 210)),
    "wei": (1, "black", "short", "", (70, 130, 190), (236, 236, 226)),
    "sinead": (0, "red", "cap", "", (48, 92, 78), (206, 190, 226)),
    "arman": (2, "grey", "crop", "glasses", (96, 84, 76), (120, 160, 200)),
    "pita": (3, "black", "bun", "beard", (34, 110, 104), (246, 168, 128)),
}


def portrait(person: str) -> Image.Image:
    """Returns a member's avatar."""
    return _face(*_FACES[person]) if person in _FACES else _THINGS[person]()


def _face(tone: int, hair_colour: str, cut: str, extra: str, clothes: Colour, wall: Colour) -> Image.Image:
    """Draws a head with shoulders."""
    skin, hair = _SKINS[tone], _HAIR[hair_colour]
    shade = blend_colours(skin, (90, 30, 30), 0.22)
    picture = gradient(
        (1024, 1024), [(0, blend_colours(wall, (255, 255, 255), 0.25)), (1, blend_colours(wall, (30, 20, 60), 0.15))]
    )
    picture.paste((255, 255, 255), mask=scale_mask(glow_mask(picture.size, (380, 330), 620, 1.5), 0.3))
    pen = ImageDraw.Draw(picture)
    _draw_back_hair(pen, cut, hair, clothes)
    pen.rounded_rectangle((150, 800, 874, 1300), 250, fill=clothes)
    pen.rounded_rectangle((428, 620, 596, 880), 80, fill=shade)
    pen.ellipse((396, 770, 628, 910), fill=skin if cut != "scarf" else clothes)
    for side in (-1, 1):
        pen.ellipse((512 + side * 206 - 40, 440, 512 + side * 206 + 40, 550), fill=shade)
    pen.rounded_rectangle((312, 240, 712, 746), 200, fill=skin)
    if extra == "beard":
        _draw_beard(picture, hair)
    _draw_features(pen, skin, hair)
    _draw_front_hair(pen, cut, hair, clothes)
    if extra == "glasses":
        _draw_glasses(pen)
    _draw_light(picture)
    return picture.reduce(2)


def _draw_back_hair(pen: ImageDraw.ImageDraw, cut: str, hair: Colour, clothes: Colour) -> None:
    dark = blend_colours(hair, (0, 0, 0), 0.25)
    if cut == "long":
        pen.rounded_rectangle((250, 190, 774, 960), 230, fill=dark)
    elif cut == "bob":
        pen.rounded_rectangle((264, 190, 760, 740), 180, fill=dark)
    elif cut == "bun":
        pen.ellipse((402, 70, 622, 290), fill=dark)
    elif cut == "afro":
        pen.ellipse((190, 80, 834, 700), fill=dark)
    elif cut == "curls":
        for turn in range(15):
            angle = math.pi * (0.86 + 1.28 * turn / 14)
            x, y = 512 + 222 * math.cos(angle), 420 + 240 * math.sin(angle)
            pen.ellipse((x - 78, y - 78, x + 78, y + 78), fill=dark)
    elif cut == "scarf":
        pen.rounded_rectangle((256, 176, 768, 940), 250, fill=blend_colours(clothes, (0, 0, 0), 0.2))


def _draw_front_hair(pen: ImageDraw.ImageDraw, cut: str, hair: Colour, clothes: Colour) -> None:
    crown = (300, 200, 724, 640)
    if cut in ("short", "bun", "long", "curls", "crop"):
        pen.chord(crown, 188 if cut != "crop" else 198, 352 if cut != "crop" else 342, fill=hair)
    if cut == "short":
        pen.polygon(
            [(306, 400), (330, 250), (560, 190), (724, 300), (718, 420), (640, 330), (480, 372), (370, 340)], fill=hair
        )
    elif cut in ("long", "bun"):
        pen.polygon(
            [(302, 470), (318, 300), (512, 196), (706, 300), (722, 470), (660, 360), (520, 290), (380, 372)], fill=hair
        )
    elif cut == "bob":
        pen.chord((290, 190, 734, 720), 180, 360, fill=hair)
        pen.rectangle((290, 440, 352, 660), fill=hair)
        pen.rectangle((672, 440, 734, 660), fill=hair)
    elif cut == "afro":
        pen.chord((286, 170, 738, 620), 190, 350, fill=blend_colours(hair, (255, 255, 255), 0.04))
    elif cut == "curls":
        for x in range(340, 700, 58):
            y = 268 + abs(x - 512) // 4
            pen.ellipse((x - 52, y - 52, x + 52, y + 52), fill=hair)
    elif cut == "cap":
        pen.chord((288, 150, 736, 640), 180, 360, fill=(206, 70, 58))
        pen.rounded_rectangle((280, 352, 744, 424), 34, fill=(240, 232, 220))
        pen.ellipse((462, 96, 562, 196), fill=(240, 232, 220))
        for side in (-1, 1):
            pen.polygon(
                [(512 + side * 190, 420), (512 + side * 232, 420), (512 + side * 246, 700), (512 + side * 196, 640)],
                fill=hair,
            )
    elif cut == "scarf":
        pen.ellipse((272, 196, 752, 812), outline=clothes, width=72)


def _draw_beard(picture: Image.Image, hair: Colour) -> None:
    mask = Image.new("L", picture.size)
    pen = ImageDraw.Draw(mask)
    pen.rounded_rectangle((312, 360, 712, 758), 200, fill=255)
    pen.rounded_rectangle((344, 250, 680, 600), 130, fill=0)
    picture.paste(blend_colours(hair, (255, 255, 255), 0.06), mask=mask)


def _draw_features(pen: ImageDraw.ImageDraw, skin: Colour, hair: Colour) -> None:
    ink, rose = blend_colours(skin, (30, 14, 20), 0.82), blend_colours(skin, (214, 70, 70), 0.4)
    for side in (-1, 1):
        x = 512 + side * 88
        pen.ellipse((x - 20, 474, x + 20, 518), fill=ink)
        pen.ellipse((x - 2, 480, x + 11, 493), fill=(255, 255, 255))
        pen.arc((x - 52, 410, x + 52, 500), 215, 325, fill=blend_colours(hair, ink, 0.4), width=13)
        pen.ellipse((x + side * 48 - 44, 556, x + side * 48 + 44, 616), fill=blend_colours(skin, rose, 0.45))
    pen.arc((480, 500, 544, 580), 20, 160, fill=blend_colours(skin, ink, 0.45), width=10)
    pen.chord((436, 574, 588, 680), 18, 162, fill=(255, 250, 244))
    pen.arc((436, 574, 588, 680), 14, 166, fill=blend_colours(rose, ink, 0.45), width=12)


def _draw_glasses(pen: ImageDraw.ImageDraw) -> None:
    for side in (-1, 1):
        x = 512 + side * 90
        pen.ellipse((x - 74, 424, x + 74, 568), outline=(36, 36, 48), width=13)
    pen.arc((478, 470, 546, 520), 190, 350, fill=(36, 36, 48), width=13)


def _draw_light(picture: Image.Image) -> None:
    """Darkens the right side, as if lit by a window at the left."""
    light = fade_mask((1024, 1024), [(0, 0), (0.45, 0), (1, 255)]).transpose(Image.Transpose.ROTATE_90)
    picture.paste((40, 10, 60), mask=scale_mask(light, 0.2))


# --- what is not a face ----------------------------------------------------------------------------------------------


def _peaks() -> Image.Image:
    """Mountains under a large sun."""
    rng = Random("peaks")
    picture = gradient(SIZE, [(0, (255, 196, 130)), (0.6, (250, 128, 108)), (1, (160, 80, 130))])
    ImageDraw.Draw(picture).ellipse((176, 96, 356, 276), fill=(255, 240, 200))
    for top, tone in ((0.42, (176, 84, 120)), (0.56, (112, 58, 112)), (0.72, (60, 38, 84))):
        picture.paste(tone, mask=mask_below(SIZE, ridge_line(rng, 80, 0.5), top, top + 0.22))
    return picture


def _waves() -> Image.Image:
    """The sea, seen from the side."""
    picture = gradient(SIZE, [(0, (255, 238, 206)), (1, (250, 196, 150))])
    for number in range(6):
        line = [0.5 + 0.5 * math.sin(index / 5 + number * 1.9) for index in range(100)]
        top = 0.3 + 0.12 * number
        tone = blend_colours((120, 206, 208), (14, 52, 98), number / 5)
        picture.paste(blend_colours(tone, (255, 255, 255), 0.6), mask=mask_below(SIZE, line, top - 0.012, top + 0.088))
        picture.paste(tone, mask=mask_below(SIZE, line, top, top + 0.1))
    return picture


def _leaf() -> Image.Image:
    """A leaf."""
    picture = gradient((1024, 1024), [(0, (238, 244, 214)), (1, (190, 218, 160))])
    pen = ImageDraw.Draw(picture)
    for step in range(44):
        fraction = step / 43
        x, y = 250 + 560 * fraction, 860 - 720 * fraction**0.85
        reach = 210 * math.sin(math.pi * (0.12 + 0.86 * fraction)) + 14
        for side in (-1, 1):
            angle = math.atan2(-0.79, 0.61) + side * (1.15 - 0.35 * fraction)
            tip = (x + reach * math.cos(angle), y + reach * math.sin(angle))
            tone = blend_colours((28, 92, 62), (94, 160, 70), fraction if side > 0 else fraction * 0.7)
            pen.line([(x, y), tip], fill=tone, width=round(20 - 10 * fraction))
            pen.ellipse((tip[0] - 9, tip[1] - 9, tip[0] + 9, tip[1] + 9), fill=tone)
    return picture.reduce(2)


def _night() -> Image.Image:
    """A crescent over spruces."""
    rng = Random("night")
    picture = gradient(SIZE, [(0, (20, 24, 70)), (0.7, (70, 80, 150)), (1, (150, 120, 170))])
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, reach = rng.uniform(0, 512), rng.uniform(0, 340), rng.uniform(0.8, 2.4)
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(250, 246, 226))
    mask = Image.new("L", (1024, 1024))
    cut = ImageDraw.Draw(mask)
    cut.ellipse((330, 170, 690, 530), fill=255)
    cut.ellipse((420, 130, 760, 470), fill=0)
    picture.paste((255, 226, 150), mask=mask.reduce(2))
    feet = [(rng.uniform(0, 512), 520, rng.uniform(90, 250)) for _ in range(16)]
    picture.paste((14, 16, 44), mask=spruce_mask(SIZE, rng, feet))
    return picture


def _tiles() -> Image.Image:
    """Tiles from a kitchen wall."""
    picture = Image.new("RGB", (1024, 1024), (246, 240, 228))
    pen = ImageDraw.Draw(picture)
    inks = ((30, 88, 150), (228, 150, 50), (34, 130, 130), (190, 70, 70))
    for row in range(4):
        for column in range(4):
            x, y = column * 256, row * 256
            ink, other = inks[(row + column) % 4], inks[(row * 3 + column + 1) % 4]
            for corner, (a, b) in enumerate(((0, 0), (256, 0), (256, 256), (0, 256))):
                pen.pieslice(
                    (x + a - 118, y + b - 118, x + a + 118, y + b + 118), corner * 90, corner * 90 + 90, fill=ink
                )
            for turn in range(8):
                angle = math.pi * turn / 4
                cx, cy = x + 128 + 46 * math.cos(angle), y + 128 + 46 * math.sin(angle)
                pen.ellipse((cx - 22, cy - 22, cx + 22, cy + 22), fill=other)
            pen.ellipse((x + 104, y + 104, x + 152, y + 152), fill=(250, 226, 150))
            pen.rectangle((x, y, x + 256, y + 256), outline=(226, 216, 200), width=4)
    return picture.reduce(2)


def _fox() -> Image.Image:
    """A fox who looks straight at you."""
    picture = gradient((1024, 1024), [(0, (176, 214, 206)), (1, (100, 160, 160))])
    pen = ImageDraw.Draw(picture)
    for side in (-1, 1):
        pen.polygon([(512 + side * 70, 360), (512 + side * 320, 110), (512 + side * 350, 500)], fill=(214, 98, 40))
        pen.polygon([(512 + side * 170, 330), (512 + side * 286, 196), (512 + side * 306, 430)], fill=(60, 34, 34))
    pen.polygon([(160, 520), (340, 320), (684, 320), (864, 520), (512, 900)], fill=(234, 122, 52))
    for side in (-1, 1):
        pen.polygon([(512 + side * 352, 520), (512 + side * 60, 640), (512, 900)], fill=(255, 244, 230))
        pen.ellipse((512 + side * 150 - 34, 496, 512 + side * 150 + 34, 564), fill=(44, 28, 30))
        pen.ellipse((512 + side * 150 - 4, 506, 512 + side * 150 + 18, 528), fill=(255, 255, 255))
    pen.ellipse((458, 826, 566, 916), fill=(44, 28, 30))
    return picture.reduce(2)


def _cup() -> Image.Image:
    """Tea."""
    picture = gradient(
        (1024, 1024), [(0, (250, 224, 180)), (0.68, (240, 180, 120)), (0.681, (150, 94, 66)), (1, (110, 66, 50))]
    )
    pen = ImageDraw.Draw(picture)
    pen.ellipse((560, 470, 850, 730), outline=(44, 106, 120), width=44)
    pen.rounded_rectangle((250, 430, 700, 800), 120, fill=(58, 132, 144))
    pen.rectangle((250, 430, 700, 560), fill=(58, 132, 144))
    pen.ellipse((250, 390, 700, 480), fill=(40, 100, 114))
    pen.ellipse((276, 404, 674, 470), fill=(150, 70, 34))
    steam = Image.new("L", picture.size)
    cloud = ImageDraw.Draw(steam)
    for x in (370, 475, 580):
        cloud.line([(x + 34 * math.sin(y / 42), y) for y in range(130, 390, 6)], fill=190, width=26, joint="curve")
    picture.paste((255, 250, 240), mask=steam.filter(ImageFilter.GaussianBlur(12)))
    return picture.reduce(2)


def _planet() -> Image.Image:
    """A planet with one ring."""
    picture = Image.new("RGB", SIZE, (58, 30, 88))
    rng = Random("planet")
    stripes = colourize(noise((300, 300), rng, (400, 46), 4, 0.4), (216, 96, 92), (255, 216, 160))
    ball = Image.new("L", (600, 600))
    ImageDraw.Draw(ball).ellipse((0, 0, 599, 599), fill=255)
    ring = Image.new("L", (1024, 1024))
    ImageDraw.Draw(ring).ellipse((40, 400, 984, 624), outline=255, width=34)
    ring = ring.reduce(2)
    picture.paste((250, 236, 210), mask=ring)
    picture.paste(stripes, (106, 106), ball.reduce(2))
    picture.paste(
        (40, 16, 60),
        (106, 106),
        scale_mask(ImageChops.multiply(ball.reduce(2), fade_mask((300, 300), [(0, 0), (1, 255)])), 0.55),
    )
    ring.paste(0, (0, 0, 512, 256))
    picture.paste((250, 236, 210), mask=ring)
    return picture.rotate(18, Image.Resampling.BICUBIC, fillcolor=(58, 30, 88))


_THINGS: dict[str, Callable[[], Image.Image]] = {
    "eleni": _waves,
    "haneul": _night,
    "sian": _leaf,
    "thordis": _peaks,
    "linh": _cup,
    "tamar": _tiles,
    "joaquim": _planet,
    "nahia": _fox,
}
