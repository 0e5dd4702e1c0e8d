"""Limits how often each user requests something: a token bucket (https://en.wikipedia.org/wiki/Token_bucket)."""

import time
from collections import OrderedDict

from .errors import limit_exceeded

_MAX_USERS = 10_000


class RateLimit:
    """Counts the requests of each user.

    :param per_second: how many are allowed in the long run.
    :param burst: how many are allowed at once.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        #: How many requests each user may still send, and when that was computed. The latest entry is the last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, user_id: str) -> None:
        """Counts one request.

        :raises MatrixError: 429 with ``retry_after_ms`` beyond the limit.
        """
        now = time.monotonic()
        left, since = self._buckets.get(user_id, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._per_second)
        if left < 1:
            raise limit_exceeded(int((1 - left) / self._per_second * 1000) + 1)
        self._buckets[user_id] = left - 1, now
        self._buckets.move_to_end(user_id)
        if len(self._buckets) > _MAX_USERS:
            self._buckets.popitem(last=False)
