"""Requests media from the homeserver, with a bound on how many responses one session has open at a time."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from httpcore._async.http11 import AsyncHTTP11Connection

_MAX_CONNECTIONS = 1024
# One session cannot hold all of them, by media of servers that do not answer. Its other requests wait.
_MAX_CONNECTIONS_OF_TOKEN = 64
# A homeserver that waits for another one gives up on it after some minutes.
_TIMEOUT = httpx.Timeout(30.0, read=300.0, pool=None)
# httpcore reads 64 kB at a time, and takes as long for that as for four times as much.
AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024
# By these a server closes a connection that was kept for another request.
_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


def no_cookies() -> CookieJar:
    """Returns a jar that keeps no cookies: one user's would be sent with the requests of all others."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def forwarded_for(address: str) -> dict[str, str]:
    """Returns the headers by which homeservers know the client, whom they limit and list among a user's devices."""
    return {"X-Forwarded-For": address, "X-Real-IP": address} if address else {}


class MediaResponse:
    """A response whose body is read as it comes.

    :param slot: is released with the connection.
    """

    def __init__(self, response: httpx.Response, slot: asyncio.Semaphore) -> None:
        self.status_code = response.status_code
        self.headers = response.headers
        self._response = response
        self._slot: asyncio.Semaphore | None = slot

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yields the body as it was sent.

        :raises httpx.HTTPError: if it ends before its length, or nothing comes in time.
        """
        return self._response.aiter_raw()

    async def aclose(self) -> None:
        """Releases the connection."""
        slot, self._slot = self._slot, None
        if slot:
            slot.release()
            await self._response.aclose()


class MediaClient:
    """Sends requests with access tokens to one homeserver.

    :param base_url: the homeserver's.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=32, keepalive_expiry=30.0)
        # A client above it would add redirects, authentication and cookies, and half as much time.
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._open_of_token: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def close(self) -> None:
        """Closes all connections."""
        await self._transport.aclose()

    async def get(self, path: str, token: str, address: str = "") -> MediaResponse:
        """Sends a request with an access token. The caller closes the response.

        :param path: path and query.
        :param address: of the client, for whom it is sent; empty if it is unknown.
        :raises httpx.HTTPError: if no response comes.
        """
        slot = self._open_of_token.setdefault(token, asyncio.Semaphore(_MAX_CONNECTIONS_OF_TOKEN))
        await slot.acquire()
        try:
            try:
                response = await self._send(path, token, address)
            except _CLOSED:
                response = await self._send(path, token, address)
        except BaseException:
            slot.release()
            raise
        return MediaResponse(response, slot)

    async def _send(self, path: str, token: str, address: str) -> httpx.Response:
        # A coded body would have another length than the media.
        headers = {"Accept-Encoding": "identity", "Authorization": f"Bearer {token}", **forwarded_for(address)}
        extensions = {"timeout": _TIMEOUT.as_dict()}
        request = httpx.Request("GET", self._base_url + path, headers=headers, extensions=extensions)
        return await self._transport.handle_async_request(request)
