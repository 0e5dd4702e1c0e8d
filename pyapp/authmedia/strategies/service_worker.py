"""`service_worker`: a baseline: a worker between page and network adds the header, as today's web clients do.

It needs no change of any server, and elements load as if media were public. Where there is no worker (some private
windows, a page after a hard reload, a browser that blocks them) nothing loads.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.matrix.homeserver import MEDIA_PREFIX, ask, media_path
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.resource_timing import Transfers, examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

_SCRIPT = "service-worker.js"
_PATIENCE_S = 3.0
# By this parameter the worker knows whose request it is; the homeserver never sees it.
_SESSION = "authmedia-session"


class ServiceWorkerStrategy(Strategy):
    """Gives elements the media's plain address, marked with whose it is; the worker asks this page for the header."""

    name = "service_worker"
    transfers = False

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._handle = browser.random_uuid()
        self._worker = browser.MediaServiceWorker(_SCRIPT, self._headers_for, self._note_length)
        self._open: dict[str, Media] = {}
        self._transfers = Transfers()
        self._registered = False
        self._once = asyncio.Lock()

    async def support(self) -> Support:
        """Registers the worker and has it make an authenticated request."""
        try:
            await self._register()
            response = await ask(self._marked(MEDIA_PREFIX + "/config"))
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        response.abort()
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """The media's own address; the worker does the rest."""
        await self._register()
        path = media_path(request)
        self.homeserver.count_preflight(self.homeserver.base_url + path, traffic)
        # With CORS: without it Firefox refuses video and audio whose answer comes from a worker.
        src = self._marked(path)
        media = Media(request, src, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")
        self._open[src] = media
        return media

    def release(self, media: Media) -> None:
        """Forgets whose bytes the worker tells of."""
        self._open.pop(media.src, None)

    async def observe(self, media: Media) -> bool:
        """Reads from the browser's resource timing how often the element asked; how much came, the worker tells."""
        return self._transfers.observe(media)

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Asks through the worker again, since an element never says why it failed."""
        return await examine(media, words)

    async def forget(self, request: MediaRequest | None) -> None:
        """Takes the worker away with everything else; it keeps no media, and the browser's own cache is not ours."""
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
        """Stops answering the worker, which then has no header to add."""
        self._worker.close()

    async def _register(self) -> None:
        try:
            async with self._once:  # all who ask at the same time wait for one registration
                if not self._registered:
                    await self._worker.register(_PATIENCE_S)
        except browser.BrowserError as error:
            failure = StrategyUnsupported("There is no service worker in this window", words=error.words)
        else:
            self._registered = True
            return
        raise failure

    def _marked(self, path: str) -> str:
        return f"{self.homeserver.base_url}{path}{'&' if '?' in path else '?'}{_SESSION}={self._handle}"

    def _headers_for(self, handle: str) -> dict[str, str]:
        return self.homeserver.headers() if handle == self._handle else {}

    def _note_length(self, src: str, length: int) -> None:
        media = self._open.get(src)
        if media:
            media.traffic.bytes += length


STRATEGY = ServiceWorkerStrategy
