"""Limits how many bytes of media a session receives by URLs that need no access token."""

import math
from collections import OrderedDict

from synapse.api.errors import LimitExceededError
from synapse.util.clock import Clock

from .sessions import Session

_HOUR_MS = 3_600_000
# Sessions that received something of late. Of those, the one that received nothing for longest is forgotten first.
_MAX_SESSIONS = 100_000


class ByteBudget:
    """Counts the bytes of each session in a leaky bucket, which drains at a constant rate.

    A link grants one media as often as it is requested, so that whoever has a copy of it could make the server send
    without end. What is about to be sent is counted before, so that concurrent requests cannot exceed the budget
    together by more than one media.

    :param bytes_per_hour: how much a session may receive at once, and how much of that drains in an hour; 0 for no
        limit.
    """

    def __init__(self, clock: Clock, bytes_per_hour: int) -> None:
        self._clock = clock
        self._capacity = bytes_per_hour
        #: The bytes in each bucket, and when that was computed. The latest entry is the last.
        self._levels: OrderedDict[Session, tuple[float, int]] = OrderedDict()

    def spend(self, session: Session, size: int) -> None:
        """Counts bytes that are about to be sent.

        :raises LimitExceededError: 429 with ``Retry-After`` if the session's budget is spent.
        """
        if not self._capacity:
            return
        level = self._level(session)
        if level >= self._capacity:
            excess_ms = (level - self._capacity) * _HOUR_MS / self._capacity
            raise LimitExceededError("media_links_bytes", retry_after_ms=math.floor(excess_ms) + 1000)
        self._set(session, level + size)

    def refund(self, session: Session, size: int) -> None:
        """Discounts bytes that were counted and not sent."""
        if self._capacity and size:
            self._set(session, max(0, self._level(session) - size))

    def _level(self, session: Session) -> float:
        level, since_ms = self._levels.get(session, (0.0, 0))
        return max(0.0, level - (self._clock.time_msec() - since_ms) * self._capacity / _HOUR_MS)

    def _set(self, session: Session, level: float) -> None:
        self._levels[session] = level, self._clock.time_msec()
        self._levels.move_to_end(session)
        oldest = next(iter(self._levels))
        if len(self._levels) > _MAX_SESSIONS or not self._level(oldest):
            del self._levels[oldest]
