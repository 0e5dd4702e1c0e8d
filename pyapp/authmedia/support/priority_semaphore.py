"""A semaphore whose waiting tasks have priorities."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class PrioritySemaphore:
    """Admits at most ``limit`` tasks at a time: urgent ones first, otherwise in the order of their arrival.

    Its cost does not grow with the number of waiting tasks: it checks only those that may be next.

    :param limit: how many tasks may hold it at a time.
    """

    __slots__ = ("_free", "_queue", "_urgent")

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._queue: list[Acquire] = []
        self._urgent: list[Acquire] = []

    def acquire(self, is_urgent: "Callable[[], bool]") -> "Acquire":
        """Returns one acquisition, for ``async with``.

        :param is_urgent: called when it is queued, and when it would overtake others.
        """
        return Acquire(self, is_urgent)

    def enqueue(self, acquire: "Acquire") -> None:
        """Grants an acquisition, or queues it."""
        if self._free > 0:
            self._free -= 1
            acquire.granted.set()
            return
        self._queue.append(acquire)
        if acquire.is_urgent():
            self.prioritize(acquire)

    def prioritize(self, acquire: "Acquire") -> None:
        """Moves an acquisition that has become urgent before those that are not."""
        if acquire.is_waiting:
            self._urgent.append(acquire)

    def hand_over(self, acquire: "Acquire") -> None:
        """Passes a granted acquisition on to the next in the queue; removes one that was not granted."""
        acquire.abandoned = True
        if not acquire.granted.is_set():
            return
        # It is never free in between, so that no later task overtakes the queue.
        following = self._next()
        if following:
            following.granted.set()
        else:
            self._free += 1

    def _next(self) -> "Acquire | None":
        while self._urgent:
            acquire = self._urgent.pop(0)
            if acquire.is_waiting and acquire.is_urgent():
                return acquire
        while self._queue:
            acquire = self._queue.pop(0)
            if acquire.is_waiting:
                return acquire
        return None


class Acquire:
    """One acquisition of a semaphore.

    :param is_urgent: returns whether it goes before those that are not urgent.
    """

    __slots__ = ("_semaphore", "abandoned", "granted", "is_urgent")

    def __init__(self, semaphore: PrioritySemaphore, is_urgent: "Callable[[], bool]") -> None:
        self._semaphore = semaphore
        self.is_urgent = is_urgent
        self.granted = asyncio.Event()
        #: Whether its task no longer waits for it or holds it.
        self.abandoned = False

    @property
    def is_waiting(self) -> bool:
        """Whether a task waits for it to be granted."""
        return not self.abandoned and not self.granted.is_set()

    async def __aenter__(self) -> "Acquire":
        self._semaphore.enqueue(self)
        try:
            await self.granted.wait()
        except asyncio.CancelledError:
            self._semaphore.hand_over(self)
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._semaphore.hand_over(self)
