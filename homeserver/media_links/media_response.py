"""Sends media as responses, with conditional and range requests.

``media_servlet`` authorizes a request and calls ``MediaResponder.respond``. The protective headers are those of
Synapse's own download, set with Synapse's own functions. Ranges and strong entity tags, which Synapse lacks, are added.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from collections.abc import Mapping

from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.media._base import add_file_headers
from twisted.web.http import NOT_MODIFIED, OK, PARTIAL_CONTENT, REQUESTED_RANGE_NOT_SATISFIABLE

from media_protocol.file_names import safe_file_name
from media_protocol.ranges import ByteRange, RangeNotSatisfiable, if_range_matches, is_not_modified, parse_range
from media_protocol.signing import Media

from .body_producer import FileSender
from .byte_budget import ByteBudget
from .media_lookup import StoredMedia
from .media_opener import FileDescription, MediaOpener, OpenMedia
from .offload import Offload
from .request_parsing import header
from .sessions import Session

# Synapse has this policy in its download servlet, as a literal.
_SANDBOX = (
    b"sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline';"
    b" media-src 'self'; object-src 'self';"
)
EXPOSED_HEADERS = (
    b"Accept-Ranges, Content-Disposition, Content-Length, Content-Range, Content-Type, ETag, Server-Timing"
)
_MEDIA_HEADERS = (
    b"Accept-Ranges",
    b"Content-Disposition",
    b"Content-Length",
    b"Content-Range",
    b"ETag",
    b"Server-Timing",
)

# Headers by name: to set, or with `None` to remove.
HeaderChanges = Mapping[bytes, bytes | None]


class MediaResponder:
    """Sends media and thumbnails to requests that are authorized."""

    def __init__(
        self, opener: MediaOpener, file_sender: FileSender, byte_budget: ByteBudget, offload: Offload | None
    ) -> None:
        self._opener = opener
        self._file_sender = file_sender
        self._byte_budget = byte_budget
        self._offload = offload

    async def respond(
        self, request: SynapseRequest, media: Media, session: Session, headers: HeaderChanges, remaining_ms: int
    ) -> None:
        """Answers a GET or HEAD request with a media or a thumbnail: 200, 206, 304 or 416, or 307 to the storage.

        :param session: whose budget of bytes the body is counted in.
        :param headers: of the response, as far as they depend on how the request was authorized; above all
            ``Cache-Control``. They replace the default ones.
        :param remaining_ms: how long the authorization is valid.
        :raises SynapseError: as Synapse's own download does; 429 if the session's budget is spent.
        """
        stored = await self._opener.find_when_uploaded(request, media)
        if stored is None or await self._redirect(request, stored, media, session, headers, remaining_ms):
            return
        opened = await self._opener.open_found(stored, media.thumbnail)
        with opened.file:
            if request._disconnected:
                return
            _set_media_headers(request, opened, opened.etag, headers, media)
            if self._offload and self._offload.accelerates(request, opened.size):
                self._byte_budget.spend(session, 0)  # how much of it nginx sends is unknown
                if self._offload.accelerate(request, opened.file):
                    return
            await self._send(request, opened, session)

    async def _redirect(
        self,
        request: SynapseRequest,
        stored: StoredMedia,
        media: Media,
        session: Session,
        headers: HeaderChanges,
        remaining_ms: int,
    ) -> bool:
        """Redirects to the storage, if it is configured and has the file; returns whether it does."""
        if not self._offload or not self._offload.redirects(stored.length):  # a thumbnail is smaller than its media
            return False
        file = await self._opener.describe(stored, media.thumbnail)
        if file is None or not self._offload.redirects(file.size):
            return False
        _set_media_headers(request, file, "", headers, media)
        # What the storage sends of it is unknown. All of it counts, since it may cost the storage's owner money.
        length = select_bytes(request, file.size, "")[1].length if request.method == b"GET" else 0
        self._byte_budget.spend(session, length)
        if await self._offload.redirect(request, file.info, file.size, remaining_ms):
            return True
        self._byte_budget.refund(session, length)
        return False

    async def _send(self, request: SynapseRequest, media: OpenMedia, session: Session) -> None:
        """Sends the status and the body that the request's conditions select."""
        status, selected = select_bytes(request, media.size, media.etag)
        set_status(request, status, selected, media.size)
        if status in (OK, PARTIAL_CONTENT) and request.method == b"GET":
            media.file.seek(selected.start)
            if not await self._send_body(request, media, selected.length, session):
                return
        finish_request(request)

    async def _send_body(self, request: SynapseRequest, media: OpenMedia, length: int, session: Session) -> bool:
        """Sends ``length`` bytes of a media; returns whether all of them are written.

        What a client does not read costs it nothing: a player requests a video from here to the end, and stops.
        """
        self._byte_budget.spend(session, length)
        written = 0
        try:
            written = await self._file_sender.send(media.file, length, request)
        finally:
            self._byte_budget.refund(session, length - written)
        return written == length


