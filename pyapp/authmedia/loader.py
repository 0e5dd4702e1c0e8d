"""The media loader: the interface for applications, whatever the strategy behind it."""

from authmedia import browser, strategies
from authmedia.errors import (
    AuthMediaError,
    LinksUnsupported,
    MediaNotFound,
    NoThumbnail,
    RequestRefused,
    StorageRefused,
)
from authmedia.media import Media, MediaRequest, Support
from authmedia.pipeline import Pipeline, Waiter
from authmedia.strategies.decrypting import DecryptingStrategy
from authmedia.support.priority_semaphore import PrioritySemaphore
from authmedia.traffic import Counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, Never

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.matrix.request_hooks import RequestHooks
    from authmedia.strategies.base import Loader, Strategy
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy
    from authmedia.thumbnail_fallback import ThumbnailFallback


def open_loader(
    name: str,
    homeserver: "Homeserver",
    *,
    limits: "Limits | None" = None,
    retry: "RetryPolicy | None" = None,
    hooks: "RequestHooks | None" = None,
    persist: bool = False,
    **unknown: "Never",
) -> "MediaLoader":
    """Returns a loader for one session.

    >>> loader = open_loader("auto", Homeserver("https://matrix.example.org", "@ana:example.org", access_token))

    :param name: ``auto``, ``bundle``, ``delegated``, ``link``, ``opfs``, ``blob``, ``plain``, ``redirect`` or a
        baseline.
    :param homeserver: the session.
    :param limits: how much is transferred at a time and kept.
    :param retry: what is retried, how often and when.
    :param hooks: functions that see each request of the session and its response, until the loader is closed.
    :param persist: whether to ask the browser, now, to keep this site's files; see `MediaLoader.persist`.
    :raises ValueError: if there is no strategy of that name, or an option has a wrong value.
    :raises TypeError: if there is no option of a name.
    """
    if unknown or limits is not None or retry is not None or hooks is not None or persist is not False:
        from authmedia.support.options import check_loader_options

        check_loader_options(limits, retry, hooks, persist, unknown)
    loader = _open(name, homeserver, limits, retry)
    if hooks:
        loader.add_hooks(hooks)
    if persist:
        loader.persist_soon()
    return loader


def _open(name: str, homeserver: "Homeserver", limits: "Limits | None", retry: "RetryPolicy | None") -> "MediaLoader":
    if name != strategies.AUTO:
        return MediaLoader(strategies.create(name, homeserver), limits, retry)
    # The limits are those of all strategies together. What is idle is kept by the loader of `auto` alone.
    semaphore = PrioritySemaphore(limits.transfers) if limits else None

    def open_other(other: str) -> MediaLoader:
        loader = MediaLoader(strategies.create(other, homeserver), limits, retry, semaphore)
        loader._explains = False
        return loader

    loaders: list[Loader] = [open_other(other) for other in strategies.PREFERRED]
    return MediaLoader(strategies.create_auto(homeserver, loaders, open_other), limits, retry)


async def forget_account(homeserver: "Homeserver") -> None:
    """Removes all that any strategy caches or stores of an account, in memory, in the tab and on disk: for a logout.

    Close the account's loaders first. A browser that refuses its storage stores nothing.

    :raises AuthMediaError: if the browser or the homeserver refuses otherwise.
    """
    for name in strategies.NAMES:
        loader = open_loader(name, homeserver)
        try:
            await loader.forget()
        except StorageRefused:
            continue
        finally:
            loader.close()


