"""Draws ``web/static/preview.png``, the picture for link previews: ``python -m web.evidence.preview_picture``."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from web.strategy_order import BASELINES, BEYOND, COMPARED

PICTURE = Path(__file__).resolve().parents[1] / "static" / "preview.png"
_SIZE = (1200, 630)
_GROUND, _CARD, _INK, _SOFT, _ACCENT = "#101514", "#1d3430", "#e6edeb", "#9fb0ac", "#63d3bd"
_MARGIN = 80


def draw() -> Image.Image:
    """Returns the picture: what the site is, and what it compares. No figures, which would grow old."""
    image = Image.new("RGB", _SIZE, _GROUND)
    pen = ImageDraw.Draw(image)
    pen.text((_MARGIN, 90), "authmedia", font=_font(40), fill=_ACCENT)
    pen.text(
        (_MARGIN, 165), "Authenticated Matrix media,\nwithout a service worker", font=_font(68), fill=_INK, spacing=14
    )
    left = _MARGIN
    for name in COMPARED:
        width = pen.textlength(name, font=_font(44)) + 72
        pen.rounded_rectangle((left, 390, left + width, 470), radius=40, fill=_CARD)
        pen.text((left + 36, 430), name, font=_font(44), fill=_ACCENT, anchor="lm")
        left += int(width) + 28
    others = ", ".join((*BEYOND, *BASELINES))
    pen.text((_MARGIN, 510), others, font=_font(25), fill=_SOFT)
    return image


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    draw().quantize(32).save(PICTURE, optimize=True)
    print(PICTURE)
