"""Whether a body is complete, by the fields of its format."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authmedia.transport.completeness import is_complete
from tests.bodies import WHOLE, boxes, webm
from tests.unit import fake_browser as fake
from tests.unit.support import run

MEDIA = Path(__file__).parents[2] / "web" / "media"


# Where one box ends, and in the head of the next one.
MISSED = {boxes()[:8]: [16, 17, 18, 19, 20, 21, 22, 23]}


def ends(content: bytes) -> bool:
    return bool(run(is_complete(fake.Blob(content))))


@pytest.mark.parametrize("draw", WHOLE.values(), ids=WHOLE)
def test_any_truncation_is_noticed(draw: Callable[[], bytes]) -> None:
    whole = draw()
    assert ends(whole)
    sizes = [*range(20), *range(20, len(whole), max(1, len(whole) // 60)), len(whole) - 1]
    assert [size for size in sizes if ends(whole[:size])] == MISSED.get(whole[:8], [])


@pytest.mark.parametrize("draw", [WHOLE["PNG"], WHOLE["JPEG"], WHOLE["JPEG with a thumbnail"], WHOLE["WebP"]])
def test_bytes_behind_the_end_do_not_matter(draw: Callable[[], bytes]) -> None:
    assert ends(draw() + boxes(500)), "as phones put a film behind a photograph"


def test_the_sample_video_is_complete_and_its_truncation_is_noticed() -> None:
    film = (MEDIA / "film.mp4").read_bytes()
    assert ends(film)
    assert not ends(film[: len(film) // 2])


@pytest.mark.parametrize(
    "content",
    [
        b"plain text",
        boxes() + struct.pack(">I4s", 0, b"mdat"),
        boxes() + bytes(4),
        boxes() + b"\n",
        b"RIFF" + b"\xff" * 4 + b"WAVEfmt ",
        webm(b"\xff"),
        webm(b"\x00"),
    ],
    ids=["another format", "as long as it is", "filled up", "a line's end", "from a pipe", "recorded live", "no size"],
)
def test_a_format_without_an_end_is_taken_as_complete(content: bytes) -> None:
    assert ends(content)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"1234ftyp", webm(b"\x94")[:10]]),
    st.binary(),
)
def test_any_body_has_an_answer(mark: bytes, rest: bytes) -> None:
    assert ends(mark + rest) in (True, False)
