"""Free ports, servers in threads, and a TCP relay whose connections a test can cut."""

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

# Below the ports that systems give to outgoing connections (Linux: from 32768, others: from 49152), one of which would
# be in use by a browser when the server starts. Test processes at the same time each have a range of their own.
_FIRST_PORT, _PORTS_A_PROCESS, _RANGES = 12_000, 200, 100
_offered = itertools.count(os.getpid())


def free_port() -> int:
    """Returns a port that is free at this moment, and is offered to no other test meanwhile."""
    first = _FIRST_PORT + os.getpid() % _RANGES * _PORTS_A_PROCESS
    for _ in range(_PORTS_A_PROCESS):
        port = first + next(_offered) % _PORTS_A_PROCESS
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port from {first} on is free")


def is_open(port: int) -> bool:
    """Whether a program accepts connections at a port of this machine."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class InThread:
    """Base of servers that run an event loop in their own thread.

    Subclasses start and stop the server in `_open` and `_close`, and set the port.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *_exception: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The URL to use instead of the homeserver's."""
        return f"http://localhost:{self.port}"

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError


class Relay(InThread):
    """Forwards TCP connections to a port of this machine, until it is cut.

    >>> with Relay(8008) as relay:
    ...     httpx.get(relay.url)

    :param port: the target port.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def open(self) -> None:
        """Accepts connections again, at the same port as before."""
        self._run(self._open())

    def cut(self) -> None:
        """Aborts all connections and accepts no new ones."""
        self._run(self._close())

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            self._writers -= {writer, there_writer}
            writer.close()
            there_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()
        return
    if writer.can_write_eof():
        writer.write_eof()
