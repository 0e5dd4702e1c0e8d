"""What stands in a picture's place until it is there, as clients write it into events (MSC2448)."""

import blurhash
from PIL import Image

BLURHASH = "xyz.amorgan.blurhash"


def blurhash_of(picture: Image.Image, components: tuple[int, int], pixels: tuple[int, int]) -> str:
    """A picture's blurhash.

    :param components: how many across and down.
    :param pixels: to what size the picture is brought first, since the encoder takes its time for each pixel.
    """
    small = picture.convert("RGB").resize(pixels, Image.Resampling.BOX)
    wide, high = small.size
    rows = [[small.getpixel((x, y)) for x in range(wide)] for y in range(high)]
    return str(blurhash.encode(rows, *components))
