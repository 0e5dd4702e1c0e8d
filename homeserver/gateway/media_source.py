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

from media_protocol.signing import Media

from .body_cache import BodyCache, Head, cache_key
from .downloads import Download, TooLargeToCache, response_head
from .errors import MatrixError, homeserver_failed
from .homeserver import Homeserver, StreamedResponse
from .metrics import Metrics
from .sessions import Sessions
from .time_limited_cache import TimeLimitedCache

# How long the homeserver's word that a session may download a media holds. A media that is removed or quarantined is
# sent from the cache for no longer.
MEDIA_PROOF_MS = 60_000
# With these statuses a download fails for one client and may succeed for another one: it has another session, is within
# its rate limit, or waits for an upload.
_OF_ONE_CLIENT = (403, 404, 429, 504)
CHUNK_BYTES = 256 * 1024
# A response is proof with its head. A small body is received all the same, so that its connection is used again.
_RECEIVED_PROOF_BYTES = 64 * 1024


@dataclass(slots=True)
class OpenMedia:
    """A media that may be sent to one client. The caller closes it.

    :param content: the whole body, if it has just been received and is small.
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
    """Opens media for sessions."""

    def __init__(self, homeserver: Homeserver, sessions: Sessions, cache: BodyCache, metrics: Metrics) -> None:
        self._homeserver = homeserver
        self._sessions = sessions
        self._cache = cache
        self._metrics = metrics
        self._downloads: dict[str, Download] = {}
        #: The size of each media that a token was let download.
        self._proofs: TimeLimitedCache[tuple[str, str], int] = TimeLimitedCache(MEDIA_PROOF_MS)

    async def close(self) -> None:
        """Aborts all downloads."""
        await asyncio.gather(*(download.cancel() for download in list(self._downloads.values())))

    async def open(self, media: Media, token: str, *, wait: bool = True) -> OpenMedia:
        """Opens a media or a thumbnail for a session.

        A body that another client has begun to download is joined.

        :param token: of the session; the homeserver has to let it download the media.
        :param wait: whether to wait for the upload of a media whose id is reserved.
        :raises MatrixError: if it does not.
        """
        key = cache_key(media)
        while True:
            download = self._downloads.get(key)
            if download:
                opened = await self._join(download, media, key, token)
            else:
                opened = await self._open_cached(media, key, token)
                if not opened and key not in self._downloads:
                    opened = await self._begin(media, key, token, wait)
            if opened:
                return opened

    async def _join(self, download: Download, media: Media, key: str, token: str) -> OpenMedia | None:
        """Opens a body that is being received for another client; ``None`` if that has failed for that client alone."""
        download.join()
        try:
            head = await download.head()
        except BaseException as error:
            download.leave()
            if isinstance(error, TooLargeToCache):
                return await self._open_uncached(media, token)
            if isinstance(error, MatrixError) and error.status in _OF_ONE_CLIENT:
                await download.ended()
                return None
            raise
        try:
            await self._prove(media, key, token)
            opened = _open_download(head, download)
        except BaseException:
            download.leave()
            raise
        self._metrics.opened.labels("joined").inc()
        return opened

    async def _open_cached(self, media: Media, key: str, token: str) -> OpenMedia | None:
        found = self._cache.open(key)
        if not found:
            return None
        head, file = found
        try:
            size = await self._prove(media, key, token)
            if size != head.size:
                self._cache.remove(key)
                file.close()
                return None
        except BaseException as error:
            file.close()
            if isinstance(error, MatrixError) and error.status == 404:
                # It is removed, or this session alone may not have it: the homeserver is asked again for all others.
                self._proofs.discard(lambda proof: proof[1] == key)
            raise
        self._metrics.opened.labels("disk").inc()
        return OpenMedia(head, file=file)

    async def _begin(self, media: Media, key: str, token: str, wait: bool) -> OpenMedia:
        download = self._downloads[key] = Download(
            self._cache,
            key,
            lambda: self._request(media, key, token, wait),
            lambda: self._end(key),
        )
        self._metrics.downloads.inc()
        try:
            head = await download.head()
            self._proofs.set((token, key), head.size)  # of a body whose size was not said before
            self._metrics.opened.labels("download").inc()
            return _open_download(head, download)
        except BaseException as error:
            download.leave()
            if isinstance(error, TooLargeToCache):
                return await self._open_uncached(media, token)
            raise

    async def _request(self, media: Media, key: str, token: str, wait: bool) -> StreamedResponse:
        """Requests a body. That the homeserver sends it is the proof of the session's right."""
        response = await self._homeserver.open_media(media, token, wait=wait)
        head = response_head(response)
        if head:
            self._proofs.set((token, key), head.size)
        return response

    def _end(self, key: str) -> None:
        del self._downloads[key]
        self._metrics.downloads.dec()

    async def _open_uncached(self, media: Media, token: str) -> OpenMedia:
        response = await self._homeserver.open_media(media, token)
        head = response_head(response)
        if head is None:
            await response.aclose()
            raise homeserver_failed()
        self._metrics.opened.labels("uncached").inc()
        return OpenMedia(head, response=response)

    async def _prove(self, media: Media, key: str, token: str) -> int:
        """Has the homeserver confirm a session's right to a media, unless it has done so of late; returns the size."""
        size = self._proofs.peek((token, key))
        if size is None:
            return await self._proofs.get((token, key), lambda: self._request_proof(media, token))
        await self._sessions.prove_alive(token)
        return size

    async def _request_proof(self, media: Media, token: str) -> int:
        response = await self._homeserver.open_media(media, token)
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
