"""A cache whose values expire, and are computed once however many tasks request them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

_MAX_ENTRIES = 10_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TimeLimitedCache(Generic[Key, Value]):
    """Keeps values for a fixed time. Errors are not kept.

    :param lifetime_ms: how long a value is kept from when it was requested.
    """

    def __init__(self, lifetime_ms: int) -> None:
        self._lifetime_s = lifetime_ms / 1000
        self._entries: OrderedDict[Key, tuple[Value, float]] = OrderedDict()
        self._pending: dict[Key, asyncio.Task[Value]] = {}

    def peek(self, key: Key) -> Value | None:
        """Returns a value that is kept and has not expired."""
        value, expires = self._entries.get(key, (None, 0.0))
        return value if time.monotonic() < expires else None

    def set(self, key: Key, value: Value, since: float | None = None) -> None:
        """Keeps a value.

        :param since: when it was requested (``time.monotonic``); now by default.
        """
        self._entries[key] = value, (time.monotonic() if since is None else since) + self._lifetime_s
        self._entries.move_to_end(key)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def discard(self, condition: Callable[[Key], bool]) -> None:
        """Forgets the values of all keys that meet a condition."""
        for key in [key for key in self._entries if condition(key)]:
            del self._entries[key]

    async def get(self, key: Key, compute: Callable[[], Awaitable[Value]]) -> Value:
        """Returns the value that is kept, or computes it. A task that is cancelled cancels no other one's wait."""
        kept = self.peek(key)
        if kept is not None:
            return kept
        task = self._pending.get(key)
        if task is None:
            task = self._pending[key] = asyncio.ensure_future(self._compute(key, compute))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _compute(self, key: Key, compute: Callable[[], Awaitable[Value]]) -> Value:
        since = time.monotonic()
        try:
            value = await compute()
            self.set(key, value, since)
            return value
        finally:
            del self._pending[key]
