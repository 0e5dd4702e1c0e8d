"""A limit on how many do something at a time, and who of the others is next."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Gate:
    """Lets at most ``limit`` through at a time: what is urgent first, then first come first served.

    However many wait, it looks at none but those whose turn it may be.
    """

    __slots__ = ("_free", "_queue", "_urgent")

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._queue: list[Turn] = []
        self._urgent: list[Turn] = []

    def turn(self, urgent: "Callable[[], bool]") -> "Turn":
        """A place in the queue, for ``async with``.

        :param urgent: asked when it is put into the queue, and when it would go before others.
        """
        return Turn(self, urgent)

    def enter(self, turn: "Turn") -> None:
        """Lets a turn through, or has it wait."""
        if self._free > 0:
            self._free -= 1
            turn.come.set()
            return
        self._queue.append(turn)
        if turn.urgent():
            self.hurry(turn)

    def hurry(self, turn: "Turn") -> None:
        """Lets a turn that has become urgent go before those that are not."""
        if turn.waits:
            self._urgent.append(turn)

    def leave(self, turn: "Turn") -> None:
        """Gives a turn's place to the next; a turn that has not come leaves the queue."""
        turn.gone = True
        if not turn.come.is_set():
            return
        # The place goes to the next one; it is never free in between.
        following = self._next()
        if following:
            following.come.set()
        else:
            self._free += 1

    def _next(self) -> "Turn | None":
        while self._urgent:
            turn = self._urgent.pop(0)
            if turn.waits and turn.urgent():
                return turn
        while self._queue:
            turn = self._queue.pop(0)
            if turn.waits:
                return turn
        return None


class Turn:
    """One place in a gate's queue."""

    __slots__ = ("_gate", "come", "gone", "urgent")

    def __init__(self, gate: Gate, urgent: "Callable[[], bool]") -> None:
        self._gate = gate
        self.urgent = urgent
        self.come = asyncio.Event()
        #: Whether nobody waits for it or needs it any more.
        self.gone = False

    @property
    def waits(self) -> bool:
        """Whether it has yet to come, and somebody waits for it."""
        return not self.gone and not self.come.is_set()

    async def __aenter__(self) -> "Turn":
        self._gate.enter(self)
        try:
            await self.come.wait()
        except asyncio.CancelledError:
            self._gate.leave(self)
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._gate.leave(self)
