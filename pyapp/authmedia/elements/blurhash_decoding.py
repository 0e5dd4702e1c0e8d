"""Renders a blurhash, the placeholder of an image, as a bitmap of a few pixels that browsers enlarge.

https://github.com/woltapp/blurhash/blob/master/Algorithm.md and
https://github.com/matrix-org/matrix-spec-proposals/pull/2448
"""

import binascii
import math

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
# Pixels for each component: enough for its cosine, and few enough that hundreds of bitmaps block nothing.
_PIXELS_PER_COMPONENT = 2
_HEADER_BYTES = 54


class Blurhash:
    """A decoded blurhash.

    :param text: as it stands in an event's ``xyz.amorgan.blurhash``.
    :raises ValueError: if it is no blurhash.
    """

    __slots__ = ("_colours", "_columns", "_lines")

    def __init__(self, text: str) -> None:
        if len(text) < 6:
            raise ValueError("A blurhash has six characters or more")
        size = _decode83(text[0])
        self._columns, self._lines = size % 9 + 1, size // 9 + 1
        if len(text) != 4 + 2 * self._columns * self._lines:
            raise ValueError(f"A blurhash of {self._columns} by {self._lines} components has another length")
        maximum = (_decode83(text[1]) + 1) / 166
        self._colours = [_average(_decode83(text[2:6]))]
        for start in range(6, len(text), 2):
            self._colours.append(_component(_decode83(text[start : start + 2]), maximum))

    def data_url(self) -> str:
        """Returns a small bitmap as a ``data:`` URL, which needs no canvas."""
        width, height = self._columns * _PIXELS_PER_COMPONENT, self._lines * _PIXELS_PER_COMPONENT
        rows = self._rows(width, height)
        padding = bytes(-width * 3 % 4)
        body = b"".join([row + padding for row in reversed(rows)])
        content = _bitmap_header(width, height, len(body)) + body
        return "data:image/bmp;base64," + binascii.b2a_base64(content).decode().strip()

    def _rows(self, width: int, height: int) -> "list[bytes]":
        across = _cosines(self._columns, width)
        down = _cosines(self._lines, height)
        rows = []
        for y in range(height):
            # The vertical cosines first: then each row is a sum of horizontal ones alone.
            blended = [self._blend(column, down, y) for column in range(self._columns)]
            row = bytearray()
            for x in range(width):
                for channel in (2, 1, 0):  # a bitmap has blue first
                    row.append(_to_srgb(sum([blended[c][channel] * across[c][x] for c in range(self._columns)])))
            rows.append(bytes(row))
        return rows

    def _blend(self, column: int, down: "list[list[float]]", y: int) -> "tuple[float, float, float]":
        red = green = blue = 0.0
        for line in range(self._lines):
            colour, weight = self._colours[line * self._columns + column], down[line][y]
            red += colour[0] * weight
            green += colour[1] * weight
            blue += colour[2] * weight
        return red, green, blue


def _cosines(count: int, pixels: int) -> "list[list[float]]":
    return [[math.cos(math.pi * component * pixel / pixels) for pixel in range(pixels)] for component in range(count)]


def _decode83(text: str) -> int:
    value = 0
    for character in text:
        digit = _DIGITS.find(character)
        if digit < 0:
            raise ValueError(f"A blurhash has no {character!r}")
        value = value * 83 + digit
    return value


def _average(value: int) -> "tuple[float, float, float]":
    return _to_linear(value >> 16 & 255), _to_linear(value >> 8 & 255), _to_linear(value & 255)


def _component(value: int, maximum: float) -> "tuple[float, float, float]":
    return (
        _signed_square((value // 361 - 9) / 9) * maximum,
        _signed_square((value // 19 % 19 - 9) / 9) * maximum,
        _signed_square((value % 19 - 9) / 9) * maximum,
    )


def _signed_square(value: float) -> float:
    return value * abs(value)


def _to_linear(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _to_srgb(value: float) -> int:
    share = min(max(value, 0.0), 1.0)
    share = share * 12.92 if share <= 0.0031308 else 1.055 * share ** (1 / 2.4) - 0.055
    return int(share * 255 + 0.5)


def _bitmap_header(width: int, height: int, body_bytes: int) -> bytes:
    """Returns the header of a bitmap with 24 bits a pixel. https://learn.microsoft.com/windows/win32/gdi/bitmap-storage"""
    file = [(2, 0x4D42), (4, _HEADER_BYTES + body_bytes), (4, 0), (4, _HEADER_BYTES)]
    image = [
        (4, 40),
        (4, width),
        (4, height),
        (2, 1),
        (2, 24),
        (4, 0),
        (4, body_bytes),
        (4, 2835),
        (4, 2835),
        (4, 0),
        (4, 0),
    ]
    return b"".join([value.to_bytes(size, "little") for size, value in file + image])
