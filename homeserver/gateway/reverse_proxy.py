"""Passes all other requests on to the homeserver, so that clients can name the gateway as their homeserver."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .errors import MatrixError, homeserver_failed
from .homeserver import Homeserver
from .media_response import CORS_HEADERS

logger = logging.getLogger(__name__)

# The client chooses how long a request of `/sync` may take.
_TIMEOUT = httpx.Timeout(30.0, read=600.0)
# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# Headers by which homeservers know the client's address and what it has requested. Dendrite reads `X-Real-IP`.
_REPLACED = frozenset(
    {"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded", "x-real-ip"}
)
_WELL_KNOWN = "/.well-known/matrix/client"
# Of the response that nobody receives; in the counters it is nginx's status for the same.
_CLIENT_CLOSED_REQUEST = 499
#: The property of the document by which clients find a gateway.
WELL_KNOWN_PROPERTY = "dev.authmedia.media"


class ReverseProxy:
    """Passes requests on, body by body as they come.

    :param base_url: returns the address by which a client knows the gateway.
    :param client_address: returns a client's address.
    """

    def __init__(
        self, homeserver: Homeserver, base_url: Callable[[Request], str], client_address: Callable[[Request], str]
    ) -> None:
        self._homeserver = homeserver
        self._base_url = base_url
        self._client_address = client_address
        #: Requests that the homeserver has not answered yet.
        self._waiting: set[asyncio.Task[httpx.Response]] = set()

    def abort(self) -> None:
        """Answers all requests for which the homeserver takes its time, as `/sync` does: this process ends."""
        for task in self._waiting:
            task.cancel()

    async def pass_on(self, request: Request) -> Response:
        """Sends a request to the homeserver, and its response to the client.

        :raises MatrixError: 502 if the homeserver does not answer, 400 for a path that it could resolve to another one.
        """
        _check_path(request)
        query: bytes = request.scope["query_string"]
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        try:
            url = httpx.URL(self._homeserver.base_url).copy_with(raw_path=target)
        except httpx.InvalidURL:  # of a fragment, which servers let through, or of a path that is too long
            raise MatrixError(400, "M_UNRECOGNIZED", "The path is malformed") from None
        base, address = self._base_url(request), self._client_address(request)
        headers = [
            *_end_to_end(request.headers.raw),
            (b"X-Forwarded-For", address.encode()),
            (b"X-Real-IP", address.encode()),
            (b"X-Forwarded-Proto", base.partition(":")[0].encode()),
        ]
        if "accept-encoding" not in request.headers:  # else httpx offers its own codings
            headers.append((b"Accept-Encoding", b"identity"))
        is_read = asyncio.Event()
        # Sent in the same framing, so that the homeserver sees a body where there is one.
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        if not has_body:
            is_read.set()
        content = _content(request, is_read) if has_body else None
        outgoing = self._homeserver.http.build_request(
            request.method, url, headers=headers, content=content, timeout=_TIMEOUT
        )
        try:
            response = await self._send(request, outgoing, is_read)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        except httpx.HTTPError as error:
            logger.warning("The homeserver did not answer a request: %s", type(error).__name__)
            raise homeserver_failed() from None
        answer = StreamingResponse(_body(response), response.status_code)
        # `Date` is the server's own.
        dropped = _HOP_BY_HOP | {"date"}
        answer.raw_headers = [
            (name.lower(), value) for name, value in response.headers.raw if name.lower().decode() not in dropped
        ]
        return answer

    async def _send(self, request: Request, outgoing: httpx.Request, is_read: asyncio.Event) -> httpx.Response:
        """Sends a request, for as long as its client waits for the response.

        :param is_read: set once the whole body of the client's request is read.
        :raises ClientDisconnect: if the client has left.
        :raises MatrixError: 503 if `abort` was called.
        """
        sending = asyncio.create_task(self._homeserver.http.send(outgoing, stream=True))
        leaving = asyncio.create_task(_disconnected(request, is_read))
        self._waiting.add(sending)
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise ClientDisconnect
            if sending.cancelled():
                raise MatrixError(503, "M_UNKNOWN", "The gateway is being restarted")
            return sending.result()
        except BaseException:
            if not sending.cancel() and not sending.cancelled() and not sending.exception():
                await sending.result().aclose()
            raise
        finally:
            self._waiting.discard(sending)
            leaving.cancel()

    async def well_known(self, request: Request) -> Response:
        """Answers the discovery of homeservers with the gateway, in the place of the homeserver behind it.

        What else the homeserver's document says stays as it is.
        """
        base = self._base_url(request)
        document = await self._document()
        document["m.homeserver"] = {"base_url": base}
        document[WELL_KNOWN_PROPERTY] = {"base_url": base}
        return JSONResponse(document, headers=CORS_HEADERS)

    async def _document(self) -> dict[str, Any]:
        try:
            response = await self._homeserver.http.get(self._homeserver.base_url + _WELL_KNOWN)
            document = response.json() if response.status_code == 200 else {}
        except (httpx.HTTPError, json.JSONDecodeError, UnicodeDecodeError):
            document = {}
        return document if isinstance(document, dict) else {}


def _check_path(request: Request) -> None:
    """Refuses paths with dot segments (https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4).

    httpx and servers resolve them, which would lead out of the paths that the gateway passes on.
    """
    path: str = request.scope["path"]
    if not request.scope["raw_path"].startswith(b"/") or not {".", ".."}.isdisjoint(path.replace("\\", "/").split("/")):
        raise MatrixError(400, "M_UNRECOGNIZED", "The path must have no dot segments")


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Returns the headers that are for the homeserver, as they are: their values may be of any bytes."""
    named = {
        name.strip().lower().decode("latin-1")
        for key, value in headers
        if key == b"connection"
        for name in value.split(b",")
    }
    left_out = _HOP_BY_HOP | _REPLACED | named
    return [(key, value) for key, value in headers if key.decode("latin-1") not in left_out]


async def _content(request: Request, is_read: asyncio.Event) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
    is_read.set()


async def _disconnected(request: Request, is_read: asyncio.Event) -> None:
    """Returns when the client has left. While the body is being read, whoever reads it notices that."""
    await is_read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    finally:
        await response.aclose()
