"""A queue of small pieces of work between which the browser handles input and paints.

Compare https://developer.mozilla.org/docs/Web/API/Window/requestIdleCallback, which Safari lacks.
"""

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class IdleQueue:
    """Calls functions one after another, and yields to the browser between them. The owner closes it."""

    __slots__ = ("_task", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Callable[[], bool | None]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, work: "Callable[[], bool | None]") -> None:
        """Adds a function at the end of the queue.

        :param work: called again, before the others, as long as it returns ``True``.
        """
        self._waiting.append(work)
        if not self._task:
            self._task = browser.create_task(self._run())

    def close(self) -> None:
        """Drops what was not called yet."""
        self._waiting = []
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await browser.yield_to_browser()
                if self._waiting:
                    work = self._waiting.pop(0)
                    if work():
                        self._waiting.insert(0, work)
        finally:  # when a function raises, which is reported as unhandled, the others are called all the same
            self._task = browser.create_task(self._run()) if self._waiting else None
