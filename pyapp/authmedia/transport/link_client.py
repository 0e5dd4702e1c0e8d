"""Links from the homeserver: asked for in batches, kept while they are good, and renewed before they end."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, ServerFailure
from authmedia.matrix.homeserver import LINKS_PREFIX, Homeserver, refused, wish
from authmedia.media import MediaRequest
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.gather import gather_all
from authmedia.support.untrusted import finite_number
from authmedia.traffic import Traffic
from authmedia.transport.link_cache import KeptLinks, Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = LINKS_PREFIX + "/links"
# A link is not given to an element when this little of its life is left: a video would outlast it at once.
_MARGIN_MS = 30_000.0
# Of a link that lives shortly, a tenth of its life.
_MARGIN_SHARE = 0.1
_REMEMBERED = "authmedia.links "
# How soon after each other, and how late, links in use are looked after.
_SOONEST_S, _LATEST_S = 0.05, 600.0


class Mint:
    """Gets one session's links, in one request for all that is asked for in one turn of the event loop.

    Links are kept for as long as they are good, over reloads of the page too.
    """

    __slots__ = (
        "_asking",
        "_homeserver",
        "_kept",
        "_lasting",
        "_pause",
        "_renewal",
        "_replaced",
        "_waiting",
        "batch_limit",
    )

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._kept = KeptLinks(_REMEMBERED + homeserver.user_id + " " + homeserver.base_url)
        self._pause = RateLimitBackoff(browser.now_ms)
        self._waiting: list[_Order] = []
        self._lasting: dict[str, MediaRequest] = {}
        # Keys of those whose next link is to be another than the last one.
        self._replaced: set[str] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._asking: list[asyncio.Task[None]] = []
        self.batch_limit = 100

    async def warm_up(self) -> None:
        """Asks for nothing, so that connection and preflight are there when links are asked for.

        :raises AuthMediaError: if the homeserver refuses.
        """
        await self._homeserver.call("POST", _PATH, {"media": []})

    async def link(self, request: MediaRequest, traffic: Traffic) -> Link:
        """A link that lives for a while yet.

        :raises AuthMediaError: if the homeserver refuses this media or the whole batch.
        """
        return self._kept.at_hand(request.key) or await self._order(request, traffic)

    def keep_fresh(self, request: MediaRequest) -> None:
        """Renews a media's link ahead of its end from now on, so that whoever plays it has the next one at hand."""
        self._lasting[request.key] = request
        if not self._renewal:
            self._renewal = browser.create_task(self._renew())

    def let_go(self, request: MediaRequest) -> None:
        """Nobody plays it any more."""
        self._lasting.pop(request.key, None)

    def drop(self, key: str, url: str) -> None:
        """Drops a link that turned out to be no good, unless another one has taken its place."""
        self._kept.drop(key, url)

    def replace(self, key: str, url: str) -> None:
        """Drops a link of which the browser keeps what is not whole: the next one is to be one that no cache knows."""
        if self._kept.drop(key, url):
            self._replaced.add(key)

    async def forget(self, key: str | None) -> None:
        """Drops one link, or all, and those that the tab remembers; what is being asked for is not waited for."""
        if key is None:
            self._end_tasks()
        await self._kept.forget(key)

    def close(self) -> None:
        """Asks for nothing any more."""
        self._lasting.clear()
        self._end_tasks()

    def _end_tasks(self) -> None:
        """Whatever is on its way is not to be kept."""
        for task in self._asking + ([self._renewal] if self._renewal else []):
            task.cancel()
        self._asking = []
        self._renewal = None
        self._kept.close()
        for order in self._waiting:
            order.ready.set()
        self._waiting = []

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _order(self, request: MediaRequest, traffic: Traffic) -> Link:
        order = _Order(request, traffic, fresh=request.key in self._replaced)
        self._waiting.append(order)
        if len(self._waiting) == 1:
            self._asking = [task for task in self._asking if not task.done()]
            self._asking.append(browser.create_task(self._collect()))
        try:
            await order.ready.wait()
        except asyncio.CancelledError:
            if order in self._waiting:
                self._waiting.remove(order)
            raise
        if order.link:
            return order.link
        raise order.failure or ServerFailure("There is no link", mxc=request.mxc)

    async def _collect(self) -> None:
        await asyncio.sleep(
            0
        )  # collects the requests of this turn of the event loop
        await self._kept.recall()
        await self._pause.wait()
        waiting = [order for order in self._waiting if not order.fill(self._kept.at_hand(order.request.key))]
        self._waiting = []
        try:
            for fresh in (False, True):
                orders = [order for order in waiting if order.fresh == fresh]
                for start in range(0, len(orders), self.batch_limit):
                    await self._ask_for(orders[start : start + self.batch_limit])
        finally:
            for order in waiting:
                order.ready.set()
        if waiting:
            self._kept.remember_soon()

    async def _ask_for(self, batch: "list[_Order]") -> None:
        try:
            await self._ask(batch)
        except AuthMediaError as error:
            self._pause.record(error)
            for order in batch:
                order.failure = error.about(order.request.mxc)
        for order in batch:
            order.ready.set()

    async def _ask(self, batch: "list[_Order]") -> None:
        asked_ms = browser.epoch_ms()
        body: dict[str, Any] = {"media": [wish(order.request) for order in batch]}
        if batch[0].fresh:
            body["fresh"] = True
        # The one request of a batch is counted for its first media, so that sums over media come out right.
        answer = await self._homeserver.call("POST", _PATH, body, traffic=batch[0].traffic)
        links = answer.get("links")
        if not isinstance(links, list) or len(links) != len(batch):
            raise ServerFailure("The homeserver's answer does not have a link for each media")
        for order, entry in zip(batch, links):
            order.take(entry, asked_ms)
            if order.link:
                self._kept.put(order.request.key, order.link)
                self._replaced.discard(order.request.key)

    async def _renew(self) -> None:
        """Asks for another link whenever one comes to its end whose media somebody plays."""
        while self._lasting:
            ends_ms = [end for end in [self._kept.ends_ms(key) for key in self._lasting] if end is not None]
            left_ms = [end - browser.epoch_ms() for end in ends_ms]
            # Looks now and then in any case: others come, and a device that slept wakes up late.
            await asyncio.sleep(min(max(min(left_ms or [0.0]) / 1000, _SOONEST_S), _LATEST_S))
            due = [request for key, request in self._lasting.items() if not self._kept.at_hand(key)]
            try:
                await gather_all(*[self._order(request, Traffic()) for request in due])
            except AuthMediaError:
                break  # whoever plays it will ask for the next one when this one ends, and hear why there is none
        self._renewal = None


