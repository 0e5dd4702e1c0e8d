"""How long a homeserver is left alone before it is asked again: for as long as it asked, or by our own measure."""

import asyncio
import random

from authmedia import browser
from authmedia.errors import AuthMediaError

#: How often what may go well later is tried, what is tried again at once not counted.
TRIES = 4
_FIRST_S = 0.3
# No answer is heeded for longer.
_LONGEST_S = 20.0
# Those who were told to wait come back spread over so much more of that time; what they need together, a little later.
_SPREAD = 0.1
_LONGER = 1 + _SPREAD + 0.05


def delay_s(attempt: int, retry_after_s: float | None) -> float:
    """Seconds before the next try: what the server asked for, else doubling, with jitter so that a crowd spreads.

    :param attempt: how many tries there were, less one.
    """
    if retry_after_s is not None:
        return min(retry_after_s, _LONGEST_S) * (1 + _SPREAD * random.random())
    return float(_FIRST_S * 2**attempt * (0.5 + random.random()))


class Pause:
    """What a homeserver that says "too many requests" is given, by those who ask for many media in one request.

    Without it, each media of a batch that was refused would come back by itself.
    """

    __slots__ = ("_until_ms",)

    def __init__(self) -> None:
        self._until_ms = 0.0

    def note(self, failure: AuthMediaError) -> None:
        """Begins, if the homeserver said how long to wait."""
        if failure.retry_after_s is not None:
            wait_ms = min(failure.retry_after_s, _LONGEST_S) * _LONGER * 1000
            self._until_ms = max(self._until_ms, browser.now_ms() + wait_ms)

    async def over(self) -> None:
        """Waits until it is over; at once where there is none."""
        left_ms = self._until_ms - browser.now_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000)
