"""Sends one media to somebody who may have it.

How that somebody proved it is not this file's business: ``serving`` has a proof checked and then calls ``serve``, and
any other proof can be put in front of it just so. What Synapse's own download does for safety is done here with
Synapse's own functions; what it lacks (ranges, a real entity tag) is added.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import hashlib
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.media._base import ThumbnailInfo, add_file_headers
from synapse.media.thumbnailer import ANIMATED_THUMBNAIL_TYPE, ThumbnailProvider
from synapse.server import HomeServer
from synapse.util.async_helpers import Linearizer
from twisted.web.http import NOT_MODIFIED, PARTIAL_CONTENT, REQUESTED_RANGE_NOT_SATISFIABLE

from .bringing import MediaFiles
from .finding import Finder, Original, Records
from .ranges import Span, Unsatisfiable, continues, requested_span, unchanged
from .sending import FileSender
from .signing import Media, Thumbnail

# The same policy as Synapse's own download, which has it written into its servlet.
_SANDBOX = (
    b"sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline';"
    b" media-src 'self'; object-src 'self';"
)
_READABLE_HEADERS = (
    b"Accept-Ranges, Content-Disposition, Content-Length, Content-Range, Content-Type, ETag, Server-Timing"
)

_OF_A_MEDIA = (b"Accept-Ranges", b"Content-Disposition", b"Content-Length", b"Content-Range", b"ETag", b"Server-Timing")

# What leads to another directory, breaks lines, or turns around the text behind it, so that `exe.jpg` ends in `exe`.
_NOT_IN_A_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# Called with the largest number of bytes that is about to be made; raises where that is too many.
Reserve = Callable[[int], None]

# Headers to set and, where there is no value, to take away.
Headers = Mapping[bytes, bytes | None]


def _unlimited(largest: int) -> None:
    """Any thumbnail may be made."""


@dataclass(slots=True)
class Opened:
    """An open file, ready to be sent."""

    file: BinaryIO
    size: int
    content_type: str
    name: str | None
    tag: str


class Delivery:
    """Finds media and sends them."""

    def __init__(self, hs: HomeServer) -> None:
        self._repository = hs.get_media_repository()
        self._finder = Finder(hs)
        self._files = MediaFiles(hs)
        self._thumbnails = ThumbnailProvider(hs, self._repository, self._repository.media_storage)
        self._dynamic_thumbnails = hs.config.media.dynamic_thumbnails
        # Two requests for one thumbnail that has yet to be made: the second waits for the first.
        self._making = Linearizer("media_links_making", hs.get_clock())
        #: Reads and sends files.
        self.sender = FileSender(hs.get_reactor(), hs.get_clock(), hs.get_media_sender_thread_pool())

    async def serve(self, request: SynapseRequest, media: Media, headers: Headers) -> None:
        """Answers a GET or HEAD with a media or a thumbnail: 200, 206, 304 or 416.

        :param headers: what depends on how somebody proved that they may have it: above all ``Cache-Control``, how
            long the answer may be kept. They stand in the place of what is set here.
        :raises SynapseError: for what Synapse's own download refuses too.
        """
        original = await self._finder.find(request, media, wait=True)
        if original is None:
            return  # Synapse has answered: not uploaded yet
        opened = await self._open(original, media.thumbnail)
        with opened.file:
            if not request._disconnected:
                set_media_headers(request, opened, headers)
                if media.download:
                    _have_it_saved(request)
                await self._answer(request, opened)

    def is_mine(self, media: Media) -> bool:
        """Whether it was uploaded here rather than at another server."""
        return self._finder.is_mine(media)

    async def open(self, request: SynapseRequest, media: Media, reserve: Reserve = _unlimited) -> Opened:
        """Opens a media, or a thumbnail, that is sent as a part of something else.

        :param reserve: called with the largest number of bytes that a thumbnail can have, before it is made. Its
            ``SynapseError`` refuses that.
        :raises SynapseError: as ``serve`` does, and for what is announced but not uploaded yet.
        """
        return await self._open(await self._finder.find_uploaded(request, media), media.thumbnail, reserve)

    async def look_up(self, wanted: Iterable[Media]) -> Records:
        """What the database knows of many media, for ``open_at_hand``."""
        return await self._finder.look_up(wanted)

    async def open_at_hand(self, request: SynapseRequest, media: Media, records: Records) -> Opened | None:
        """As ``open``, but waits for nothing: gives nothing where a thumbnail has to be made, or a file brought, first.

        :param records: what was looked up of it, and others, before.
        :raises SynapseError: as ``open`` does.
        """
        if self.is_mine(media):
            original = self._finder.recorded(records, media)
            thumbnails = records.thumbnails.get(media.media_id, [])
        elif await self._finder.is_cached(media):
            original = await self._finder.find_uploaded(request, media)
            thumbnails = await self._finder.thumbnails(original) if media.thumbnail else []
        else:
            return None
        if not media.thumbnail:
            file = self._files.open_here(original.file, original.length)
            return _opened_original(original, file) if file else None
        stored = self._choose_thumbnail(original, media.thumbnail, thumbnails)
        file = self._files.open_here(original.thumbnail_file(stored), stored.length) if stored else None
        return _opened_thumbnail(original, stored, file) if stored and file else None

    # --- opening -----------------------------------------------------------------------------------------------------

    async def _open(self, original: Original, thumbnail: Thumbnail | None, reserve: Reserve = _unlimited) -> Opened:
        if thumbnail:
            return await self._open_thumbnail(original, thumbnail, reserve)
        return await self._open_original(original)

    async def _open_original(self, original: Original) -> Opened:
        return _opened_original(original, await self._files.open(original.file, original.length))

    async def _open_thumbnail(self, original: Original, wanted: Thumbnail, reserve: Reserve) -> Opened:
        stored = await self._select_thumbnail(original, wanted)
        file = await self._open_stored(original, stored)
        if stored is None or file is None:
            async with self._making.queue((original.origin, original.file_id, wanted)):
                stored = await self._select_thumbnail(original, wanted) or _exact(wanted)
                file = await self._open_stored(original, stored)
                if file is None:
                    reserve(_largest(stored))
                    file = await self._make_thumbnail(original, stored)
        return _opened_thumbnail(original, stored, file)

    async def _select_thumbnail(self, original: Original, wanted: Thumbnail) -> ThumbnailInfo | None:
        return self._choose_thumbnail(original, wanted, await self._finder.thumbnails(original))

    def _choose_thumbnail(
        self, original: Original, wanted: Thumbnail, stored: list[ThumbnailInfo]
    ) -> ThumbnailInfo | None:
        """The stored thumbnail to send; nothing where one has to be made."""
        exact = _exact(wanted)
        if self._dynamic_thumbnails:
            return next((info for info in stored if _shape(info) == _shape(exact)), None)
        if not stored:
            raise SynapseError(400, "There are no thumbnails of this media", Codes.UNKNOWN)
        chosen = self._thumbnails._select_thumbnail(
            wanted.width,
            wanted.height,
            wanted.method,
            exact.type,
            stored,
            original.file_id,
            original.url_cache,
            original.origin,
        )
        if chosen is None:
            raise NotFoundError()
        return chosen.thumbnail

    async def _open_stored(self, original: Original, stored: ThumbnailInfo | None) -> BinaryIO | None:
        if stored is None or not stored.length:
            return None
        try:
            return await self._files.open_if_whole(original.thumbnail_file(stored), stored.length)
        except SynapseError:
            return None  # the file was cleared away, or cannot be had; it is made again

    async def _make_thumbnail(self, original: Original, shape: ThumbnailInfo) -> BinaryIO:
        size = (shape.width, shape.height, shape.method, shape.type)
        animated = shape.type == ANIMATED_THUMBNAIL_TYPE
        await self._files.bring(original.file, original.length)
        made: object
        if original.origin is None:
            made = await self._repository.generate_local_exact_thumbnail(
                original.media_id, *size, url_cache=original.url_cache, animated=animated
            )
        else:
            made = await self._repository.generate_remote_exact_thumbnail(
                original.origin, original.file_id, original.media_id, *size, animated=animated
            )
        if not made:
            raise SynapseError(400, "No thumbnail can be made of this media", Codes.UNKNOWN)
        return await self._files.open_new(original.thumbnail_file(shape))

    # --- answering ---------------------------------------------------------------------------------------------------

    async def _answer(self, request: SynapseRequest, opened: Opened) -> None:
        """Chooses the status and sends the body; the order of the checks is that of RFC 9110, section 13.2.2."""
        if unchanged(header(request, "If-None-Match"), opened.tag):
            request.setResponseCode(NOT_MODIFIED)
            request.responseHeaders.removeHeader(b"Content-Length")
            finish_request(request)
            return
        span = Span(0, opened.size)
        if request.method == b"GET" and continues(header(request, "If-Range"), opened.tag):
            try:
                part = requested_span(header(request, "Range"), opened.size)
            except Unsatisfiable:
                _refuse_range(request, opened.size)
                return
            if part:
                span = part
                request.setResponseCode(PARTIAL_CONTENT)
                last = span.start + span.length - 1
                request.setHeader(b"Content-Range", f"bytes {span.start}-{last}/{opened.size}".encode())
        request.setHeader(b"Content-Length", str(span.length).encode())
        if request.method == b"GET":
            opened.file.seek(span.start)
            sent = await self.sender.send(opened.file, span.length, request)
            if not sent:
                return
        finish_request(request)


def set_media_headers(request: SynapseRequest, opened: Opened, headers: Headers) -> None:
    """The headers that every answer with a media carries, whatever its status, beside those of all answers."""
    add_file_headers(request, opened.content_type, opened.size, _file_name(opened.name))
    for name, value in (
        (b"Accept-Ranges", b"bytes"),
        (b"Access-Control-Expose-Headers", _READABLE_HEADERS),
        (b"Content-Security-Policy", _SANDBOX),
        (b"ETag", opened.tag.encode("ascii")),
        # An element shows a picture that was cut short as if it were whole; by this, a page can tell.
        (b"Server-Timing", f'size;desc="{opened.size}"'.encode("ascii")),
        (b"X-Content-Security-Policy", b"sandbox;"),
    ):
        request.setHeader(name, value)
    for name, changed in headers.items():
        request.responseHeaders.removeHeader(name)
        if changed is not None:
            request.setHeader(name, changed)


def _file_name(name: str | None) -> str | None:
    """A name to save a file by, which its uploader has chosen, without what browsers take out of it too."""
    harmless = _NOT_IN_A_NAME.sub("_", name or "")
    return harmless if harmless.strip(".") else None


def _have_it_saved(request: SynapseRequest) -> None:
    """A browser then saves the file under its name; to a link from another origin no page can say so."""
    (disposition,) = request.responseHeaders.getRawHeaders(b"Content-Disposition") or [b"inline"]
    if disposition.startswith(b"inline"):
        request.setHeader(b"Content-Disposition", b"attachment" + disposition.removeprefix(b"inline"))


def clear_media_headers(request: SynapseRequest) -> None:
    """Takes back what an error must not carry: nobody may keep it, and it is not as long as the media."""
    for name in _OF_A_MEDIA:
        request.responseHeaders.removeHeader(name)
    request.setHeader(b"Cache-Control", b"no-store")


def header(request: SynapseRequest, name: str) -> str | None:
    """A header of a request. Twisted would decode it as UTF-8, which not every client's header is."""
    value: bytes | None = request.getHeader(name.encode("ascii"))
    return None if value is None else value.decode("latin-1")


