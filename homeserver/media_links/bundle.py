"""Sends many small media in one response, each as soon as it is ready. The format is that of ``bundle_format``."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from synapse.api.errors import Codes, SynapseError
from synapse.api.ratelimiting import Ratelimiter
from synapse.http.server import finish_request, set_cors_headers
from synapse.http.servlet import RestServlet, parse_json_object_from_request
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict
from synapse.server import HomeServer
from synapse.util.async_helpers import concurrently_execute

from media_protocol.bundle_format import BUNDLE_FULL, CONTENT_TYPE, part_head
from media_protocol.signing import Media

from .body_producer import BodyProducer, FileSender
from .concurrency_limit import ConcurrencyLimit
from .config import MediaLinksConfig
from .media_opener import MediaOpener, OpenMedia
from .request_parsing import Authenticator, parse_batch, path_pattern

logger = logging.getLogger(__name__)

# How many parts of a bundle are opened, created (which takes a processor) and fetched from other homeservers (which is
# waiting) at a time.
_MAX_CONCURRENT_OPENS = 10
_MAX_CONCURRENT_THUMBNAILS = 4
_MAX_CONCURRENT_FETCHES = 20

# A bundle whose client does not read it holds one part and one chunk in memory. The client has this time for each
# chunk, which is 17 kbit/s.
_CHUNK_BYTES = 64 * 1024
_STALL_TIMEOUT_S = 30.0
# A client that reads just fast enough for each chunk would hold one of the bundles in flight for an hour. Synapse waits
# about four minutes for another homeserver, which is less.
_MAX_DURATION_S = 300.0

_Open = Callable[[SynapseRequest, Media], Awaitable[OpenMedia | None]]


class BundleServlet(RestServlet):
    """``POST bundle``: many media, or thumbnails of them, in one response."""

    PATTERNS = path_pattern("bundle")

    def __init__(
        self,
        hs: HomeServer,
        authenticator: Authenticator,
        opener: MediaOpener,
        file_sender: FileSender,
        config: MediaLinksConfig,
    ) -> None:
        self._authenticator = authenticator
        self._opener = opener
        self._file_sender = file_sender
        self._config = config
        self._rate_limit = Ratelimiter(hs.get_datastores().main, hs.get_clock(), config.rc_links)
        self._concurrency_limit = ConcurrencyLimit(
            "media_links_bundles", config.bundles_per_user, config.bundles_at_once
        )

    async def on_POST(self, request: SynapseRequest) -> None:
        """Sends the parts as they become ready. A failure affects its own part alone."""
        requester = await self._authenticator.authenticate(request)
        batch = parse_batch(parse_json_object_from_request(request), self._config.bundle_limit)
        await self._rate_limit.ratelimit(requester)
        with self._concurrency_limit.admit(requester.user.to_string()):
            await self._send(request, batch)

    async def _send(self, request: SynapseRequest, batch: list[Media | SynapseError]) -> None:
        set_cors_headers(request)
        request.setHeader(b"Content-Type", CONTENT_TYPE)
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        request.setHeader(b"Content-Security-Policy", b"sandbox; default-src 'none'")
        clock = self._file_sender.clock
        with BodyProducer(clock, request, _CHUNK_BYTES, _STALL_TIMEOUT_S, _MAX_DURATION_S) as producer:
            bundle = _Bundle(request, self._opener, self._file_sender, _Budget(self._config), producer)
            await bundle.send(batch)
        if not producer.is_closed:
            finish_request(request)


class _Budget:
    """The number of bytes that a bundle's parts may still have."""

    def __init__(self, config: MediaLinksConfig) -> None:
        self._max_part_bytes = config.bundle_part_bytes
        self._left_bytes = config.bundle_bytes

    def spend(self, size: int) -> None:
        """Subtracts the bytes of one part.

        :raises SynapseError: 413 if the part is too large for any bundle, or for what is left of this one.
        """
        if size > self._max_part_bytes:
            raise SynapseError(413, "This media is too large for a bundle", Codes.TOO_LARGE)
        if size > self._left_bytes:
            raise SynapseError(413, "This bundle is full; ask for this media again", BUNDLE_FULL)
        self._left_bytes -= size

    def refund(self, size: int) -> None:
        """Adds bytes that were subtracted and not sent."""
        self._left_bytes += size


