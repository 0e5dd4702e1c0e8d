"""Leaves a homeserver alone for as long as it asked, and has all who come meanwhile go together afterwards."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError

# No answer is heeded for longer.
LONGEST_S = 20.0
# Those who were told to wait come back spread over so much more of that time; what they need together, a little later.
SPREAD = 0.1
_LONGER = 1 + SPREAD + 0.05


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
            wait_ms = min(failure.retry_after_s, LONGEST_S) * _LONGER * 1000
            self._until_ms = max(self._until_ms, browser.now_ms() + wait_ms)

    async def over(self) -> None:
        """Waits until it is over; at once where there is none."""
        left_ms = self._until_ms - browser.now_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000)
