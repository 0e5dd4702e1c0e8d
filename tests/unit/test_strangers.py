"""What strangers' JSON may hold."""

import pytest

from authmedia.encrypted import Keyring
from authmedia.errors import ServerFailure
from authmedia.strangers import announced, figure, parsed
from authmedia.strategies.blocking import _refusal
from demo.room import Message, Person


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "9" * 400, "-3", "0", "null", '"7"', "[7]", "1e16"])
def test_what_nobody_reckons_with_is_nothing(text: str) -> None:
    assert figure(parsed(text)) == 0


@pytest.mark.parametrize(("text", "expected"), [("7", 7), ("2.5", 2.5), ("1e15", 1e15), ("1800000000000", 1.8e12)])
def test_what_one_reckons_with_is_kept(text: str, expected: float) -> None:
    assert figure(parsed(text)) == expected


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "\x00"])
def test_what_is_no_json_is_nothing(text: str) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("length", "timing", "expected"),
    [
        ("7", "", 7),
        ("7", 'size;desc="9"', 7),
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
def test_how_long_a_body_is_to_be(length: str, timing: str, expected: int | None) -> None:
    assert announced({"Content-Length": length, "Server-Timing": timing}.__getitem__) == expected


@pytest.mark.parametrize("number", ["1e999", "NaN", "9" * 400])
def test_a_message_with_such_numbers_is_shown_without_them(number: str) -> None:
    info = f'{{"size": {number}, "w": {number}, "h": {number}, "duration": {number}}}'
    event = f'{{"origin_server_ts": {number}, "content": {{"msgtype": "m.image", "url": "mxc://a/b", "info": {info}}}}}'
    message = Message(parsed(event), Person("@ana:a", "Ana", ""), Keyring())
    assert (message.mxc, message.size, message.wide, message.high) == ("mxc://a/b", 0, 0, 0)
    assert (message.sent_ms, message.duration_ms) == (0, 0)


@pytest.mark.parametrize("body", [b"[1]", b'"no"', b"\xff\xfe", b"<html>", b"[" * 100_000])
def test_a_refusal_that_is_no_object_is_told_by_its_status(body: bytes) -> None:
    failure = _refusal(502, body)
    assert (type(failure), failure.words) == (ServerFailure, "HTTP 502")
