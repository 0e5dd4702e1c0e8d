"""Bodies that are being received: written to disk as they come, and read from there by any number of clients."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import httpx

from .body_cache import BodyCache, Head
from .errors import MatrixError, homeserver_failed
from .homeserver import StreamedResponse
from .write_behind import WriteBehindQueue

logger = logging.getLogger(__name__)

# A player that seeks closes its connection and opens another one. A download that nobody reads for longer is aborted.
_LINGER_S = 10.0
_MAX_DIGITS = 15
# A body up to this size is sent from memory, and written to disk afterwards (`write_behind`).
_IN_MEMORY_BYTES = 64 * 1024

OpenResponse = Callable[[], Awaitable[StreamedResponse]]


class TooLargeToCache(Exception):
    """A body that is larger than the cache keeps."""


def response_head(response: StreamedResponse) -> Head | None:
    """Returns what a response says of its body; ``None`` if it does not say how large it is."""
    length = response.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal() and len(length) <= _MAX_DIGITS):
        return None
    return _head(response, int(length))


def _head(response: StreamedResponse, size: int) -> Head:
    content_type = response.headers.get("content-type", "application/octet-stream")
    return Head(content_type, response.headers.get("content-disposition", ""), size)


class Download:
    """One body that is being received, in a task of its own.

    :param writes: has small bodies written to the cache.
    :param open_response: requests the body.
    :param on_end: called when the download has ended, in whatever way.
    :param waits_for_upload: whether the homeserver waits for the upload of a media whose id is reserved.
    """

    def __init__(
        self,
        cache: BodyCache,
        writes: WriteBehindQueue,
        key: str,
        open_response: OpenResponse,
        on_end: Callable[[], None],
        *,
        waits_for_upload: bool = True,
    ) -> None:
        self._cache = cache
        self._writes = writes
        self._key = key
        self._open_response = open_response
        self._head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._head.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._progress = asyncio.Event()
        #: How many bytes are received.
        self.received_bytes = 0
        #: How many bytes are counted for the session that has begun it.
        self.counted_bytes = 0
        self.waits_for_upload = waits_for_upload
        self._error: Exception | None = None
        self._readers = 0
        self._linger: asyncio.TimerHandle | None = None
        self._path: Path | None = None
        #: The whole body, if it is small.
        self.content: bytes | None = None
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda done: on_end())
        self.join()

    async def head(self) -> Head:
        """Returns the head, as soon as it is known.

        :raises MatrixError: with which the homeserver has refused the request.
        :raises TooLargeToCache:
        """
        return await asyncio.shield(self._head)

    def open_file(self) -> BinaryIO:
        """Opens the file for one reader, after ``head`` has returned."""
        assert self._path, "the head is known"
        try:
            return self._path.open("rb", buffering=0)
        except FileNotFoundError:  # the download has failed, or its body is evicted already
            raise homeserver_failed() from None

    def join(self) -> None:
        """Counts one reader, for whom the download goes on."""
        self._readers += 1
        if self._linger:
            self._linger.cancel()
            self._linger = None

    def leave(self, *, linger: bool = True) -> None:
        """Discounts one reader. Some time after the last one has left, or at once, the download is aborted."""
        self._readers -= 1
        if not self._readers and not self._task.done():
            delay_s = _LINGER_S if linger else 0
            self._linger = asyncio.get_running_loop().call_later(delay_s, self._task.cancel)

    async def wait_beyond(self, position: int) -> int:
        """Waits for the byte at a position; returns how many bytes are received.

        :raises MatrixError: if the download has failed before it.
        """
        while self.received_bytes <= position:
            if self._error:
                raise self._error
            await self._progress.wait()
        return self.received_bytes

    async def ended(self) -> None:
        """Waits for the end of the download, in whatever way it ends, and for ``on_end``."""
        await asyncio.wait({self._task})
        await asyncio.sleep(0)

    async def cancel(self) -> None:
        """Aborts the download."""
        self._task.cancel()
        await self.ended()

    async def _run(self) -> None:
        try:
            response = await self._open_response()
            try:
                await self._receive(response)
            finally:
                await response.aclose()
        except (MatrixError, TooLargeToCache) as error:
            self._fail(error)
        except (httpx.HTTPError, OSError) as error:
            logger.warning("A download of a media has failed: %s", type(error).__name__)
            self._fail(homeserver_failed())
        except BaseException:
            self._fail(homeserver_failed())
            raise

    async def _receive(self, response: StreamedResponse) -> None:
        head = response_head(response)
        if head and head.size > self._cache.max_body_bytes:
            raise TooLargeToCache
        if head and head.size <= _IN_MEMORY_BYTES:
            await self._receive_small(response, head)
        else:
            await self._receive_file(response, head)

    async def _receive_small(self, response: StreamedResponse, head: Head) -> None:
        content = b"".join([chunk async for chunk in response.aiter_raw()])
        if len(content) != head.size:
            raise homeserver_failed()
        await response.aclose()  # its connection is for the next request, and does not wait for the disk
        self.content = content
        self.received_bytes = head.size
        self._head.set_result(head)
        try:
            await self._writes.store(self._key, head, content)
        except OSError as error:
            logger.warning("A media cannot be kept on disk: %s", error.strerror)

    async def _receive_file(self, response: StreamedResponse, head: Head | None) -> None:
        file, path = self._cache.create()
        try:
            with file:
                self._path = path
                if head:
                    self._head.set_result(head)
                await self._write(response, file)
            if head and head.size != self.received_bytes:
                raise homeserver_failed()
            head = head or _head(response, self.received_bytes)
            self._cache.commit(self._key, head, path)
            # For those who join from now on: the file has another name, and is the same.
            self._path = self._cache.body_path(self._key)
            if not self._head.done():
                self._head.set_result(head)
        finally:
            path.unlink(missing_ok=True)
        await asyncio.to_thread(self._cache.evict_if_due)

    async def _write(self, response: StreamedResponse, file: BinaryIO) -> None:
        descriptor = file.fileno()
        async for chunk in response.aiter_raw():
            written = 0
            while written < len(chunk):
                written += os.write(descriptor, chunk[written:] if written else chunk)
            self.received_bytes += len(chunk)
            if self.received_bytes > self._cache.max_body_bytes:  # of a body whose size was not said before
                raise TooLargeToCache
            self._notify()

    def _fail(self, error: Exception) -> None:
        self._error = error
        if not self._head.done():
            self._head.set_exception(error)
        self._notify()

    def _notify(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()
