"""Who is let through a gate, and when."""

import pytest

from authmedia.gate import Gate, Turn


class Guest:
    """One who takes a turn, and remembers that it came."""

    def __init__(self, gate: Gate, arrivals: list[str], name: str) -> None:
        self.urgent = False
        self.turn: Turn = gate.turn(lambda: self.urgent)
        self.turn.take(lambda: arrivals.append(name))


class Party:
    """A gate and all who want through."""

    def __init__(self, limit: int, together: int = 1) -> None:
        self.gate = Gate(limit, together)
        self.arrivals: list[str] = []
        self.guests: dict[str, Guest] = {}

    def come(self, names: str) -> None:
        for name in names:
            self.guests[name] = Guest(self.gate, self.arrivals, name)

    def leave(self, names: str) -> None:
        for name in names:
            self.guests[name].turn.leave()

    def hurry(self, name: str) -> None:
        self.guests[name].urgent = True
        self.guests[name].turn.hurry()

    @property
    def came(self) -> str:
        return "".join(self.arrivals)


def test_each_that_leaves_lets_the_next_one_in() -> None:
    party = Party(2)
    party.come("abcd")
    assert party.came == "ab"
    party.leave("b")
    assert party.came == "abc"
    party.leave("ac")
    party.come("ef")
    assert party.came == "abcde"


def test_places_are_given_on_together() -> None:
    party = Party(4, together=3)
    party.come("abcdefgh")
    assert party.came == "abcd"
    party.leave("ab")
    assert party.came == "abcd", "two places are free, and those who wait go by threes"
    party.leave("c")
    assert party.came == "abcdefg"


def test_who_has_become_urgent_takes_a_free_place_at_once() -> None:
    party = Party(2, together=2)
    party.come("abcde")
    party.leave("a")
    assert party.came == "ab"
    party.hurry("d")
    assert party.came == "abd"
    party.leave("bd")
    assert party.came == "abdce", "the others are let in in their order"


def test_who_is_no_longer_urgent_goes_in_order() -> None:
    party = Party(1)
    party.come("abc")
    party.hurry("c")
    party.guests["c"].urgent = False
    party.leave("a")
    assert party.came == "ab"


@pytest.mark.parametrize("twice", [False, True])
def test_who_leaves_the_queue_takes_no_place(twice: bool) -> None:
    party = Party(1)
    party.come("abc")
    party.leave("bb" if twice else "b")
    party.leave("aa" if twice else "a")
    assert party.came == "ac"
    party.come("d")
    assert party.came == "ac", "nobody gives a place back twice"
