"""Links from the homeserver: asked for in batches, kept while they are good, and renewed before they end."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import AuthMediaError, ServerFailure
from authmedia.homeserver import LINKS_PREFIX, Homeserver, refused, wish
from authmedia.media import MediaRequest
from authmedia.pauses import Pause
from authmedia.together import together
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = LINKS_PREFIX + "/links"
# A link is not given to an element when this little of its life is left: a video would outlast it at once.
_MARGIN_MS = 30_000.0
# Of a link that lives shortly, a tenth of its life.
_MARGIN_SHARE = 0.1
_REMEMBERED = "authmedia.links "
# Not at every batch, since it is written whole.
_REMEMBER_EVERY_S = 1.0
# How soon after each other, and how late, links in use are looked after.
_SOONEST_S, _LATEST_S = 0.05, 600.0
# So many are kept over a reload of the page: what a person sees again, and no more than a tab may keep.
_REMEMBERED_LINKS = 2000


class Link:
    """A link and, on this device's clock, until when it is worth being given to an element."""

    __slots__ = ("good_until_ms", "url")

    def __init__(self, url: str, good_until_ms: float) -> None:
        self.url = url
        self.good_until_ms = good_until_ms

    @property
    def is_good(self) -> bool:
        """Whether enough of its life is left."""
        return self.good_until_ms > browser.clock_ms()


