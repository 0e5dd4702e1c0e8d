"""Opens media: proves each client's right to them, and downloads each only once.

The homeserver decides who may have a media: a body is sent to a session if the homeserver has let the session's token
download that media within the last minute, and has accepted the token within the last two seconds. A download that
begins for the session proves both.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from media_protocol.limits import ByteBudget, LimitReached
from media_protocol.signing import Media

from .body_cache import BodyCache, Head, cache_key
from .downloads import Download, TooLargeToCache, response_head
from .errors import MatrixError, homeserver_failed
from .homeserver import Homeserver, StreamedResponse
from .metrics import Metrics
from .sessions import Caller, Sessions
from .time_limited_cache import TimeLimitedCache
from .write_behind import WriteBehindQueue

# How long the homeserver's word that a session may download a media holds. A media that is removed or quarantined is
# sent from the cache for no longer.
MEDIA_PROOF_MS = 60_000
# With these statuses a download fails for one client and may succeed for another one, which has another session, or is
# within its rate limit.
_OF_ONE_CLIENT = (403, 404, 429)
_NOT_YET_UPLOADED = 504
# A client that does not wait for uploads joins a download that does: after this time it has the homeserver say whether
# the media is uploaded.
_UNKNOWN_UPLOAD_S = 1.0
CHUNK_BYTES = 256 * 1024
# A response is proof with its head. A small body is received all the same, so that its connection is used again.
_RECEIVED_PROOF_BYTES = 64 * 1024


@dataclass(slots=True)
class OpenMedia:
    """A media that may be sent to one client. The caller closes it.

    :param content: the whole body, if it is small.
    :param file: the complete or growing file.
    :param download: by which the file grows.
    :param response: the body that is too large to be kept.
    """

    head: Head
    content: bytes | None = None
    file: BinaryIO | None = None
    download: Download | None = None
    response: StreamedResponse | None = None

    async def close(self) -> None:
        """Releases the file, the download and the response."""
        if self.file:
            self.file.close()
        if self.download:
            self.download.leave()
        if self.response:
            await self.response.aclose()

    def skipped_bytes(self, start: int) -> int:
        """Returns how many bytes have to be received and are not sent, if the body is read from a position."""
        return start if self.response else 0

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Yields a range of the body in chunks.

        :raises MatrixError: if the download has failed.
        """
        if self.content is not None:
            yield self.content[start : start + length]
            return
        if self.response:
            chunks = self._read_response(self.response, start, length)
        elif self.download:
            chunks = self._read_growing(self.download, start, length)
        else:
            chunks = self._read_file(start, length)
        async for chunk in chunks:
            yield chunk

    async def _read_file(self, start: int, length: int) -> AsyncIterator[bytes]:
        assert self.file
        end = start + length
        while start < end:
            size = min(CHUNK_BYTES, end - start)
            # On a thread, because the disk may be slow; what is small costs less than a thread.
            if length <= CHUNK_BYTES:
                chunk = os.pread(self.file.fileno(), size, start)
            else:
                chunk = await asyncio.to_thread(os.pread, self.file.fileno(), size, start)
            if not chunk:
                raise homeserver_failed()
            start += len(chunk)
            yield chunk

    async def _read_growing(self, download: Download, start: int, length: int) -> AsyncIterator[bytes]:
        assert self.file
        end = start + length
        while start < end:
            received = await download.wait_beyond(start)
            # What has just been written is in the memory of the operating system.
            chunk = os.pread(self.file.fileno(), min(CHUNK_BYTES, received - start, end - start), start)
            start += len(chunk)
            yield chunk

    async def _read_response(self, response: StreamedResponse, start: int, length: int) -> AsyncIterator[bytes]:
        position, end = 0, start + length
        try:
            async for chunk in response.aiter_raw():
                part = chunk[max(0, start - position) : max(0, end - position)]
                position += len(chunk)
                if part:
                    yield part
                if position >= end:
                    return
        except httpx.HTTPError:
            pass
        raise homeserver_failed()


