"""`auto`: for each media the best strategy that works here and now, with its reason; it degrades, but never silently.

You would want it in an application: it takes bundles for what is small and links for the rest where the homeserver
makes them, the disk where it does not, and memory where there is no disk; and when one of them fails while the page is
open, it goes on with the next.
"""

from authmedia.errors import (
    AuthMediaError,
    Degraded,
    LinksUnsupported,
    QuotaExceeded,
    StorageRefused,
    StrategyUnsupported,
)
from authmedia.media import MEMORY, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.loader import MediaLoader
    from authmedia.matrix.homeserver import Homeserver

# What tells of the strategy rather than of the media: another one may do better.
_OF_THE_STRATEGY = (LinksUnsupported, StorageRefused, QuotaExceeded, StrategyUnsupported)

_WHY = {
    "bundle": "small, so it comes together with others in one answer",
    "link": "the homeserver makes links: nothing is fetched twice, and it shows while it arrives",
    "opfs": "kept on disk, so that it is fetched once",
    "blob": "fetched into memory, which works everywhere",
}
_WHY_LARGE = {
    "link": "a long media plays and seeks before it is complete",
    "opfs": "too large for memory, so it is streamed to disk",
    "blob": "there is nothing left but memory",
}
_LARGE_KINDS = ("video", "audio", "file")
_LARGE_BYTES = 5_000_000


class AutoStrategy(Strategy):
    """Chooses among loaders, the first that works first.

    :param loaders: in the order of preference; each is closed with this strategy.
    """

    name = "auto"
    transfers = False  # the loaders limit what they transfer themselves
    decrypts = True  # the loaders do
    retried = False  # so do they

    def __init__(self, homeserver: "Homeserver", loaders: "list[MediaLoader]") -> None:
        super().__init__(homeserver)
        self._loaders = loaders
        self._served: dict[str, tuple[MediaLoader, Media]] = {}
        #: Why a strategy is no longer, or never was, taken: its name and the words of who refused.
        self.refused: dict[str, str] = {}

    async def support(self) -> Support:
        """Tries each strategy; one that works is enough."""
        supports = await gather_all(*[loader.support() for loader in self._loaders])
        for loader, support in zip(self._loaders, supports):
            if support.works:
                self.refused.pop(loader.name, None)
            else:
                self.refused[loader.name] = support.words
        refusals = [f"{name}: {words}" for name, words in self.refused.items()]
        works = len(refusals) < len(self._loaders)
        return Support(works, "" if works else "; ".join(refusals))

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Loads by the first strategy that does not refuse, and says why it was that one."""
        for loader in self._loaders:
            if loader.name in self.refused or not loader.suits(request):
                continue
            try:
                media = await loader.load(request, traffic.urgent, traffic.on_progress)
            except _OF_THE_STRATEGY as error:
                self.refused[loader.name] = error.words or error.what
                traffic.add(error.traffic)
                continue
            except AuthMediaError as error:
                traffic.add(error.traffic)
                raise
            return self._told(loader, media, traffic)
        words = "; ".join(f"{name}: {words}" for name, words in self.refused.items())
        raise StrategyUnsupported("No strategy is left that works here", mxc=request.mxc, words=words)

    def hurry(self, request: MediaRequest) -> None:
        """Tells the loaders, of which one has it."""
        for loader in self._loaders:
            loader.hurry(request)

    def release(self, media: Media) -> None:
        """Gives back what the chosen loader gave."""
        loader, inner = self._served.pop(media.src)
        loader.release(inner)

    async def observe(self, media: Media) -> bool:
        """Asks the strategy that served it."""
        loader, inner = self._served.get(media.src, (None, media))
        if not loader:
            return True
        whole = await loader.observe(inner)
        if media.source != MEMORY:  # else another element had it first
            media.source = inner.source
        return whole

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Asks the strategy that served it; where the strategy itself is at fault, the next one takes its place."""
        loader, inner = self._served.get(media.src, (None, media))
        if not loader:  # another element of the same media was first to ask
            return Degraded("This media was opened anew meanwhile", mxc=media.request.mxc)
        failure = await loader.examine(inner, words)
        if not isinstance(failure, _OF_THE_STRATEGY):
            return failure
        self.refused[loader.name] = failure.words or failure.what
        return Degraded(failure.what, mxc=failure.mxc, words=failure.words)

    async def forget(self, request: MediaRequest | None) -> None:
        """Drops what each strategy keeps, and gives each another chance."""
        for loader in self._loaders:
            try:
                await loader.forget(request)
            except _OF_THE_STRATEGY:
                continue  # it keeps nothing where it cannot work
        if request is None:
            self.refused = {}

    def close(self) -> None:
        """Closes every loader."""
        for loader in self._loaders:
            loader.close()

    def _told(self, loader: "MediaLoader", inner: Media, traffic: Traffic) -> Media:
        inner.traffic.add(traffic)  # what the refusals before it had cost
        reason = self._reason(loader.name, inner.request)
        media = inner.copy(source=inner.source, traffic=inner.traffic, reason=reason)
        self._served[media.src] = (loader, inner)
        return media

    def _reason(self, name: str, request: MediaRequest) -> str:
        large = request.kind in _LARGE_KINDS or (request.size or 0) > _LARGE_BYTES
        why = (_WHY_LARGE if large else _WHY).get(name, "")
        others = [f"{other} does not work here ({words})" for other, words in self.refused.items()]
        return "; ".join([f"{name}: {why}"] + others)


STRATEGY = AutoStrategy
