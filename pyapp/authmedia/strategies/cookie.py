"""`cookie`, a baseline: an endpoint turns the header into a cookie, which elements then send by themselves (MSC4250).

It needs no work for each media. But a browser sends the cookie only where the homeserver is the same site, or where it
still allows third-party cookies; one cookie stands for the whole session; and any page can cause requests with it.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, LinkExpired, StrategyUnsupported, TransferInterrupted, WrongContent
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.untrusted import json_object
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import request_media
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.homeserver import Homeserver

_COOKIE = AUTHMEDIA_PREFIX + "/cookie"
# An image that is served only to requests with the cookie.
_PROBE = _COOKIE + "/picture"
# From the strictest to the most permissive; the first that the browser sends is used.
_ATTRIBUTES: "tuple[dict[str, Any], ...]" = (
    {"same_site": "Lax"},
    {"same_site": "None"},
    {"same_site": "None", "partitioned": True},
)
_RENEWAL_MARGIN_MS = 60_000


class CookieStrategy(Strategy):
    """Opens each media as its plain URL, which contains no secret; the browser adds the cookie.

    https://github.com/matrix-org/matrix-spec-proposals/pull/4250
    """

    name = "cookie"
    transfers_bodies = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._observer = TransferObserver()
        # By URL, the media whose ciphertext was requested with the header.
        self._ciphertexts: dict[str, Media] = {}
        self._attributes: dict[str, Any] | None = None
        self._valid_until_ms = 0.0
        self._cookie_lock = asyncio.Lock()

    async def support(self) -> Support:
        """Requests the cookie and shows an image by it: no page can ask whether a cookie is sent."""
        try:
            await self._choose_attributes(Traffic())
        except AuthMediaError as error:
            failure = (
                error
                if await self._is_offered()
                else StrategyUnsupported("The homeserver sets no cookies", words="cookie is off")
            )
            return Support(False, failure.words or failure.summary, failure)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media's URL, once the cookie is set."""
        async with self._cookie_lock:  # one cookie for all concurrent calls
            if self._attributes is None:
                await self._choose_attributes(traffic)
            elif browser.epoch_ms() > self._valid_until_ms:
                await self._set_cookie(self._attributes, traffic)
        return Media(request, self._url(request), strategy=self.name, source=NETWORK, traffic=traffic)

    async def request_ciphertext(self, media: Media) -> browser.Response:
        """Requests it by the header: if a page could read by the cookie, any page could read its visitors' media."""
        response = await request_media(self.homeserver, media.request, media.traffic)
        self._ciphertexts[media.src] = media
        media.traffic.bytes += response.content_length or 0
        return response

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return self._ciphertexts.pop(media.src, None) is media or self._observer.measure(media)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the media by the header, since no page may read by the cookie, and an element reports no cause.

        Where that succeeds, the cookie may be gone: removed by the user, or replaced by another session's.
        """
        failure = await diagnose_transfer(
            media, words, request=lambda: request_media(self.homeserver, media.request, media.traffic)
        )
        if not isinstance(failure, (TransferInterrupted, WrongContent)) or await self._is_sent():
            return failure
        self._valid_until_ms = 0.0
        return LinkExpired("The browser sends no valid cookie", mxc=failure.mxc, words=failure.words)

    async def clear(self, request: MediaRequest | None) -> None:
        """Requests the removal of the cookie, whichever page requested it."""
        if request is None:
            self._valid_until_ms = 0.0
            await self.homeserver.request_json("DELETE", _COOKIE, credentials="include")

    async def _choose_attributes(self, traffic: Traffic) -> None:
        for attributes in _ATTRIBUTES:
            await self._set_cookie(attributes, traffic)
            if await self._is_sent():
                self._attributes = attributes
                return
        words = "the browser does not send the cookie back, whether SameSite is Lax or None, or Partitioned"
        raise StrategyUnsupported("Elements do not send the cookie", words=words)

    async def _is_sent(self) -> bool:
        """Whether the browser sends the cookie: by another URL each time, or it may show what it has cached."""
        return await browser.can_decode_image(f"{self.homeserver.base_url}{_PROBE}?try={browser.random_uuid()}")

    async def _set_cookie(self, attributes: "dict[str, Any]", traffic: Traffic) -> None:
        cookie = await self.homeserver.request_json("POST", _COOKIE, attributes, traffic=traffic, credentials="include")
        self._valid_until_ms = browser.epoch_ms() + float(cookie.get("expires_in_ms", 0)) - _RENEWAL_MARGIN_MS

    async def _is_offered(self) -> bool:
        """Whether the homeserver may set cookies, for all that it says.

        One that sets none refuses with headers that let no page read the refusal of a request with credentials.
        """
        try:
            config = await self.homeserver.request_json("GET", AUTHMEDIA_PREFIX + "/config")
        except AuthMediaError:
            return True
        return json_object(config.get("baselines")).get("cookie") is not False

    def _url(self, request: MediaRequest) -> str:
        path = f"{_COOKIE}/{request.server_name}/{request.media_id}{request.thumbnail_query}"
        return self.homeserver.base_url + path


STRATEGY = CookieStrategy
