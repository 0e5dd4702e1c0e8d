"""`auto`: for each media the best strategy that works here and now, with its reason; it falls back, never silently.

Use it in an application: it takes bundles for small media and links for the rest where the homeserver offers them, the
disk where it does not, and memory where there is no disk. When one of them fails while the page is open, the next one
takes its place.
"""

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    LinkExpired,
    LinksUnsupported,
    MediaNotFound,
    NotCached,
    PolicyRefused,
    ProxyRefused,
    QuotaExceeded,
    StorageRefused,
    StrategyReplaced,
    StrategyUnsupported,
)
from authmedia.media import MEMORY, NO_STORE, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.strategies.base import Loader
    from authmedia.support.refusals import Refusals

# The errors that concern the strategy rather than the media: another strategy may succeed.
_STRATEGY_ERRORS = (LinksUnsupported, StorageRefused, QuotaExceeded, StrategyUnsupported)

# The beginning of every `src` that an element transfers.
_NETWORK_SCHEME = "http"

_OPEN_TO_ALL = "this homeserver is from before Matrix 1.11 and gives media to everybody, without a token"
_STREAMED = "a long media plays and seeks before it is complete"
_REASONS = {
    "plain": _OPEN_TO_ALL,
    "bundle": "small, so it comes together with others in one answer",
    "delegated": "the page signs links: no round trip, nothing is fetched twice, and it shows while it arrives",
    "link": "the homeserver makes links: nothing is fetched twice, and it shows while it arrives",
    "redirect": "the homeserver redirects to a storage, and it shows while it arrives",
    "opfs": "kept on disk, so that it is fetched once",
    "blob": "fetched into memory, which works everywhere",
}
_REASONS_FOR_LARGE = {
    "plain": _OPEN_TO_ALL,
    "delegated": _STREAMED,
    "link": _STREAMED,
    "redirect": _STREAMED,
    "opfs": "too large for memory, so it is streamed to disk",
    "blob": "there is nothing left but memory",
}
# The strategies that transfer whole bodies.
_TRANSFERRING = ("opfs", "blob")
_LARGE_KINDS = ("video", "audio", "file")
_LARGE_BYTES = 5_000_000