def entity_tag(*parts: object) -> str:
    """A strong entity tag (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3) of what makes a file what it is."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f'"{urlsafe_b64encode(digest[:18]).decode("ascii")}"'


def _refuse_range(request: SynapseRequest, size: int) -> None:
    request.setResponseCode(REQUESTED_RANGE_NOT_SATISFIABLE)
    request.setHeader(b"Content-Range", f"bytes */{size}".encode())
    request.setHeader(b"Content-Length", b"0")
    request.setHeader(b"Cache-Control", b"no-store")
    finish_request(request)


def _opened_original(original: Original, file: BinaryIO) -> Opened:
    tag = entity_tag(original.digest or original.origin, original.file_id)
    return Opened(file, original.length, original.content_type, original.name, tag)


def _opened_thumbnail(original: Original, stored: ThumbnailInfo, file: BinaryIO) -> Opened:
    size = _size(file)
    shape = (stored.width, stored.height, stored.method, stored.type, size)
    return Opened(file, size, stored.type, None, entity_tag(original.origin, original.file_id, *shape))


def _exact(wanted: Thumbnail) -> ThumbnailInfo:
    """The thumbnail that Synapse would make for this wish."""
    content_type = ANIMATED_THUMBNAIL_TYPE if wanted.animated else "image/png"
    return ThumbnailInfo(wanted.width, wanted.height, wanted.method, content_type, 0)


def _largest(info: ThumbnailInfo) -> int:
    """The most bytes that a thumbnail of this shape can have: a PNG of pixels that cannot be compressed.

    An animated one has that for each of its frames, whose number is not known before; their compression is lossy.
    """
    return info.height * (1 + 4 * info.width) * 102 // 100 + 1024


def _shape(info: ThumbnailInfo) -> tuple[int, int, str, str]:
    return info.width, info.height, info.method, info.type


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
