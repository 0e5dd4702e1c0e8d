"""Stands in front of the homeserver: passes every request on, and counts what no page is told.

With the site behind the same address it makes the homeserver the page's own origin.
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
# What belongs to a connection rather than to a message (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1).
_OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
_MEDIA = ("/media/download/", "/media/thumbnail/", "/media/signed/", "/media/cookie/", "/media/query/", "/media/bundle")
_HELPERS = ("/media/links", "/media/link/", "/media/config", "/media/cookie")
# By which a page learns whether its cookie comes along.
_NO_MEDIA = "/media/cookie/picture"
_LONGEST_S = 60.0


@dataclass
class Traffic:
    """What came by since it was last asked for.

    :param media: requests for media; ``helpers``: what a strategy asks besides, such as links or a cookie.
    :param bytes: of bodies of media, as far as they were taken.
    """

    media: int = 0
    helpers: int = 0
    preflights: int = 0
    bytes: int = 0


class CountingProxy:
    """Passes requests on to a homeserver.

    :param homeserver: its address.
    :param site: the built site, where it is to stand behind the same address.
    :param demo: what the site's pages are told.
    """

    def __init__(self, homeserver: str, site: Path | None = None, demo: Mapping[str, str] | None = None) -> None:
        self.traffic = Traffic()
        #: Bodies that nobody waited for to the end.
        self.aborted = 0
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
        """Its address by the name of one of this machine's loopback addresses."""
        return f"http://{host}:{self.port}"

    def take_traffic(self) -> Traffic:
        """What came by since the last time."""
        taken, self.traffic = self.traffic, Traffic()
        return taken

    def cut(self) -> None:
        """Ends every answer that is on its way, in the middle of its body."""
        self._cuts += 1

    async def before_request(self, path: str, gone: "asyncio.Task[Any]") -> None:
        """What is waited for before a request is passed on.

        :param gone: is done when nobody waits for the answer any more.
        """

    async def before_chunk(self, path: str, size: int) -> None:
        """What is waited for before so many bytes of an answer's body are passed on."""

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._site and not scope["path"].startswith(MATRIX):
            await self._site(scope, receive, send)
            return
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        # Made here, since it belongs to the event loop of the server's thread.
        self._client = self._client or httpx.AsyncClient(timeout=_LONGEST_S, limits=httpx.Limits(max_connections=None))
        is_media = self._count(scope["method"], scope["path"])
        query = scope["query_string"].decode("ascii")
        request = self._client.build_request(
            scope["method"],
            self._homeserver + scope["raw_path"].decode("ascii") + (f"?{query}" if query else ""),
            headers=[header for header in scope["headers"] if header[0] not in _OF_THE_CONNECTION],
            content=await _body(receive),
        )
        gone = asyncio.create_task(receive())  # the next message of a request that is read is that nobody waits for it
        if scope["method"] != "OPTIONS":
            await self.before_request(scope["path"], gone)
        if gone.done():
            self.aborted += 1
            return
        answer = await self._client.send(request, stream=True)
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
                    return  # without its end, so that the connection is closed
                await self.before_chunk(scope["path"], len(chunk))
                if is_media:
                    self.traffic.bytes += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await answer.aclose()

    def _count(self, method: str, path: str) -> bool:
        """Notes a request; gives whether its body is a media's."""
        if any(mark in path for mark in (*_MEDIA, *_HELPERS)):
            is_media = any(mark in path for mark in _MEDIA) and not path.endswith(_NO_MEDIA)
            if method == "OPTIONS":
                self.traffic.preflights += 1
            elif is_media:
                self.traffic.media += 1
            else:
                self.traffic.helpers += 1
            return is_media
        return False


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
