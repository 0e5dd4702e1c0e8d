"""One media as a response, with conditional and range requests; and the headers of all responses of this interface."""

import asyncio
import hashlib
import re
from base64 import urlsafe_b64encode
from email.message import Message
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from media_protocol.delegation import DelegatedLink
from media_protocol.file_names import safe_file_name
from media_protocol.limits import ByteBudget
from media_protocol.ranges import ByteRange, RangeNotSatisfiable, if_range_matches, is_not_modified, parse_range
from media_protocol.signing import Media

from .body_cache import Head, cache_key
from .media_source import OpenMedia
from .metrics import Metrics

# How long a client may read nothing before the connection is closed. A browser whose video was paused for longer
# requests the rest as a range.
_STALL_TIMEOUT_S = 90.0
_SANDBOX = (
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline';"
    " media-src 'self'; object-src 'self';"
)
_EXPOSED_HEADERS = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, Content-Type, ETag, Server-Timing"
)
#: Of every response: https://spec.matrix.org/v1.16/client-server-api/#web-browser-clients
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization, Date",
}
#: Of every response of an endpoint for media, errors included.
MEDIA_SERVLET_HEADERS = {
    **CORS_HEADERS,
    "Access-Control-Expose-Headers": "Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Timing-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}
# https://spec.matrix.org/v1.16/client-server-api/#serving-inline-content
_INLINE_TYPES = frozenset(
    [
        *(f"text/{name}" for name in ("css", "plain", "csv")),
        *(f"application/{name}" for name in ("json", "ld+json")),
        *(f"image/{name}" for name in ("jpeg", "gif", "png", "apng", "webp", "avif")),
        *(f"video/{name}" for name in ("mp4", "webm", "ogg", "quicktime")),
        *(f"audio/{name}" for name in ("mp4", "webm", "aac", "mpeg", "ogg", "wave", "wav", "x-wav", "x-pn-wav")),
        *(f"audio/{name}" for name in ("flac", "x-flac")),
    ]
)
# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2, without characters that shells or file systems give a meaning.
_TOKEN = re.compile(r"[!#$%&+.^_`|~0-9A-Za-z-]+")
_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e]")


def entity_tag(media: Media, head: Head) -> str:
    """Returns a strong entity tag for what identifies a body. The content of a media never changes."""
    identity = f"{cache_key(media)} {head.size} {head.content_type}"
    return f'"{urlsafe_b64encode(hashlib.sha256(identity.encode()).digest()[:18]).decode("ascii")}"'


def response_key(media: Media) -> str:
    """Returns the key of all that a response to a link has: of its media, and of the name to save it with, if any."""
    if not media.download and not media.file_name:
        return cache_key(media)
    return hashlib.sha256(f"{cache_key(media)} {media.download} {media.file_name}".encode()).hexdigest()


def content_disposition(head: Head, download: bool, file_name: str | None = None) -> str:
    """Returns whether browsers may display a media, and its file name, whatever the homeserver has let pass.

    :param download: whether browsers are to save it.
    :param file_name: the name to save it with, instead of the one that it was uploaded with.
    """
    message = Message()
    message["Content-Disposition"] = _NOT_IN_HEADERS.sub("", head.disposition) or "attachment"
    essence = head.content_type.partition(";")[0].strip().lower()
    is_inline = message.get_content_disposition() == "inline" and essence in _INLINE_TYPES and not download
    kind = "inline" if is_inline else "attachment"
    name = safe_file_name(file_name or _file_name(message))
    if not name:
        return kind
    if _TOKEN.fullmatch(name):
        return f"{kind}; filename={name}"
    return f"{kind}; filename*=utf-8''{quote(name, safe='', errors='replace')}"


def _file_name(message: Message) -> str | None:
    try:
        return message.get_filename()
    except (ValueError, TypeError):
        # Of a codec that decodes no such bytes, or nothing, such as `idna`; or, in CPython 3.11, of parts of which one
        # has no number, so that they cannot be sorted.
        return None