class MediaLoader:
    """Loads media of one session by one strategy.

    >>> media = await loader.load(MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop"))
    >>> image.src = media.src
    >>> loader.release(media)

    The caller releases each media that it loaded, and closes the loader when the session ends.

    :param strategy: opens the media; it is closed with the loader.
    :param limits: see `open_loader`.
    :param retry: see `open_loader`.
    :param semaphore: limits the transfers of several loaders together, which keep nothing idle.
    """

    __slots__ = (
        "_explains",
        "_fallback",
        "_hooks",
        "_limits",
        "_persist_task",
        "_pipeline",
        "_strategy",
        "persistence",
    )

    def __init__(
        self,
        strategy: "Strategy",
        limits: "Limits | None" = None,
        retry: "RetryPolicy | None" = None,
        semaphore: PrioritySemaphore | None = None,
    ) -> None:
        self._strategy = strategy if strategy.decrypts else DecryptingStrategy(strategy)
        options: dict[str, Any] = {}
        if limits:
            idle_bytes = 0 if semaphore else limits.idle_bytes
            options.update(max_transfers=limits.transfers, idle_budget=idle_bytes, semaphore=semaphore)
        if retry:
            options["next_delay_s"] = retry.next_delay_s
        if options:
            self._strategy.configure(limits, retry)
        self._pipeline = Pipeline(self._strategy, **options)
        self._limits = limits
        # The thumbnails that the homeserver does not have, once there is one.
        self._fallback: ThumbnailFallback | None = None
        # Whether a missing endpoint is explained by the homeserver's age; not below `auto`, which has other strategies.
        self._explains = True
        self._hooks: tuple[RequestHooks, ...] = ()
        self._persist_task: asyncio.Task[None] | None = None
        #: The browser's answer to `persist`; ``None`` before there is one.
        self.persistence: Support | None = None

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self._strategy.name

    @property
    def user_id(self) -> str:
        """The user id of the session."""
        return self._strategy.homeserver.user_id

    @property
    def base_url(self) -> str:
        """The base URL of the session's homeserver."""
        return self._strategy.homeserver.base_url

    @property
    def counters(self) -> Counters:
        """Counts what this loader did so far."""
        return self._pipeline.counters

    def next_delay_s(self, error: AuthMediaError, failed: int) -> float | None:
        """Returns the seconds before the next attempt; ``None`` for none. See `RetryPolicy.next_delay_s`."""
        return self._pipeline.next_delay_s(error, failed)

    @property
    def hooks(self) -> "tuple[RequestHooks, ...]":
        """What sees the requests of the session."""
        return self._strategy.homeserver.hooks

    async def persist(self) -> Support:
        """Asks the browser not to evict this site's files when the disk is full.

        :returns: the browser's answer, which is in ``persistence`` from then on.
        """
        from authmedia.browser import persist_storage

        try:
            granted = await persist_storage()
            self.persistence = Support(granted, "" if granted else "The browser may evict this site's files")
        except browser.BrowserError as error:
            self.persistence = Support(False, error.words)
        return self.persistence

    async def _persist(self) -> None:
        await self.persist()

    def persist_soon(self) -> None:
        """Calls `persist` in a task, until the loader is closed."""
        self._persist_task = browser.create_task(self._persist())

    def add_hooks(self, hooks: "RequestHooks") -> None:
        """Adds hooks for the requests of this loader's session, until it is closed."""
        self._hooks += (hooks,)
        self._strategy.homeserver.hooks += (hooks,)

    async def support(self) -> Support:
        """Tries whether the strategy works in this window and with this homeserver."""
        found = await self._strategy.support()
        if found.error:
            error = await self._explain(found.error)
            found = Support(False, error.words or error.summary, error)
        return found

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether a media is of the kind that the strategy is for, where there is a choice."""
        return self._strategy.accepts(request)

    async def load(
        self,
        request: MediaRequest,
        is_visible: "Callable[[], bool] | None" = None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> Media:
        """Returns a media that an element can show; concurrent calls with equal requests share one load.

        Cancelling it aborts the transfer, unless another caller waits for the same media.

        :param is_visible: returns whether the element is visible: visible media go first. When an element becomes
            visible later, call `prioritize`.
        :param on_progress: called while a large body arrives, with the bytes received and the announced length; never
            where the element transfers by itself, or no length is announced.
        :raises AuthMediaError: of the class that fits what happened.
        """
        waiter = Waiter(is_visible, on_progress)
        request = self._available(request)
        failure: AuthMediaError
        try:
            return await self._pipeline.schedule(request, waiter)
        except RequestRefused as error:
            failure = error
        except (LinksUnsupported, MediaNotFound) as error:
            failure = error
        original = self._fall_back(request, failure) if isinstance(failure, RequestRefused) else None
        if original:
            return await self._pipeline.schedule(original, waiter)
        raise await self._explain(failure, request.mxc)

    def prioritize(self, request: MediaRequest) -> None:
        """Moves a waiting load before others, because its element became visible."""
        self._pipeline.prioritize(self._available(request))

    async def wait_for_visible(self) -> None:
        """Waits until no load in progress is for a visible element, or for a caller that says nothing of that."""
        await self._pipeline.wait_for_urgent()

    def release(self, media: Media) -> None:
        """Releases a media that `load` returned: the element does not show it any more."""
        self._pipeline.end_hold(media)

    async def observe(self, media: Media) -> bool:
        """Completes ``media.traffic`` and ``media.source`` after an element has shown it.

        :returns: whether all of it arrived, as far as is known: some elements show a part as if it were whole.
        """
        hooks = self._strategy.homeserver.hooks
        before = media.traffic.copy() if hooks and _is_element_transfer(media) else None
        complete = await self._strategy.measure(media)
        if before and media.traffic.requests > before.requests and not self._strategy.decrypts:
            for observer in hooks:
                observer.report_element(media.src, media.traffic.bytes - before.bytes)
        self._pipeline.mark_transferred(media)
        return complete

    async def examine(self, media: Media, words: str = "") -> AuthMediaError:
        """Returns why an element could not show a media, and removes it from the cache, so that it is loaded anew.

        :param words: the element's own error message, often empty.
        """
        failure = await self._explain(await self._strategy.diagnose(media, words))
        self._pipeline.evict_media(media)
        if isinstance(failure, RequestRefused):
            try:
                failure.retry_at_once = bool(self._fall_back(media.request, failure))
            except NoThumbnail as error:
                failure = error
        return failure

    async def _explain(self, error: AuthMediaError, mxc: str = "") -> AuthMediaError:
        """Returns an error that says more, if the homeserver lacks an endpoint because it is old.

        :param mxc: the media that it is for, where the error itself concerns all.
        """
        if not self._explains or not isinstance(error, (LinksUnsupported, MediaNotFound)):
            return error
        from authmedia.transport.media_requests import may_lack_endpoint  # most errors are others

        if not may_lack_endpoint(error):
            return error
        from authmedia.transport.open_media import explain_by_age

        explained = await explain_by_age(self._strategy.homeserver, self.name, error, error.mxc or mxc)
        explained.traffic = error.traffic
        return explained

    async def forget(self, request: MediaRequest | None = None) -> None:
        """Removes what is cached or stored of one media, or of all of this account's, in memory and on disk.

        :raises AuthMediaError: if the browser or the homeserver refuses.
        """
        available = self._available(request) if request else None
        self._pipeline.evict(available.key if available else None)
        await self._strategy.clear(available)
        if not request:
            self._fallback = None

    def close(self) -> None:
        """Aborts all transfers and releases all media; what is on disk stays."""
        self._pipeline.close()
        self._strategy.close()
        if self._persist_task:
            self._persist_task.cancel()
        if self._hooks:
            homeserver = self._strategy.homeserver
            homeserver.hooks = tuple([hooks for hooks in homeserver.hooks if hooks not in self._hooks])
            self._hooks = ()

    def _available(self, request: MediaRequest) -> MediaRequest:
        """Returns the request for the media itself, where the homeserver is known to have no such thumbnail."""
        return self._fallback.available(request) if self._fallback else request

    def _fall_back(self, request: MediaRequest, refusal: RequestRefused) -> MediaRequest | None:
        """Returns the request that takes the place of a refused thumbnail's; ``None`` if there is none.

        :raises NoThumbnail: if the media itself is too large.
        """
        if not request.is_thumbnail:
            return None
        if not self._fallback:
            from authmedia.thumbnail_fallback import ThumbnailFallback  # most homeservers have all thumbnails

            self._fallback = ThumbnailFallback(self._limits)
        return self._fallback.add(request, refusal)


def _is_element_transfer(media: Media) -> bool:
    return not media.src.startswith("blob:")
