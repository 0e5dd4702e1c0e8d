"""MicroPython's event loop as the library tunes it: which timers it sets, and which clock tasks go by."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "pyapp" / "authmedia" / "browser" / "event_loop.py"


class Task:
    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.ph_key = 0


class TaskQueue:
    """Tasks by their time, and those of equal time in the order in which they were queued, as MicroPython's."""

    def __init__(self, schedule: Callable[[int], None]) -> None:
        self._schedule = schedule
        self.tasks: list[Task] = []

    def peek(self) -> Task | None:
        return self.tasks[0] if self.tasks else None

    def push(self, task: Task, key: int) -> None:
        task.ph_key = key
        self.tasks = sorted([*self.tasks, task], key=lambda queued: queued.ph_key)
        if self.tasks[0] is task:
            self._schedule(max(0, key - Browser.now))

    def pop(self) -> Task:
        return self.tasks.pop(0)


class Browser:
    """A browser's clock and timers, and MicroPython's module ``asyncio.core`` on it."""

    now = 0

    def __init__(self, module: ModuleType) -> None:
        Browser.now = 1000
        self.timers: list[tuple[int, bool]] = []
        self.readings = self.timers_set = 0
        self.core: Any = SimpleNamespace(
            _run_iter=self.run_iter, TaskQueue=TaskQueue, ticks=self.read, ticks_diff=lambda late, early: late - early
        )
        self.core._task_queue = TaskQueue(lambda delay_ms: None)
        self.scheduler = module._Scheduler(self.core)
        self.core.ticks = self.scheduler.ticks

    def read(self) -> int:
        self.readings += 1
        return Browser.now

    def run_later(self, callback: Callable[[bool], None], delay_ms: int) -> None:
        if delay_ms > 0:  # there is one timer, which each call sets anew
            self.timers = [timer for timer in self.timers if not timer[1]]
            self.timers_set += 1
        self.timers.append((Browser.now + delay_ms, delay_ms > 0))

    def run_iter(self) -> None:
        queue = self.core._task_queue
        while queue.peek() and queue.peek().ph_key <= self.core.ticks():
            queue.pop().work()

    def advance(self, early_ms: int = 0) -> None:
        """Calls what is due next, at its time or as much earlier as browsers' clocks are coarse."""
        at, by_timer = self.timers.pop(0)
        Browser.now = max(Browser.now, at - early_ms)
        self.scheduler._run(by_timer)

    def add(self, work: Callable[[], None], after_ms: int = 0) -> None:
        self.core._task_queue.push(Task(work), Browser.now + after_ms)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made: list[Browser] = []
    primitives = SimpleNamespace(run_later=lambda callback, delay_ms: made[0].run_later(callback, delay_ms))
    package = SimpleNamespace(primitives=primitives)
    javascript = SimpleNamespace(ffi=SimpleNamespace(create_proxy=lambda function: function), window=None)
    monkeypatch.setitem(sys.modules, "authmedia.browser", package)
    monkeypatch.setitem(sys.modules, "authmedia.browser.primitives", primitives)
    monkeypatch.setitem(sys.modules, "authmedia.browser.javascript", javascript)
    monkeypatch.setitem(sys.modules, "authmedia.browser.page", SimpleNamespace(now_ms=lambda: Browser.now))
    spec = importlib.util.spec_from_file_location("tuned_event_loop", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made.append(Browser(module))
    return made[0]


def test_a_timer_that_fires_early_is_set_again(browser: Browser) -> None:
    ran: list[str] = []
    browser.add(lambda: ran.append("late"), after_ms=100)
    browser.advance(early_ms=1)
    assert not ran
    assert browser.timers, "nothing else would ever run it"
    browser.advance()
    assert ran == ["late"]


def test_one_timer_is_set_for_a_task_that_stays_the_next(browser: Browser) -> None:
    browser.add(lambda: None, after_ms=100)
    for _ in range(5):
        browser.add(lambda: None)
        browser.timers.sort()
        browser.advance()
    assert [at for at, by_timer in browser.timers if by_timer] == [1100]
    assert browser.timers_set == 1


def test_a_task_that_became_due_while_another_ran_runs_at_once(browser: Browser) -> None:
    ran: list[str] = []

    def block() -> None:
        Browser.now += 80
        ran.append("blocked")

    browser.add(block)
    browser.add(lambda: ran.append("due"), after_ms=50)
    browser.timers.sort()
    browser.advance()
    assert ran == ["blocked", "due"]


def test_tasks_that_follow_each_other_share_readings_of_the_clock(browser: Browser) -> None:
    left = [200]

    def again() -> None:
        left[0] -= 1
        if left[0]:
            browser.scheduler.push(Task(again))

    browser.add(again)
    before = browser.readings
    browser.advance()
    assert left == [0]
    assert browser.readings - before < 40, "two for each task without sharing"


def test_what_is_queued_after_a_pause_has_the_time_of_then(browser: Browser) -> None:
    browser.add(lambda: None)
    browser.advance()
    Browser.now += 3_600_000
    assert browser.scheduler.ticks() == Browser.now


def test_a_task_that_raises_stops_no_other(browser: Browser) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ValueError("a task failed")

    browser.add(fail)
    browser.add(lambda: ran.append("other"))
    with pytest.raises(ValueError, match="a task failed"):
        browser.advance()
    browser.advance()
    assert ran == ["other"]