class MediaResponse(Response):
    """Sends a media: 200, 206, 304 or 416.

    :param verified: the link, which grants the media.
    :param opened: is closed when the response has ended.
    :param cache_control: of the response, unless it is an error.
    :param budget: in which the bytes are counted for a session.
    :raises LimitReached: if the budget is spent.
    """

    def __init__(
        self,
        request: Request,
        verified: DelegatedLink,
        opened: OpenMedia,
        cache_control: str,
        budget: ByteBudget,
        session_key: bytes,
        metrics: Metrics,
    ) -> None:
        self.background = None
        self._opened = opened
        self._budget = budget
        self._session_key = session_key
        self._metrics = metrics
        head, media = opened.head, verified.link.media
        self._range = ByteRange(0, head.size)
        etag = entity_tag(media, head)
        headers = {**_media_headers(head, etag), "Cache-Control": cache_control}
        headers["Content-Disposition"] = content_disposition(head, media.download, media.file_name)
        self.status_code = self._choose(request, etag, headers)
        self._is_body_sent = request.method == "GET" and self.status_code in (200, 206)
        self._unsent_bytes = 0
        if self._is_body_sent:
            budget.spend(session_key, opened.skipped_bytes(self._range.start) + self._range.length)
            self._unsent_bytes = self._range.length
        self.raw_headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]

    def _choose(self, request: Request, etag: str, headers: dict[str, str]) -> int:
        """Chooses the status. The preconditions' order is that of RFC 9110, section 13.2.2."""
        size = self._range.length
        if is_not_modified(_header(request, "If-None-Match"), etag):
            return 304
        if request.method == "GET" and if_range_matches(_header(request, "If-Range"), etag):
            try:
                requested = parse_range(_header(request, "Range"), size)
            except RangeNotSatisfiable:
                headers |= {"Content-Range": f"bytes */{size}", "Content-Length": "0", "Cache-Control": "no-store"}
                return 416
            if requested:
                self._range = requested
                headers["Content-Range"] = f"bytes {requested.start}-{requested.start + requested.length - 1}/{size}"
                headers["Content-Length"] = str(requested.length)
                return 206
        headers["Content-Length"] = str(size)
        return 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response, and closes the media. What the client does not read costs it nothing."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            content = self._opened.content
            if not self._is_body_sent:
                await send({"type": "http.response.body", "body": b""})
            elif content is not None:
                await self._send_small(content, send)
            else:
                await self._send_body(receive, send)
        finally:
            self._budget.refund(self._session_key, self._unsent_bytes)
            await self._opened.close()

    async def _send_small(self, content: bytes, send: Send) -> None:
        """Sends a body that is in memory as a whole, and that the server's buffer for the connection has room for."""
        start, length = self._range.start, self._range.length
        await send({"type": "http.response.body", "body": content[start : start + length]})
        self._count_sent(length)

    async def _send_body(self, receive: Receive, send: Send) -> None:
        """Sends the body at the pace at which the client reads it."""
        disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            async for chunk in self._opened.read(self._range.start, self._range.length):
                async with asyncio.timeout(_STALL_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if disconnect.done():
                    return
                self._count_sent(len(chunk))
            await send({"type": "http.response.body", "body": b""})
        finally:
            disconnect.cancel()

    def _count_sent(self, size: int) -> None:
        self._unsent_bytes -= size
        self._metrics.sent_bytes.inc(size)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _media_headers(head: Head, etag: str) -> dict[str, str]:
    """Returns the headers of every response with a media, whatever its status: Synapse's, and those that it lacks."""
    return {
        **MEDIA_SERVLET_HEADERS,
        "Accept-Ranges": "bytes",
        "Access-Control-Expose-Headers": _EXPOSED_HEADERS,
        "Content-Security-Policy": _SANDBOX,
        "Content-Type": _NOT_IN_HEADERS.sub("", head.content_type),
        "ETag": etag,
        # An element shows a truncated image as if it were complete. With the size, the page can detect that.
        "Server-Timing": f'size;desc="{head.size}"',
        "X-Content-Security-Policy": "sandbox;",
        "X-Robots-Tag": "noindex, nofollow, noarchive, noimageindex",
    }


def _header(request: Request, name: str) -> str | None:
    return request.headers.get(name)
