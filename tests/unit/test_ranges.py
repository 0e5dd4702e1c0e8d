"""Conditional and range requests, against RFC 9110 and against properties that hold for every header."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_protocol.ranges import Span, Unsatisfiable, continues, requested_span, unchanged

TAG = '"abc-_DEF"'
SIZES = st.integers(0, 10**13)
PLACES = st.integers(0, 10**14)


def span(header: str | None, size: int) -> Span | str | None:
    try:
        return requested_span(header, size)
    except Unsatisfiable:
        return "416"


@given(SIZES, PLACES, PLACES)
@settings(max_examples=300, deadline=None)
def test_first_and_last(size: int, first: int, last: int) -> None:
    expected: Span | str | None
    if last < first:
        expected = None
    elif first >= size:
        expected = "416"
    else:
        expected = Span(first, min(last, size - 1) - first + 1)
    assert span(f"bytes={first}-{last}", size) == expected


@given(SIZES, PLACES)
@settings(max_examples=300, deadline=None)
def test_open_end(size: int, first: int) -> None:
    assert span(f"bytes={first}-", size) == (Span(first, size - first) if first < size else "416")


@given(SIZES, PLACES)
@settings(max_examples=300, deadline=None)
def test_suffix(size: int, length: int) -> None:
    taken = min(length, size)
    assert span(f"bytes=-{length}", size) == (Span(size - taken, taken) if taken else "416")


@given(st.text(alphabet="bytes=-,0123456789 \tx" + "\xff٣", max_size=30) | st.text(max_size=20), SIZES)
@settings(max_examples=500, deadline=None)
def test_any_header_gives_a_part_of_the_file_or_none(header: str, size: int) -> None:
    found = span(header, size)
    if isinstance(found, Span):
        assert found.start >= 0
        assert found.length > 0
        assert found.start + found.length <= size
        assert "," not in header


@given(st.binary(min_size=1, max_size=200), st.data())
@settings(max_examples=300, deadline=None)
def test_parts_one_after_another_are_the_whole(content: bytes, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, len(content)))
    collected = b""
    for start in range(0, len(content), step):
        found = span(f"bytes={start}-{start + step - 1}", len(content))
        assert isinstance(found, Span)
        collected += content[found.start : found.start + found.length]
    assert collected == content


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=1",
        "bytes=1-0",
        "bytes=0-1,2-3",
        "bytes=0-1,",
        "bytes=0-1-2",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=1e3-",
        "bytes=0x1-",
        "bytes=\u0663-",
        "seconds=1-2",
        "bytes=" + "9" * 20 + "-",
        "bytes=0-1\nbytes=2-3",
    ],
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert span(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=0-9", "Bytes=0-9", " bytes = 0 - 9 ", "BYTES=00-09"])
def test_spelling_that_is_forgiven(header: str) -> None:
    assert span(header, 100) == Span(0, 10)


TAGS = st.text(alphabet="".join(set(string.printable) - set('"\t\n\r\x0b\x0c ')), max_size=12).map(
    lambda text: f'"{text}"'
)


@given(st.lists(st.tuples(st.booleans(), TAGS), max_size=6), st.sampled_from([",", ", ", " ,", " ,\t"]))
@settings(max_examples=300, deadline=None)
def test_unchanged_where_the_tag_is_in_the_list(entries: list[tuple[bool, str]], comma: str) -> None:
    header = comma.join(("W/" if weak else "") + tag for weak, tag in entries)
    assert unchanged(header, TAG) == (TAG in [tag for _, tag in entries])
    assert unchanged(header + comma + TAG if header else TAG, TAG)
    assert unchanged(header + comma + "W/" + TAG if header else "W/" + TAG, TAG)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (" * ", True),
        ('"*"', False),
        ('*, "x"', False),
        ("abc-_DEF", False),
        ('"abc-_def"', False),
        (f'"a{TAG[1:]}', False),
        ('"a,"abc-_DEF",b"', False),
    ],
)
def test_unchanged(header: str | None, expected: bool) -> None:
    assert unchanged(header, TAG) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        (TAG, True),
        (f" {TAG} ", True),
        (f"W/{TAG}", False),
        ("*", False),
        ("", False),
        ('"other"', False),
        (f'"other", {TAG}', False),
        ("Tue, 15 Nov 2022 12:45:26 GMT", False),
    ],
)
def test_continues(header: str | None, expected: bool) -> None:
    assert continues(header, TAG) is expected


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_header_breaks_anything(header: str) -> None:
    assert isinstance(unchanged(header, TAG), bool)
    assert continues(header, TAG) == (header.strip() == TAG)
