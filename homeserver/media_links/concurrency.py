"""Bounds how many requests of one kind a process answers at a time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from synapse.api.errors import LimitExceededError

# Long enough for an answer that is read at the pace of a network to have ended.
_RETRY_AFTER_MS = 1000


class ConcurrencyLimit:
    """Counts requests in flight, for each user and in all.

    A rate limit says how often a request may begin. Where its client reads slowly, or not at all, each request holds
    memory for as long as it lasts, so their number has to be bounded too.

    :param name: names the limit in Synapse's log.
    :param for_each_user: how many requests of one user are answered at a time.
    :param in_all: how many requests of all users are.
    """

    def __init__(self, name: str, for_each_user: int, in_all: int) -> None:
        self._name = name
        self._for_each_user = for_each_user
        self._in_all = in_all
        self._in_flight: Counter[str] = Counter()

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Counts a request for the time of a ``with`` block.

        :raises LimitExceededError: 429 with ``retry_after_ms`` where there are too many.
        """
        if self._in_flight.get(user_id, 0) >= self._for_each_user or self._in_flight.total() >= self._in_all:
            raise LimitExceededError(self._name, retry_after_ms=_RETRY_AFTER_MS)
        self._in_flight[user_id] += 1
        try:
            yield
        finally:
            self._in_flight[user_id] -= 1
            if not self._in_flight[user_id]:
                del self._in_flight[user_id]
