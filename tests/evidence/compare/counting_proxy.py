"""A reverse proxy that counts requests, preflights and bytes, which pages cannot see completely.

If it serves the site as well, the homeserver is on the page's own origin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from web.server import Server, site_application

Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MATRIX = "/_matrix/"
# Connection-specific headers (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1).
_OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
_MEDIA = ("/media/download/", "/media/thumbnail/", "/media/signed/", "/media/cookie/", "/media/query/", "/media/bundle")
_HELPERS = ("/media/links", "/media/link/", "/media/config", "/media/cookie")
# The probe of whether the browser sends the cookie, which is no media.
_NO_MEDIA = "/media/cookie/picture"
_LONGEST_S = 60.0


@dataclass
class Traffic:
    """The traffic counted since the last call of `take_traffic`.

    :param media: requests for media; ``helpers``: a strategy's other requests, such as those for links or a cookie.
    :param bytes: bytes of media bodies that the client received.
    """

    media: int = 0
    helpers: int = 0
    preflights: int = 0
    bytes: int = 0


class CountingProxy:
    """Forwards requests to a homeserver.

    :param homeserver: its URL.
    :param site: the built site, to serve it on the same origin.
    :param demo: content of the site's ``demo.json``.
    """

    def __init__(self, homeserver: str, site: Path | None = None, demo: Mapping[str, str] | None = None) -> None:
        self.traffic = Traffic()
        #: Number of responses that the client aborted.
        self.aborted = 0
        #: Whether pages reach nothing of media and links, as offline in an application that keeps its rooms.
        self.refuses_media = False
        self._cuts = 0
        self._homeserver = homeserver
        self._site = site_application(site, demo or {}) if site else None
        self._client: httpx.AsyncClient | None = None
        self._server = Server(self._answer, 0)
        self.port = self._server.port

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.stop()

    def address(self, host: str = "localhost") -> str:
        """Returns the proxy's URL with a loopback host name or address."""
        return f"http://{host}:{self.port}"

    def take_traffic(self) -> Traffic:
        """Returns the traffic since the last call."""
        taken, self.traffic = self.traffic, Traffic()
        return taken

    def cut(self) -> None:
        """Truncates every response in progress."""
        self._cuts += 1

    async def before_request(self, path: str, gone: "asyncio.Task[Any]") -> None:
        """Hook for subclasses: awaited before a request is forwarded.

        :param gone: completes when the client disconnects.
        """

    async def before_chunk(self, path: str, size: int) -> None:
        """Hook for subclasses: awaited before a chunk of a response's body is forwarded."""

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._site and not scope["path"].startswith(MATRIX):
            await self._site(scope, receive, send)
            return
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        # Created here, because it belongs to the event loop of the server's thread.
        self._client = self._client or httpx.AsyncClient(timeout=_LONGEST_S, limits=httpx.Limits(max_connections=None))
        is_media = self._count(scope["method"], scope["path"])
        if self.refuses_media and _is_counted(scope["path"]):  # without the headers that let a page read the response
            await send({"type": "http.response.start", "status": 503, "headers": [(b"cache-control", b"no-store")]})
            await send({"type": "http.response.body", "body": b""})
            return
        query = scope["query_string"].decode("ascii")
        request = self._client.build_request(
            scope["method"],
            self._homeserver + scope["raw_path"].decode("ascii") + (f"?{query}" if query else ""),
            headers=[header for header in scope["headers"] if header[0] not in _OF_THE_CONNECTION],
            content=await _body(receive),
        )
        gone = asyncio.create_task(receive())  # after the request, the next ASGI message is http.disconnect
        if scope["method"] != "OPTIONS":
            await self.before_request(scope["path"], gone)
        if gone.done():
            self.aborted += 1
            return
        sending = asyncio.create_task(self._client.send(request, stream=True))
        await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():  # such as a request that the homeserver answers once there is something new
            self.aborted += 1
            sending.cancel()
            return
        answer = sending.result()
        cuts = self._cuts
        try:
            headers = [(name.lower(), value) for name, value in answer.headers.raw]
            kept = [header for header in headers if header[0] not in _OF_THE_CONNECTION]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            async for chunk in answer.aiter_raw():
                if gone.done():
                    self.aborted += 1
                    break
                if cuts != self._cuts:
                    return  # without the end of the body, so that the server closes the connection
                await self.before_chunk(scope["path"], len(chunk))
                if is_media:
                    self.traffic.bytes += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await answer.aclose()

    def _count(self, method: str, path: str) -> bool:
        """Counts a request; returns whether its response is media."""
        if _is_counted(path):
            is_media = any(mark in path for mark in _MEDIA) and not path.endswith(_NO_MEDIA)
            if method == "OPTIONS":
                self.traffic.preflights += 1
            elif is_media:
                self.traffic.media += 1
            else:
                self.traffic.helpers += 1
            return is_media
        return False


def _is_counted(path: str) -> bool:
    return any(mark in path for mark in (*_MEDIA, *_HELPERS))


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
