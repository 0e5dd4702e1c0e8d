"""What is done a little at a time."""

import asyncio
from typing import Any

import pytest

from authmedia.elements.idle_queue import IdleQueue
from tests.unit.support import run, turns


def test_one_thing_is_done_between_two_yield_to_browsers(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    seen: list[int] = []

    async def yield_to_browser() -> None:
        await asyncio.sleep(0)
        seen.append(len(done))

    async def scenario() -> None:
        monkeypatch.setattr("authmedia.elements.idle_queue.browser.yield_to_browser", yield_to_browser)
        leisure = IdleQueue()
        for number in range(3):
            leisure.add(lambda number=number: done.append(number))
        assert done == [], "nobody waits for it who adds it"
        await turns()
        assert (done, seen) == ([0, 1, 2], [0, 1, 2])
        leisure.add(lambda: done.append(3))
        await turns()
        assert done == [0, 1, 2, 3], "it begins anew after a rest"

    run(scenario())


def test_what_is_left_is_not_done_once_it_is_closed(browser: Any) -> None:
    done: list[int] = []

    async def scenario() -> None:
        leisure = IdleQueue()
        leisure.add(lambda: done.append(1))
        leisure.close()
        await turns()
        assert done == []

    run(scenario())


def test_one_that_fails_does_not_keep_the_others_from_their_turn(browser: Any) -> None:
    done: list[int] = []
    failures: list[dict[str, Any]] = []

    def fail() -> None:
        raise ValueError("no")

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
        leisure = IdleQueue()
        leisure.add(fail)
        leisure.add(lambda: done.append(1))
        await turns()
        leisure.add(lambda: done.append(2))
        await turns()
        assert done == [1, 2]

    run(scenario())
    assert len(failures) == 1, "whoever looks after the page hears of it"
