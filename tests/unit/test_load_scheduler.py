"""Who of a crowd begins, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authmedia.elements import load_scheduler
from authmedia.elements.load_scheduler import LoadScheduler, Slot
from tests.unit.support import run, turns


class Party:
    """A crowd of guests with names of one letter each."""

    def __init__(self, limit: int, together: int) -> None:
        self.crowd = LoadScheduler(limit, together)
        self.came = ""
        self.places: dict[str, Slot] = {}

    def join(self, names: str, urgent: bool = False) -> None:
        for name in names:
            self.places[name] = self.crowd.add(self._greeting(name), urgent)

    def leave(self, names: str) -> None:
        for name in names:
            self.places[name].end()

    def _greeting(self, name: str) -> Callable[[], None]:
        def greet() -> None:
            self.came += name

        return greet


def play(scenario: Callable[[Party], Coroutine[Any, Any, None]], limit: int, together: int) -> Party:
    """Runs a scenario with a crowd; gives it back as it ended."""

    async def whole() -> Party:
        party = Party(limit, together)
        await scenario(party)
        party.crowd.close()
        return party

    party: Party = run(whole())
    return party


def test_others_begin_together_as_places_get_free() -> None:
    async def scenario(party: Party) -> None:
        party.join("abcdefgh")
        assert party.came == "abcd"
        party.leave("ab")
        await turns()
        assert party.came == "abcd", "two places are free, and those who wait go by threes"
        party.leave("c")
        await turns()
        assert party.came == "abcdefg"
        party.leave("d")
        await turns()
        assert party.came == "abcdefgh", "the last one waits for no more places than it needs"
        party.leave("efg")
        party.join("i")
        assert party.came == "abcdefghi"

    play(scenario, 4, 3)


def test_what_is_urgent_begins_at_once() -> None:
    async def scenario(party: Party) -> None:
        party.join("abc")
        party.join("d", urgent=True)
        assert party.came == "abd"
        party.join("e")
        party.places["e"].start_now()
        assert party.came == "abde"
        party.leave("abd")
        await turns()
        assert party.came == "abdec", "each begins once"

    play(scenario, 2, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_who_leaves_before_its_time_never_begins_and_takes_no_place(times: int) -> None:
    async def scenario(party: Party) -> None:
        party.join("abc")
        party.leave("b" * times)
        party.leave("a" * times)
        await turns()
        assert party.came == "ac"
        party.join("d")
        await turns()
        assert party.came == "ac", "nobody gives a place back twice"

    play(scenario, 1, 1)


def test_of_many_that_leave_at_once_none_begins() -> None:
    async def scenario(party: Party) -> None:
        party.join("abcdef")
        party.leave("abcdef")
        await turns()
        assert party.came == "ab"

    play(scenario, 2, 1)


def test_where_all_stand_still_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_scheduler, "_STALL_S", 0.01)

    async def scenario(party: Party) -> None:
        party.join("abcdefgh")
        while party.came != "abcdefgh":
            assert party.came in ("abc", "abcde", "abcdefg"), "two at a time"
            await asyncio.sleep(0)

    play(scenario, 3, 2)


def test_a_crowd_that_is_closed_has_none_begin() -> None:
    async def scenario(party: Party) -> None:
        party.join("abc")
        party.crowd.close()
        party.leave("a")
        await turns()
        assert party.came == "a"

    play(scenario, 1, 1)


def test_places_made_beside_those_that_stand_still_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_scheduler, "_STALL_S", 0.01)

    async def scenario(party: Party) -> None:
        party.join("abcdefghijkl")
        while len(party.came) < 5:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(load_scheduler, "_STALL_S", 60.0)
        assert party.came == "abcde"
        party.leave("de")
        await turns()
        assert party.came == "abcdefg", "those that were let in beside them give their places on"
        party.leave("abcfg")
        await turns()
        assert party.came == "abcdefghij", "as many at a time as in the beginning"

    play(scenario, 3, 2)
