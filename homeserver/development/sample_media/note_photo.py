"""Draws the photograph of a handwritten note, which the sample room shares encrypted."""

from random import Random

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from development.sample_media.drawing import Size

_WOOD = (122, 84, 52)
_PAPER = (247, 241, 222)
_SHADE = (20, 10, 0)
_INK = (38, 52, 92)
_WORDS = ("The hut's key box", "left of the door,", "behind the firewood", "4 1 7 2")


def door_code(size: Size = (1200, 900)) -> Image.Image:
    """The code of the hut's key box, on a slip of paper."""
    table = _table(size)
    slip = _slip((round(size[0] * 0.56), round(size[1] * 0.66))).rotate(-7, Image.Resampling.BICUBIC, expand=True)
    left, top = (size[0] - slip.width) // 2, (size[1] - slip.height) // 2
    shade = Image.new("L", size)
    shade.paste(slip.getchannel("A").point(lambda alpha: alpha // 2), (left + 14, top + 18))
    table.paste(_SHADE, mask=shade.filter(ImageFilter.GaussianBlur(14)))
    table.paste(slip, (left, top), slip)
    return table


def _table(size: Size) -> Image.Image:
    """Planks, each with a grain and a tone of its own."""
    rng = Random("table")
    wide, high = size
    table = Image.new("RGB", size, _WOOD)
    pen = ImageDraw.Draw(table)
    planks = 5
    for plank in range(planks):
        top, tone = plank * high // planks, rng.uniform(0.8, 1.15)
        pen.rectangle((0, top, wide, top + high // planks), fill=_toned(tone))
        for _ in range(60):
            y, light = top + rng.uniform(3, high / planks), tone * rng.uniform(0.88, 1.06)
            pen.line((0, y, wide, y + rng.uniform(-6, 6)), fill=_toned(light), width=rng.randint(1, 3))
        pen.line((0, top, wide, top), fill=_toned(0.45), width=5)
    return table.filter(ImageFilter.GaussianBlur(1.2))


def _slip(size: Size) -> Image.Image:
    slip = Image.new("RGBA", size, (*_PAPER, 255))
    pen = ImageDraw.Draw(slip)
    step = size[1] / (len(_WORDS) + 0.6)
    for number, words in enumerate(_WORDS):
        y = step * (number + 0.35)
        pen.line((size[0] * 0.06, y + step * 0.78, size[0] * 0.94, y + step * 0.78), fill=(190, 200, 214), width=2)
        large = 0.78 if words[0].isdigit() else 0.5
        pen.text(
            (size[0] * 0.09, y + step * (0.7 - large)), words, fill=_INK, font=ImageFont.load_default(step * large)
        )
    return slip


def _toned(light: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(part * light)) for part in _WOOD)
    return red, green, blue
