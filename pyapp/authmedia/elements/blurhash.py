"""What stands in a picture's place until it is there: its blurhash, as a picture of a few pixels that browsers enlarge.

https://github.com/woltapp/blurhash/blob/master/Algorithm.md and, for Matrix, MSC2448
"""

import binascii
import math

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
# For each component so many pixels: enough for its wave, and few enough that hundreds of them hold nothing up.
_PIXELS = 2
_HEADER_BYTES = 54


class Blurhash:
    """A decoded blurhash.

    :param text: as it stands in an event's ``xyz.amorgan.blurhash``.
    :raises ValueError: if it is none.
    """

    __slots__ = ("_colours", "_high", "_wide")

    def __init__(self, text: str) -> None:
        if len(text) < 6:
            raise ValueError("A blurhash has six characters or more")
        size = _number(text[0])
        self._wide, self._high = size % 9 + 1, size // 9 + 1
        if len(text) != 4 + 2 * self._wide * self._high:
            raise ValueError(f"A blurhash of {self._wide} by {self._high} components has another length")
        strongest = (_number(text[1]) + 1) / 166
        self._colours = [_average(_number(text[2:6]))]
        for start in range(6, len(text), 2):
            self._colours.append(_component(_number(text[start : start + 2]), strongest))

    def data_url(self) -> str:
        """A small bitmap as a ``data:`` URL, which every browser shows and which needs no canvas."""
        wide, high = self._wide * _PIXELS, self._high * _PIXELS
        rows = self._rows(wide, high)
        padding = bytes(-wide * 3 % 4)
        body = b"".join([row + padding for row in reversed(rows)])
        content = _header(wide, high, len(body)) + body
        return "data:image/bmp;base64," + binascii.b2a_base64(content).decode().strip()

    def _rows(self, wide: int, high: int) -> "list[bytes]":
        across = _waves(self._wide, wide)
        down = _waves(self._high, high)
        rows = []
        for y in range(high):
            # The waves that go down first: then each row is a sum of waves across alone.
            mixed = [self._mixed(column, down, y) for column in range(self._wide)]
            row = bytearray()
            for x in range(wide):
                for part in (2, 1, 0):  # a bitmap has blue first
                    row.append(_as_srgb(sum([mixed[c][part] * across[c][x] for c in range(self._wide)])))
            rows.append(bytes(row))
        return rows

    def _mixed(self, column: int, down: "list[list[float]]", y: int) -> "tuple[float, float, float]":
        red = green = blue = 0.0
        for line in range(self._high):
            colour, strength = self._colours[line * self._wide + column], down[line][y]
            red += colour[0] * strength
            green += colour[1] * strength
            blue += colour[2] * strength
        return red, green, blue


def _waves(count: int, pixels: int) -> "list[list[float]]":
    return [[math.cos(math.pi * number * place / pixels) for place in range(pixels)] for number in range(count)]


def _number(text: str) -> int:
    value = 0
    for character in text:
        digit = _DIGITS.find(character)
        if digit < 0:
            raise ValueError(f"A blurhash has no {character!r}")
        value = value * 83 + digit
    return value


def _average(value: int) -> "tuple[float, float, float]":
    return _as_linear(value >> 16 & 255), _as_linear(value >> 8 & 255), _as_linear(value & 255)


def _component(value: int, strongest: float) -> "tuple[float, float, float]":
    return (
        _signed_square((value // 361 - 9) / 9) * strongest,
        _signed_square((value // 19 % 19 - 9) / 9) * strongest,
        _signed_square((value % 19 - 9) / 9) * strongest,
    )


def _signed_square(value: float) -> float:
    return value * abs(value)


def _as_linear(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _as_srgb(value: float) -> int:
    share = min(max(value, 0.0), 1.0)
    share = share * 12.92 if share <= 0.0031308 else 1.055 * share ** (1 / 2.4) - 0.055
    return int(share * 255 + 0.5)


def _header(wide: int, high: int, body: int) -> bytes:
    """Of a bitmap with 24 bits a pixel. https://learn.microsoft.com/windows/win32/gdi/bitmap-storage"""
    file = [(2, 0x4D42), (4, _HEADER_BYTES + body), (4, 0), (4, _HEADER_BYTES)]
    picture = [(4, 40), (4, wide), (4, high), (2, 1), (2, 24), (4, 0), (4, body), (4, 2835), (4, 2835), (4, 0), (4, 0)]
    return b"".join([value.to_bytes(size, "little") for size, value in file + picture])
