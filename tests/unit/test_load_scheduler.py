"""The load scheduler: which loads start, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authmedia.elements import load_scheduler
from authmedia.elements.load_scheduler import LoadScheduler, Slot
from tests.unit.support import run, turns


class Loads:
    """Loads in a scheduler, with names of one letter each."""

    def __init__(self, limit: int, batch_size: int) -> None:
        self.scheduler = LoadScheduler(limit, batch_size)
        self.started = ""
        self.slots: dict[str, Slot] = {}

    def add(self, names: str, urgent: bool = False) -> None:
        for name in names:
            self.slots[name] = self.scheduler.add(self._starter(name), urgent)

    def end(self, names: str) -> None:
        for name in names:
            self.slots[name].end()

    def _starter(self, name: str) -> Callable[[], None]:
        def start() -> None:
            self.started += name

        return start


def play(scenario: Callable[[Loads], Coroutine[Any, Any, None]], limit: int, batch_size: int) -> Loads:
    """Runs a scenario, and returns the loads as it left them."""

    async def whole() -> Loads:
        loads = Loads(limit, batch_size)
        await scenario(loads)
        loads.scheduler.close()
        return loads

    loads: Loads = run(whole())
    return loads


def test_waiting_loads_start_in_batches_as_slots_are_freed() -> None:
    async def scenario(loads: Loads) -> None:
        loads.add("abcdefgh")
        assert loads.started == "abcd"
        loads.end("ab")
        await turns()
        assert loads.started == "abcd", "two slots are free, and waiting loads start by threes"
        loads.end("c")
        await turns()
        assert loads.started == "abcdefg"
        loads.end("d")
        await turns()
        assert loads.started == "abcdefgh", "the last one waits for no more slots than it needs"
        loads.end("efg")
        loads.add("i")
        assert loads.started == "abcdefghi"

    play(scenario, 4, 3)


def test_an_urgent_load_starts_at_once() -> None:
    async def scenario(loads: Loads) -> None:
        loads.add("abc")
        loads.add("d", urgent=True)
        assert loads.started == "abd"
        loads.add("e")
        loads.slots["e"].start_now()
        assert loads.started == "abde"
        loads.end("abd")
        await turns()
        assert loads.started == "abdec", "each starts once"

    play(scenario, 2, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_a_load_that_ends_while_waiting_never_starts_and_takes_no_slot(times: int) -> None:
    async def scenario(loads: Loads) -> None:
        loads.add("abc")
        loads.end("b" * times)
        loads.end("a" * times)
        await turns()
        assert loads.started == "ac"
        loads.add("d")
        await turns()
        assert loads.started == "ac", "no slot is freed twice"

    play(scenario, 1, 1)


def test_of_many_loads_that_end_at_once_no_waiting_one_starts() -> None:
    async def scenario(loads: Loads) -> None:
        loads.add("abcdef")
        loads.end("abcdef")
        await turns()
        assert loads.started == "ab"

    play(scenario, 2, 1)


def test_when_all_loads_stall_others_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_scheduler, "_STALL_S", 0.01)

    async def scenario(loads: Loads) -> None:
        loads.add("abcdefgh")
        while loads.started != "abcdefgh":
            assert loads.started in ("abc", "abcde", "abcdefg"), "two at a time"
            await asyncio.sleep(0)

    play(scenario, 3, 2)


def test_a_closed_scheduler_starts_no_load() -> None:
    async def scenario(loads: Loads) -> None:
        loads.add("abc")
        loads.scheduler.close()
        loads.end("a")
        await turns()
        assert loads.started == "a"

    play(scenario, 1, 1)


def test_extra_slots_beside_stalled_loads_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_scheduler, "_STALL_S", 0.01)

    async def scenario(loads: Loads) -> None:
        loads.add("abcdefghijkl")
        while len(loads.started) < 5:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(load_scheduler, "_STALL_S", 60.0)
        assert loads.started == "abcde"
        loads.end("de")
        await turns()
        assert loads.started == "abcdefg", "loads in extra slots pass them on"
        loads.end("abcfg")
        await turns()
        assert loads.started == "abcdefghij", "as many at a time as the limit"

    play(scenario, 3, 2)
