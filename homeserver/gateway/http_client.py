"""A small HTTP/1.1 client for GET requests whose bodies are streamed.

Media are most of what the gateway requests. A request by httpx takes two to three times as long as one by this client,
which knows neither redirects nor cookies nor codings. Everything else is requested by httpx.
"""

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Protocol
from urllib.parse import urlsplit

_MAX_CONNECTIONS = 1024
# One session cannot hold all of them, by media of servers that do not answer. Its other requests wait.
_MAX_CONNECTIONS_OF_TOKEN = 64
_MAX_IDLE = 32
_MAX_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024
_CONNECT_TIMEOUT_S = 30.0
# A homeserver that waits for another one gives up on it after some minutes.
_HEAD_TIMEOUT_S = 300.0
_BODY_TIMEOUT_S = 90.0


class RequestFailed(OSError):
    """The server closed the connection, sent something that is not HTTP, or nothing in time."""


class ConnectionLost(RequestFailed):
    """The server closed the connection before the first byte of its response."""


class StreamedResponse(Protocol):
    """What is used of a response, which httpx's responses have too."""

    @property
    def status_code(self) -> int:
        """The status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by names in lower case."""

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yields the body as it was sent."""

    async def aclose(self) -> None:
        """Releases the connection."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer


class _Slot:
    """The right to one connection: of all, and of those of one token."""

    def __init__(self, *limits: asyncio.Semaphore) -> None:
        self._limits = limits

    async def acquire(self) -> None:
        acquired = []
        try:
            for limit in self._limits:
                await limit.acquire()
                acquired.append(limit)
        except BaseException:
            for limit in acquired:
                limit.release()
            raise

    def release(self) -> None:
        for limit in self._limits:
            limit.release()


class Response:
    """A response whose body is read as it comes. Its connection is used again if the body was read to its end."""

    def __init__(
        self, client: "HttpClient", slot: _Slot, connection: _Connection, status: int, headers: dict[str, str]
    ) -> None:
        self.status_code = status
        self.headers: Mapping[str, str] = headers
        self._client = client
        self._slot = slot
        self._connection: _Connection | None = connection
        self._is_reusable = False

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yields the body.

        :raises RequestFailed: if it ends before its length, or nothing comes in time.
        """
        length = self.headers.get("content-length")
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            parts = self._read_chunked()
        elif length is not None:
            parts = self._read(_parse_length(length, 10))
        else:
            parts = self._read_to_end()
        async for part in parts:
            yield part
        self._is_reusable = (length is not None or "transfer-encoding" in self.headers) and (
            "close" not in self.headers.get("connection", "").lower()
        )

    async def aclose(self) -> None:
        """Closes the connection, or keeps it for another request."""
        connection, self._connection = self._connection, None
        if connection:
            self._slot.release()
            self._client.release(connection, self._is_reusable)

    @property
    def _reader(self) -> asyncio.StreamReader:
        if self._connection is None:
            raise RequestFailed("the response is closed")
        return self._connection.reader

    async def _read(self, length: int) -> AsyncIterator[bytes]:
        while length:
            async with _timeout(_BODY_TIMEOUT_S):
                part = await self._reader.read(min(length, _CHUNK_BYTES))
            if not part:
                raise RequestFailed("a body ended before its length")
            length -= len(part)
            yield part

    async def _read_chunked(self) -> AsyncIterator[bytes]:
        """Reads the chunked transfer coding (https://www.rfc-editor.org/rfc/rfc9112#section-7.1)."""
        while True:
            async with _timeout(_BODY_TIMEOUT_S):
                line = await _read_line(self._reader)
            length = _parse_length(line.partition(";")[0].strip(), 16)
            async for part in self._read(length):
                yield part
            async with _timeout(_BODY_TIMEOUT_S):
                while await _read_line(self._reader) and not length:
                    pass  # trailers
            if not length:
                return

    async def _read_to_end(self) -> AsyncIterator[bytes]:
        while True:
            async with _timeout(_BODY_TIMEOUT_S):
                part = await self._reader.read(_CHUNK_BYTES)
            if not part:
                return
            yield part


class HttpClient:
    """Connections to one origin.

    :param origin: scheme, host and port.
    """

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self._authority = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._idle: list[_Connection] = []
        self._open = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._open_of_token: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop().writer.close()

    async def get(self, path: str, token: str) -> Response:
        """Sends a request with an access token.

        :param path: path and query.
        :raises RequestFailed: if no response comes.
        """
        head = f"GET {path} HTTP/1.1\r\nHost: {self._authority}\r\nAuthorization: Bearer {token}\r\n"
        request = (head + "Accept: */*\r\nAccept-Encoding: identity\r\n\r\n").encode("ascii")
        own = self._open_of_token.setdefault(token, asyncio.Semaphore(_MAX_CONNECTIONS_OF_TOKEN))
        slot = _Slot(own, self._open)
        await slot.acquire()
        try:
            return await self._send(request, slot)
        except BaseException:
            slot.release()
            raise

    async def _send(self, request: bytes, slot: _Slot) -> Response:
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._exchange(connection, request, slot)
            except ConnectionLost:
                pass  # the server has closed it in the meantime
        try:
            async with _timeout(_CONNECT_TIMEOUT_S):
                connection = _Connection(
                    *await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_CHUNK_BYTES)
                )
        except OSError as error:
            raise RequestFailed(str(error)) from error
        return await self._exchange(connection, request, slot)

    async def _exchange(self, connection: _Connection, request: bytes, slot: _Slot) -> Response:
        try:
            connection.writer.write(request)
            async with _timeout(_HEAD_TIMEOUT_S):
                status, headers = await _read_head(connection.reader)
            return Response(self, slot, connection, status, headers)
        except BaseException as error:
            connection.writer.close()
            if isinstance(error, ConnectionError):
                raise ConnectionLost(type(error).__name__) from error
            if isinstance(error, (OSError, EOFError, ValueError)) and not isinstance(error, RequestFailed):
                raise RequestFailed(type(error).__name__) from error
            raise

    def release(self, connection: _Connection, is_reusable: bool) -> None:
        """Takes back a connection."""
        if is_reusable and len(self._idle) < _MAX_IDLE and not connection.reader.at_eof():
            self._idle.append(connection)
        else:
            connection.writer.close()


class _timeout:
    """``asyncio.timeout`` that raises ``RequestFailed``."""

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]
        except TimeoutError as expired:
            raise RequestFailed("nothing came in time") from expired


async def _read_line(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n")).decode("latin-1")[:-2]
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise RequestFailed("the response is malformed") from error


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Reads status line and headers; skips interim responses."""
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            if isinstance(error, asyncio.IncompleteReadError) and not error.partial:
                raise ConnectionLost("the connection was closed") from error
            raise RequestFailed("the response is malformed") from error
        version, _, rest = head.partition(" ")
        if len(head) > _MAX_HEAD_BYTES or not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise RequestFailed("the response is malformed")
        status = int(rest[:3])
        if status >= 200:
            return status, _parse_headers(head.split("\r\n")[1:-2])


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.lower()
        # Two lengths, or a folded line: a response that two parsers could read differently.
        if not colon or not name or name != name.strip() or (key == "content-length" and key in headers):
            raise RequestFailed("the response is malformed")
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


def _parse_length(text: str, base: int) -> int:
    if not (0 < len(text) <= 15 and text.isascii() and text.isalnum()):
        raise RequestFailed("the response is malformed")
    try:
        return int(text, base)
    except ValueError:
        raise RequestFailed("the response is malformed") from None
