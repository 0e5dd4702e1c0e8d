"""Parsers of untrusted input, such as ``1e999``, ``NaN``, or lists nested without end. None of them raises."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The metric of ``Server-Timing`` by which a server announces a body's length: an ``<img>`` shows a part as if it
#: were whole, and resource timing does not list ``Content-Length``.
SIZE_METRIC = "size"

# Milliseconds until the year 33658, or a petabyte: no larger number is meant.
_MAX_NUMBER = 1e15
_MAX_DIGITS = 15


def parse_json(text: "str | bytes") -> "Any":
    """Parses a text, or UTF-8, as JSON; returns ``None`` where it is not JSON.

    In Python rather than by the browser, whose large integers would wrap on MicroPython.
    """
    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # the latter of deeply nested lists
        return None


def json_object(value: object) -> "dict[str, Any]":
    """Returns a JSON object, an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def finite_number(value: object) -> float:
    """Returns a positive number of a sensible size, 0 for any other value."""
    if not isinstance(value, (int, float)):
        return 0.0
    try:
        number = float(value)
    except OverflowError:  # of hundreds of digits, on CPython
        return 0.0
    return number if 0 < number <= _MAX_NUMBER else 0.0


def content_length(header: "Callable[[str], str]") -> int | None:
    """Returns the length of a body in bytes by its headers; ``None`` where they do not say it.

    The length of a compressed body is that of what is transferred, which the browser decompresses. Other origins show
    ``Content-Length``, but hide ``Content-Encoding`` as a rule: a body may turn out longer or shorter.
    Where there is no ``Content-Length``, signed links announce it as ``Server-Timing: size;desc="14200"``.
    https://www.rfc-editor.org/rfc/rfc9110#section-8.6
    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Server-Timing

    :param header: returns a header's value, empty where it is missing. The second header is read only if needed.
    """
    length = parse_digits(header("Content-Length"))
    if length is not None and not header("Content-Encoding"):
        return length
    for metric in header("Server-Timing").split(","):
        name, _, description = metric.strip().partition(';desc="')
        if name == SIZE_METRIC:
            return parse_digits(description[:-1])
    return None


def is_resumable(status: int, header: "Callable[[str], str]") -> bool:
    """Returns whether the server can continue a body that breaks off, and says which one it is by a strong entity tag.

    https://www.rfc-editor.org/rfc/rfc9110#section-14.3
    https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3

    :param status: the status of the response: 206 for a part of the body.
    :param header: returns a header's value, empty where it is missing.
    """
    etag = header("ETag")
    ranges = status == 206 or header("Accept-Ranges") == "bytes"
    return ranges and len(etag) > 2 and etag[0] == etag[-1] == '"' and not header("Content-Encoding")


def parse_digits(text: str) -> int | None:
    """Parses ASCII digits; returns ``None`` for anything else."""
    # Of bytes, since `str.isdigit` accepts the digits of all scripts on CPython.
    return int(text) if len(text) <= _MAX_DIGITS and text.encode().isdigit() else None
