"""Parsers of untrusted input."""

import pytest

from authmedia.errors import ServerFailure
from authmedia.matrix.encrypted_file import Keyring
from authmedia.strategies.blocking import _error
from authmedia.support.untrusted import content_length, finite_number, is_resumable, parse_json
from demo.room import Message, Person


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "9" * 400, "-3", "0", "null", '"7"', "[7]", "1e16"])
def test_a_number_out_of_range_is_zero(text: str) -> None:
    assert finite_number(parse_json(text)) == 0


@pytest.mark.parametrize(("text", "expected"), [("7", 7), ("2.5", 2.5), ("1e15", 1e15), ("1800000000000", 1.8e12)])
def test_a_number_in_range_is_returned(text: str, expected: float) -> None:
    assert finite_number(parse_json(text)) == expected


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "\x00"])
def test_invalid_json_is_none(text: str) -> None:
    assert parse_json(text) is None


@pytest.mark.parametrize(
    ("length", "timing", "expected"),
    [
        ("7", "", 7),
        ("7", 'size;desc="9"', 7),
        ("3000000000", "", 3_000_000_000),
        ("", 'size;desc="9"', 9),
        ("", 'cache;desc="3", size;desc="9"', 9),
        ("", 'size;desc="9', None),
        ("", "size", None),
        ("", 'size;desc="-9"', None),
        ("-7", "", None),
        ("9" * 5000, "", None),
        ("\u00b2", 'size;desc="\u0667"', None),
        ("", "", None),
    ],
)
def test_the_length_of_a_body_by_its_headers(length: str, timing: str, expected: int | None) -> None:
    headers = {"Content-Length": length, "Server-Timing": timing, "Content-Encoding": ""}
    assert content_length(headers.__getitem__) == expected
    compressed = {**headers, "Content-Encoding": "gzip"}.__getitem__
    assert content_length(compressed) == (9 if 'size;desc="9"' in timing else None)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {"Accept-Ranges": "bytes", "ETag": '"a"'}, True),
        (206, {"ETag": '"a"'}, True),
        (200, {"ETag": '"a"'}, False),
        (200, {"Accept-Ranges": "none", "ETag": '"a"'}, False),
        (200, {"Accept-Ranges": "bytes"}, False),
        (200, {"Accept-Ranges": "bytes", "ETag": 'W/"a"'}, False),
        (200, {"Accept-Ranges": "bytes", "ETag": '""'}, False),
        (200, {"Accept-Ranges": "bytes", "ETag": "1"}, False),
        (206, {"ETag": '"a"', "Content-Encoding": "br"}, False),
    ],
)
def test_which_bodies_can_be_continued(status: int, headers: dict[str, str], expected: bool) -> None:
    assert is_resumable(status, lambda name: headers.get(name, "")) is expected


@pytest.mark.parametrize("number", ["1e999", "NaN", "9" * 400])
def test_a_message_with_invalid_numbers_is_shown_without_them(number: str) -> None:
    info = f'{{"size": {number}, "w": {number}, "h": {number}, "duration": {number}}}'
    event = f'{{"origin_server_ts": {number}, "content": {{"msgtype": "m.image", "url": "mxc://a/b", "info": {info}}}}}'
    message = Message(parse_json(event), Person("@ana:a", "Ana", ""), Keyring())
    assert (message.mxc, message.size, message.wide, message.high) == ("mxc://a/b", 0, 0, 0)
    assert (message.sent_ms, message.duration_ms) == (0, 0)


@pytest.mark.parametrize("body", [b"[1]", b'"no"', b"\xff\xfe", b"<html>", b"[" * 100_000])
def test_an_error_response_that_is_no_object_is_classified_by_its_status(body: bytes) -> None:
    failure = _error(502, body)
    assert (type(failure), failure.words) == (ServerFailure, "HTTP 502")
