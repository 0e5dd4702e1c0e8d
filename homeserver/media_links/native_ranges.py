"""Adds ranges, strong entity tags and 304 to Synapse's own downloads and thumbnails (``native_ranges``).

With ``offload_downloads`` it also hands them over to nginx or a storage, as ``offload`` says.

Synapse's servlets stay in charge of who receives which media: authentication, quarantine, federation, timeouts, the
choice of a thumbnail. Replaced are the functions that they call at the end, with a file in hand. All paths but
``NATIVE_PATHS`` go to Synapse's own functions, the frozen unauthenticated endpoints and federation among them.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import os
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from types import TracebackType
from typing import BinaryIO

from synapse.api.errors import NotFoundError
from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.media import media_repository, thumbnailer
from synapse.media._base import FileInfo, Responder, add_file_headers, respond_with_file, respond_with_responder
from synapse.media.media_storage import FileResponder, MediaStorage
from synapse.server import HomeServer
from twisted.internet.interfaces import IConsumer
from twisted.web.http import OK, PARTIAL_CONTENT

from media_protocol.ranges import ByteRange

from .body_producer import FileSender
from .config import MediaLinksConfig
from .local_files import LocalFiles, open_file
from .media_opener import entity_tag
from .media_response import EXPOSED_HEADERS, select_bytes, set_status
from .offload import Offload

NATIVE_PATHS = (b"/_matrix/client/v1/media/download/", b"/_matrix/client/v1/media/thumbnail/")


class StoredFile(Responder):
    """A file of the media store, with its identity; sent by the responder that Synapse has made for it.

    :param path: relative to the media store, the same in all processes and storage providers.
    :param info: ``None`` for a file that this process has just created.
    """

    def __init__(self, responder: Responder, path: str, info: FileInfo | None) -> None:
        self.path = path
        self.info = info
        #: The open file, if it is on a disk of this machine.
        self.file = responder.open_file if isinstance(responder, FileResponder) else None
        self._responder = responder

    def __enter__(self) -> None:
        self._responder.__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._responder.__exit__(exc_type, exc_val, exc_tb)

    def write_to_consumer(self, consumer: IConsumer) -> Awaitable[object]:
        """Implements ``Responder``."""
        return self._responder.write_to_consumer(consumer)

    def is_complete(self, size: int) -> bool:
        """Whether all bytes are there, as far as this process can tell."""
        return self.file is None or _size(self.file) == size


class _StorageFile(Responder):
    """A file that the storage alone has. It is requested from there with its first byte: most are redirected.

    :param fetch: requests it.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Responder | None]]) -> None:
        self._fetch = fetch

    async def write_to_consumer(self, consumer: IConsumer) -> None:
        """Implements ``Responder``."""
        responder = await self._fetch()
        if responder is None:  # deleted within the time for which its size is cached
            raise NotFoundError()
        with responder:
            await responder.write_to_consumer(consumer)


class _WholeFile(Responder):
    """Sets a response's headers at the last moment: Synapse sets its own just before it writes the body."""

    def __init__(self, file: StoredFile, request: SynapseRequest, etag: str, size: int) -> None:
        self._file = file
        self._request = request
        self._etag = etag
        self._size = size

    def write_to_consumer(self, consumer: IConsumer) -> Awaitable[object]:
        """Implements ``Responder``."""
        _set_headers(self._request, self._etag)
        set_status(self._request, OK, ByteRange(0, self._size), self._size)
        return self._file.write_to_consumer(consumer)


