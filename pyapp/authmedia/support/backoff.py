"""Retry delays: the server's ``Retry-After``, else exponential backoff with jitter."""

import asyncio
import random

from authmedia.errors import AuthMediaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: How often a temporary failure is tried in all; retries without a delay do not count.
MAX_ATTEMPTS = 4
#: The delay before the first retry in seconds, where the server names none.
FIRST_DELAY_S = 0.3
#: Longer than this, in seconds, no `Retry-After` is respected.
MAX_DELAY_S = 20.0
# By this part of the delay single requests are spread; a batch waits a little longer than all of them.
_JITTER = 0.1
_BATCH_FACTOR = 1 + _JITTER + 0.05


def retry_delay_s(
    attempt: int,
    retry_after_s: float | None,
    first_delay_s: float = FIRST_DELAY_S,
    max_delay_s: float = MAX_DELAY_S,
) -> float:
    """Returns the seconds before the next attempt.

    :param attempt: how many attempts failed, less one.
    :param retry_after_s: what the server asked for in seconds; ``None`` doubles the delay at each attempt.
    """
    if retry_after_s is not None:
        return min(retry_after_s, max_delay_s) * (1 + _JITTER * random.random())
    return min(float(first_delay_s * 2**attempt * (0.5 + random.random())), max_delay_s)


def next_delay_s(error: AuthMediaError, failed: int) -> float | None:
    """Returns the seconds before the next attempt; ``None`` if there is to be none. See `RetryPolicy.next_delay_s`."""
    if failed >= MAX_ATTEMPTS or not error.temporary:
        return None
    return retry_delay_s(failed - 1, error.retry_after_s)


class RateLimitBackoff:
    """Delays the next batch of requests for as long as the server asked for by a 429.

    Without it, each media of a refused batch would be retried by a request of its own.

    :param now_ms: the clock, in milliseconds.
    """

    __slots__ = ("_now_ms", "_until_ms", "max_delay_s")

    def __init__(self, now_ms: "Callable[[], float]") -> None:
        self._now_ms = now_ms
        self._until_ms = 0.0
        self.max_delay_s = MAX_DELAY_S

    def record(self, failure: AuthMediaError) -> None:
        """Starts the delay, if the failure has a ``retry_after_s``."""
        if failure.retry_after_s is not None:
            wait_ms = min(failure.retry_after_s, self.max_delay_s) * _BATCH_FACTOR * 1000
            self._until_ms = max(self._until_ms, self._now_ms() + wait_ms)

    async def wait(self) -> None:
        """Waits until the delay is over; returns at once where there is none."""
        left_ms = self._until_ms - self._now_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000)
