"""What strangers say, which may be what no program reckons with: ``1e999``, ``NaN``, lists in lists without end."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: By this name a server tells the size of a body in ``Server-Timing``: in an ``<img>`` a part looks whole.
SIZE_METRIC = "size"

# Milliseconds until the year 33658, or a petabyte: whoever names more means nothing by it.
_MOST = 1e15
_MOST_DIGITS = 15


def parse_json(text: "str | bytes") -> "Any":
    """What a text, or one in UTF-8, says in JSON; nothing where it is none.

    In Python, not by the browser: its large integers would wrap on MicroPython.
    """
    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # the latter of lists in lists without end
        return None


def json_object(value: object) -> "dict[str, Any]":
    """An object of JSON; one without anything in it for whatever is none."""
    return value if isinstance(value, dict) else {}


def finite_number(value: object) -> float:
    """A number that can be reckoned with; 0 for whatever is none, or less than nothing."""
    if not isinstance(value, (int, float)):
        return 0.0
    try:
        read = float(value)
    except OverflowError:  # of hundreds of digits, on CPython
        return 0.0
    return read if 0 < read <= _MOST else 0.0


def content_length(header: "Callable[[str], str]") -> int | None:
    """How many bytes a body is to have, by its headers; nothing where they do not say.

    Where it has no length, links tell their size all the same: ``Server-Timing: size;desc="14200"``.
    https://www.rfc-editor.org/rfc/rfc9110#section-8.6
    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Server-Timing

    :param header: gives a header's value, empty where it is missing. The second one is read only where it is needed.
    """
    length = parse_digits(header("Content-Length"))
    if length is not None:
        return length
    for metric in header("Server-Timing").split(","):
        name, _, description = metric.strip().partition(';desc="')
        if name == SIZE_METRIC:
            return parse_digits(description[:-1])
    return None


def parse_digits(text: str) -> int | None:
    """Digits as a number; nothing for whatever else it is."""
    # Of bytes, since those of a text would be digits of all scripts on CPython.
    return int(text) if len(text) <= _MOST_DIGITS and text.encode().isdigit() else None