class MediaSource:
    """Opens media for sessions.

    :param budget: in which the bytes of downloads are counted for the session that has begun them.
    """

    def __init__(
        self, homeserver: Homeserver, sessions: Sessions, cache: BodyCache, budget: ByteBudget, metrics: Metrics
    ) -> None:
        self._homeserver = homeserver
        self._sessions = sessions
        self._cache = cache
        self._writes = WriteBehindQueue(cache)
        self._budget = budget
        self._metrics = metrics
        self._downloads: dict[str, Download] = {}
        #: The size of each media that a token was let download.
        self._proofs: TimeLimitedCache[tuple[str, str], int] = TimeLimitedCache(MEDIA_PROOF_MS)

    async def close(self) -> None:
        """Aborts all downloads. Small bodies that are complete are written to disk."""
        await asyncio.gather(*(download.cancel() for download in list(self._downloads.values())))
        await self._writes.close()

    async def open(self, media: Media, caller: Caller, *, wait: bool = True) -> OpenMedia:
        """Opens a media or a thumbnail for a session.

        A body that another client has begun to download is joined.

        :param caller: whom the homeserver has to let download the media.
        :param wait: whether to wait for the upload of a media whose id is reserved.
        :raises MatrixError: if it does not.
        :raises LimitReached: if the session has had too much downloaded.
        """
        key = cache_key(media)
        while True:
            download = self._downloads.get(key)
            if download:
                opened = await self._join(download, media, key, caller, wait)
            else:
                opened = await self._open_cached(media, key, caller)
                if not opened and key not in self._downloads:
                    opened = await self._begin(media, key, caller, wait)
            if opened:
                return opened

    async def check(self, media: Media, caller: Caller) -> Head:
        """Has the homeserver confirm a caller's right to a media that is about to be sent, and returns its head.

        A body that is not here begins to be downloaded, unless it has to be waited for: the request for it follows.

        :raises MatrixError: if it does not.
        :raises LimitReached: if the session has had too much downloaded.
        """
        opened = await self.open(media, caller, wait=False)
        await opened.close()
        return opened.head

    async def _join(self, download: Download, media: Media, key: str, caller: Caller, wait: bool) -> OpenMedia | None:
        """Opens a body that is being received for another client; ``None`` if that has failed for that client alone."""
        download.join()
        try:
            head = await self._joined_head(download, media, caller, wait)
        except BaseException as error:
            download.leave()
            if isinstance(error, TooLargeToCache):
                return await self._open_uncached(media, caller)
            if isinstance(error, MatrixError):
                is_uploaded_late = error.status == _NOT_YET_UPLOADED
                if error.status in _OF_ONE_CLIENT or (is_uploaded_late and wait and not download.waits_for_upload):
                    await download.ended()
                    return None
                if is_uploaded_late:  # which a session that has ended is not told
                    await self._sessions.prove_alive(caller)
            raise
        try:
            await self._prove(media, key, caller)
            opened = _open_download(head, download)
        except BaseException:
            download.leave()
            raise
        self._metrics.opened.labels("joined").inc()
        return opened

    async def _joined_head(self, download: Download, media: Media, caller: Caller, wait: bool) -> Head:
        if download.waits_for_upload and not wait:
            try:
                async with asyncio.timeout(_UNKNOWN_UPLOAD_S):
                    return await download.head()
            except TimeoutError:
                await self._request_proof(media, caller, wait=False)
        return await download.head()

    async def _open_cached(self, media: Media, key: str, caller: Caller) -> OpenMedia | None:
        found = self._cache.open(key)
        if not found:
            return None
        head, body = found
        opened = OpenMedia(head, content=body) if isinstance(body, bytes) else OpenMedia(head, file=body)
        try:
            size = await self._prove(media, key, caller)
            if size != head.size:
                self._cache.remove(key)
                await opened.close()
                return None
        except BaseException:
            await opened.close()
            raise
        self._metrics.opened.labels("disk").inc()
        return opened

    async def _begin(self, media: Media, key: str, caller: Caller, wait: bool) -> OpenMedia:
        self._budget.spend(caller.session_key, 0)  # raises the error before anything is requested
        download = self._downloads[key] = Download(
            self._cache,
            self._writes,
            key,
            lambda: self._request(media, key, caller, wait),
            lambda: self._end(key, caller),
            waits_for_upload=wait,
        )
        self._metrics.downloads.inc()
        try:
            head = await download.head()
            self._budget.spend(caller.session_key, head.size)
            download.counted_bytes = head.size
            self._proofs.set((caller.token, key), head.size)  # of a body whose size was not said before
            self._metrics.opened.labels("download").inc()
            return _open_download(head, download)
        except BaseException as error:
            download.leave(linger=not isinstance(error, LimitReached))
            if isinstance(error, TooLargeToCache):
                return await self._open_uncached(media, caller)
            raise

    async def _request(self, media: Media, key: str, caller: Caller, wait: bool) -> StreamedResponse:
        """Requests a body. That the homeserver sends it is the proof of the session's right."""
        response = await self._homeserver.open_media(media, caller.token, address=caller.address, wait=wait)
        head = response_head(response)
        if head:
            self._proofs.set((caller.token, key), head.size)
        return response

    def _end(self, key: str, caller: Caller) -> None:
        download = self._downloads.pop(key)
        self._budget.refund(caller.session_key, max(0, download.counted_bytes - download.received_bytes))
        self._metrics.downloads.dec()

    async def _open_uncached(self, media: Media, caller: Caller) -> OpenMedia:
        response = await self._homeserver.open_media(media, caller.token, address=caller.address)
        head = response_head(response)
        if head is None:
            await response.aclose()
            raise homeserver_failed()
        self._metrics.opened.labels("uncached").inc()
        return OpenMedia(head, response=response)

    async def _prove(self, media: Media, key: str, caller: Caller) -> int:
        """Has the homeserver confirm a session's right to a media, unless it has done so of late; returns the size."""
        size = self._proofs.peek((caller.token, key))
        if size is not None:
            await self._sessions.prove_alive(caller)
            return size
        try:
            return await self._proofs.get((caller.token, key), lambda: self._request_proof(media, caller))
        except MatrixError as error:
            if error.status == 404:
                # It is removed, or this session alone may not have it: the homeserver is asked again for all others.
                self._proofs.discard(lambda proof: proof[1] == key)
            raise

    async def _request_proof(self, media: Media, caller: Caller, *, wait: bool = True) -> int:
        response = await self._homeserver.open_media(media, caller.token, address=caller.address, wait=wait)
        try:
            head = response_head(response)
            if head is None or head.size <= _RECEIVED_PROOF_BYTES:
                received = 0
                async for chunk in response.aiter_raw():
                    received += len(chunk)
                    if received > self._cache.max_body_bytes:
                        break
                return received
            return head.size
        except httpx.HTTPError:
            raise homeserver_failed() from None
        finally:
            await response.aclose()


def _open_download(head: Head, download: Download) -> OpenMedia:
    if download.content is not None:
        return OpenMedia(head, content=download.content, download=download)
    return OpenMedia(head, file=download.open_file(), download=download)
