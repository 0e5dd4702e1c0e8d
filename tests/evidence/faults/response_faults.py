"""Faults of responses, by name.

Each is applied to responses with a probability: high enough to hit every run with many loads, low enough for retries
to succeed.
"""

import asyncio
import json

from tests.evidence.faults.faulty_proxy import Exchange, Fault

# With the higher one, four attempts of one load fail together once in about a hundred loads.
_OFTEN, _SELDOM = 0.3, 0.05
_STALLED_S = 120.0
_LONGEST_DELAY_S = 0.6
_CORS = [(b"access-control-allow-origin", b"*")]


async def _rate_limited(exchange: Exchange) -> None:
    """429, with the time to wait in the body or in the header."""
    wait_ms = exchange.rng.randint(100, 500)
    body: dict[str, object] = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests"}
    exchange.status, exchange.headers = 429, [*_CORS, (b"content-type", b"application/json")]
    if exchange.rng.random() < 0.5:
        body["retry_after_ms"] = wait_ms
    else:
        exchange.headers.append((b"retry-after", b"1"))
        exchange.headers.append((b"access-control-expose-headers", b"Retry-After"))
    exchange.body = json.dumps(body).encode()
    await exchange.answer()


async def _failing(exchange: Exchange) -> None:
    """500 as sent by the homeserver, or 502 and 503 as sent by a proxy: in HTML and without CORS headers."""
    exchange.status = exchange.rng.choice([500, 502, 503])
    if exchange.status == 500:
        exchange.headers = [*_CORS, (b"content-type", b"application/json")]
        exchange.body = b'{"errcode": "M_UNKNOWN", "error": "Internal server error"}'
    else:
        exchange.headers = [(b"content-type", b"text/html")]
        exchange.body = b"<html><title>Bad gateway</title></html>"
    await exchange.answer()


async def _reset_at_the_start(exchange: Exchange) -> None:
    """The connection is reset before there is an answer."""
    exchange.reset()


async def _reset_in_the_middle(exchange: Exchange) -> None:
    """The connection is reset in the middle of the body."""
    await _cut_short(exchange)
    await asyncio.sleep(0.01)  # else the reset discards the data in the send buffer
    exchange.reset()


async def _cut_short(exchange: Exchange) -> None:
    """The body ends before its Content-Length."""
    await exchange.send(exchange.head(len(exchange.body)) + _half(exchange))


async def _promised(exchange: Exchange) -> None:
    """Content-Length is 100 GB, and the body is the media."""
    await exchange.send(exchange.head(100_000_000_000) + exchange.body)


async def _promised_in_vain(exchange: Exchange) -> None:
    """Content-Length is 100 GB, and the body stalls in its middle."""
    await exchange.send(exchange.head(100_000_000_000) + _half(exchange))
    await asyncio.sleep(_STALLED_S)


async def _cut_in_chunks(exchange: Exchange) -> None:
    """The body has chunked transfer coding, without the last chunk."""
    half = _half(exchange)
    exchange.headers.append((b"transfer-encoding", b"chunked"))
    await exchange.send(exchange.head(None) + f"{len(half):x}\r\n".encode() + half + b"\r\n")


async def _cut_without_length(exchange: Exchange) -> None:
    """The body has no Content-Length, and the connection closes too early."""
    await exchange.send(exchange.head(None) + _half(exchange))


async def _stalled(exchange: Exchange) -> None:
    """The body stalls in its middle, and the connection stays open."""
    await _cut_short(exchange)
    await asyncio.sleep(_STALLED_S)


async def _out_of_order(exchange: Exchange) -> None:
    """Responses arrive in another order than their requests."""
    await asyncio.sleep(exchange.rng.random() * _LONGEST_DELAY_S)
    await exchange.answer()


def _half(exchange: Exchange) -> bytes:
    return exchange.body[: exchange.rng.randrange(1, len(exchange.body))]


rate_limited = Fault(_rate_limited, _OFTEN)
failing = Fault(_failing, _OFTEN)
reset_at_the_start = Fault(_reset_at_the_start, _OFTEN)
reset_in_the_middle = Fault(_reset_in_the_middle, _OFTEN, needs_body=True)
cut_short = Fault(_cut_short, _OFTEN, needs_body=True)
promised = Fault(_promised, _OFTEN, needs_body=True)
promised_in_vain = Fault(_promised_in_vain, _SELDOM, needs_body=True)
cut_in_chunks = Fault(_cut_in_chunks, _OFTEN, needs_body=True)
cut_without_length = Fault(_cut_without_length, _OFTEN, needs_body=True)
stalled = Fault(_stalled, _SELDOM, needs_body=True)
out_of_order = Fault(_out_of_order, 1)

RESPONSE_FAULTS: dict[str, Fault] = {
    "429, with the time to wait": rate_limited,
    "500, 502 and 503": failing,
    "connections reset at the start": reset_at_the_start,
    "connections reset in the middle of a body": reset_in_the_middle,
    "bodies cut short of their length": cut_short,
    "a length of 100 GB, and a body that is none": promised,
    "a length of 100 GB, and then silence": promised_in_vain,
    "bodies in chunks, cut short": cut_in_chunks,
    "bodies without a length, cut short": cut_without_length,
    "bodies that stand still": stalled,
    "answers out of order": out_of_order,
}
