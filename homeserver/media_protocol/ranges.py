"""Conditional and range requests, as far as media need them (https://www.rfc-editor.org/rfc/rfc9110).

Pure functions from header values to decisions. The content of a media never changes, so it has an entity tag and no
modification date.
"""

import re
from dataclasses import dataclass

# A header is parsed on the reactor's thread, so its length is bounded. The longest useful value has 46 characters.
_MAX_RANGE_LENGTH = 256
_MAX_DIGITS = 19
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class RangeNotSatisfiable(Exception):
    """A range that lies outside of the file; the response is 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Consecutive bytes of a file.

    :param start: the position of the first byte.
    :param length: in bytes, at least 1.
    """

    start: int
    length: int


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Parses a ``Range`` header (RFC 9110, section 14.2).

    Several ranges and malformed ones are ignored, as that section allows.

    :param size: of the file, in bytes.
    :returns: ``None`` where the whole file is to be sent.
    :raises RangeNotSatisfiable:
    """
    positions = _parse_positions(header) if header else None
    if positions is None:
        return None
    first, last = positions
    if first is None:
        return _suffix_range(last or 0, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise RangeNotSatisfiable
    end = size - 1 if last is None else min(last, size - 1)
    return ByteRange(first, end - first + 1)


def _parse_positions(header: str) -> tuple[int | None, int | None] | None:
    """Returns the first and the last position of a single byte range, of which at least one is given.

    :returns: ``None`` for any other header.
    """
    if len(header) > _MAX_RANGE_LENGTH:
        return None
    unit, _, ranges = header.partition("=")
    first, dash, last = (part.strip() for part in ranges.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not (first or last):
        return None
    if not all(_is_position(text) for text in (first, last) if text):
        return None
    return int(first) if first else None, int(last) if last else None


def _is_position(text: str) -> bool:
    return len(text) <= _MAX_DIGITS and text.isascii() and text.isdecimal()


def _suffix_range(length: int, size: int) -> ByteRange:
    """Returns the range of the last ``length`` bytes.

    :raises RangeNotSatisfiable: if that is an empty range.
    """
    length = min(length, size)
    if length == 0:
        raise RangeNotSatisfiable
    return ByteRange(size - length, length)


def is_not_modified(if_none_match: str | None, etag: str) -> bool:
    """Whether ``If-None-Match`` names this entity tag (RFC 9110, section 13.1.2); the response is 304 then."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _ENTITY_TAG.findall(if_none_match)


def if_range_matches(if_range: str | None, etag: str) -> bool:
    """Whether ``If-Range`` allows a partial response (RFC 9110, section 13.1.5).

    Only the same strong entity tag does, or a request without the header. A date does not: media are sent without one.
    """
    return if_range is None or if_range.strip() == etag
