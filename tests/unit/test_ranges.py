"""Conditional and range requests: the examples of RFC 9110, and properties that hold for every header."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_protocol.ranges import ByteRange, RangeNotSatisfiable, if_range_matches, is_not_modified, parse_range

TAG = '"abc-_DEF"'
SIZES = st.integers(0, 10**13)
POSITIONS = st.integers(0, 10**14)


def parse(header: str | None, size: int) -> ByteRange | str | None:
    try:
        return parse_range(header, size)
    except RangeNotSatisfiable:
        return "416"


@given(SIZES, POSITIONS, POSITIONS)
@settings(max_examples=300, deadline=None)
def test_range_with_first_and_last_position(size: int, first: int, last: int) -> None:
    expected: ByteRange | str | None
    if last < first:
        expected = None
    elif first >= size:
        expected = "416"
    else:
        expected = ByteRange(first, min(last, size - 1) - first + 1)
    assert parse(f"bytes={first}-{last}", size) == expected


@given(SIZES, POSITIONS)
@settings(max_examples=300, deadline=None)
def test_range_without_last_position(size: int, first: int) -> None:
    assert parse(f"bytes={first}-", size) == (ByteRange(first, size - first) if first < size else "416")


@given(SIZES, POSITIONS)
@settings(max_examples=300, deadline=None)
def test_suffix_range(size: int, length: int) -> None:
    taken = min(length, size)
    assert parse(f"bytes=-{length}", size) == (ByteRange(size - taken, taken) if taken else "416")


@given(st.text(alphabet="bytes=-,0123456789 \tx" + "\xff٣", max_size=30) | st.text(max_size=20), SIZES)
@settings(max_examples=500, deadline=None)
def test_any_range_header_selects_bytes_of_the_file_or_none(header: str, size: int) -> None:
    found = parse(header, size)
    if isinstance(found, ByteRange):
        assert found.start >= 0
        assert found.length > 0
        assert found.start + found.length <= size
        assert "," not in header


@given(st.binary(min_size=1, max_size=200), st.data())
@settings(max_examples=300, deadline=None)
def test_consecutive_ranges_make_the_whole_file(content: bytes, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, len(content)))
    collected = b""
    for start in range(0, len(content), step):
        found = parse(f"bytes={start}-{start + step - 1}", len(content))
        assert isinstance(found, ByteRange)
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
def test_header_that_is_not_one_byte_range_is_ignored(header: str | None) -> None:
    assert parse(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=0-9", "Bytes=0-9", " bytes = 0 - 9 ", "BYTES=00-09"])
def test_range_with_unusual_case_and_spaces_is_parsed(header: str) -> None:
    assert parse(header, 100) == ByteRange(0, 10)


TAGS = st.text(alphabet="".join(set(string.printable) - set('"\t\n\r\x0b\x0c ')), max_size=12).map(
    lambda text: f'"{text}"'
)


@given(st.lists(st.tuples(st.booleans(), TAGS), max_size=6), st.sampled_from([",", ", ", " ,", " ,\t"]))
@settings(max_examples=300, deadline=None)
def test_not_modified_where_the_tag_is_in_the_list(entries: list[tuple[bool, str]], comma: str) -> None:
    header = comma.join(("W/" if weak else "") + tag for weak, tag in entries)
    assert is_not_modified(header, TAG) == (TAG in [tag for _, tag in entries])
    assert is_not_modified(header + comma + TAG if header else TAG, TAG)
    assert is_not_modified(header + comma + "W/" + TAG if header else "W/" + TAG, TAG)


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
def test_is_not_modified(header: str | None, expected: bool) -> None:
    assert is_not_modified(header, TAG) is expected


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
def test_if_range_matches(header: str | None, expected: bool) -> None:
    assert if_range_matches(header, TAG) is expected


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_conditional_header_is_parsed(header: str) -> None:
    assert isinstance(is_not_modified(header, TAG), bool)
    assert if_range_matches(header, TAG) == (header.strip() == TAG)
