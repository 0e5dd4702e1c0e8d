"""Whether a body has its end, by its own format."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from authmedia.endings import has_its_end
from tests.unit import fake_browser as fake
from tests.unit.support import run

MEDIA = Path(__file__).parents[2] / "web" / "media"


def drawn(form: str, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    pixels = bytes((x * y * 7 + c * 50) % 256 for y in range(size[1]) for x in range(size[0]) for c in range(3))
    written = io.BytesIO()
    Image.frombytes("RGB", size, pixels).save(written, form, **options)
    return written.getvalue()


def with_thumbnail() -> bytes:
    """A photograph with another one in its head, as cameras make them."""
    exif = b"Exif\x00\x00" + drawn("JPEG", (8, 8))
    photo = drawn("JPEG")
    return photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:]


def webm(size: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x84head\x18\x53\x80\x67" + size + b"x" * 20


def boxes(*sizes: int) -> bytes:
    ftyp = struct.pack(">I4s8s", 16, b"ftyp", b"isom")
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 30) + b"x" * 30
    return ftyp + large + b"".join(struct.pack(">I4s", size, b"free") + b"x" * (size - 8) for size in sizes)


WHOLE = {
    "PNG": lambda: drawn("PNG"),
    "JPEG": lambda: drawn("JPEG"),
    "progressive JPEG": lambda: drawn("JPEG", progressive=True),
    "JPEG with a thumbnail": with_thumbnail,
    "GIF": lambda: drawn("GIF"),
    "WebP": lambda: drawn("WEBP"),
    "AVIF": lambda: drawn("AVIF"),
    "WebM": lambda: webm(b"\x94"),
    "boxes": lambda: boxes(120),
}


def ends(content: bytes) -> bool:
    return bool(run(has_its_end(fake.Blob(content))))


@pytest.mark.parametrize("draw", WHOLE.values(), ids=WHOLE)
def test_whatever_is_left_out_is_missed(draw: Callable[[], bytes]) -> None:
    whole = draw()
    assert ends(whole)
    # A checksum's or a trailer's last byte may be all that is missing: that shows as the whole does.
    assert [size for size in range(64, len(whole), max(1, len(whole) // 60)) if ends(whole[:size])] == []
    assert not ends(whole[:-1])


@pytest.mark.parametrize("draw", [WHOLE["PNG"], WHOLE["JPEG"], WHOLE["JPEG with a thumbnail"], WHOLE["WebP"]])
def test_what_follows_the_end_does_no_harm(draw: Callable[[], bytes]) -> None:
    assert ends(draw() + boxes(500)), "as phones put a film behind a photograph"


def test_the_film_of_the_sample_room_ends_where_it_ends() -> None:
    film = (MEDIA / "film.mp4").read_bytes()
    assert ends(film)
    assert not ends(film[: len(film) // 2])


@pytest.mark.parametrize(
    "content",
    [b"", b"plain text", b"\xff\xd8\xff", boxes() + struct.pack(">I4s", 0, b"mdat"), webm(b"\xff"), webm(b"\x00")],
    ids=["nothing", "another format", "a mark alone", "as long as it is", "recorded live", "no size"],
)
def test_what_does_not_tell_is_taken_as_it_is(content: bytes) -> None:
    assert ends(content) is (content != b"\xff\xd8\xff")


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"1234ftyp", webm(b"\x94")[:10]]),
    st.binary(),
)
def test_whatever_it_says_is_an_answer(mark: bytes, rest: bytes) -> None:
    assert ends(mark + rest) in (True, False)
