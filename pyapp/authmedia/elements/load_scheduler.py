"""Has many things begin, though not all at once: each that is on its way costs more than one that waits."""

import asyncio

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Where none has ended for so long, in seconds, others begin all the same.
_PATIENCE_S = 2.0


class Crowd:
    """Of all who join, ``limit`` begin; the others follow, first come first served, as those end.

    It keeps nobody from anything: what is urgent begins at once, and where those that are on their way stand still,
    others begin beside them.

    Whoever has one closes it.

    :param limit: how many are on their way at a time.
    :param together: how many begin together later on, for what is cheaper asked for together.
    """

    __slots__ = ("_begun", "_ended", "_enough", "_free", "_lent", "_still", "_together", "_usher", "_waiting")

    def __init__(self, limit: int, together: int) -> None:
        self._free = limit
        #: Places beyond the limit, made beside those that stand still, which are taken back from these.
        self._lent = 0
        #: How many have begun, and how many had when places were last lent.
        self._begun = self._still = 0
        self._together = together
        self._waiting: list[Place] = []
        self._ended = 0
        self._enough = asyncio.Event()
        self._usher: asyncio.Task[None] | None = None

    def join(self, begin: "Callable[[], None]", urgent: bool) -> "Place":
        """Has ``begin`` called, now or later; whoever began, or does not want to any more, leaves the place."""
        place = Place(self, begin)
        if urgent or (self._free > 0 and not self._usher):
            self.let_in(place)
            return place
        self._waiting.append(place)
        if not self._usher:
            self._usher = browser.create_task(self._let_others_in())
        return place

    def close(self) -> None:
        """Has none begin any more."""
        self._waiting = []
        if self._usher:
            self._usher.cancel()

    def let_in(self, place: "Place") -> None:
        """Has one begin, whether there is room or not."""
        self._free -= 1
        self._begun += 1
        place.number = self._begun
        place.came = True
        place.begin()

    def give_back(self, place: "Place") -> None:
        """One has ended."""
        if self._lent and place.number <= self._still:
            self._lent -= 1
        else:
            self._free += 1
        self._ended += 1
        if self._free >= min(self._together, len(self._waiting)):
            self._enough.set()

    async def _let_others_in(self) -> None:
        # A task of its own, so that of many that leave in one turn of the event loop none begins.
        try:
            while self._waiting:
                await self._room()
                while self._waiting and self._free > 0:
                    place = self._waiting.pop(0)
                    if place.waits:
                        self.let_in(place)
        finally:
            self._usher = None

    async def _room(self) -> None:
        """Waits until there is enough room, and makes some where none has ended for a while."""
        while self._free < min(self._together, len(self._waiting)):
            self._enough.clear()
            before = self._ended
            try:
                await asyncio.wait_for(self._enough.wait(), _PATIENCE_S)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
                if self._ended == before:
                    self._still = self._begun
                    self._lent += self._together - self._free
                    self._free = self._together


class Place:
    """One who joined a crowd."""

    __slots__ = ("_crowd", "begin", "came", "gone", "number")

    def __init__(self, crowd: Crowd, begin: "Callable[[], None]") -> None:
        self._crowd = crowd
        self.begin = begin
        #: Whether it has begun, and whether it has ended or is not wanted any more.
        self.came = self.gone = False
        #: Which it is of those that have begun.
        self.number = 0

    @property
    def waits(self) -> bool:
        """Whether it has yet to begin, and is wanted."""
        return not self.gone and not self.came

    def hurry(self) -> None:
        """Begins now, for it has become urgent."""
        if self.waits:
            self._crowd.let_in(self)

    def leave(self) -> None:
        """It has ended, or is not wanted any more."""
        if self.gone:
            return
        self.gone = True
        if self.came:
            self._crowd.give_back(self)