class Mint:
    """Gets one session's links, in one request for all that is asked for in one turn of the event loop.

    Links are kept for as long as they are good, over reloads of the page too: the same link again is what the browser's
    own cache knows an answer to. Where the tab may store nothing, they are kept in memory.
    """

    __slots__ = (
        "_asking",
        "_fresh",
        "_homeserver",
        "_links",
        "_pause",
        "_recalled",
        "_remembering",
        "_renewal",
        "_unsaved",
        "_waiting",
        "batch_limit",
    )

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._links: dict[str, Link] = {}
        self._pause = Pause()
        self._recalled = False
        self._waiting: list[_Order] = []
        self._fresh: dict[str, MediaRequest] = {}
        self._renewal: asyncio.Task[None] | None = None
        self._asking: list[asyncio.Task[None]] = []
        self._unsaved = False
        self._remembering: asyncio.Task[None] | None = None
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
        return self._at_hand(request.key) or await self._order(request, traffic)

    def keep_fresh(self, request: MediaRequest) -> None:
        """Renews a media's link ahead of its end from now on, so that whoever plays it has the next one at hand."""
        self._fresh[request.key] = request
        if not self._renewal:
            self._renewal = browser.spawn(self._renew())

    def let_go(self, request: MediaRequest) -> None:
        """Nobody plays it any more."""
        self._fresh.pop(request.key, None)

    def drop(self, key: str, url: str) -> None:
        """Drops a link that turned out to be no good, unless another one has taken its place."""
        known = self._links.get(key)
        if known and known.url == url:
            self._links.pop(key)

    async def forget(self, key: str | None) -> None:
        """Drops one link, or all, and those that the tab remembers; what is being asked for is not waited for."""
        if key is not None:
            await self._recall()
            if self._links.pop(key, None):
                self._remember_soon()
            return
        self._recalled = True
        self._links.clear()
        self._end_tasks()
        await browser.forget(self._name())

    def close(self) -> None:
        """Asks for nothing any more."""
        self._fresh.clear()
        self._end_tasks()

    def _end_tasks(self) -> None:
        """Whatever is on its way is not to be kept."""
        for task in self._asking + [task for task in (self._renewal, self._remembering) if task]:
            task.cancel()
        self._asking = []
        self._renewal = self._remembering = None
        for order in self._waiting:
            order.ready.set()
        self._waiting = []

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _order(self, request: MediaRequest, traffic: Traffic) -> Link:
        order = _Order(request, traffic)
        self._waiting.append(order)
        if len(self._waiting) == 1:
            self._asking = [task for task in self._asking if not task.done()]
            self._asking.append(browser.spawn(self._collect()))
        await order.ready.wait()
        if order.link:
            return order.link
        raise order.failure or ServerFailure("There is no link", mxc=request.mxc)

    async def _collect(self) -> None:
        await asyncio.sleep(0)  # the end of this turn of the event loop: all that was asked for meanwhile goes together
        await self._recall()
        await self._pause.over()
        waiting = [order for order in self._waiting if not order.fill(self._at_hand(order.request.key))]
        self._waiting = []
        try:
            for start in range(0, len(waiting), self.batch_limit):
                await self._ask_for(waiting[start : start + self.batch_limit])
        finally:
            for order in waiting:
                order.ready.set()
        if waiting:
            self._remember_soon()

    async def _ask_for(self, batch: "list[_Order]") -> None:
        try:
            await self._ask(batch)
        except AuthMediaError as error:
            self._pause.note(error)
            for order in batch:
                order.failure = error.about(order.request.mxc)
        for order in batch:
            order.ready.set()

    async def _ask(self, batch: "list[_Order]") -> None:
        asked_ms = browser.clock_ms()
        body = {"media": [wish(order.request) for order in batch]}
        # The one request of a batch is counted for its first media, so that sums over media come out right.
        answer = await self._homeserver.call("POST", _PATH, body, traffic=batch[0].traffic)
        links = answer.get("links")
        if not isinstance(links, list) or len(links) != len(batch):
            raise ServerFailure("The homeserver's answer does not have a link for each media")
        for order, entry in zip(batch, links):
            order.take(entry, asked_ms)
            if order.link:
                self._links[order.request.key] = order.link

    async def _renew(self) -> None:
        """Asks for another link whenever one comes to its end whose media somebody plays."""
        while self._fresh:
            left_ms = [self._links[key].good_until_ms - browser.clock_ms() for key in self._fresh if key in self._links]
            # Looks now and then in any case: others come, and a device that slept wakes up late.
            await asyncio.sleep(min(max(min(left_ms or [0.0]) / 1000, _SOONEST_S), _LATEST_S))
            due = [request for key, request in self._fresh.items() if not self._at_hand(key)]
            try:
                await together(*[self._order(request, Traffic()) for request in due])
            except AuthMediaError:
                break  # whoever plays it will ask for the next one when this one ends, and hear why there is none
        self._renewal = None

    def _at_hand(self, key: str) -> Link | None:
        """The link of a media, if enough of its life is left."""
        known = self._links.get(key)
        return known if known and known.is_good else None

    # --- over reloads ------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        return _REMEMBERED + self._homeserver.user_id + " " + self._homeserver.base_url

    async def _recall(self) -> None:
        if self._recalled:
            return
        self._recalled = True
        try:
            kept = json.loads(await browser.recall(self._name()) or "{}")
            known = {key: Link(str(url), float(good_until_ms)) for key, (url, good_until_ms) in kept.items()}
        except (AttributeError, TypeError, ValueError):
            return  # not ours; the next batch takes its place
        known.update(self._links)
        self._links = known

    def _remember_soon(self) -> None:
        """Has the tab remember the links: at once, and then once for all that come within a while."""
        self._unsaved = True
        if not self._remembering or self._remembering.done():
            self._remembering = browser.spawn(self._remember())

    async def _remember(self) -> None:
        while self._unsaved:
            self._unsaved = False
            good = sorted([(link.good_until_ms, key) for key, link in self._links.items() if link.is_good])
            kept = {key: (self._links[key].url, end_ms) for end_ms, key in good[-_REMEMBERED_LINKS:]}
            await browser.remember(self._name(), json.dumps(kept))
            await asyncio.sleep(_REMEMBER_EVERY_S)


class _Order:
    """One media waiting for its link."""

    __slots__ = ("failure", "link", "ready", "request", "traffic")

    def __init__(self, request: MediaRequest, traffic: Traffic) -> None:
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
        left_ms = _number(entry.get("expires_in_ms")) or _number(entry.get("expires_ts")) - asked_ms
        margin_ms = min(_MARGIN_MS, left_ms * _MARGIN_SHARE)
        self.link = Link(entry["url"], asked_ms + left_ms - margin_ms)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
