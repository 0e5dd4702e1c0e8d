"""Many small media in one answer, for a client that would else ask for each of them.

The answer is a sequence of parts, each as soon as it is ready: a line of JSON that ends with a newline, and then
exactly as many bytes as that line says.

    {"part": 0, "status": 200, "type": "image/png", "length": 4711}
    <4711 bytes>
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import json
import logging
import re
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

from .concurrency import ConcurrencyLimit
from .config import MediaLinksConfig
from .delivery import Delivery, Opened
from .requests import Authenticator, path, wishes
from .sending import Flow
from .signing import Media

logger = logging.getLogger(__name__)

CONTENT_TYPE = b"application/vnd.authmedia.bundle"
BUNDLE_FULL = "DEV.AUTHMEDIA.BUNDLE_FULL"

# How many parts are looked for at a time, how many are made, which is work for a processor, and how many are fetched
# from other servers, which is waiting.
_READY_AT_ONCE = 10
_MADE_AT_ONCE = 4
_FETCHED_AT_ONCE = 20

# A bundle that is not read holds one part and one chunk in memory. Its client has that time for each chunk: 17 kbit/s.
_CHUNK = 64 * 1024
_STALLED_S = 30.0

# A type without its parameters (https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1), in lower case.
_TYPE = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+/[a-z0-9!#$%&'*+.^_`|~-]+")
_LONGEST_TYPE = 100

_Open = Callable[[SynapseRequest, Media], Awaitable[Opened | None]]


class BundleServlet(RestServlet):
    """``POST bundle``: media, or thumbnails of them, in one answer."""

    PATTERNS = path("bundle")

    def __init__(
        self, hs: HomeServer, authenticator: Authenticator, delivery: Delivery, config: MediaLinksConfig
    ) -> None:
        self._authenticator = authenticator
        self._delivery = delivery
        self._sender = delivery.sender
        self._config = config
        self._limit = Ratelimiter(hs.get_datastores().main, hs.get_clock(), config.rc_links)
        self._in_flight = ConcurrencyLimit("media_links_bundles", config.bundles_per_user, config.bundles_at_once)

    async def on_POST(self, request: SynapseRequest) -> None:
        """Answers with the parts as they become ready; a bad one fails alone."""
        requester = await self._authenticator.authenticate(request)
        wanted = wishes(parse_json_object_from_request(request), self._config.bundle_limit)
        await self._limit.ratelimit(requester)
        with self._in_flight.admit(requester.user.to_string()):
            await self._send(request, wanted)

    async def _send(self, request: SynapseRequest, wanted: list[Media | SynapseError]) -> None:
        set_cors_headers(request)
        request.setHeader(b"Content-Type", CONTENT_TYPE)
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        request.setHeader(b"Content-Security-Policy", b"sandbox; default-src 'none'")
        with Flow(self._sender.clock, request, _CHUNK, _STALLED_S) as flow:
            bundle = _Bundle(request, self._delivery, self._config, flow)
            await bundle.send(wanted)
        if not flow.stopped:
            finish_request(request)


class _Budget:
    """The bytes that a bundle may still have."""

    def __init__(self, config: MediaLinksConfig) -> None:
        self._part_bytes = config.bundle_part_bytes
        self._left = config.bundle_bytes

    def spend(self, size: int) -> None:
        """Counts the bytes of one part.

        :raises SynapseError: 413 if it is too large for any bundle, or for what is left of this one.
        """
        if size > self._part_bytes:
            raise SynapseError(413, "This media is too large for a bundle", Codes.TOO_LARGE)
        if size > self._left:
            raise SynapseError(413, "This bundle is full; ask for this media again", BUNDLE_FULL)
        self._left -= size

    def refund(self, size: int) -> None:
        """Gives back bytes that were counted and did not come."""
        self._left += size


class _Bundle:
    """One answer on its way."""

    def __init__(self, request: SynapseRequest, delivery: Delivery, config: MediaLinksConfig, flow: Flow) -> None:
        self._request = request
        self._delivery = delivery
        self._sender = delivery.sender
        self._budget = _Budget(config)
        self._flow = flow
        self._to_make: list[tuple[int, Media]] = []
        self._to_fetch: list[tuple[int, Media]] = []

    async def send(self, wanted: list[Media | SynapseError]) -> None:
        """Sends what is ready, then what has yet to be made, and last what has yet to come from other servers."""
        records = await self._delivery.look_up(media for media in wanted if isinstance(media, Media))
        open_at_hand = partial(self._delivery.open_at_hand, records=records)
        await concurrently_execute(partial(self._send_ready, open_at_hand), list(enumerate(wanted)), _READY_AT_ONCE)
        await concurrently_execute(self._send_late, self._to_make, _MADE_AT_ONCE)
        await concurrently_execute(self._send_late, self._to_fetch, _FETCHED_AT_ONCE)

    async def _send_ready(self, open_at_hand: _Open, part: tuple[int, Media | SynapseError]) -> None:
        number, media = part
        if isinstance(media, SynapseError):
            await self._refuse(number, media)
        elif not await self._send(number, media, open_at_hand):
            (self._to_make if self._delivery.is_mine(media) else self._to_fetch).append((number, media))

    async def _send_late(self, part: tuple[int, Media]) -> None:
        await self._send(*part, self._open_late)

    async def _open_late(self, request: SynapseRequest, media: Media) -> Opened:
        """Opens what is not at hand. A thumbnail is made only where the bundle has room for the largest it can be."""
        reserved = 0

        def reserve(largest: int) -> None:
            nonlocal reserved
            self._budget.spend(largest)
            reserved = largest

        try:
            return await self._delivery.open(request, media, reserve)
        finally:
            self._budget.refund(reserved)

    async def _send(self, number: int, media: Media, open_media: _Open) -> bool:
        """Sends one part, its failure if it fails.

        :returns: whether ``open_media`` had it.
        """
        if self._flow.stopped:
            return True  # nothing is made for a client that is gone
        try:
            opened = await open_media(self._request, media)
            if opened is None:
                return False
            with opened.file:
                self._budget.spend(opened.size)
                await self._send_opened(number, opened)
        except SynapseError as error:
            await self._refuse(number, error)
        except Exception:
            logger.exception("A part of a bundle failed")
            await self._refuse(number, SynapseError(500, "Internal server error", Codes.UNKNOWN))
        return True

    async def _send_opened(self, number: int, opened: Opened) -> None:
        """Reads a file when its turn has come to be written, so that one part of a bundle is in memory and no more."""
        async with self._flow.turn():
            if not self._flow.stopped:
                # Read before it is announced: a file that turns out too short fails alone, too.
                content = await self._sender.read(opened.file, opened.size)
                await self._write(number, 200, opened.content_type, content)

    async def _refuse(self, number: int, error: SynapseError) -> None:
        body: JsonDict = error.error_dict(None)
        async with self._flow.turn():
            await self._write(number, error.code, "application/json", json.dumps(body).encode())

    async def _write(self, number: int, status: int, content_type: str, content: bytes) -> None:
        head = {"part": number, "status": status, "type": _essence(content_type), "length": len(content)}
        await self._flow.write(json.dumps(head).encode() + b"\n" + content)


def _essence(content_type: str) -> str:
    """A type that a stranger has chosen, as short as clients expect the line that it stands in."""
    essence = content_type.partition(";")[0].strip().lower()
    known = len(essence) <= _LONGEST_TYPE and _TYPE.fullmatch(essence)
    return essence if known else "application/octet-stream"
