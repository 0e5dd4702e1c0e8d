"""The threshold of MicroPython's garbage collector, as the heap grows."""

import gc

import pytest

from authmedia.support.gc_tuning import scale_threshold


@pytest.fixture
def thresholds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thresholds that are set, with three megabytes allocated."""
    thresholds: list[int] = []
    monkeypatch.setattr(gc, "mem_alloc", lambda: 3_000_000, raising=False)
    monkeypatch.setattr(gc, "threshold", thresholds.append, raising=False)
    return thresholds


def test_the_threshold_grows_with_the_allocated_memory(thresholds: list[int]) -> None:
    scale_threshold(4096)
    assert thresholds == [750_000]


def test_the_threshold_is_unchanged_for_few_objects(thresholds: list[int]) -> None:
    scale_threshold(255)
    assert not thresholds


def test_the_threshold_is_adapted_at_each_power_of_two_alone(thresholds: list[int]) -> None:
    for count in range(1, 5001):
        scale_threshold(count)
    assert len(thresholds) == 5


def test_cpython_is_unchanged() -> None:
    before = gc.get_threshold()
    scale_threshold(4096)
    assert gc.get_threshold() == before
