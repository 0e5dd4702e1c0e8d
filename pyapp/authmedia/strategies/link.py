"""`link`: ask the homeserver for short-lived links, many at a time, and give them to the elements as they are.

You would want it where the homeserver offers it: pictures appear while they arrive, videos seek with `Range`, nothing
passes through the page, the browser's own cache works across reloads, and no media costs a preflight.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, Forbidden, LinkExpired, ServerFailure, WrongContent
from authmedia.homeserver import LINKS_PREFIX, refused
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transfers import Transfers, examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.homeserver import Homeserver

# A link is not given to an element when this little of its life is left: a video would outlast it at once.
_MARGIN_MS = 30_000


class LinkStrategy(Strategy):
    """Gives elements pre-authed links, minted in one request for all media that are asked for in one turn.

    https://github.com/matrix-org/matrix-spec/issues/1949
    """

    name = "link"
    transfers = False  # the elements transfer, with the browser's own limits and priorities

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._mint = Mint(homeserver)
        self._transfers = Transfers()

    async def support(self) -> Support:
        """Asks the homeserver whether it makes links, and how many at a time."""
        try:
            config = await self.homeserver.call("GET", LINKS_PREFIX + "/config")
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        self._mint.batch_limit = max(1, int(config.get("batch_limit", self._mint.batch_limit)))
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """A link, from those at hand or from the next batch."""
        url = await self._mint.link(request, traffic)
        # With CORS, because without it browsers show no sizes, and Firefox refuses media of types it does not know.
        return Media(request, url, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")

    async def observe(self, media: Media) -> None:
        """Reads from the browser's resource timing what the element's own requests cost."""
        self._transfers.observe(media)

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Asks for the link again, since an element never says why it failed."""
        failure = await examine(media, words)
        if not isinstance(failure, WrongContent):
            self._mint.forget(media.request.key)
        if isinstance(failure, Forbidden):
            return LinkExpired("The homeserver no longer takes this link", mxc=failure.mxc, words=failure.words)
        return failure

    async def forget(self, request: MediaRequest | None) -> None:
        """Throws the links away; the browser's own HTTP cache is the browser's to clear."""
        self._mint.forget(request.key if request else None)


class Mint:
    """Gets links from the homeserver in batches, and keeps them while they are good."""

    __slots__ = ("_homeserver", "_links", "_waiting", "batch_limit")

    def __init__(self, homeserver: "Homeserver") -> None:
        self._homeserver = homeserver
        self._links: dict[str, tuple[str, float]] = {}
        self._waiting: list[_Order] = []
        self.batch_limit = 100

    async def link(self, request: MediaRequest, traffic: Traffic) -> str:
        """A link that lives for a while yet.

        :raises AuthMediaError: if the homeserver refuses this media or the whole batch.
        """
        url, expires_ms = self._links.get(request.key, ("", 0.0))
        if url and expires_ms - browser.clock_ms() > _MARGIN_MS:
            return url
        order = _Order(request, traffic)
        self._waiting.append(order)
        if len(self._waiting) == 1:
            browser.spawn(self._collect())
        await order.ready.wait()
        if order.failure:
            raise order.failure
        self._links[request.key] = (order.url, order.expires_ms)
        return order.url

    def forget(self, key: str | None) -> None:
        """Drops one link, or all."""
        if key is None:
            self._links.clear()
        else:
            self._links.pop(key, None)

    async def _collect(self) -> None:
        await asyncio.sleep(0)  # the end of this turn of the event loop: all that was asked for meanwhile goes together
        waiting = self._waiting
        self._waiting = []
        for start in range(0, len(waiting), self.batch_limit):
            batch = waiting[start : start + self.batch_limit]
            try:
                await self._ask(batch)
            except AuthMediaError as error:
                for order in batch:
                    order.fail(error.about(order.request.mxc))
            finally:
                for order in batch:
                    order.ready.set()

    async def _ask(self, batch: "list[_Order]") -> None:
        body = {"media": [order.entry() for order in batch]}
        # The one request of a batch is counted for its first media, so that sums over media come out right.
        answer = await self._homeserver.call("POST", LINKS_PREFIX + "/links", body, traffic=batch[0].traffic)
        links = answer.get("links")
        if not isinstance(links, list) or len(links) != len(batch):
            raise ServerFailure("The homeserver's answer does not have a link for each media")
        for order, link in zip(batch, links):
            order.take(link)


class _Order:
    """One media waiting for its link."""

    __slots__ = ("expires_ms", "failure", "ready", "request", "traffic", "url")

    def __init__(self, request: MediaRequest, traffic: Traffic) -> None:
        self.request = request
        self.traffic = traffic
        self.ready = asyncio.Event()
        self.failure: AuthMediaError | None = None
        self.url = ""
        self.expires_ms = 0.0

    def entry(self) -> "dict[str, Any]":
        request = self.request
        entry: dict[str, Any] = {"mxc": request.mxc}
        if request.kind == "file":
            entry["download"] = True  # to be saved, not shown; from another origin only the server can say so
        if request.is_thumbnail:
            entry["thumbnail"] = {
                "width": request.width,
                "height": request.height,
                "method": request.method,
                "animated": request.animated,
            }
        return entry

    def take(self, link: "dict[str, Any]") -> None:
        if "url" in link:
            self.url = str(link["url"])
            self.expires_ms = float(link.get("expires_ts", 0))
        else:
            errcode = str(link.get("errcode", ""))
            self.fail(refused(errcode, f"{errcode}: {link.get('error', '')}").about(self.request.mxc))

    def fail(self, failure: AuthMediaError) -> None:
        self.failure = failure


STRATEGY = LinkStrategy
