"""Tunes MicroPython's event loop, whose timers cost more than the tasks that they run; CPython's stays as it is.

For each task that becomes ready, MicroPython 1.27 clears and sets a timer, also while it runs tasks: by six calls into
JavaScript. Browsers delay timers that set each other by 4 ms:
https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#timers
"""

import sys
import time

from authmedia.browser import primitives
from authmedia.browser.javascript import ffi, window
from authmedia.browser.page import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Makes `Date.now` the page's monotonic clock, from the present time on.
_MONOTONIC_DATE_NOW = """{
  const origin = Date.now() - performance.now();
  Date.now = () => Math.floor(origin + performance.now());
}"""


class _Scheduler:
    """Has the browser run the tasks that are ready: at once by a message, later by the one timer.

    :param core: the module ``asyncio.core``.
    """

    __slots__ = ("_callback", "_core", "_is_due", "_is_running", "_run_iter")

    def __init__(self, core: "Any") -> None:
        self._core = core
        self._run_iter = core._run_iter
        # Whether `_run` is called as soon as the browser comes to it, and whether it is called at this moment.
        self._is_due = self._is_running = False
        self._callback = ffi.create_proxy(self._run)
        core._schedule_run_iter = self._schedule  # which `_run_iter` calls
        waiting, core._task_queue = core._task_queue, core.TaskQueue(self._schedule)
        while waiting.peek():
            core._task_queue.push(waiting.pop())

    def _schedule(self, delay_ms: int) -> None:
        if not self._is_running and not self._is_due:
            self._is_due = delay_ms <= 0
            primitives.run_later(self._callback, delay_ms)

    def _run(self, *_event: object) -> None:
        self._is_due, self._is_running = False, True
        try:
            self._run_iter()
        finally:
            self._is_running = False
            task = self._core._task_queue.peek()
            if task:
                self._schedule(max(0, self._core.ticks_diff(task.ph_key, self._core.ticks())))


def _make_monotonic(ticks: "Any") -> None:
    """Keeps the event loop running when the device's clock is set.

    Its ticks are those of ``Date.now``: with a clock that is set back by an hour, whatever waits or is in the queue at
    that moment would wait for an hour.
    """
    before = now_ms()
    if before - 2 < ticks() < now_ms() + 2:  # a page whose ticks are monotonic already, however busy the device is
        return
    # A text that the browser runs. Where a Content-Security-Policy forbids that, the console says so; an exception of
    # `Function`, which MicroPython cannot catch, would end the import.
    window.setTimeout(_MONOTONIC_DATE_NOW)


def _tune() -> None:
    ticks: Any = getattr(time, "ticks_ms", None)
    if ticks is None:  # CPython
        return
    _make_monotonic(ticks)
    core: Any = sys.modules.get("asyncio.core") or __import__("asyncio.core", None, None, ("core",))
    if hasattr(core, "_run_iter"):
        _Scheduler(core)


_tune()
