"""Blurhashes, against the algorithm and another implementation."""

import io
from base64 import b64decode

import blurhash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from authmedia.elements.blurhash_decoding import Blurhash


def drawn(text: str) -> Image.Image:
    prefix, _, body = Blurhash(text).data_url().partition(",")
    assert prefix == "data:image/bmp;base64"
    return Image.open(io.BytesIO(b64decode(body)))


def test_one_component_is_one_colour() -> None:
    picture = drawn("00ICoz")  # white, but for what a byte cannot say
    assert picture.size == (2, 2)
    assert len({picture.getpixel((x, y)) for x in range(2) for y in range(2)}) == 1


@pytest.mark.parametrize("text", ["LEHV6nWB2yk8pyo0adR*.7kCMdnj", "LGF5]+Yk^6#M@-5c,1J5@[or[Q6.", "A8F~[q?bj[t7"])
def test_the_pixels_are_those_of_another_implementation(text: str) -> None:
    picture = drawn(text).convert("RGB")
    wide, high = blurhash.components(text)
    assert picture.size == (2 * wide, 2 * high)
    for y, row in enumerate(blurhash.decode(text, *picture.size)):
        for x, colour in enumerate(row):
            assert picture.getpixel((x, y)) == pytest.approx(tuple(colour), abs=1)


@pytest.mark.parametrize(
    "text", ["", "LEHV6n", "LEHV6nWB2yk8pyo0adR*.7kCMdn", "L€HV6nWB2yk8pyo0adR*.7kCMdnj", "\x00" * 28]
)
def test_an_invalid_blurhash_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="blurhash"):
        Blurhash(text)


@given(st.text(max_size=60))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        decoded = Blurhash(text)
    except ValueError:
        return
    assert decoded.data_url().startswith("data:image/bmp;base64,")
