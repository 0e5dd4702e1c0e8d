"""A relay in front of the homeserver that does to answers what networks, proxies and homeservers do when they fail.

It writes to the browser's connection byte by byte, since no server of the usual kind can be made to answer wrongly.
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
# What a fault is about; the rest, as signing in, is left alone.
_MEDIA = "/media/"
# On these many media depend: every second one is hit.
_SELDOM_ASKED = ("/links", "/bundle")
Headers = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """A request, the homeserver's answer to it, and the way to the browser.

    :param nth: how often this was asked before.
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

    async def answer(self) -> None:
        """Gives the browser the homeserver's answer, or what a fault has made of it."""
        await self.send(self.head(len(self.body)) + self.body)

    def head(self, length: int | None) -> bytes:
        """The head of the answer, on a connection that ends with it.

        :param length: what it announces; nothing if it does not.
        """
        announced = [] if length is None else [(b"content-length", str(length).encode())]
        lines = [name + b": " + value for name, value in (*self.headers, *announced, (b"connection", b"close"))]
        return b"\r\n".join([f"HTTP/1.1 {self.status} -".encode(), *lines, b"", b""])

    async def send(self, content: bytes) -> None:
        """Sends the browser these bytes."""
        self.writer.write(content)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection at once, and tells the browser that it was not meant to end."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(frozen=True)
class Fault:
    """What is done in the place of an answer.

    :param probability: of the answers to which it is done, as chance has it.
    :param needs_body: whether it takes a body to do it to.
    """

    apply: Callable[[Exchange], Awaitable[None]]
    probability: float
    needs_body: bool = False

    def hits(self, exchange: Exchange) -> bool:
        """Whether this is one of those that it is done to."""
        if exchange.method == "OPTIONS" or _MEDIA not in exchange.path or (self.needs_body and len(exchange.body) < 2):
            return False
        if self.probability < 1 and exchange.path.endswith(_SELDOM_ASKED):
            return exchange.nth % 2 == 0
        return exchange.rng.random() < self.probability


class FaultyProxy(InThread):
    """Passes requests on to a homeserver, and its answers back through a fault.

    >>> with FaultyProxy(8008, seed=1) as proxy:
    ...     with proxy.applying(reset_at_the_start):
    ...         httpx.get(proxy.url)

    :param port: the homeserver's.
    :param seed: of what chance decides.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        super().__init__()
        #: How many answers a fault was done to.
        self.done = 0
        self._fault: Fault | None = None
        self._seed = seed
        self._target = f"http://127.0.0.1:{port}"
        self._asked: Counter[str] = Counter()
        self._client: httpx.AsyncClient | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @contextmanager
    def applying(self, fault: "Fault") -> Iterator[None]:
        """Does a fault to answers meanwhile."""
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
            writer.transport.abort()  # one side is gone, or all of it ends
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
        return Exchange(method, path, nth, rng, answer.status_code, kept, answer.content, writer)


async def _read(reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """A request and its body; nothing where the browser made a connection for later and then did without it."""
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
