"""What every load shares, whatever the strategy: one flight per key, a limit, retries, cancellation, counters."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, LoadGivenUp
from authmedia.media import Media, MediaRequest
from authmedia.support import backoff
from authmedia.support.priority_semaphore import Acquire, PrioritySemaphore
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.strategies.base import Strategy

# More than the six connections that a browser makes with HTTP/1.1, so that none of them waits for Python; with HTTP/2
# all of them are on their way.
_TRANSFERS = 16
_IDLE_BUDGET_BYTES = 64 * 1024 * 1024
# So many notes of what was idle once are no matter.
_STALE = 64


class Waiter:
    """One who waits for a flight.

    :param visible: tells whether people see the place where the media is to be shown.
    :param on_progress: told how many bytes are there, and how many were announced.
    """

    __slots__ = ("on_progress", "visible")

    def __init__(
        self, visible: "Callable[[], bool] | None" = None, on_progress: "Callable[[int, int], None] | None" = None
    ) -> None:
        self.visible = visible
        self.on_progress = on_progress


class Flight:
    """One load on its way, and all who wait for it."""

    __slots__ = ("done", "failure", "media", "task", "turn", "waiters")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.media: Media | None = None
        self.failure: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        #: Its place in the queue, while it has one.
        self.turn: Acquire | None = None
        self.waiters: list[Waiter] = []

    def is_urgent(self) -> bool:
        """Whether anybody sees where it is to be shown, as far as that is known."""
        return any(waiter.visible is None or waiter.visible() for waiter in self.waiters)

    def tell(self, received: int, total: int) -> None:
        """Tells all who wait how much is there."""
        for waiter in self.waiters:
            if waiter.on_progress:
                waiter.on_progress(received, total)


class Kept:
    """A media that was opened, how many elements hold it, and, where none does, the number under which it came back."""

    __slots__ = ("arrived", "holders", "media", "returned")

    def __init__(self, media: Media, arrived: bool) -> None:
        self.media = media
        #: Whether its body is here; else the first element that was given it still transfers it.
        self.arrived = arrived
        self.holders = 0
        self.returned = 0

    @property
    def is_good(self) -> bool:
        """Whether it may be given to one more."""
        return self.media.good_until_ms is None or self.media.good_until_ms > browser.epoch_ms()


class Counters:
    """What a pipeline did so far: ``opened`` minus ``released`` is what it keeps now.

    ``coalesced`` loads joined one that was on its way, and ``hits`` were answered by what is kept.
    """

    __slots__ = ("aborted", "coalesced", "failed", "hits", "on_count", "opened", "released", "retried")

    def __init__(self) -> None:
        #: Called after each count with its name and its new value, for whoever wants to watch.
        self.on_count: Callable[[str, int], None] | None = None
        self.opened = 0
        self.released = 0
        self.coalesced = 0
        self.hits = 0
        self.retried = 0
        self.aborted = 0
        self.failed = 0

    def count(self, name: str) -> None:
        """Counts one more of a kind."""
        value = getattr(self, name) + 1
        setattr(self, name, value)
        if self.on_count:
            self.on_count(name, value)


class Pipeline:
    """Runs loads through a strategy.

    :param strategy: what turns one request into one ``src``.
    :param transfers: how many bodies may be on their way at a time, for strategies that transfer.
    :param idle_budget: bytes of media that no element shows, kept in case one asks again.
    """

    __slots__ = (
        "_closed",
        "_flights",
        "_gate",
        "_idle",
        "_idle_budget",
        "_idle_bytes",
        "_kept",
        "_openings",
        "_returns",
        "counters",
        "strategy",
    )

    def __init__(
        self, strategy: "Strategy", *, transfers: int = _TRANSFERS, idle_budget: int = _IDLE_BUDGET_BYTES
    ) -> None:
        self.strategy = strategy
        self.counters = Counters()
        self._gate = PrioritySemaphore(transfers)
        self._idle_budget = idle_budget
        self._flights: dict[str, Flight] = {}
        self._kept: dict[str, Kept] = {}
        # What no element shows, in the order in which it was given back; some of it is held again or gone by now.
        self._idle: list[tuple[int, str]] = []
        self._idle_bytes = 0
        self._returns = 0
        self._openings = 0
        self._closed = False

    async def load(self, request: MediaRequest, waiter: Waiter | None = None) -> Media:
        """The media for one more holder, who gives it back with `release`.

        :param waiter: who waits, if more is known of them.
        :raises AuthMediaError: of the class that fits what happened, after the tries that make sense.
        """
        waiter = waiter or Waiter()
        while not self._closed:
            kept = self._kept.get(request.key)
            if kept and not kept.is_good:
                self._drop(request.key)  # whoever shows it goes on showing it
            elif kept:
                self.counters.count("hits")
                self._hold(kept)
                return kept.media.from_memory() if kept.arrived else kept.media
            flight = self._flights.get(request.key)
            if flight:
                self.counters.count("coalesced")
            else:
                flight = self._start(request)
            media = await self._join(request.key, flight, waiter)
            if self._kept_as(media):
                return media
            # It was dropped after it had come and before its waiter heard of it.
        raise LoadGivenUp("The loader is closed", mxc=request.mxc)

    def release(self, media: Media) -> None:
        """Gives back one hold; a media that nobody holds stays only while the budget has room."""
        kept = self._kept_as(media)
        if not kept or not kept.holders:
            return
        kept.holders -= 1
        if kept.holders:
            return
        if not media.size:
            self._drop(media.request.key)  # it keeps nothing here, so it costs nothing to open it again
            return
        self._returns += 1
        kept.returned = self._returns
        self._idle.append((kept.returned, media.request.key))
        self._idle_bytes += media.size
        self._trim()

    def has_arrived(self, media: Media) -> None:
        """Takes note that an element has transferred a media: whoever asks from now on finds it there."""
        kept = self._kept_as(media)
        if kept:
            kept.arrived = True

    def hurry(self, request: MediaRequest) -> None:
        """Lets a load go before others, whose media has come into sight."""
        flight = self._flights.get(request.key)
        if flight and flight.turn:
            self._gate.prioritize(flight.turn)
        elif flight:
            self.strategy.hurry(request)

    def forget(self, key: str | None) -> None:
        """Drops one media, or all; who still holds it keeps showing it only as far as the browser already has it."""
        for known in [key] if key is not None else list(self._kept):
            if known in self._kept:
                self._drop(known)

    def forget_opened(self, media: Media) -> None:
        """Drops a media, unless it was opened anew since."""
        if self._kept_as(media):
            self._drop(media.request.key)

    def close(self) -> None:
        """Ends what is on its way and lets everything go; nothing can be loaded any more."""
        self._closed = True
        for key, flight in list(self._flights.items()):
            if flight.task:
                flight.task.cancel()
            # A task that had not begun is never told that it was cancelled.
            flight.failure = LoadGivenUp("The load was given up", mxc=key)
            self._end(key, flight)
        self.forget(None)

    def _start(self, request: MediaRequest) -> Flight:
        flight = Flight()
        self._flights[request.key] = flight
        flight.task = asyncio.create_task(self._fly(request, flight))
        return flight

    async def _fly(self, request: MediaRequest, flight: Flight) -> None:
        traffic = Traffic(flight.is_urgent, flight.tell)
        try:
            flight.media = await self._open_with_retries(request, flight, traffic)
            self.counters.count("opened")
            self._land(flight)
        except asyncio.CancelledError:
            self.counters.count("aborted")
            flight.failure = LoadGivenUp("The load was given up", mxc=request.mxc)
        except Exception as error:
            # Whatever it is, it belongs to those who wait: it reaches the page through them.
            self.counters.count("failed")
            flight.failure = error
            if isinstance(error, AuthMediaError):
                error.traffic = traffic  # of all tries together
        finally:
            self._end(request.key, flight)

    def _land(self, flight: Flight) -> None:
        """Keeps what came, held by all who wait: nobody else can throw it out before they hear of it."""
        assert flight.media
        self._openings += 1
        flight.media.opening = self._openings
        kept = Kept(flight.media, self.strategy.carries(flight.media.request))
        self._kept[flight.media.request.key] = kept
        for _ in flight.waiters:
            self._hold(kept)

    def _end(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            self._flights.pop(key)
        flight.done.set()

    async def _join(self, key: str, flight: Flight, waiter: Waiter) -> Media:
        flight.waiters.append(waiter)
        try:
            await flight.done.wait()
        except asyncio.CancelledError:
            self._leave(key, flight, waiter)
            raise
        if flight.failure or not flight.media:
            raise flight.failure or LoadGivenUp("The load was given up", mxc=key)
        return flight.media

    def _leave(self, key: str, flight: Flight, waiter: Waiter) -> None:
        """One of those who wait is gone; with the last one, the transfer is."""
        if flight.done.is_set():
            if flight.media:
                self.release(flight.media)  # it was held for whoever is gone now
            return
        flight.waiters.remove(waiter)
        if flight.waiters or not flight.task:
            return
        if self._flights.get(key) is flight:
            self._flights.pop(key)  # whoever asks from now on starts anew
        flight.task.cancel()

    async def _open_with_retries(self, request: MediaRequest, flight: Flight, traffic: Traffic) -> Media:
        for attempt in range(backoff.MAX_ATTEMPTS):
            try:
                return await self._open(request, flight, traffic)
            except AuthMediaError as error:
                if not error.temporary or not self.strategy.retried or attempt == backoff.MAX_ATTEMPTS - 1:
                    raise
                delay = backoff.retry_delay_s(attempt, error.retry_after_s)
            self.counters.count("retried")
            await asyncio.sleep(delay)
        raise AuthMediaError("No try was made", mxc=request.mxc)

    async def _open(self, request: MediaRequest, flight: Flight, traffic: Traffic) -> Media:
        if not self.strategy.carries(request):
            return await self.strategy.open(request, traffic)
        flight.turn = self._gate.acquire(flight.is_urgent)
        async with flight.turn:
            return await self.strategy.open(request, traffic)

    def _kept_as(self, media: Media) -> Kept | None:
        """What is kept of a media, unless it was opened anew since."""
        kept = self._kept.get(media.request.key)
        return kept if kept and kept.media.opening == media.opening else None

    def _hold(self, kept: Kept) -> None:
        if not kept.holders and kept.returned:
            self._idle_bytes -= kept.media.size
            kept.returned = 0
        kept.holders += 1

    def _trim(self) -> None:
        """Drops idle media, least recently used first, until they fit the budget."""
        while self._idle_bytes > self._idle_budget:
            entry = self._idle.pop(0)
            if self._is_idle(entry):
                self._drop(entry[1])
        if len(self._idle) > 2 * len(self._kept) + _STALE:
            self._idle = [entry for entry in self._idle if self._is_idle(entry)]

    def _is_idle(self, entry: "tuple[int, str]") -> bool:
        """Whether what was given back then was neither held again nor dropped since."""
        kept = self._kept.get(entry[1])
        return kept is not None and kept.returned == entry[0]

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key)
        if kept.returned:
            self._idle_bytes -= kept.media.size
        self.counters.count("released")
        self.strategy.release(kept.media)
