"""A limit on how many do something at a time, and who of the others is next."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Gate:
    """Lets at most ``limit`` through at a time: what is urgent first, then first come first served.

    However many wait, it looks at none but those whose turn it may be.

    :param together: how many places must be free before those who wait get any, for what is cheaper done together.
    """

    __slots__ = ("_free", "_queue", "_together", "_urgent")

    def __init__(self, limit: int, together: int = 1) -> None:
        self._free = limit
        self._together = together
        self._queue: list[Turn] = []
        self._urgent: list[Turn] = []

    def turn(self, urgent: "Callable[[], bool]") -> "Turn":
        """A place in the queue.

        :param urgent: asked when it is put into the queue, and when it would go before others.
        """
        return Turn(self, urgent)

    def enter(self, turn: "Turn") -> None:
        """Lets a turn through, or has it wait."""
        if self._free and not self._queue:
            self._let_in(turn)
            return
        self._queue.append(turn)
        if turn.urgent():
            self.hurry(turn)

    def hurry(self, turn: "Turn") -> None:
        """Lets a turn that has become urgent go before those that are not."""
        if not turn.waits:
            return
        self._urgent.append(turn)
        self._let_next_in()

    def leave(self, turn: "Turn") -> None:
        """Gives a turn's place to others; a turn that has not come leaves the queue."""
        if turn.gone:
            return
        turn.gone = True
        if turn.came:
            self._free += 1
            self._let_next_in()

    def _let_in(self, turn: "Turn") -> None:
        self._free -= 1
        turn.come()

    def _let_next_in(self) -> None:
        while self._free and self._urgent:
            turn = self._urgent.pop(0)
            if turn.waits and turn.urgent():
                self._let_in(turn)
        if self._free < self._together:
            return
        while self._free and self._queue:
            turn = self._queue.pop(0)
            if turn.waits:
                self._let_in(turn)


class Turn:
    """One place in a gate's queue: for ``async with``, or for whoever is called when it comes and leaves by itself."""

    __slots__ = ("_gate", "_on_come", "came", "gone", "urgent")

    def __init__(self, gate: Gate, urgent: "Callable[[], bool]") -> None:
        self._gate = gate
        self._on_come: Callable[[], object] | None = None
        self.urgent = urgent
        #: Whether it has come, and whether nobody waits for it or needs it any more.
        self.came = self.gone = False

    @property
    def waits(self) -> bool:
        """Whether it has yet to come, and somebody waits for it."""
        return not self.gone and not self.came

    def take(self, on_come: "Callable[[], object]") -> None:
        """Has ``on_come`` called once it comes, which may be at once."""
        self._on_come = on_come
        self._gate.enter(self)

    def come(self) -> None:
        """Tells whoever took it."""
        self.came = True
        if self._on_come:
            self._on_come()

    def hurry(self) -> None:
        """Takes note that it has become urgent."""
        self._gate.hurry(self)

    def leave(self) -> None:
        """Gives its place to others."""
        self._gate.leave(self)

    async def __aenter__(self) -> "Turn":
        come = asyncio.Event()
        self.take(come.set)
        try:
            await come.wait()
        except asyncio.CancelledError:
            self.leave()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.leave()
