"""`service_worker`, a baseline: a worker between page and network adds the header, as today's web clients do.

It needs no change of any server, and elements load as if media were public. Where no worker controls the page (in some
private windows, after a hard reload, in a browser that blocks them) nothing loads.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.matrix.endpoints import MEDIA_PREFIX
from authmedia.matrix.http import request_url
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import media_path
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

_SCRIPT = "service-worker.js"
_REGISTRATION_TIMEOUT_S = 3.0
# By this parameter the worker knows whose request it is, and removes it: the homeserver never gets it.
_SESSION_PARAMETER = "authmedia-session"


class ServiceWorkerStrategy(Strategy):
    """Opens each media as its plain URL, marked with its session; the worker gets the header from this page."""

    name = "service_worker"
    transfers_bodies = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._session = browser.random_uuid()
        self._worker = browser.MediaServiceWorker(_SCRIPT, self._headers_for, self._add_length)
        # The media that elements may be transferring, by URL.
        self._opened: dict[str, Media] = {}
        self._observer = TransferObserver()
        self._registered = False
        self._registration_lock = asyncio.Lock()

    async def support(self) -> Support:
        """Registers the worker and sends an authenticated request through it."""
        try:
            await self._register()
            response = await request_url(self._marked(MEDIA_PREFIX + "/config"))
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        response.abort()
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media's URL, once the worker is registered."""
        await self._register()
        path = media_path(request)
        self.homeserver.count_preflight(self.homeserver.base_url + path, traffic)
        # Without CORS, Firefox refuses video and audio whose response comes from a worker.
        src = self._marked(path)
        media = Media(request, src, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")
        self._opened[src] = media
        return media

    def dispose(self, media: Media) -> None:
        """Ends the counting of the bytes that the worker reports."""
        self._opened.pop(media.src, None)

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing how many requests the element sent; the worker reports the bytes."""
        return self._observer.measure(media)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the same URL through the worker again, since an element never reports the cause."""
        try:
            await self.homeserver.auth_headers()  # without a valid token, the worker sends no request
        except AuthMediaError as error:
            failure = error.for_media(media.request.mxc)
        else:
            failure = await diagnose_transfer(media, words, self.homeserver.hooks)
        return failure

    async def clear(self, request: MediaRequest | None) -> None:
        """Unregisters the worker if all is to be removed; it stores no media, and the HTTP cache is the browser's."""
        if request:
            return
        try:
            await self._worker.unregister()
        except browser.BrowserError as error:
            failure = StrategyUnsupported("The service worker could not be taken away", words=error.words)
        else:
            self._registered = False
            return
        raise failure

    def close(self) -> None:
        """Stops replying to the worker, which then has no header to add."""
        self._worker.close()

    async def _register(self) -> None:
        try:
            async with self._registration_lock:  # one registration for all concurrent calls
                if not self._registered:
                    await self._worker.register(_REGISTRATION_TIMEOUT_S)
        except browser.BrowserError as error:
            failure = StrategyUnsupported("There is no service worker in this window", words=error.words)
        else:
            self._registered = True
            return
        raise failure

    def _marked(self, path: str) -> str:
        separator = "&" if "?" in path else "?"
        return f"{self.homeserver.base_url}{path}{separator}{_SESSION_PARAMETER}={self._session}"

    async def _headers_for(self, session: str, origin: str, refused: str) -> dict[str, str] | None:
        if (session, origin) != (self._session, self.homeserver.origin):
            return None
        try:
            return await self.homeserver.auth_headers({"Authorization": refused})
        except AuthMediaError:
            return {}  # the element fails, and `diagnose` says why

    def _add_length(self, src: str, length: int) -> None:
        media = self._opened.get(src)
        if media:
            media.traffic.bytes += length


STRATEGY = ServiceWorkerStrategy
