"""Timeouts of transfers: no browser ends by itself a request that the server accepts and then leaves unanswered."""

import asyncio

from authmedia.browser.interop import settle
from authmedia.browser.javascript import window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds until the head of a response, or the next piece of a large body, has to arrive.
RESPONSE_TIMEOUT_S = 45.0
#: A body has as many seconds more as it takes at this speed.
MIN_BYTES_PER_S = 4000
#: The assumed size in bytes of a body whose length the server does not announce.
UNKNOWN_BODY_BYTES = 1_000_000


def body_timeout_s(size: float | None) -> float:
    """Returns the seconds that a body may take.

    :param size: its length in bytes; ``None`` where it is unknown.
    """
    return RESPONSE_TIMEOUT_S + (UNKNOWN_BODY_BYTES if size is None else size) / MIN_BYTES_PER_S


class TransferTimeout:
    """Aborts a transfer that takes too long, or whose awaiting task is cancelled, for ``with``.

    The timer is the browser's: one of asyncio's would cost as much as everything else that a small media takes.

    :param controller: the transfer's ``AbortController``.
    :param timeout_s: seconds until it is aborted.
    """

    __slots__ = ("_abort", "_controller", "_ms", "_timer")

    def __init__(self, controller: "Any", timeout_s: float) -> None:
        reason = window.DOMException.new(f"it took longer than {timeout_s:.0f} seconds", "TimeoutError")
        self._controller = controller
        self._abort = controller.abort.bind(controller, reason)
        self._ms = timeout_s * 1000
        self._timer = window.setTimeout(self._abort, self._ms)

    def __enter__(self) -> "TransferTimeout":
        return self

    def restart(self) -> None:
        """Restarts the timer, because data arrived."""
        window.clearTimeout(self._timer)
        self._timer = window.setTimeout(self._abort, self._ms)

    def __exit__(self, kind: "Any", *_exception: object) -> None:
        window.clearTimeout(self._timer)
        if kind and issubclass(kind, asyncio.CancelledError):
            self._controller.abort()


async def settle_within(promise: "Any", controller: "Any", timeout_s: float) -> "Any":
    """Awaits a promise; on cancellation and on timeout it aborts the controller.

    :param timeout_s: seconds until the controller is aborted.
    :raises BrowserError: if the promise is rejected or takes too long.
    """
    with TransferTimeout(controller, timeout_s):
        return await settle(promise)


async def settle_or_abort(promise: "Any", controller: "Any") -> "Any":
    """Awaits a promise; on cancellation it aborts the controller.

    :raises BrowserError: if the promise is rejected.
    """
    try:
        return await settle(promise)
    except asyncio.CancelledError:
        controller.abort()
        raise
