"""`signed_query`, a baseline: a timed HMAC of the access token in each query proves that the page may read media.

Proposed as token id + time + h(token + time): no round trip for links, nothing to store. It proves the session and the
time, not the media: within its window, one query gives access to everything that the session may read.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, Forbidden, LinkExpired, StrategyUnsupported, TokenRefused
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

# How often a query is made anew, because the token was replaced meanwhile.
_MAX_TOKENS = 3


class SignedQueryStrategy(Strategy):
    """Opens each media as a URL with the proof in its query, computed by WebCrypto."""

    name = "signed_query"
    transfers_bodies = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._observer = TransferObserver()
        self._token_id = ""
        # The token that it is the id of: another one has another id.
        self._generation = 0
        self._window_ms = 0
        # How far the server's clock is ahead of this device's.
        self._clock_offset_ms = 0.0
        # The last HMAC, and the time and the token that it is for.
        self._proof = ("", 0, 0)
        self._config_lock = asyncio.Lock()

    async def support(self) -> Support:
        """Requests whether the homeserver accepts such queries, and computes one."""
        try:
            await self._query(Traffic())
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media's URL with a proof that is valid for a while."""
        query = await self._query(traffic)
        path = f"{AUTHMEDIA_PREFIX}/query/{request.server_name}/{request.media_id}"
        thumbnail = request.thumbnail_query.replace("?", "&")
        url = f"{self.homeserver.base_url}{path}?{query}{thumbnail}"
        return Media(request, url, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return self._observer.measure(media)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the same URL again, since an element never reports the cause; a query ends with its token."""
        failure = await diagnose_transfer(media, words, self.homeserver.hooks)
        if not isinstance(failure, Forbidden):
            return failure
        try:
            async with self._config_lock:
                if f"token_id={self._token_id}&" in media.src:  # else its token was replaced already
                    await self._request_config(Traffic())  # renews a token that has ended
            query = await self._query(Traffic())
        except AuthMediaError as error:
            return error.for_media(failure.mxc)
        if query in media.src:
            return failure
        return LinkExpired("The homeserver no longer takes this query", mxc=failure.mxc, words=failure.words)

    async def _query(self, traffic: Traffic) -> str:
        """Returns a query for the current token, which may be replaced while its id is being requested."""
        for _ in range(_MAX_TOKENS):
            query = await self._query_for_token(traffic)
            if self._generation == self.homeserver.token_generation:
                return query
        raise TokenRefused("The access token ends sooner than a query can be made for it")

    async def _query_for_token(self, traffic: Traffic) -> str:
        await self.homeserver.auth_headers()  # renews a token that is about to end, and with it the query
        async with self._config_lock:  # one request for all concurrent calls
            if self._generation != self.homeserver.token_generation:
                await self._request_config(traffic)
        # One proof for half a window, so that the browser's HTTP cache recognizes the URL for as long.
        step = self._window_ms // 2
        now_ms = browser.epoch_ms() + self._clock_offset_ms
        time_ms = int(now_ms // step) * step
        if self._proof[1:] != (time_ms, self._generation):
            generation = self._generation
            self._proof = (await self.homeserver.hmac_with_token(str(time_ms)), time_ms, generation)
        return f"token_id={self._token_id}&time={time_ms}&h={self._proof[0]}"

    async def _request_config(self, traffic: Traffic) -> None:
        """Requests the token's id, the window, and the server's clock."""
        generation = self.homeserver.token_generation
        config = await self.homeserver.request_json("GET", AUTHMEDIA_PREFIX + "/config", traffic=traffic)
        offer = config.get("signed_query")
        if not isinstance(offer, dict):
            raise StrategyUnsupported("The homeserver does not take signed queries", words="signed_query is off")
        self._window_ms = int(offer["window_ms"])
        self._clock_offset_ms = float(offer["now_ms"]) - browser.epoch_ms()
        self._token_id = str(offer["token_id"])
        self._generation = generation


STRATEGY = SignedQueryStrategy
