"""How often MicroPython looks for garbage, as what lives grows."""

import gc

import pytest

from authmedia.support.gc_tuning import scale_threshold


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What MicroPython's collector is told, where three megabytes live."""
    told: list[int] = []
    monkeypatch.setattr(gc, "mem_alloc", lambda: 3_000_000, raising=False)
    monkeypatch.setattr(gc, "threshold", told.append, raising=False)
    return told


def test_more_may_be_used_where_more_lives(told: list[int]) -> None:
    scale_threshold(4096)
    assert told == [750_000]


def test_left_as_it_is_where_few_live(told: list[int]) -> None:
    scale_threshold(255)
    assert not told


def test_reckoned_anew_at_each_doubling_alone(told: list[int]) -> None:
    for count in range(1, 5001):
        scale_threshold(count)
    assert len(told) == 5


def test_cpython_is_left_alone() -> None:
    before = gc.get_threshold()
    scale_threshold(4096)
    assert gc.get_threshold() == before
