"""The idle queue: small pieces of work between which the browser paints."""

import asyncio
from typing import Any

import pytest

from authmedia.elements.idle_queue import IdleQueue
from tests.unit.support import run, turns


def test_the_queue_yields_to_the_browser_before_each_call(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    seen: list[int] = []

    async def yield_to_browser() -> None:
        await asyncio.sleep(0)
        seen.append(len(done))

    async def scenario() -> None:
        monkeypatch.setattr("authmedia.elements.idle_queue.browser.yield_to_browser", yield_to_browser)
        queue = IdleQueue()
        for number in range(3):
            queue.add(lambda number=number: done.append(number))
        assert done == [], "adding does not call"
        await turns()
        assert (done, seen) == ([0, 1, 2], [0, 1, 2])
        queue.add(lambda: done.append(3))
        await turns()
        assert done == [0, 1, 2, 3], "it starts anew when it was empty"

    run(scenario())


def test_a_function_is_called_before_the_others_until_it_has_no_more_to_do(browser: Any) -> None:
    done: list[str] = []

    def work() -> bool:
        done.append("a")
        return done.count("a") < 3

    async def scenario() -> None:
        queue = IdleQueue()
        queue.add(work)
        queue.add(lambda: done.append("b"))
        await turns()
        assert done == ["a", "a", "a", "b"]

    run(scenario())


def test_a_closed_queue_calls_nothing_more(browser: Any) -> None:
    done: list[int] = []

    async def scenario() -> None:
        queue = IdleQueue()
        queue.add(lambda: done.append(1))
        queue.close()
        await turns()
        assert done == []

    run(scenario())


def test_an_exception_does_not_prevent_later_calls(browser: Any) -> None:
    done: list[int] = []
    failures: list[dict[str, Any]] = []

    def fail() -> None:
        raise ValueError("no")

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
        queue = IdleQueue()
        queue.add(fail)
        queue.add(lambda: done.append(1))
        await turns()
        queue.add(lambda: done.append(2))
        await turns()
        assert done == [1, 2]

    run(scenario())
    assert len(failures) == 1, "it is reported as unhandled"
