"""Limits how many requests of one kind a process answers at a time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from synapse.api.errors import LimitExceededError

# By then, a response that the client reads at the pace of a network has ended.
_RETRY_AFTER_MS = 1000


class ConcurrencyLimit:
    """Counts requests in flight, per user and in total.

    A rate limit bounds how often a request may begin. If the client reads slowly or not at all, a request holds memory
    for as long as it lasts, so the number of requests in flight is bounded too.

    :param name: of the limit, in Synapse's log.
    :param per_user: how many requests of one user are answered at a time.
    :param total: how many requests of all users are answered at a time.
    """

    def __init__(self, name: str, per_user: int, total: int) -> None:
        self._name = name
        self._per_user = per_user
        self._total = total
        self._in_flight: Counter[str] = Counter()

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Counts one request as in flight for the duration of a ``with`` block.

        :raises LimitExceededError: 429 with ``retry_after_ms`` if too many requests are in flight.
        """
        if self._in_flight.get(user_id, 0) >= self._per_user or self._in_flight.total() >= self._total:
            raise LimitExceededError(self._name, retry_after_ms=_RETRY_AFTER_MS)
        self._in_flight[user_id] += 1
        try:
            yield
        finally:
            self._in_flight[user_id] -= 1
            if not self._in_flight[user_id]:
                del self._in_flight[user_id]
