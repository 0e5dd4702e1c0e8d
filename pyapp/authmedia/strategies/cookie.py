"""`cookie`: a baseline: an endpoint turns the header into a cookie, which elements then send by themselves (MSC4250).

It needs no work per media. But a browser sends the cookie only where it takes the homeserver for the same site, or
still allows cookies of third parties; one cookie stands for the whole session; and any page can make use of it.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.matrix.homeserver import LINKS_PREFIX
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.resource_timing import Transfers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.homeserver import Homeserver

_COOKIE = LINKS_PREFIX + "/cookie"
# Shown to who sends the cookie.
_PICTURE = _COOKIE + "/picture"
# From the strictest to the most permissive; the first with which a picture shows is kept.
_ATTRIBUTES: "tuple[dict[str, Any], ...]" = (
    {"same_site": "Lax"},
    {"same_site": "None"},
    {"same_site": "None", "partitioned": True},
)
_RENEW_BEFORE_MS = 60_000


class CookieStrategy(Strategy):
    """Has a cookie set, and gives elements the media's address without any secret in it.

    https://github.com/matrix-org/matrix-spec-proposals/pull/4250
    """

    name = "cookie"
    transfers = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._transfers = Transfers()
        self._read: dict[str, Media] = {}
        self._attributes: dict[str, Any] | None = None
        self._until_ms = 0.0
        self._once = asyncio.Lock()

    async def support(self) -> Support:
        """Has the cookie set and shows a picture by it: no page is told whether a cookie is sent."""
        try:
            await self._choose(Traffic())
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """The media's address; the cookie goes with it."""
        async with self._once:  # all who ask at the same time are served by one cookie
            if self._attributes is None:
                await self._choose(traffic)
            elif browser.epoch_ms() > self._until_ms:
                await self._set(self._attributes, traffic)
        return Media(request, self._url(request), strategy=self.name, source=NETWORK, traffic=traffic)

    async def read(self, media: Media) -> browser.Response:
        """By the header: if a page could read by the cookie, any page could read everything of whoever visits it."""
        response = await self.homeserver.fetch_media(media.request, media.traffic)
        self._read[media.src] = media
        media.traffic.bytes += response.content_length or 0
        return response

    async def observe(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return self._read.pop(media.src, None) is media or self._transfers.observe(media)

    async def forget(self, request: MediaRequest | None) -> None:
        """Has the cookie cleared, whichever page had it set."""
        if request is None:
            self._until_ms = 0.0
            await self.homeserver.call("DELETE", _COOKIE, credentials="include")

    async def _choose(self, traffic: Traffic) -> None:
        for attributes in _ATTRIBUTES:
            await self._set(attributes, traffic)
            # Under another name each time, or the browser may show what it has.
            if await browser.can_decode_image(f"{self.homeserver.base_url}{_PICTURE}?try={browser.random_uuid()}"):
                self._attributes = attributes
                return
        words = "the browser does not send the cookie back, whether SameSite is Lax or None, or Partitioned"
        raise StrategyUnsupported("Elements do not send the cookie", words=words)

    async def _set(self, attributes: "dict[str, Any]", traffic: Traffic) -> None:
        answer = await self.homeserver.call("POST", _COOKIE, attributes, traffic=traffic, credentials="include")
        self._until_ms = browser.epoch_ms() + float(answer.get("expires_in_ms", 0)) - _RENEW_BEFORE_MS

    def _url(self, request: MediaRequest) -> str:
        path = f"{_COOKIE}/{request.server_name}/{request.media_id}{request.thumbnail_query}"
        return self.homeserver.base_url + path


STRATEGY = CookieStrategy
