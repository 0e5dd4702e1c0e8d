"""Limits how many elements load at a time: each load in progress costs more than one that waits."""

import asyncio

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# When no load has ended for so many seconds, others start all the same.
_STALL_S = 2.0


class LoadScheduler:
    """Starts up to ``limit`` loads, and the others in the order of their arrival as those end.

    It blocks nothing: an urgent load starts at once, and while those in progress stall, others start beside them.

    :param limit: how many loads are in progress at a time.
    :param batch_size: how many start together later on, because requests in one batch are cheaper.
    """

    __slots__ = (
        "_batch_size",
        "_dispatcher",
        "_ended",
        "_extra",
        "_free",
        "_has_room",
        "_stalled",
        "_started",
        "_waiting",
    )

    def __init__(self, limit: int, batch_size: int) -> None:
        self._free = limit
        # How many slots beyond the limit were made beside stalled loads, whose end takes them back.
        self._extra = 0
        # How many loads were started so far, and how many when the last extra slots were made.
        self._started = self._stalled = 0
        self._batch_size = batch_size
        self._waiting: list[Slot] = []
        self._ended = 0
        self._has_room = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    def add(self, start: "Callable[[], None]", urgent: bool) -> "Slot":
        """Adds a load; returns its slot, which the caller ends when the load ended or is not wanted any more.

        :param start: called now or later, to start the load.
        :param urgent: whether it starts now in any case.
        """
        slot = Slot(self, start)
        if urgent or (self._free > 0 and not self._dispatcher):
            self.admit(slot)
            return slot
        self._waiting.append(slot)
        if not self._dispatcher:
            self._dispatcher = browser.create_task(self._dispatch())
        return slot

    def close(self) -> None:
        """Drops the waiting loads."""
        self._waiting = []
        if self._dispatcher:
            self._dispatcher.cancel()

    def admit(self, slot: "Slot") -> None:
        """Starts a load, whether there is room or not."""
        self._free -= 1
        self._started += 1
        slot.number = self._started
        slot.started = True
        slot.start()

    def free(self, slot: "Slot") -> None:
        """Frees the slot of a load that has ended."""
        if self._extra and slot.number <= self._stalled:
            self._extra -= 1
        else:
            self._free += 1
        self._ended += 1
        if self._free >= min(self._batch_size, len(self._waiting)):
            self._has_room.set()

    async def _dispatch(self) -> None:
        # In a task, so that when many elements leave in one turn of the event loop none of them starts in between.
        try:
            while self._waiting:
                await self._wait_for_room()
                while self._waiting and self._free > 0:
                    slot = self._waiting.pop(0)
                    if slot.is_waiting:
                        self.admit(slot)
        finally:
            self._dispatcher = None

    async def _wait_for_room(self) -> None:
        """Waits until a batch fits, and makes extra slots when no load has ended for a while."""
        while self._free < min(self._batch_size, len(self._waiting)):
            self._has_room.clear()
            before = self._ended
            try:
                await asyncio.wait_for(self._has_room.wait(), _STALL_S)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
                if self._ended == before:
                    self._stalled = self._started
                    self._extra += self._batch_size - self._free
                    self._free = self._batch_size


class Slot:
    """The place of one load in a scheduler.

    :param start: starts the load.
    """

    __slots__ = ("_scheduler", "ended", "number", "start", "started")

    def __init__(self, scheduler: LoadScheduler, start: "Callable[[], None]") -> None:
        self._scheduler = scheduler
        self.start = start
        #: Whether the load was started, and whether it has ended or is not wanted any more.
        self.started = self.ended = False
        #: Which it is of the loads that were started.
        self.number = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the load is wanted and not started yet."""
        return not self.ended and not self.started

    def start_now(self) -> None:
        """Starts a waiting load, because it has become urgent."""
        if self.is_waiting:
            self._scheduler.admit(self)

    def end(self) -> None:
        """Marks the load as ended, or as not wanted any more."""
        if self.ended:
            return
        self.ended = True
        if self.started:
            self._scheduler.free(self)
