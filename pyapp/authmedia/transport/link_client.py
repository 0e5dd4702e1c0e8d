"""A client for signed links: requests them in batches, caches them, and renews them before they expire."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, ServerFailure
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.error_responses import error_from_errcode
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.link_addresses import LinkAddresses
from authmedia.media import MediaRequest
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.gather import gather_all
from authmedia.support.untrusted import finite_number, json_object
from authmedia.traffic import Traffic
from authmedia.transport.link_cache import LinkCache
from authmedia.transport.links import Link, is_http_url, usable_ms
from authmedia.transport.media_requests import batch_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = AUTHMEDIA_PREFIX + "/links"
_STORAGE_PREFIX = "authmedia.links "
# The least and the greatest delay between two renewals of pinned links.
_MIN_RENEWAL_S, _MAX_RENEWAL_S = 0.05, 600.0


class LinkClient:
    """Requests one session's links, one batch for all that are requested in one turn of the event loop.

    Links are cached while they are valid, over reloads of the page too.
    """

    __slots__ = (
        "_batch_tasks",
        "_cache",
        "_homeserver",
        "_pending",
        "_pinned",
        "_renewal",
        "_uncached_keys",
        "backoff",
        "batch_limit",
    )

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._cache = LinkCache(_STORAGE_PREFIX + homeserver.account_key)
        self._pending: list[_PendingLink] = []
        self._pinned: dict[str, MediaRequest] = {}
        # The keys of media whose next link has to differ from the last one.
        self._uncached_keys: set[str] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._batch_tasks: list[asyncio.Task[None]] = []
        #: Delays the next batch after a 429.
        self.backoff = RateLimitBackoff(browser.now_ms)
        #: How many links the homeserver makes in one batch.
        self.batch_limit = 100

    async def warm_up(self) -> str:
        """Requests an empty batch, so that connection and preflight are there for the first link.

        :returns: a link to no media, which shows whether links arrive as they were minted; empty if there is none.
        :raises AuthMediaError: if the homeserver refuses.
        """
        response = await self._homeserver.request_json("POST", _PATH, {"media": [], "probe": True})
        url = str(json_object(response.get("probe")).get("url", ""))
        return url if is_http_url(url) else ""

    async def request_link(self, request: MediaRequest, traffic: Traffic) -> Link:
        """Returns a valid link, from the cache or from the next batch.

        :raises AuthMediaError: if the homeserver refuses this media or the whole batch.
        """
        cached = None if request.key in self._uncached_keys else self._cache.get(request.key)
        return cached or await self._enqueue(request, traffic)

    def pin(self, request: MediaRequest) -> None:
        """Renews a media's link before it expires, until `unpin`, so that a player has the next one at once."""
        self._pinned[request.key] = request
        if not self._renewal:
            self._renewal = browser.create_task(self._renew_pinned())

    def unpin(self, request: MediaRequest) -> None:
        """Ends the renewal of a media's link, unless another request has pinned it since."""
        if self._pinned.get(request.key) is request:
            self._pinned.pop(request.key)

    def invalidate(self, key: str, url: str, refused: bool) -> None:
        """Removes a link that failed, for whatever reason, from the cache, unless another one replaced it."""
        self._cache.invalidate(key, url)

    def replace(self, key: str, url: str) -> None:
        """Removes a link whose response the browser caches incompletely: the next one is a URL new to any cache."""
        if self._cache.invalidate(key, url):
            self._uncached_keys.add(key)

    def renew(self, key: str) -> None:
        """Makes the next link of a media a URL new to any cache."""
        self._uncached_keys.add(key)

    async def remove(self, key: str | None) -> None:
        """Removes the link of one media, or all, from the cache; removing all cancels pending batches."""
        if key is None:
            self._cancel_tasks()
        await self._cache.remove(key)

    def close(self) -> None:
        """Cancels pending batches and renewals."""
        self._pinned.clear()
        self._cancel_tasks()

    def _cancel_tasks(self) -> None:
        for task in self._batch_tasks + ([self._renewal] if self._renewal else []):
            task.cancel()
        self._batch_tasks = []
        self._renewal = None
        self._cache.close()
        for pending in self._pending:
            pending.done.set()
        self._pending = []

    # --- batches -----------------------------------------------------------------------------------------------------

    async def _enqueue(self, request: MediaRequest, traffic: Traffic) -> Link:
        pending = _PendingLink(request, traffic, fresh=request.key in self._uncached_keys)
        self._pending.append(pending)
        if len(self._pending) == 1:
            self._batch_tasks = [task for task in self._batch_tasks if not task.done()]
            self._batch_tasks.append(browser.create_task(self._run_batches()))
        try:
            await pending.done.wait()
        except asyncio.CancelledError:
            if pending in self._pending:
                self._pending.remove(pending)
            raise
        if pending.link:
            return pending.link
        raise pending.failure or ServerFailure("There is no link", mxc=request.mxc)

    async def _run_batches(self) -> None:
        await asyncio.sleep(0)  # collects the requests of this turn of the event loop
        await self._cache.restore()
        await self.backoff.wait()
        collected = [
            pending
            for pending in self._pending
            if pending.fresh or not pending.use(self._cache.get(pending.request.key))
        ]
        self._pending = []
        try:
            for fresh in (False, True):
                alike = [pending for pending in collected if pending.fresh == fresh]
                for start in range(0, len(alike), self.batch_limit):
                    await self._run_batch(alike[start : start + self.batch_limit])
        finally:
            for pending in collected:
                pending.done.set()
        if collected:
            self._cache.store_soon()

    async def _run_batch(self, batch: "list[_PendingLink]") -> None:
        try:
            await self._request_batch(batch)
        except AuthMediaError as error:
            self.backoff.record(error)
            for pending in batch:
                pending.failure = error.for_media(pending.request.mxc)
        for pending in batch:
            pending.done.set()

    async def _request_batch(self, batch: "list[_PendingLink]") -> None:
        requested_ms = browser.epoch_ms()
        body: dict[str, Any] = {"media": [batch_entry(pending.request) for pending in batch]}
        if batch[0].fresh:
            body["fresh"] = True
        # The one request of a batch is counted for its first media, so that sums over media are right.
        response = await self._homeserver.request_json("POST", _PATH, body, traffic=batch[0].traffic)
        links = response.get("links")
        if not isinstance(links, list) or len(links) != len(batch):
            raise ServerFailure("The homeserver's answer does not have a link for each media")
        for pending, entry in zip(batch, links):
            pending.parse(entry, requested_ms, self._homeserver.link_addresses)
            if pending.link:
                self._cache.set(pending.request.key, pending.link)
                self._uncached_keys.discard(pending.request.key)

    async def _renew_pinned(self) -> None:
        """Requests another link whenever one of a pinned media is about to expire."""
        while self._pinned:
            ends_ms = [end for end in [self._cache.valid_until_ms(key) for key in self._pinned] if end is not None]
            left_ms = [end - browser.epoch_ms() for end in ends_ms]
            # Wakes up from time to time in any case: other media are pinned, and a device that slept is late.
            await asyncio.sleep(min(max(min(left_ms or [0.0]) / 1000, _MIN_RENEWAL_S), _MAX_RENEWAL_S))
            due = [request for key, request in self._pinned.items() if not self._cache.get(key)]
            try:
                await gather_all(*[self._enqueue(request, Traffic()) for request in due])
            except AuthMediaError:
                break  # when this link expires, the player's strategy requests the next one and reports the failure
        self._renewal = None