def select_bytes(request: SynapseRequest, size: int, etag: str) -> tuple[int, ByteRange]:
    """Returns the status of a response and the bytes to send, which are none for 304 and 416.

    The conditions' order is that of RFC 9110, section 13.2.2.

    :param size: of the file, in bytes.
    :param etag: its strong entity tag.
    """
    whole, nothing = ByteRange(0, size), ByteRange(0, 0)
    if is_not_modified(header(request, "If-None-Match"), etag):
        return NOT_MODIFIED, nothing
    if request.method != b"GET" or not if_range_matches(header(request, "If-Range"), etag):
        return OK, whole
    try:
        requested = parse_range(header(request, "Range"), size)
    except RangeNotSatisfiable:
        return REQUESTED_RANGE_NOT_SATISFIABLE, nothing
    return (PARTIAL_CONTENT, requested) if requested else (OK, whole)


def set_status(request: SynapseRequest, status: int, selected: ByteRange, size: int) -> None:
    """Sets the status and the headers that depend on it.

    :param selected: the bytes to send, by ``select_bytes``.
    :param size: of the file, in bytes.
    """
    request.setResponseCode(status)
    _disable_compression(request)
    if status == NOT_MODIFIED:
        request.responseHeaders.removeHeader(b"Content-Length")
        return
    request.setHeader(b"Content-Length", str(selected.length).encode())
    if status == PARTIAL_CONTENT:
        last = selected.start + selected.length - 1
        request.setHeader(b"Content-Range", f"bytes {selected.start}-{last}/{size}".encode())
    elif status == REQUESTED_RANGE_NOT_SATISFIABLE:
        request.setHeader(b"Content-Range", f"bytes */{size}".encode())
        request.setHeader(b"Cache-Control", b"no-store")


def _disable_compression(request: SynapseRequest) -> None:
    """Sends the file itself on listeners with ``compress: true``, too.

    Twisted compresses what is written, so that a range would be no part of the file that the entity tag names.
    """
    request._encoder = None
    request.responseHeaders.removeHeader(b"Content-Encoding")


def clear_media_headers(request: SynapseRequest) -> None:
    """Removes the headers that describe a media, and forbids caches to store the response, which is an error."""
    for name in _MEDIA_HEADERS:
        request.responseHeaders.removeHeader(name)
    request.setHeader(b"Cache-Control", b"no-store")


def _set_media_headers(
    request: SynapseRequest, file: OpenMedia | FileDescription, etag: str, headers: HeaderChanges, media: Media
) -> None:
    """Sets the headers of every response with a media, whatever its status, and then the changes."""
    add_file_headers(request, file.content_type, file.size, safe_file_name(media.file_name or file.name))
    if media.download:
        _set_attachment(request)
    for name, value in (
        (b"Accept-Ranges", b"bytes"),
        (b"Access-Control-Expose-Headers", EXPOSED_HEADERS),
        (b"Content-Security-Policy", _SANDBOX),
        (b"ETag", etag.encode("ascii")),
        # An element shows a truncated image as if it were complete. With the size, the page can detect that.
        (b"Server-Timing", f'size;desc="{file.size}"'.encode("ascii")),
        (b"X-Content-Security-Policy", b"sandbox;"),
    ):
        request.setHeader(name, value)
    for name, changed in headers.items():
        request.responseHeaders.removeHeader(name)
        if changed is not None:
            request.setHeader(name, changed)


def _set_attachment(request: SynapseRequest) -> None:
    """Makes browsers save the file. They ignore the ``download`` attribute of a link to another origin."""
    (disposition,) = request.responseHeaders.getRawHeaders(b"Content-Disposition") or [b"inline"]
    if disposition.startswith(b"inline"):
        request.setHeader(b"Content-Disposition", b"attachment" + disposition.removeprefix(b"inline"))
