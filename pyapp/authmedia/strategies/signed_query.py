"""`signed_query`: a baseline: the page proves by a timed hash of its access token, in the query, that it may ask.

Proposed as token id + time + h(token + time): no round trip for links, nothing to store. What is proved is the session
and the time, not the media: for as long as the window is open, one query opens whatever that session may read.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.matrix.homeserver import LINKS_PREFIX
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.resource_timing import Transfers, examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver


class SignedQueryStrategy(Strategy):
    """Writes the proof into each media's address, by WebCrypto."""

    name = "signed_query"
    transfers = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._transfers = Transfers()
        self._token_id = ""
        self._window_ms = 0
        self._ahead_ms = 0.0
        self._proof = ("", 0)
        self._once = asyncio.Lock()

    async def support(self) -> Support:
        """Asks the homeserver whether it takes such queries, and computes one."""
        try:
            await self._query(Traffic())
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """The media's address with a proof that is good for a while."""
        query = await self._query(traffic)
        path = f"{LINKS_PREFIX}/query/{request.server_name}/{request.media_id}"
        thumbnail = request.thumbnail_query.replace("?", "&")
        url = f"{self.homeserver.base_url}{path}?{query}{thumbnail}"
        return Media(request, url, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")

    async def observe(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return self._transfers.observe(media)

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Asks for the same address again, since an element never says why it failed."""
        return await examine(media, words)

    async def _query(self, traffic: Traffic) -> str:
        async with self._once:  # all who ask at the same time are answered by one question
            if not self._token_id:
                await self._learn(traffic)
        # One proof for half a window, so that the browser's cache knows the address again for as long.
        step = self._window_ms // 2
        now_ms = browser.epoch_ms() + self._ahead_ms
        moment = int(now_ms // step) * step
        if self._proof[1] != moment:
            self._proof = (await self.homeserver.prove(str(moment)), moment)
        return f"token_id={self._token_id}&time={moment}&h={self._proof[0]}"

    async def _learn(self, traffic: Traffic) -> None:
        """Asks once for the token's id, the window, and the server's clock, by which the time is told."""
        config = await self.homeserver.call("GET", LINKS_PREFIX + "/config", traffic=traffic)
        offer = config.get("signed_query")
        if not isinstance(offer, dict):
            raise StrategyUnsupported("The homeserver does not take signed queries", words="signed_query is off")
        self._window_ms = int(offer["window_ms"])
        self._ahead_ms = float(offer["now_ms"]) - browser.epoch_ms()
        self._token_id = str(offer["token_id"])


STRATEGY = SignedQueryStrategy
