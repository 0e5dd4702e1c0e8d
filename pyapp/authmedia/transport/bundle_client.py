"""A client for bundles: requests many small media in one response and cuts it into blobs as its parts arrive."""

import asyncio

from authmedia import browser
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic
from authmedia.transport.bundle_transfer import BUNDLE_PATH, BundleTransfer, Part, PendingPart

# The limits until the homeserver was asked for its own.
_DEFAULT_LIMIT = 200
_DEFAULT_PART_BYTES = 512 * 1024
# How many bundles are transferred at a time: one that waits for another server's media must not block all others.
_MAX_TRANSFERS = 4


class BundleClient:
    """Requests one session's small media, one bundle for all that are requested in one turn of the event loop."""

    __slots__ = (
        "_collector",
        "_homeserver",
        "_pending",
        "_transfers",
        "backoff",
        "limit",
        "max_transfers",
        "part_bytes",
    )

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._pending: list[PendingPart] = []
        self._collector: asyncio.Task[None] | None = None
        self._transfers: list[BundleTransfer] = []
        #: Delays the next bundle after a 429.
        self.backoff = RateLimitBackoff(browser.now_ms)
        #: How many bundles are transferred at a time.
        self.max_transfers = _MAX_TRANSFERS
        #: How many media the homeserver puts into one bundle.
        self.limit = _DEFAULT_LIMIT
        #: How large each may be, in bytes.
        self.part_bytes = _DEFAULT_PART_BYTES

    async def request_limits(self) -> str:
        """Requests the homeserver's limits; returns its words if it has no bundles, else an empty text.

        At the same time it requests an empty bundle, so that connection and preflight are there for the first one.

        :raises AuthMediaError: if the homeserver does not respond.
        """
        config, empty = await gather_all(
            self._homeserver.request_config(), self._homeserver.request("POST", BUNDLE_PATH, {"media": []})
        )
        empty.abort()
        limits = config.get("bundle")
        if not isinstance(limits, dict):
            return "The homeserver does not offer bundles"
        self.limit = max(1, int(limits.get("limit", _DEFAULT_LIMIT)))
        self.part_bytes = int(limits.get("part_bytes", _DEFAULT_PART_BYTES))
        return ""

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether a media is for a bundle: an image that is small, as far as is known before it arrives."""
        small = request.is_thumbnail or 0 < (request.size or 0) <= self.part_bytes
        return request.kind == "image" and small

    async def request_part(self, request: MediaRequest, traffic: Traffic) -> Part | None:
        """Returns a media out of the next bundle; ``None`` if it turns out to be too large for one.

        When the last request for a bundle is cancelled, its transfer is aborted.

        :raises AuthMediaError: if the homeserver refuses this media or the whole bundle, or the transfer breaks off.
        """
        pending = PendingPart(request, traffic)
        self._enqueue([pending])
        try:
            await pending.done.wait()
        except asyncio.CancelledError:
            self._abandon(pending)
            raise
        if pending.failure:
            raise pending.failure
        return pending.part

    def close(self) -> None:
        """Drops pending requests and aborts the transfers."""
        if self._collector:
            self._collector.cancel()
        self._pending = []
        for transfer in self._transfers:
            transfer.abort()

    def _enqueue(self, parts: "list[PendingPart]") -> None:
        self._pending.extend(parts)
        if self._pending and (not self._collector or self._collector.done()):
            self._collector = browser.create_task(self._start_transfers())

    def _abandon(self, pending: PendingPart) -> None:
        if pending in self._pending:
            self._pending.remove(pending)
        pending.done.set()
        for transfer in self._transfers:
            transfer.abort_if_abandoned()

    async def _start_transfers(self) -> None:
        await asyncio.sleep(0)  # collects the requests of this turn of the event loop
        await self.backoff.wait()
        while self._pending and len(self._transfers) < self.max_transfers:
            # Visible media first. In two lists, since MicroPython's `sort` is not stable.
            urgent = [pending for pending in self._pending if pending.is_urgent]
            ordered = urgent + [pending for pending in self._pending if not pending.is_urgent]
            self._pending = ordered[self.limit :]
            transfer = BundleTransfer(self._homeserver, ordered[: self.limit], self.backoff)
            self._transfers.append(transfer)
            browser.create_task(self._run(transfer))

    async def _run(self, transfer: BundleTransfer) -> None:
        try:
            unserved = await transfer.run()
        finally:
            self._transfers.remove(transfer)
        self._enqueue(unserved)  # and starts what waited for this transfer to end