class _PendingLink:
    """One media that waits for its link.

    :param fresh: whether the link has to be new to any cache.
    """

    __slots__ = ("done", "failure", "fresh", "link", "request", "traffic")

    def __init__(self, request: MediaRequest, traffic: Traffic, *, fresh: bool) -> None:
        self.fresh = fresh
        self.request = request
        self.traffic = traffic
        self.done = asyncio.Event()
        self.failure: AuthMediaError | None = None
        self.link: Link | None = None

    def use(self, cached: Link | None) -> bool:
        """Completes with a link from the cache, if there is one; returns whether there is."""
        if cached:
            self.link = cached
            self.done.set()
        return bool(cached)

    def parse(self, entry: "Any", requested_ms: float, addresses: LinkAddresses) -> None:
        """Parses the homeserver's entry for this media into a link or a failure.

        :param requested_ms: when it was requested, in milliseconds since 1970 on this device's clock.
        """
        if not isinstance(entry, dict) or ("url" in entry and not is_http_url(entry["url"])):
            self.failure = ServerFailure("The homeserver's answer is no link", mxc=self.request.mxc)
            return
        if "url" not in entry:
            errcode = str(entry.get("errcode", ""))
            failure = error_from_errcode(errcode, f"{errcode}: {entry.get('error', '')}")
            self.failure = failure.for_media(self.request.mxc)
            return
        # Without a duration, the server's clock is assumed to agree with this device's.
        left_ms = finite_number(entry.get("expires_in_ms")) or finite_number(entry.get("expires_ts")) - requested_ms
        self.link = Link(addresses.url_of(entry["url"]), requested_ms + usable_ms(left_ms))