class _Order:
    """One media waiting for its link; for one that no cache knows, if it is to be ``fresh``."""

    __slots__ = ("failure", "fresh", "link", "ready", "request", "traffic")

    def __init__(self, request: MediaRequest, traffic: Traffic, *, fresh: bool) -> None:
        self.fresh = fresh
        self.request = request
        self.traffic = traffic
        self.ready = asyncio.Event()
        self.failure: AuthMediaError | None = None
        self.link: Link | None = None

    def fill(self, known: Link | None) -> bool:
        """Takes a link that is at hand after all; gives whether it does."""
        if known:
            self.link = known
            self.ready.set()
        return bool(known)

    def take(self, entry: "Any", asked_ms: float) -> None:
        """Reads the homeserver's answer to this wish.

        :param asked_ms: when it was asked, on this device's clock.
        """
        if not isinstance(entry, dict) or not isinstance(entry.get("url", ""), str):
            self.failure = ServerFailure("The homeserver's answer is no link", mxc=self.request.mxc)
            return
        if "url" not in entry:
            errcode = str(entry.get("errcode", ""))
            self.failure = refused(errcode, f"{errcode}: {entry.get('error', '')}").about(self.request.mxc)
            return
        # A server that tells the time of its end alone is taken to have the same clock.
        left_ms = finite_number(entry.get("expires_in_ms")) or finite_number(entry.get("expires_ts")) - asked_ms
        margin_ms = min(_MARGIN_MS, left_ms * _MARGIN_SHARE)
        self.link = Link(entry["url"], asked_ms + left_ms - margin_ms)