class AutoStrategy(Strategy):
    """Opens each media by the first of several loaders that accepts it and works.

    :param loaders: in the order of preference; they are closed with this strategy.
    :param open_other: opens another loader by name, when there is reason to.
    :param plain: the name of one that is preferred to all of them, on homeservers that give media to everybody.
    :param redirect: the name of one that is preferred to those that transfer bodies, on homeservers that redirect.
    :param substitutes: the names of those that take the place of others that do not work.
    """

    name = "auto"
    transfers_bodies = False  # the loaders limit their transfers
    decrypts = True  # the loaders do
    retries = False  # the loaders do

    def __init__(
        self,
        homeserver: "Homeserver",
        loaders: "list[Loader]",
        open_other: "Callable[[str], Loader]",
        plain: str,
        redirect: str,
        substitutes: "dict[str, str]",
    ) -> None:
        super().__init__(homeserver)
        self._loaders = loaders
        self._open_other = open_other
        self._plain = plain
        self._redirect = redirect
        self._substitutes = dict(substitutes)
        # By `src`, the loader of a media and what it returned: more than once if two cache policies led to one link.
        self._opened: dict[str, list[tuple[Loader, Media]]] = {}
        #: The strategies that do not work, by name, and the words of the browser or server that refused.
        self.refused: dict[str, str] = {}
        # Counts refusals, once there is one.
        self._refusals: Refusals | None = None
        # What the page's own policy refused last.
        self._policy_refusal: PolicyRefused | None = None

    async def support(self) -> Support:
        """Tries each strategy; it suffices that one works."""
        untried = list(self._loaders)
        while untried:  # a second time for substitutes
            supports = await gather_all(*[loader.support() for loader in untried])
            known = list(self._loaders)
            for loader, support in zip(untried, supports):
                if support.works:
                    self._clear_refusals(loader.name)
                else:
                    self.refused[loader.name] = support.words
                    self._insert_substitute(loader)
            untried = [loader for loader in self._loaders if loader not in known]
        refusals = [f"{name}: {words}" for name, words in self.refused.items()]
        works = len(refusals) < len(self._loaders)
        return Support(works, "" if works else "; ".join(refusals))

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Loads by the first strategy that does not refuse, and records the reason for it."""
        if self.homeserver.open_media_prefix and self._plain:  # a request of another strategy found that out
            self._loaders.insert(0, self._open_other(self._plain))
            self._plain = ""
        if self.homeserver.redirects_media and self._redirect:  # likewise
            names = [loader.name for loader in self._loaders]
            place = min([names.index(name) for name in _TRANSFERRING if name in names] or [len(names)])
            self._loaders.insert(place, self._open_other(self._redirect))
            self._redirect = ""
        refused = self._refusals.of(request.key) if self._refusals else self.refused
        for loader in self._loaders:  # also those that are inserted behind one that refuses
            if loader.name in refused or not loader.accepts(request):
                continue
            try:
                media = await loader.load(request, traffic.is_urgent, traffic.on_progress)
            except _STRATEGY_ERRORS as error:
                refused = self._refused_with(loader, error, refused)
                traffic.add(error.traffic)
                continue
            except AuthMediaError as error:
                traffic.add(error.traffic)
                raise
            if self._refusals and not media.src.startswith(_NETWORK_SCHEME):
                self._refusals.on_success(loader.name, media.src)
            return self._with_reason(loader, media, request, traffic, refused)
        if self._policy_refusal:  # which says more
            raise self._policy_refusal.for_media(request.mxc)
        words = "; ".join(f"{name}: {words}" for name, words in refused.items())
        raise StrategyUnsupported("No strategy is left that works here", mxc=request.mxc, words=words)

    async def open_stored(self, request: MediaRequest, traffic: Traffic) -> Media | None:
        """Opens what any of the loaders has in memory or on disk."""
        for loader in self._loaders:
            try:
                return self._with_reason(loader, await loader.load(request), request, traffic, self.refused)
            except (NotCached,) + _STRATEGY_ERRORS:
                continue
        return None

    def prioritize(self, request: MediaRequest) -> None:
        """Passes it on to the loaders, one of which has the request."""
        for loader in self._loaders:
            loader.prioritize(request)

    def dispose(self, media: Media) -> None:
        """Releases the loader's media."""
        opened = self._opened[media.src]
        loader, inner = opened.pop()
        if not opened:
            self._opened.pop(media.src)
        loader.release(inner)

    async def measure(self, media: Media) -> bool:
        """Passes it on to the loader that served the media."""
        loader, inner = self._opening(media)
        if not loader:
            return True
        complete = await loader.observe(inner)
        if self._refusals:
            self._refusals.on_success(loader.name, media.src)  # if it failed all the same, `diagnose` follows at once
        if media.source != MEMORY:  # else another element had it first
            media.source = inner.source
        return complete

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Passes it on to the loader that served the media; if its strategy does not work, the next takes its place."""
        loader, inner = self._opening(media)
        if not loader:  # it was diagnosed for another element of the same media before
            return StrategyReplaced("This media was opened anew meanwhile", mxc=media.request.mxc)
        if self._refusals:
            self._refusals.on_failure(media.src)
        failure = await loader.examine(inner, words)
        if not isinstance(failure, _STRATEGY_ERRORS) and not self._refuses_links(failure, media):
            return failure
        self._keep_policy_refusal(failure)
        self._count_refusals().add(loader.name, media.request.key, failure)
        self._insert_substitute(loader)
        return StrategyReplaced(failure.summary, mxc=failure.mxc, words=failure.words)

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes what each strategy caches or stores; clearing all tries every strategy again."""
        for loader in self._loaders:
            try:
                await loader.forget(request)
            except _STRATEGY_ERRORS:
                continue  # it stores nothing where it does not work
        if request is None:
            for loader in self._loaders:
                self._clear_refusals(loader.name)

    def close(self) -> None:
        """Closes all loaders."""
        for loader in self._loaders:
            loader.close()

    def _count_refusals(self) -> "Refusals":
        """Returns what counts refusals; most pages have none."""
        if not self._refusals:
            from authmedia.support.refusals import Refusals

            self._refusals = Refusals(self.refused, browser.now_ms)
        return self._refusals

    def _refused_with(self, loader: "Loader", error: AuthMediaError, refused: "dict[str, str]") -> "dict[str, str]":
        """Counts a refusal; returns the strategies that are left out for one media, this one among them."""
        self._keep_policy_refusal(error)
        refused = refused.copy()
        refused[loader.name] = self._count_refusals().add(loader.name, "", error)
        self._insert_substitute(loader)
        return refused

    def _keep_policy_refusal(self, error: AuthMediaError) -> None:
        if isinstance(error, PolicyRefused):
            self._policy_refusal = error

    def _insert_substitute(self, loader: "Loader") -> None:
        """Inserts the substitute of a strategy that refused behind it, if it has one."""
        substitute = self._substitutes.pop(loader.name, None)
        if substitute:
            self._loaders.insert(self._loaders.index(loader) + 1, self._open_other(substitute))

    def _clear_refusals(self, name: str) -> None:
        """Has a strategy tried again."""
        self.refused.pop(name, None)
        if self._refusals:
            self._refusals.clear(name)

    def _refuses_links(self, failure: AuthMediaError, media: Media) -> bool:
        """Returns whether something refuses links for good, although they are valid: a proxy that does not know them.

        The first refusal of a media's link may be the end of the session that it belonged to: a new one may work.
        """
        if isinstance(failure, LinkExpired):
            valid = (media.valid_until_ms or 0) > browser.epoch_ms()
            return valid and self._count_refusals().is_second(media.request.key)
        return isinstance(failure, ProxyRefused) or (isinstance(failure, MediaNotFound) and failure.words == "HTTP 404")

    def _with_reason(
        self, loader: "Loader", inner: Media, request: MediaRequest, traffic: Traffic, refused: "dict[str, str]"
    ) -> Media:
        inner.traffic.add(traffic)  # what the failed strategies before had cost
        reason = _reason(loader.name, inner.request, refused)
        media = inner.copy(source=inner.source, traffic=inner.traffic, reason=reason)
        media.request = request  # by which it is cached, where the loader took another one in its place
        if media.src not in self._opened:
            self._opened[media.src] = []
        self._opened[media.src].append((loader, inner))
        return media

    def _opening(self, media: Media) -> "tuple[Loader | None, Media]":
        return self._opened[media.src][-1] if media.src in self._opened else (None, media)


def _reason(name: str, request: MediaRequest, refused: "dict[str, str]") -> str:
    large = request.kind in _LARGE_KINDS or (request.size or 0) > _LARGE_BYTES
    why = (_REASONS_FOR_LARGE if large else _REASONS).get(name, "")
    if request.cache == NO_STORE:
        why = "it must not be stored, so it is fetched into memory"
    others = [f"{other} does not work here ({words})" for other, words in refused.items()]
    return "; ".join([f"{name}: {why}"] + others)


STRATEGY = AutoStrategy
