"""What strangers say, which may be what no program reckons with: ``1e999``, ``NaN``, lists in lists without end."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Milliseconds until the year 33658, or a petabyte: whoever names more means nothing by it.
_MOST = 1e15
_MOST_DIGITS = 15


def parsed(text: "str | bytes") -> "Any":
    """What a text, or one in UTF-8, says in JSON; nothing where it is none.

    In Python, not by the browser: its large integers would wrap on MicroPython.
    """
    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # the latter of lists in lists without end
        return None


def mapping(value: object) -> "dict[str, Any]":
    """An object of JSON; one without anything in it for whatever is none."""
    return value if isinstance(value, dict) else {}


def figure(value: object) -> float:
    """A number that can be reckoned with; 0 for whatever is none, or less than nothing."""
    if not isinstance(value, (int, float)):
        return 0.0
    try:
        read = float(value)
    except OverflowError:  # of hundreds of digits, on CPython
        return 0.0
    return read if 0 < read <= _MOST else 0.0


def announced(content_length: str, server_timing: str) -> int | None:
    """How many bytes a body is to have, by its headers; nothing where they do not say.

    :param content_length: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
    :param server_timing: by which links tell the size even where an answer has no length:
        ``size;desc="14200"``. https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Server-Timing
    """
    told = _whole_number(content_length)
    for metric in server_timing.split(","):
        name, _, description = metric.strip().partition(';desc="')
        if name == "size" and told is None:
            told = _whole_number(description[:-1])
    return told


def _whole_number(text: str) -> int | None:
    """ASCII digits as a number; `str.isdigit` would take others, too, on CPython."""
    is_one = text and len(text) <= _MOST_DIGITS and all(digit in "0123456789" for digit in text)
    return int(text) if is_one else None
