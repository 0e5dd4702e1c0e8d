"""Sets the source of an element and waits for what becomes of it, by one call of JavaScript and one of Python."""

import asyncio

from authmedia.browser import primitives
from authmedia.browser.javascript import ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What is reported in place of an event.
TIMED_OUT, WAITS_FOR_PLAY = "timeout", "pause"


class _Showing:
    """One call in progress."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.outcome = ""


# The calls in progress by their numbers, and the callback of all of them, which lives as long as the page.
_showings: "dict[int, _Showing]" = {}
_last_number = 0
_callback: "Any" = None


async def show(
    js: "Any", src: str, success_event: str, crossorigin: str = "", play: bool = False, timeout_s: float = 0.0
) -> str:
    """Sets an element's source; returns the type of the event that fired, ``success_event`` or ``error``.

    :param js: the browser's element.
    :param timeout_s: the seconds after which it returns `TIMED_OUT`; 0 for none.
    :returns: `WAITS_FOR_PLAY` for a player that loads no further before its user starts it.
    """
    global _last_number, _callback
    _last_number += 1
    number, showing = _last_number, _Showing()
    _showings[number] = showing
    _callback = _callback or ffi.create_proxy(_on_ended)
    primitives.show(js, src, success_event, crossorigin, play, timeout_s * 1000, number, _callback)
    try:
        await showing.ended.wait()
    finally:
        if _showings.pop(number, None):  # it is cancelled
            primitives.stop_showing(number)
    return showing.outcome


def _on_ended(number: "Any", outcome: "Any") -> None:
    showing = _showings.pop(int(number), None)
    if showing:
        showing.outcome = str(outcome)
        showing.ended.set()