class NativeRanges:
    """The replacements of Synapse's functions in one process."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._hs = hs
        self._config = config
        self._file_sender = FileSender(hs.get_reactor(), hs.get_clock(), hs.get_media_sender_thread_pool())

    @cached_property
    def _files(self) -> LocalFiles:
        """Created with the first range: Synapse creates its media repository after its modules."""
        return LocalFiles(self._hs)

    @cached_property
    def _offload(self) -> Offload | None:
        """Created with the first download, as above."""
        return Offload(self._hs, self._config) if self._config.offload_downloads else None

    def install(self) -> None:
        """Replaces the functions. Called once, before Synapse creates its media repository."""
        original_fetch_media = MediaStorage.fetch_media
        is_in_storage_alone = self._is_in_storage_alone

        async def fetch_media(self: MediaStorage, file_info: FileInfo) -> Responder | None:
            path = self._file_info_to_path(file_info)
            fetch = partial(original_fetch_media, self, file_info)
            is_remote = await is_in_storage_alone(path, file_info)
            responder = _StorageFile(fetch) if is_remote else await fetch()
            return responder and StoredFile(responder, path, file_info)

        # mypy forbids assignments to methods, and to what a module has imported.
        MediaStorage.fetch_media = fetch_media  # type: ignore[method-assign]
        for module in (media_repository, thumbnailer):
            module.respond_with_responder = self._respond_with_responder  # type: ignore[attr-defined]
        thumbnailer.respond_with_file = self._respond_with_file  # type: ignore[attr-defined]

    async def _is_in_storage_alone(self, path: str, info: FileInfo) -> bool:
        """Whether a file that may be redirected is not on this machine's disk."""
        return self._offload is not None and not self._offload.is_local(path) and await self._offload.stores(info)

    async def _respond_with_responder(
        self,
        request: SynapseRequest,
        responder: Responder | None,
        media_type: str,
        file_size: int | None,
        upload_name: str | None = None,
    ) -> None:
        """Replaces the function that sends a file of the media store."""
        if not isinstance(responder, StoredFile) or file_size is None or not request.path.startswith(NATIVE_PATHS):
            await respond_with_responder(request, responder, media_type, file_size, upload_name)
            return
        if await self._is_handed_over(request, responder, media_type, file_size, upload_name):
            return
        if not self._config.native_ranges:
            await respond_with_responder(request, responder, media_type, file_size, upload_name)
            return
        etag = entity_tag(responder.path, file_size)
        status, selected = select_bytes(request, file_size, etag)
        sends_body = request.method == b"GET" and status in (OK, PARTIAL_CONTENT)
        with responder:
            if sends_body and status == OK and responder.is_complete(file_size):
                whole = _WholeFile(responder, request, etag, file_size)
                await respond_with_responder(request, whole, media_type, file_size, upload_name)
                return
            if request._disconnected:
                return
            file = await self._open(responder, file_size) if sends_body else None
            add_file_headers(request, media_type, file_size, upload_name)
            _set_headers(request, etag)
            set_status(request, status, selected, file_size)
            if file is None or await self._send_part(request, file, selected):
                finish_request(request)

    async def _is_handed_over(
        self, request: SynapseRequest, file: StoredFile, media_type: str, size: int, upload_name: str | None
    ) -> bool:
        """Has the storage or nginx send a file, if it can; returns whether it does."""
        offload = self._offload
        if offload is None or request._disconnected:
            return False
        redirects = offload.redirects(size) and file.info is not None
        accelerates = offload.accelerates(request, size) and file.file is not None and file.is_complete(size)
        if not redirects and not accelerates:
            return False
        add_file_headers(request, media_type, size, upload_name)
        if redirects:
            assert file.info is not None
            is_sent = await offload.redirect(request, file.info, size, None)
        else:
            assert file.file is not None
            is_sent = offload.accelerate(request, file.file)
        if is_sent:
            with file:  # closes it
                pass
        return is_sent

    async def _respond_with_file(
        self,
        hs: HomeServer,
        request: SynapseRequest,
        media_type: str,
        file_path: str,
        file_size: int | None = None,
        upload_name: str | None = None,
    ) -> None:
        """Replaces the function that sends a thumbnail which has just been created."""
        created = _open_created(hs, file_path) if request.path.startswith(NATIVE_PATHS) else None
        if created is None:
            await respond_with_file(hs, request, media_type, file_path, file_size, upload_name)
        else:
            size = _size(created.file) if created.file else None
            await self._respond_with_responder(request, created, media_type, size, upload_name)

    async def _open(self, stored: StoredFile, size: int) -> BinaryIO:
        """Opens a file to send a part of it; fetches it from its storage provider first, where only that has it.

        :raises SynapseError: 503 if it stays incomplete.
        """
        if stored.file and stored.is_complete(size):
            return stored.file
        assert stored.info is not None, "what has just been created is complete"
        return await self._files.open(stored.info, size)

    async def _send_part(self, request: SynapseRequest, file: BinaryIO, selected: ByteRange) -> bool:
        """Sends some bytes of a file and closes it; returns whether all of them are written."""
        with file:
            file.seek(selected.start)
            return await self._file_sender.send(file, selected.length, request) == selected.length


def _open_created(hs: HomeServer, path: str) -> StoredFile | None:
    """Opens a file that this process has just created; returns ``None`` if it is not in the media store."""
    relative_path = os.path.relpath(path, hs.config.media.media_store_path)
    if relative_path.startswith(os.pardir) or not os.path.isfile(path):
        return None
    return StoredFile(FileResponder(hs, open_file(path)), relative_path, None)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _set_headers(request: SynapseRequest, etag: str) -> None:
    """Sets what Synapse's own response lacks, and replaces its entity tag, which is the same for all media."""
    request.setHeader(b"Accept-Ranges", b"bytes")
    request.setHeader(b"ETag", etag.encode("ascii"))
    exposed = request.responseHeaders.getRawHeaders(b"Access-Control-Expose-Headers") or []
    request.setHeader(b"Access-Control-Expose-Headers", b", ".join([*exposed, EXPOSED_HEADERS]))
