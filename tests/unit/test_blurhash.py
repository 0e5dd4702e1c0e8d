"""The picture that stands in a picture's place, against the algorithm's own words."""

import io
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from authmedia.blurhash import Blurhash


def drawn(text: str) -> Image.Image:
    prefix, _, body = Blurhash(text).data_url().partition(",")
    assert prefix == "data:image/bmp;base64"
    return Image.open(io.BytesIO(b64decode(body)))


def test_one_component_is_one_colour() -> None:
    picture = drawn("00ICoz")  # white, but for what a byte cannot say
    assert picture.size == (4, 4)
    assert len({picture.getpixel((x, y)) for x in range(4) for y in range(4)}) == 1


def test_a_known_picture_has_its_colours_where_they_belong() -> None:
    # The reference implementation's own example: four by three components.
    picture = drawn("LEHV6nWB2yk8pyo0adR*.7kCMdnj").convert("RGB")
    assert picture.size == (16, 12)
    assert picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) == pytest.approx((150, 138, 136), abs=14)
    top, bottom = (picture.crop((0, y, 16, y + 3)).resize((1, 1), Image.Resampling.BOX) for y in (0, 9))
    assert top.getpixel((0, 0)) != bottom.getpixel((0, 0))


@pytest.mark.parametrize(
    "text", ["", "LEHV6n", "LEHV6nWB2yk8pyo0adR*.7kCMdn", "L€HV6nWB2yk8pyo0adR*.7kCMdnj", "\x00" * 28]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="blurhash"):
        Blurhash(text)


@given(st.text(max_size=60))
def test_whatever_a_stranger_writes_is_drawn_or_refused(text: str) -> None:
    try:
        decoded = Blurhash(text)
    except ValueError:
        return
    assert decoded.data_url().startswith("data:image/bmp;base64,")
