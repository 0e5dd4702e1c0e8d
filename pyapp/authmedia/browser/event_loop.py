"""Tunes MicroPython's event loop, whose timers and clock cost more than the tasks that they run; CPython's stays.

For each task that becomes ready, MicroPython clears and sets a timer, also while it runs tasks: by six calls into
JavaScript. Browsers delay timers that set each other by 4 ms:
https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#timers

It reads the clock, by a call into JavaScript, whenever a task is created, waits for an event, is woken, and runs. Here
many of these share one reading, which sorts tasks as well: those of equal time run in the order in which they were
queued. A reading is used while tasks follow each other without a pause, and no more than `_READINGS_SHARED` times; the
time for which a task sleeps is added to a new one.
"""

import sys
import time

from authmedia.browser import primitives
from authmedia.browser.javascript import ffi, window
from authmedia.browser.page import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

# Makes `Date.now` the page's monotonic clock, from the present time on.
_MONOTONIC_DATE_NOW = """{
  const origin = Date.now() - performance.now();
  Date.now = () => Math.floor(origin + performance.now());
}"""


# How often one reading of the clock is used.
_READINGS_SHARED = 32


class _Scheduler:
    """Has the browser run the tasks that are ready: at once by a message, later by the one timer.

    :param core: the module ``asyncio.core``.
    """

    __slots__ = (
        "_callback",
        "_core",
        "_is_due",
        "_is_running",
        "_now",
        "_read_clock",
        "_run_iter",
        "_shared",
        "_timer_key",
    )

    def __init__(self, core: "Any") -> None:
        self._core = core
        self._run_iter = core._run_iter
        # Whether `_run` is called as soon as the browser comes to it, and whether it is called at this moment.
        self._is_due = self._is_running = False
        # The time for which the timer is set, as tasks have it; `None` while it is not.
        self._timer_key: int | None = None
        # The last reading of the clock, and how often it may still be used.
        self._now, self._shared = 0, 0
        self._read_clock: Callable[[], int] = core.ticks
        self._callback = ffi.create_proxy(self._run)
        core._schedule_run_iter = self._schedule  # which `_run_iter` calls
        waiting, core._task_queue = core._task_queue, core.TaskQueue(self._schedule)
        while waiting.peek():
            core._task_queue.push(waiting.pop())

    def ticks(self) -> int:
        """Returns the time in milliseconds, in place of ``asyncio.core.ticks``."""
        if self._shared <= 0:
            self._now, self._shared = self._read_clock(), _READINGS_SHARED
        self._shared -= 1
        return self._now

    def read_again(self) -> None:
        """Has the next call of `ticks` read the clock."""
        self._shared = 0

    def push(self, task: "Any") -> None:
        """Queues a task that is ready."""
        self._core._task_queue.push(task, self.ticks())

    def _schedule(self, delay_ms: int) -> None:
        if self._is_running or self._is_due:
            return
        self._is_due = delay_ms <= 0
        if not self._is_due:
            self._timer_key = self._core._task_queue.peek().ph_key
        primitives.run_later(self._callback, delay_ms)

    def _run(self, by_timer: bool) -> None:
        if by_timer:
            self._timer_key = None
        else:
            self._is_due = False
        self._is_running = True
        delay_ms: int | None = 0
        try:
            while delay_ms == 0:
                self._run_iter()
                delay_ms = self._next_delay_ms()
        finally:
            self._is_running = False
            self.read_again()
            if delay_ms is not None:
                self._schedule(delay_ms)

    def _next_delay_ms(self) -> int | None:
        """Returns for how long no task is ready; ``None`` where there is none, or the timer is set for the next one.

        By the clock, since what runs tasks goes by the last reading. MicroPython itself queues some by a newer one.
        """
        task = self._core._task_queue.peek()
        if not task:
            return None
        self.read_again()
        delay_ms = max(0, self._core.ticks_diff(task.ph_key, self.ticks()))
        return None if delay_ms and task.ph_key == self._timer_key else delay_ms


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


def _share_clock(core: "Any", scheduler: _Scheduler) -> None:
    """Replaces those functions of MicroPython's asyncio that read the clock most often.

    They are its own but for that: https://github.com/micropython/micropython/tree/master/extmod/asyncio
    """
    asyncio: Any = sys.modules["asyncio"]
    sleep_ms = core.sleep_ms

    def sleep_by_the_clock(milliseconds: int) -> "Any":
        scheduler.read_again()
        return sleep_ms(milliseconds)

    def create_task(coroutine: "Any") -> "Any":
        if not hasattr(coroutine, "send"):
            raise TypeError("coroutine expected")
        task = core.Task(coroutine)
        scheduler.push(task)
        return task

    def set_event(event: "Any") -> None:
        while event.waiting.peek():
            scheduler.push(event.waiting.pop())
        event.state = True

    def wait_for_event(event: "Any") -> "Generator[None, None, bool]":
        if not event.state:
            event.waiting.push(core.cur_task, 0)  # in the order of their arrival
            core.cur_task.data = event.waiting  # which a cancellation removes it from
            yield
        return True

    core.ticks = scheduler.ticks
    core.sleep_ms = asyncio.sleep_ms = sleep_by_the_clock
    core.create_task = asyncio.create_task = create_task
    asyncio.Event.set, asyncio.Event.wait = set_event, wait_for_event


def _tune() -> None:
    ticks: Any = getattr(time, "ticks_ms", None)
    if ticks is None:  # CPython
        return
    _make_monotonic(ticks)
    core: Any = sys.modules.get("asyncio.core") or __import__("asyncio.core", None, None, ("core",))
    if hasattr(core, "_run_iter"):
        _share_clock(core, _Scheduler(core))


_tune()
