"""Conditional and range requests, as far as media need them (https://www.rfc-editor.org/rfc/rfc9110).

Pure functions from header values to decisions. Media never change, so there is an entity tag and no modification date.
"""

import re
from dataclasses import dataclass

# The header's value is parsed on the reactor's thread, so it has a bound. The longest that is of use has 46 characters.
_MAX_RANGE_LENGTH = 256
_MAX_DIGITS = 19
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Unsatisfiable(Exception):
    """A range that lies outside of the file: 416."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some bytes in the middle of a file."""

    start: int
    length: int


def requested_span(header: str | None, size: int) -> Span | None:
    """What a ``Range`` header asks for, see RFC 9110, section 14.2.

    Several ranges at once are answered with the whole, as that section allows, and so is what cannot be understood.

    :returns: nothing where the whole file is to be sent.
    :raises Unsatisfiable:
    """
    positions = _positions(header) if header else None
    if positions is None:
        return None
    first, last = positions
    if first is None:
        return _suffix(last or 0, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    end = size - 1 if last is None else min(last, size - 1)
    return Span(first, end - first + 1)


def _positions(header: str) -> tuple[int | None, int | None] | None:
    """First and last position of a single byte range, at least one of which is given.

    :returns: ``None`` for anything else.
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


def _suffix(length: int, size: int) -> Span:
    """The last ``length`` bytes.

    :raises Unsatisfiable: if that is none at all.
    """
    length = min(length, size)
    if length == 0:
        raise Unsatisfiable
    return Span(size - length, length)


def unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has this very file already: 304, see RFC 9110, section 13.1.2."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)


def continues(if_range: str | None, tag: str) -> bool:
    """Whether a part of the file still fits what the client has of it, see RFC 9110, section 13.1.5.

    Only the same strong entity tag does; a date cannot, because we never send one.
    """
    return if_range is None or if_range.strip() == tag
