"""Limits of bytes sent and of requests in flight. Each raises ``LimitReached``, which the server answers with 429."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

_HOUR_MS = 3_600_000
# Sessions that received something of late. Of those, the one that received nothing for longest is forgotten first.
_MAX_SESSIONS = 100_000
# By then, a response that the client reads at the pace of a network has ended.
_IN_FLIGHT_RETRY_AFTER_MS = 1000


class LimitReached(Exception):
    """A limit is reached; the response is 429.

    :param retry_after_ms: after this time the request may succeed.
    """

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(retry_after_ms)
        self.retry_after_ms = retry_after_ms


class ByteBudget:
    """Counts the bytes of each session in a leaky bucket, which drains at a constant rate.

    A link grants one media as often as it is requested, so that whoever has a copy of it could make the server send
    without end. What is about to be sent is counted before, so that concurrent requests cannot exceed the budget
    together by more than one media.

    :param now_ms: returns the time, in milliseconds.
    :param bytes_per_hour: how much a session may receive at once, and how much of that drains in an hour; 0 for no
        limit.
    """

    def __init__(self, now_ms: Callable[[], int], bytes_per_hour: int) -> None:
        self._now_ms = now_ms
        self._capacity = bytes_per_hour
        #: The bytes in each bucket, and when that was computed. The latest entry is the last.
        self._levels: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def spend(self, session: Hashable, size: int) -> None:
        """Counts bytes that are about to be sent.

        :raises LimitReached: if the session's budget is spent.
        """
        if not self._capacity:
            return
        level = self._level(session)
        if level >= self._capacity:
            excess_ms = (level - self._capacity) * _HOUR_MS / self._capacity
            raise LimitReached(math.floor(excess_ms) + 1000)
        self._set(session, level + size)

    def refund(self, session: Hashable, size: int) -> None:
        """Discounts bytes that were counted and not sent."""
        if self._capacity and size:
            self._set(session, max(0, self._level(session) - size))

    def _level(self, session: Hashable) -> float:
        level, since_ms = self._levels.get(session, (0.0, 0))
        return max(0.0, level - (self._now_ms() - since_ms) * self._capacity / _HOUR_MS)

    def _set(self, session: Hashable, level: float) -> None:
        self._levels[session] = level, self._now_ms()
        self._levels.move_to_end(session)
        oldest = next(iter(self._levels))
        if len(self._levels) > _MAX_SESSIONS or not self._level(oldest):
            del self._levels[oldest]


class ConcurrencyLimit:
    """Counts requests in flight, per user and in total.

    A rate limit bounds how often a request may begin. If the client reads slowly or not at all, a request holds memory
    for as long as it lasts, so the number of requests in flight is bounded too.

    :param per_user: how many requests of one user are answered at a time.
    :param total: how many requests of all users are answered at a time.
    """

    def __init__(self, per_user: int, total: int) -> None:
        self._per_user = per_user
        self._total = total
        self._in_flight: Counter[str] = Counter()

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Counts one request as in flight for the duration of a ``with`` block.

        :raises LimitReached: if too many requests are in flight.
        """
        if self._in_flight.get(user_id, 0) >= self._per_user or self._in_flight.total() >= self._total:
            raise LimitReached(_IN_FLIGHT_RETRY_AFTER_MS)
        self._in_flight[user_id] += 1
        try:
            yield
        finally:
            self._in_flight[user_id] -= 1
            if not self._in_flight[user_id]:
                del self._in_flight[user_id]
