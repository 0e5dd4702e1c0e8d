"""A reverse proxy that injects the faults of networks, proxies and homeservers into responses.

It writes raw bytes to the client's connection, because HTTP server libraries do not send malformed responses.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import h11
import httpx

from tests.relay import InThread

_LONGEST_S = 60.0
_OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"content-length"}
# Faults apply to requests of media only, not to those for signing in and the like.
_MEDIA = "/media/"
# Many media depend on each of these requests, so every second one is hit.
_SELDOM_ASKED = ("/links", "/bundle")
Headers = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """A request, the homeserver's response, and the connection to the browser.

    :param nth: number of equal requests before it.
    :param rng: which is the same in each run with the same seed.
    """

    method: str
    path: str
    nth: int
    rng: Random
    status: int
    headers: Headers
    body: bytes
    writer: asyncio.StreamWriter
    #: The request's ``Range``, empty where it has none.
    asked_range: str = ""

    async def answer(self) -> None:
        """Sends the response, as a fault may have changed it."""
        await self.send(self.head(len(self.body)) + self.body)

    def head(self, length: int | None) -> bytes:
        """Returns the response's head, with ``Connection: close``.

        :param length: the Content-Length; None for no such header.
        """
        announced = [] if length is None else [(b"content-length", str(length).encode())]
        lines = [name + b": " + value for name, value in (*self.headers, *announced, (b"connection", b"close"))]
        return b"\r\n".join([f"HTTP/1.1 {self.status} -".encode(), *lines, b"", b""])

    async def send(self, content: bytes) -> None:
        """Sends bytes to the browser."""
        self.writer.write(content)
        await self.writer.drain()

    def reset(self) -> None:
        """Resets the connection (TCP RST)."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(frozen=True)
class Fault:
    """A fault of a response.

    :param apply: sends something instead of the response.
    :param probability: share of the responses to which it is applied.
    :param needs_body: whether it applies to responses with a body only.
    """

    apply: Callable[[Exchange], Awaitable[None]]
    probability: float
    needs_body: bool = False

    def hits(self, exchange: Exchange) -> bool:
        """Whether the fault applies to this exchange."""
        if exchange.method == "OPTIONS" or _MEDIA not in exchange.path or (self.needs_body and len(exchange.body) < 2):
            return False
        if self.probability < 1 and exchange.path.endswith(_SELDOM_ASKED):
            return exchange.nth % 2 == 0
        return exchange.rng.random() < self.probability


class FaultyProxy(InThread):
    """Forwards requests to a homeserver and applies a fault to its responses.

    >>> with FaultyProxy(8008, seed=1) as proxy:
    ...     with proxy.applying(reset_at_the_start):
    ...         httpx.get(proxy.url)

    :param port: the homeserver's.
    :param seed: seed of the random choices.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        super().__init__()
        #: Number of responses to which a fault was applied.
        self.done = 0
        self._fault: Fault | None = None
        self._seed = seed
        self._target = f"http://127.0.0.1:{port}"
        self._asked: Counter[str] = Counter()
        self._client: httpx.AsyncClient | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @contextmanager
    def applying(self, fault: "Fault") -> Iterator[None]:
        """Applies a fault to responses inside the ``with`` block."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None

    async def _open(self) -> None:
        self._client = httpx.AsyncClient(timeout=_LONGEST_S, limits=httpx.Limits(max_connections=None))
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1000)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        assert self._client
        await self._client.aclose()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, httpx.HTTPError, h11.RemoteProtocolError, asyncio.CancelledError):
            writer.transport.abort()  # a side has disconnected, or the proxy is closing
        finally:
            self._serving.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await _read(reader)
        if not asked:
            return
        request, body = asked
        exchange = await self._ask(request, body, writer)
        fault = self._fault
        if fault and fault.hits(exchange):
            self.done += 1
            await fault.apply(exchange)
        else:
            await exchange.answer()

    async def _ask(self, request: h11.Request, body: bytes, writer: asyncio.StreamWriter) -> Exchange:
        assert self._client
        method, target = request.method.decode(), request.target.decode()
        headers = [(name, value) for name, value in request.headers if name not in _OF_THE_CONNECTION]
        answer = await self._client.request(
            method, self._target + target, headers=[*headers, (b"accept-encoding", b"identity")], content=body
        )
        kept = [header for header in answer.headers.raw if header[0].lower() not in _OF_THE_CONNECTION]
        name = f"{method} {target}"
        nth = self._asked[name]
        self._asked[name] += 1
        rng = Random(f"{self._seed} {name} {nth} {len(body)}")
        path = target.partition("?")[0]
        asked_range = dict(request.headers).get(b"range", b"").decode("latin-1")
        return Exchange(method, path, nth, rng, answer.status_code, kept, answer.content, writer, asked_range)


async def _read(reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """Reads a request and its body; returns None for a preconnection that the browser closes unused."""
    parser = h11.Connection(h11.SERVER)
    request, body = None, b""
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request:
            return request, body
        else:
            return None
