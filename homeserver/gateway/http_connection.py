"""An HTTP/1.1 connection for GET requests whose bodies are streamed.

h11 frames and checks all that is sent and received, as in httpx, whose locks, traces and streams take longer than h11
itself. A connection that receives anything beside the response that was requested is closed.
"""

import asyncio
from collections.abc import Iterable
from typing import cast

import h11
import httpx

_MAX_HEAD_BYTES = 64 * 1024
# What is received and not read yet. asyncio receives up to 256 kB at a time.
_PAUSE_BYTES = 256 * 1024

Headers = list[tuple[str, str]]


class HttpConnection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, _MAX_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._progress: asyncio.Future[None] | None = None
        self._unread_bytes = 0
        self._is_paused = False
        self._is_lost = False
        self._is_idle = True

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self._is_idle and not self._is_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._is_idle:  # a response that was not requested
            self.abort()
            return
        self._http.receive_data(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > _PAUSE_BYTES and not self._is_paused and self._transport:
            self._transport.pause_reading()
            self._is_paused = True
        self._notify()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._is_lost = True
        if exc is None:  # which ends a body without a length
            self._http.receive_data(b"")
        self._notify()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._is_lost = True
        if self._transport:
            self._transport.abort()

    async def request(self, path: str, headers: Headers, timeout_s: float) -> tuple[int, dict[str, str]]:
        """Sends a request; returns the response's status and headers, by names in lower case.

        :raises httpx.HTTPError: if no response comes in time.
        """
        if self._is_lost or not self._transport:
            raise httpx.ReadError("the connection was closed")
        self._is_idle = False
        try:
            head = self._http.send(h11.Request(method="GET", target=path, headers=headers))
            self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from None
        self._transport.write(head)
        while True:
            event = await self._next_event(timeout_s)
            if isinstance(event, h11.Response):
                return event.status_code, _joined(event.headers)
            if not isinstance(event, h11.InformationalResponse):
                raise httpx.RemoteProtocolError("the connection was closed before a response")

    async def receive(self, timeout_s: float) -> bytes | None:
        """Returns the next part of the body; ``None`` at its end.

        :raises httpx.HTTPError: if it ends before its length, or nothing comes in time.
        """
        if self._http.their_state is h11.DONE:
            return None
        event = await self._next_event(timeout_s)
        if isinstance(event, h11.Data):
            return bytes(event.data)
        return None

    def end(self) -> bool:
        """Ends an exchange; returns whether another one may follow. If not, the connection is closed."""
        is_complete = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if self._is_lost or not is_complete or self._http.trailing_data != (b"", False):
            self.abort()
            return False
        self._http.start_next_cycle()
        self._is_idle = True
        return True

    async def _next_event(self, timeout_s: float) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from None
            if isinstance(event, h11.Event):
                return event
            if self._is_lost:
                raise httpx.ReadError("the connection was closed")
            await self._wait(timeout_s)

    async def _wait(self, timeout_s: float) -> None:
        self._unread_bytes = 0
        if self._is_paused and self._transport:
            self._transport.resume_reading()
            self._is_paused = False
        self._progress = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._progress
        except TimeoutError:
            raise httpx.ReadTimeout("nothing came in time") from None
        finally:
            self._progress = None

    def _notify(self) -> None:
        if self._progress and not self._progress.done():
            self._progress.set_result(None)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
