"""What can wait a moment, done a little at a time, so that people need not wait for all of it."""

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Leisure:
    """Does one small thing after another, and between them lets the browser answer people and paint.

    Whoever has one closes it.
    """

    __slots__ = ("_task", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, work: "Callable[[], None]") -> None:
        """Has something done once what was added before is done."""
        self._waiting.append(work)
        if not self._task:
            self._task = browser.create_task(self._run())

    def close(self) -> None:
        """Leaves undone what is left."""
        self._waiting = []
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await browser.yield_to_browser()
                if self._waiting:
                    self._waiting.pop(0)()
        finally:  # where one of them failed, which the page is told, the others are still done
            self._task = browser.create_task(self._run()) if self._waiting else None
