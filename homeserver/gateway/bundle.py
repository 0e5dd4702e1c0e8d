"""Sends many small media in one response, each as soon as it is ready. The format is that of ``bundle_format``."""

import asyncio
import json
import logging
from contextlib import AbstractContextManager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from media_protocol.bundle_format import BUNDLE_FULL, CONTENT_TYPE, part_head
from media_protocol.limits import LimitReached
from media_protocol.media_requests import InvalidRequest
from media_protocol.signing import Media

from .config import GatewayConfig
from .errors import MatrixError, homeserver_failed, limit_exceeded
from .media_response import CORS_HEADERS
from .media_source import MediaSource
from .sessions import Caller

logger = logging.getLogger(__name__)

_CONCURRENCY = 12
_CHUNK_BYTES = 64 * 1024
# The client has this time for each chunk, which is 17 kbit/s, and for the whole bundle.
_STALL_TIMEOUT_S = 30.0
_MAX_DURATION_S = 300.0
_HEADERS = {
    **CORS_HEADERS,
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Type": CONTENT_TYPE.decode(),
    "Timing-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}


class BundleResponse(Response):
    """One bundle.

    :param caller: for whom the media are requested.
    :param admission: held while the bundle is being sent.
    """

    def __init__(
        self,
        source: MediaSource,
        caller: Caller,
        batch: list[Media | InvalidRequest],
        config: GatewayConfig,
        admission: AbstractContextManager[None],
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["Content-Length"]
        self._source = source
        self._caller = caller
        self._batch = batch
        self._max_part_bytes = config.bundle_part_bytes
        self._left_bytes = config.bundle_bytes
        self._admission = admission
        self._write_lock = asyncio.Lock()
        self._opens = asyncio.Semaphore(_CONCURRENCY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the parts as they become ready. A failure affects its own part alone.

        :raises LimitReached: if too many bundles are in flight.
        :raises TimeoutError: if the client reads too slowly.
        """
        with self._admission:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            sending = asyncio.ensure_future(self._send_all(send))
            disconnect = asyncio.ensure_future(_disconnected(receive))
            try:
                await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    await sending
            finally:
                disconnect.cancel()
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        async with asyncio.timeout(_MAX_DURATION_S):
            async with asyncio.TaskGroup() as group:
                for index, media in enumerate(self._batch):
                    group.create_task(self._send_part(index, media, send))
            await send({"type": "http.response.body", "body": b""})

    async def _send_part(self, index: int, media: Media | InvalidRequest, send: Send) -> None:
        if isinstance(media, InvalidRequest):
            await self._send_error(index, MatrixError(media.status, media.errcode, media.message), send)
            return
        async with self._opens:
            try:
                await self._send_media(index, media, send)
            except MatrixError as error:
                await self._send_error(index, error, send)
            except LimitReached as error:
                await self._send_error(index, limit_exceeded(error.retry_after_ms), send)
            except OSError:
                logger.exception("A part of a bundle failed")
                await self._send_error(index, MatrixError(500, "M_UNKNOWN", "Internal server error"), send)

    async def _send_media(self, index: int, media: Media, send: Send) -> None:
        opened = await self._source.open(media, self._caller, wait=False)
        try:
            head = opened.head
            self._spend(head.size)
            # Under the write lock, so that no more than one part of a bundle is in memory.
            async with self._write_lock:
                # Before its head is written, so that a truncated body becomes an error of this part alone.
                content = b"".join([chunk async for chunk in opened.read(0, head.size)])
                if len(content) != head.size:
                    raise homeserver_failed()
                await self._write(part_head(index, 200, head.content_type, head.size) + content, send)
        finally:
            await opened.close()

    def _spend(self, size: int) -> None:
        if size > self._max_part_bytes:
            raise MatrixError(413, "M_TOO_LARGE", "This media is too large for a bundle")
        if size > self._left_bytes:
            raise MatrixError(413, BUNDLE_FULL, "This bundle is full; ask for this media again")
        self._left_bytes -= size

    async def _send_error(self, index: int, error: MatrixError, send: Send) -> None:
        content = json.dumps(error.body).encode()
        async with self._write_lock:
            await self._write(part_head(index, error.status, "application/json", len(content)) + content, send)

    async def _write(self, content: bytes, send: Send) -> None:
        for start in range(0, len(content), _CHUNK_BYTES):
            async with asyncio.timeout(_STALL_TIMEOUT_S):
                chunk = content[start : start + _CHUNK_BYTES]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
