"""Requests media from the homeserver, with a bound on how many responses one session has open at a time."""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from .http_connection import HttpConnection

_MAX_CONNECTIONS = 1024
# One session cannot hold all of them, by media of servers that do not answer. Its other requests wait.
_MAX_CONNECTIONS_OF_TOKEN = 64
_MAX_IDLE = 32
_IDLE_S = 30.0
_CONNECT_TIMEOUT_S = 30.0
# A homeserver that waits for another one gives up on it after some minutes.
_READ_TIMEOUT_S = 300.0
# By these a server closes a connection that was kept for another request.
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError)


def no_cookies() -> CookieJar:
    """Returns a jar that keeps no cookies: one user's would be sent with the requests of all others."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def forwarded_for(address: str) -> dict[str, str]:
    """Returns the headers by which homeservers know the client, whom they limit and list among a user's devices."""
    return {"X-Forwarded-For": address, "X-Real-IP": address} if address else {}


class MediaResponse:
    """A response whose body is read as it comes.

    :param headers: by names in lower case.
    :param slot: is released with the connection.
    """

    def __init__(
        self, client: "MediaClient", slot: "_Slot", connection: HttpConnection, status: int, headers: dict[str, str]
    ) -> None:
        self.status_code = status
        self.headers = headers
        self._client = client
        self._slot = slot
        self._connection: HttpConnection | None = connection

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yields the body as it was sent.

        :raises httpx.HTTPError: if it ends before its length, or nothing comes in time.
        """
        while True:
            if not self._connection:
                raise httpx.ReadError("the response is closed")
            chunk = await self._connection.receive(_READ_TIMEOUT_S)
            if chunk is None:
                return
            yield chunk

    async def aclose(self) -> None:
        """Releases the connection, which is used again if the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection:
            self._client.release(connection)
            self._slot.release()


class _Slot:
    """The right to one connection: of all, and of those of one token."""

    def __init__(self, of_token: asyncio.Semaphore, of_all: asyncio.Semaphore) -> None:
        self._of_token = of_token
        self._of_all = of_all

    async def acquire(self) -> None:
        await self._of_token.acquire()
        try:
            await self._of_all.acquire()
        except BaseException:
            self._of_token.release()
            raise

    def release(self) -> None:
        self._of_all.release()
        self._of_token.release()


class MediaClient:
    """Sends requests with access tokens to one homeserver.

    :param base_url: the homeserver's.
    """

    def __init__(self, base_url: str) -> None:
        url = httpx.URL(base_url)
        self._host = url.raw_host.decode("ascii")
        self._authority = url.netloc.decode("ascii")
        self._tls = httpx.create_ssl_context(trust_env=False) if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        #: The connections that are kept for the next request, with the time until which they are. The latest is last.
        self._idle: list[tuple[HttpConnection, float]] = []
        self._open = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._open_of_token: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop()[0].abort()

    async def get(self, path: str, token: str, address: str = "") -> MediaResponse:
        """Sends a request with an access token. The caller closes the response.

        :param path: path and query.
        :param address: of the client, for whom it is sent; empty if it is unknown.
        :raises httpx.HTTPError: if no response comes.
        """
        slot = _Slot(self._open_of_token.setdefault(token, asyncio.Semaphore(_MAX_CONNECTIONS_OF_TOKEN)), self._open)
        await slot.acquire()
        try:
            try:
                return await self._send(slot, path, token, address)
            except _CLOSED:
                return await self._send(slot, path, token, address)
        except BaseException:
            slot.release()
            raise

    async def _send(self, slot: _Slot, path: str, token: str, address: str) -> MediaResponse:
        headers = [
            ("Host", self._authority),
            # A coded body would have another length than the media.
            ("Accept-Encoding", "identity"),
            ("Authorization", f"Bearer {token}"),
            *forwarded_for(address).items(),
        ]
        connection = self._kept_connection() or await self._connect()
        try:
            status, received = await connection.request(path, headers, _READ_TIMEOUT_S)
        except BaseException:
            connection.abort()
            raise
        return MediaResponse(self, slot, connection, status, received)

    def release(self, connection: HttpConnection) -> None:
        """Keeps a connection for another request, or closes it."""
        if connection.end():
            self._idle.append((connection, time.monotonic() + _IDLE_S))
            if len(self._idle) > _MAX_IDLE:
                self._idle.pop(0)[0].abort()

    def _kept_connection(self) -> HttpConnection | None:
        while self._idle:
            connection, until = self._idle.pop()
            if connection.is_open and time.monotonic() < until:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    HttpConnection, self._host, self._port, ssl=self._tls, happy_eyeballs_delay=0.25
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__) from None
        return connection
