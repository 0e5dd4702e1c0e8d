"""Leaves a homeserver alone for as long as it asked, and has all who come meanwhile go together afterwards."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError

# A little longer than those wait who were told so: the pipeline spreads them over a tenth of that time.
_LONGER = 1.15
_LONGEST_S = 20.0


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
