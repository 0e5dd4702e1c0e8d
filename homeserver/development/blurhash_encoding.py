"""Encodes blurhashes, the placeholders of images in events (MSC2448)."""

import blurhash
from PIL import Image

BLURHASH = "xyz.amorgan.blurhash"


def blurhash_of(picture: Image.Image, components: tuple[int, int], pixels: tuple[int, int]) -> str:
    """Returns an image's blurhash.

    :param components: number of components in x and y.
    :param pixels: size to which the image is reduced first, because the encoder's time grows with each pixel.
    """
    small = picture.convert("RGB").resize(pixels, Image.Resampling.BOX)
    wide, high = small.size
    rows = [[small.getpixel((x, y)) for x in range(wide)] for y in range(high)]
    return str(blurhash.encode(rows, *components))
