"""Conditional and range requests, as far as media need them (https://www.rfc-editor.org/rfc/rfc9110).

Pure functions from header values to decisions. Media never change, so there is an entity tag and no modification date.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*", re.ASCII | re.IGNORECASE)
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
    asked = _RANGE.fullmatch(header) if header else None
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        length = min(int(asked[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, length)
    start = int(asked[1])
    last = min(int(asked[2]), size - 1) if asked[2] else size - 1
    if asked[2] and int(asked[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Span(start, last - start + 1)


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
