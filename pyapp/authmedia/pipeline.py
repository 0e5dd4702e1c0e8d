"""The pipeline of all loads: coalescing, a limit, retries, cancellation, a cache and counters."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, LoadCancelled, NotCached
from authmedia.media import CACHE_DEFAULT, NO_STORE, ONLY_IF_CACHED, Media, MediaRequest
from authmedia.support import backoff
from authmedia.support.priority_semaphore import Acquire, PrioritySemaphore
from authmedia.traffic import Counters, Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.strategies.base import Strategy

# More than the six connections of a browser over HTTP/1.1, so that none of them waits for Python; over HTTP/2 all of
# these transfers run concurrently.
_MAX_TRANSFERS = 16
_IDLE_BUDGET_BYTES = 64 * 1024 * 1024
# So many outdated entries of the idle list are harmless.
_MAX_OUTDATED = 64


class Waiter:
    """One caller that waits for a load.

    :param is_visible: returns whether the element that is to show the media is visible.
    :param on_progress: called with the bytes received and the announced length.
    """

    __slots__ = ("is_visible", "on_progress")

    def __init__(
        self, is_visible: "Callable[[], bool] | None" = None, on_progress: "Callable[[int, int], None] | None" = None
    ) -> None:
        self.is_visible = is_visible
        self.on_progress = on_progress


class InFlightLoad:
    """One load in progress, and its waiters."""

    __slots__ = ("acquire", "done", "failure", "media", "task", "waiters")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.media: Media | None = None
        self.failure: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        #: Its acquisition of the semaphore, if it needs one.
        self.acquire: Acquire | None = None
        self.waiters: list[Waiter] = []

    def is_urgent(self) -> bool:
        """Returns whether an element that waits for it is visible, as far as that is known."""
        return any(waiter.is_visible is None or waiter.is_visible() for waiter in self.waiters)

    def report_progress(self, received: int, total: int) -> None:
        """Reports the progress to all waiters.

        :param received: in bytes.
        :param total: the announced length in bytes.
        """
        for waiter in self.waiters:
            if waiter.on_progress:
                waiter.on_progress(received, total)


class CacheEntry:
    """An opened media and the number of its holders.

    :param transferred: whether its body has arrived; else the first element that got it still transfers it.
    """

    __slots__ = ("holders", "idle_number", "media", "transferred")

    def __init__(self, media: Media, transferred: bool) -> None:
        self.media = media
        self.transferred = transferred
        self.holders = 0
        #: Its number in the idle list, 0 while it has holders.
        self.idle_number = 0

    @property
    def is_valid(self) -> bool:
        """Whether it may be given to another holder."""
        return self.media.valid_until_ms is None or self.media.valid_until_ms > browser.epoch_ms()


class Pipeline:
    """Schedules loads, which a strategy opens, and caches their media.

    :param strategy: what turns one request into one ``src``.
    :param max_transfers: how many bodies are transferred at a time, for strategies that transfer bodies.
    :param idle_budget: bytes of media without holders that stay in the cache.
    :param semaphore: limits the transfers of several pipelines together, in place of ``max_transfers``.
    :param next_delay_s: decides about retries, see `RetryPolicy.next_delay_s`.
    """

    __slots__ = (
        "_cache",
        "_closed",
        "_detached",
        "_idle",
        "_idle_budget",
        "_idle_bytes",
        "_in_flight",
        "_last_idle_number",
        "_last_opening_id",
        "_semaphore",
        "counters",
        "next_delay_s",
        "strategy",
    )

    def __init__(
        self,
        strategy: "Strategy",
        *,
        max_transfers: int = _MAX_TRANSFERS,
        idle_budget: int = _IDLE_BUDGET_BYTES,
        semaphore: PrioritySemaphore | None = None,
        next_delay_s: "Callable[[AuthMediaError, int], float | None]" = backoff.next_delay_s,
    ) -> None:
        self.strategy = strategy
        self.counters = Counters()
        self.next_delay_s = next_delay_s
        self._semaphore = semaphore or PrioritySemaphore(max_transfers)
        self._idle_budget = idle_budget
        self._in_flight: dict[str, InFlightLoad] = {}
        self._cache: dict[str, CacheEntry] = {}
        # By opening id, what has holders and is not for others: it was replaced, or must not be stored.
        self._detached: dict[int, CacheEntry] = {}
        # The media without holders, least recently used first; some have a holder again, or were evicted.
        self._idle: list[tuple[int, str]] = []
        self._idle_bytes = 0
        self._last_idle_number = 0
        self._last_opening_id = 0
        self._closed = False

    async def schedule(self, request: MediaRequest, waiter: Waiter | None = None) -> Media:
        """Returns the media for one more holder, which ends its hold by `end_hold`.

        :param waiter: the caller, if more is known of it.
        :raises AuthMediaError: of the class that fits what happened, after the retries that make sense.
        """
        waiter = waiter or Waiter()
        while not self._closed:
            entry = self._cached(request)
            if entry:
                self.counters.increment("hits")
                self._hold(entry)
                return entry.media.as_memory_hit() if entry.transferred else entry.media
            load = self._in_flight.get(request.load_key)
            if load:
                self.counters.increment("coalesced")
            else:
                load = self._start(request)
            media = await self._wait(request.load_key, load, waiter)
            if self._entry_of(media):
                return media
            # It was evicted between its arrival and the waiter's turn of the event loop.
        raise LoadCancelled("The loader is closed", mxc=request.mxc)

    def end_hold(self, media: Media) -> None:
        """Ends one hold; a media without holders stays only as far as the budget allows."""
        entry = self._entry_of(media)
        if not entry or not entry.holders:
            return
        entry.holders -= 1
        if entry.holders:
            return
        if self._detached.pop(media.opening_id, None):
            self._dispose(entry)
            return
        if not media.size:
            self._evict(media.request.key)  # it takes no memory, so opening it again costs nothing
            return
        self._last_idle_number += 1
        entry.idle_number = self._last_idle_number
        self._idle.append((entry.idle_number, media.request.key))
        self._idle_bytes += media.size
        self._evict_idle()

    def mark_transferred(self, media: Media) -> None:
        """Marks a media whose body an element has transferred: later holders have it from memory."""
        entry = self._entry_of(media)
        if entry:
            entry.transferred = True

    def prioritize(self, request: MediaRequest) -> None:
        """Moves a load whose element has become visible before others."""
        load = self._in_flight.get(request.load_key)
        if load and load.acquire:
            self._semaphore.prioritize(load.acquire)
        elif load:
            self.strategy.prioritize(request)

    async def wait_for_urgent(self) -> None:
        """Waits until no load in flight is for a visible element."""
        while True:
            urgent = [load for load in self._in_flight.values() if load.is_urgent()]
            if not urgent:
                return
            await urgent[0].done.wait()

    def evict(self, key: str | None) -> None:
        """Evicts one media, or all; holders show it only as far as the browser already has it."""
        for cached in [key] if key is not None else list(self._cache):
            if cached in self._cache:
                self._evict(cached)
        for entry in list(self._detached.values()):
            if key is None or entry.media.request.key == key:
                self.evict_media(entry.media)

    def evict_media(self, media: Media) -> None:
        """Evicts a media, unless it was opened anew since."""
        detached = self._detached.pop(media.opening_id, None)
        if detached:
            self._dispose(detached)
        elif self._entry_of(media):
            self._evict(media.request.key)

    def close(self) -> None:
        """Cancels all loads and empties the cache; nothing can be scheduled any more."""
        self._closed = True
        for key, load in list(self._in_flight.items()):
            if load.task:
                load.task.cancel()
            # A task that was not started yet does not see its cancellation.
            load.failure = LoadCancelled("The load was given up", mxc=key)
            self._finish(key, load)
        self.evict(None)

    # --- one load ----------------------------------------------------------------------------------------------------

    def _start(self, request: MediaRequest) -> InFlightLoad:
        load = InFlightLoad()
        self._in_flight[request.load_key] = load
        load.task = asyncio.create_task(self._run(request, load))
        return load

    async def _run(self, request: MediaRequest, load: InFlightLoad) -> None:
        traffic = Traffic(load.is_urgent, load.report_progress)
        try:
            load.media = await self._run_attempts(request, load, traffic)
            self.counters.increment("opened")
            self._complete(load)
        except asyncio.CancelledError:
            self.counters.increment("aborted")
            load.failure = LoadCancelled("The load was given up", mxc=request.mxc)
        except Exception as error:
            # Of any kind: it is raised in the waiters, and so reaches the page.
            self.counters.increment("failed")
            load.failure = error
            if isinstance(error, AuthMediaError):
                error.traffic = traffic  # of all attempts together
        finally:
            traffic.partial = None
            self._finish(request.load_key, load)

    def _complete(self, load: InFlightLoad) -> None:
        """Caches the media, held by all waiters, so that it cannot be evicted before their turn."""
        assert load.media
        self._last_opening_id += 1
        load.media.opening_id = self._last_opening_id
        entry = CacheEntry(load.media, self.strategy.transfers_body_of(load.media.request))
        self._store(entry)
        for _ in load.waiters:
            self._hold(entry)

    def _finish(self, key: str, load: InFlightLoad) -> None:
        if self._in_flight.get(key) is load:
            self._in_flight.pop(key)
        load.done.set()

    async def _wait(self, key: str, load: InFlightLoad, waiter: Waiter) -> Media:
        load.waiters.append(waiter)
        try:
            await load.done.wait()
        except asyncio.CancelledError:
            self._abandon(key, load, waiter)
            raise
        if load.failure or not load.media:
            raise load.failure or LoadCancelled("The load was given up", mxc=key)
        return load.media

    def _abandon(self, key: str, load: InFlightLoad, waiter: Waiter) -> None:
        """Removes a cancelled waiter; without waiters the load is cancelled."""
        if load.done.is_set():
            if load.media:
                self.end_hold(load.media)  # `_complete` took it for this waiter
            return
        load.waiters.remove(waiter)
        if load.waiters or not load.task:
            return
        if self._in_flight.get(key) is load:
            self._in_flight.pop(key)  # the next request starts anew
        load.task.cancel()

    async def _run_attempts(self, request: MediaRequest, load: InFlightLoad, traffic: Traffic) -> Media:
        failed, received = 0, 0
        while True:
            try:
                return await self._attempt(request, load, traffic)
            except AuthMediaError as error:
                before, received = received, traffic.partial.body.size if traffic.partial else 0
                failed = 1 if received > before else failed + 1  # a transfer that goes on is no failure again
                delay_s = self.next_delay_s(error, failed) if self.strategy.retries else None
                if delay_s is None:
                    raise
            self.counters.increment("retried")
            await asyncio.sleep(delay_s)

    async def _attempt(self, request: MediaRequest, load: InFlightLoad, traffic: Traffic) -> Media:
        if request.cache == ONLY_IF_CACHED:
            stored = await self.strategy.open_stored(request, traffic)
            if not stored:
                raise NotCached("It is neither in memory nor on disk", mxc=request.mxc)
            return stored
        if not self.strategy.transfers_body_of(request):
            return await self.strategy.open(request, traffic)
        load.acquire = self._semaphore.acquire(load.is_urgent)
        async with load.acquire:
            return await self.strategy.open(request, traffic)

    # --- the cache ---------------------------------------------------------------------------------------------------

    def _cached(self, request: MediaRequest) -> CacheEntry | None:
        """Returns the entry that answers a request, if there is one."""
        entry = self._cache.get(request.key) if request.cache in (CACHE_DEFAULT, ONLY_IF_CACHED) else None
        if entry and not entry.is_valid:
            self._evict(request.key)  # its holders go on showing it
            return None
        return entry

    def _store(self, entry: CacheEntry) -> None:
        """Caches an entry, unless its request forbids that; what it replaces stays for its holders."""
        key = entry.media.request.key
        replaced = self._cache.get(key)
        if entry.media.request.cache == NO_STORE:
            self._detached[entry.media.opening_id] = entry
            return
        if replaced and replaced.holders:
            self._detached[replaced.media.opening_id] = replaced
        elif replaced:
            self._evict(key)
        self._cache[key] = entry

    def _entry_of(self, media: Media) -> CacheEntry | None:
        """Returns the entry of a media, unless it was evicted since."""
        entry = self._cache.get(media.request.key)
        if entry and entry.media.opening_id == media.opening_id:
            return entry
        return self._detached.get(media.opening_id)

    def _hold(self, entry: CacheEntry) -> None:
        if not entry.holders and entry.idle_number:
            self._idle_bytes -= entry.media.size
            entry.idle_number = 0
        entry.holders += 1

    def _evict_idle(self) -> None:
        """Evicts media without holders, least recently used first, until the others fit the budget."""
        while self._idle_bytes > self._idle_budget:
            idle = self._idle.pop(0)
            if self._is_idle(idle):
                self._evict(idle[1])
        if len(self._idle) > 2 * len(self._cache) + _MAX_OUTDATED:
            self._idle = [idle for idle in self._idle if self._is_idle(idle)]

    def _is_idle(self, idle: "tuple[int, str]") -> bool:
        """Returns whether the media was neither held nor evicted since it was added to the idle list."""
        entry = self._cache.get(idle[1])
        return entry is not None and entry.idle_number == idle[0]

    def _evict(self, key: str) -> None:
        entry = self._cache.pop(key)
        if entry.idle_number:
            self._idle_bytes -= entry.media.size
        self._dispose(entry)

    def _dispose(self, entry: CacheEntry) -> None:
        self.counters.increment("released")
        self.strategy.dispose(entry.media)