class _Bundle:
    """One bundle in the course of being sent."""

    def __init__(
        self,
        request: SynapseRequest,
        opener: MediaOpener,
        file_sender: FileSender,
        budget: _Budget,
        producer: BodyProducer,
    ) -> None:
        self._request = request
        self._opener = opener
        self._file_sender = file_sender
        self._budget = budget
        self._producer = producer
        self._to_create: list[tuple[int, Media]] = []
        self._to_fetch: list[tuple[int, Media]] = []

    async def send(self, batch: list[Media | SynapseError]) -> None:
        """Sends what is on disk first, then thumbnails that have to be created, then what other homeservers have."""
        records = await self._opener.select_many(media for media in batch if isinstance(media, Media))
        open_local = partial(self._opener.open_local, records=records)
        await concurrently_execute(
            partial(self._send_or_defer, open_local), list(enumerate(batch)), _MAX_CONCURRENT_OPENS
        )
        await concurrently_execute(self._send_deferred, self._to_create, _MAX_CONCURRENT_THUMBNAILS)
        await concurrently_execute(self._send_deferred, self._to_fetch, _MAX_CONCURRENT_FETCHES)

    async def _send_or_defer(self, open_local: _Open, part: tuple[int, Media | SynapseError]) -> None:
        index, media = part
        if isinstance(media, SynapseError):
            await self._send_error(index, media)
        elif not await self._send_media(index, media, open_local):
            (self._to_create if self._opener.is_local(media) else self._to_fetch).append((index, media))

    async def _send_deferred(self, part: tuple[int, Media]) -> None:
        await self._send_media(*part, self._open_deferred)

    async def _open_deferred(self, request: SynapseRequest, media: Media) -> OpenMedia:
        """Opens a media that is not on disk. A thumbnail is created if its maximum size fits into the budget."""
        reserved_bytes = 0

        def reserve(max_bytes: int) -> None:
            nonlocal reserved_bytes
            self._budget.spend(max_bytes)
            reserved_bytes = max_bytes

        try:
            return await self._opener.open(request, media, reserve)
        finally:
            self._budget.refund(reserved_bytes)

    async def _send_media(self, index: int, media: Media, open_media: _Open) -> bool:
        """Sends one part: the media, or the error with which opening it has failed.

        :returns: ``False`` if ``open_media`` has returned ``None``, and nothing is sent.
        """
        if self._producer.is_closed:
            return True  # no work for a client that has disconnected
        try:
            opened = await open_media(self._request, media)
            if opened is None:
                return False
            with opened.file:
                self._budget.spend(opened.size)
                await self._send_file(index, opened)
        except SynapseError as error:
            await self._send_error(index, error)
        except Exception:
            logger.exception("A part of a bundle failed")
            await self._send_error(index, SynapseError(500, "Internal server error", Codes.UNKNOWN))
        return True

    async def _send_file(self, index: int, media: OpenMedia) -> None:
        """Reads a file under the write lock, so that no more than one part of a bundle is in memory."""
        async with self._producer.write_lock():
            if not self._producer.is_closed:
                # Read before its head is written, so that a truncated file becomes an error of this part alone.
                content = await self._file_sender.read(media.file, media.size)
                await self._write(index, 200, media.content_type, content)

    async def _send_error(self, index: int, error: SynapseError) -> None:
        body: JsonDict = error.error_dict(None)
        async with self._producer.write_lock():
            await self._write(index, error.code, "application/json", json.dumps(body).encode())

    async def _write(self, index: int, status: int, content_type: str, content: bytes) -> None:
        await self._producer.write(part_head(index, status, content_type, len(content)) + content)
