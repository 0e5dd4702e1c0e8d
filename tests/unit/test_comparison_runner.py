"""Which cells a run of the comparison has: all, each of the matrix once, or one round of a window."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.evidence.compare import browsers, modes, runner
from tests.evidence.compare.browsers import Browser, Started
from tests.evidence.compare.results import (
    GATEWAY,
    MEDIA,
    QUICK_RELOAD_MODES,
    QUICK_SERVER_MODES,
    QUICK_SERVERS,
    RANGES,
    REDIRECTING,
    SERVERS,
    STRATEGIES,
    Cell,
    Results,
    Setting,
)
from tests.evidence.compare.tabs import Unsettled

_LINK = ("link", "micropython")


def browser_of(mode: str, *, brief: bool = False) -> Browser:
    return Browser(mode.partition("-")[0], mode, lambda: nullcontext(Started("153", nullcontext)), brief)


@contextmanager
def broken() -> Iterator[Started]:
    raise PlaywrightError("It does not start\nand says so at length")
    yield


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Setting]:
    """The settings that were run."""
    found: list[Setting] = []
    monkeypatch.setattr(runner, "_try", lambda _sites, _started, _results, setting, **_: found.append(setting))
    monkeypatch.setattr(runner, "_look", lambda _started, _mode, _results: None)
    return found


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The modes in which what a reload costs was measured."""
    found: set[str] = set()

    def note(*given: Any, reload: bool, **_: object) -> None:
        if reload:
            found.add(given[3].mode)

    monkeypatch.setattr(runner, "_try", note)
    monkeypatch.setattr(runner, "_look", lambda _started, _mode, _results: None)
    return found


def run(results: Results, *browsers: Browser) -> Results:
    for _ in runner.compare(None, list(browsers), results, progress=str):  # type: ignore[arg-type]
        pass
    return results


def test_a_quick_run_has_each_cell_of_the_matrix_once(ran: list[Setting]) -> None:
    found = run(runner.new_results(seed=1, runs=5, quick=True), browser_of("firefox"))
    assert found.about["runs"] == 1
    assert sorted(setting.strategy for setting in ran) == sorted(STRATEGIES)
    assert {setting.homeserver for setting in ran} == {"cross-site"}
    assert {setting.interpreter for setting in ran if setting.strategy != "blocking"} == {"micropython"}
    assert {setting.interpreter for setting in ran if setting.strategy == "blocking"} == {"pyodide"}


def test_a_quick_run_has_each_homeserver_in_one_mode_of_an_engine(ran: list[Setting]) -> None:
    run(runner.new_results(seed=1, quick=True), *map(browser_of, QUICK_SERVER_MODES))
    for mode in QUICK_SERVER_MODES:
        beside = [(setting.homeserver, setting.strategy) for setting in ran if setting.mode == mode][len(STRATEGIES) :]
        assert sorted(beside) == sorted((place, name) for place, names in QUICK_SERVERS.items() for name in names)
    assert {mode.partition("-")[0] for mode in QUICK_SERVER_MODES} == {"chromium", "firefox"}
    assert set(QUICK_SERVERS) == {RANGES, GATEWAY, REDIRECTING} == set(SERVERS)
    for place, names in QUICK_SERVERS.items():
        assert set(names) <= set(SERVERS[place])


def test_a_quick_run_measures_reloads_in_one_mode_of_each_engine(reloads: set[str]) -> None:
    known = [mode.name for mode in modes.MODES] + [browsers.EPHEMERAL, browsers.PERSISTENT]
    run(runner.new_results(seed=1, quick=True), *map(browser_of, known))
    assert reloads == set(QUICK_RELOAD_MODES)
    run(runner.new_results(seed=1, runs=1), *map(browser_of, known))
    assert reloads == set(known)


def test_a_window_of_its_own_has_one_round_with_both_interpreters(ran: list[Setting]) -> None:
    run(runner.new_results(seed=1, runs=2), browser_of("firefox", brief=True))
    beside = [(setting.homeserver, setting.strategy) for setting in ran if setting.homeserver != "cross-site"]
    assert sorted(beside) == sorted([(GATEWAY, "link"), (REDIRECTING, "redirect")] * 2)
    assert len(ran) == 2 * len(STRATEGIES) + len(beside)


def test_a_whole_run_has_all_places_and_homeservers_and_rounds_where_costs_are_cited(ran: list[Setting]) -> None:
    run(runner.new_results(seed=1, runs=3), browser_of("firefox"))
    rounds = Counter(setting.homeserver for setting in ran if (setting.strategy, setting.interpreter) == _LINK)
    assert rounds == {"same-origin": 1, "same-site": 1, "cross-site": 3, RANGES: 1, GATEWAY: 1}
    assert {setting.homeserver for setting in ran} == {*rounds, *SERVERS}


@pytest.mark.parametrize(
    ("raised", "verdicts"),
    [
        ([], ["works"]),
        ([PlaywrightError("Target closed")], ["works"]),
        ([PlaywrightError("Target closed"), ConnectionResetError("gone\nat length")], ["fails: gone"] * len(MEDIA)),
        ([Unsettled("it did not settle")], ["fails: it did not settle"] * len(MEDIA)),
    ],
)
def test_a_visit_is_tried_again_after_an_error_of_the_driver(
    monkeypatch: pytest.MonkeyPatch, raised: list[Exception], verdicts: list[str]
) -> None:
    left = list(raised)

    def visit(_sites: object, _tab: object, results: Results, setting: Setting, **_: object) -> None:
        results.measure(setting, "all", "first visit: requests", "requests", 39)
        if left:
            raise left.pop(0)
        results.cells.append(Cell(setting, "image", "works"))

    monkeypatch.setattr(runner, "visit", visit)
    monkeypatch.setattr(runner, "_look", lambda _started, _mode, _results: None)
    found = Results({"seed": 1, "runs": 1, "versions": {}})
    for _ in runner.compare(
        None,  # type: ignore[arg-type]
        [browser_of("firefox", brief=True)],
        found,
        strategies=("blocking",),
        progress=str,
    ):
        pass
    micropython, *_ = (cell.setting.interpreter for cell in found.cells)
    told = [f"{cell.verdict}: {cell.words}".removesuffix(": ") for cell in found.cells]
    assert told[: len(verdicts)] == verdicts
    assert micropython == "micropython"
    assert [measure.values for measure in found.measures] == [[39]] * (2 if verdicts == ["works"] else 1)
    assert not left


def test_a_browser_that_does_not_start_is_noted_and_the_others_run(ran: list[Setting]) -> None:
    bad = replace(browser_of("chromium"), start=broken)
    found = run(runner.new_results(seed=1, quick=True), bad, browser_of("firefox"))
    assert found.about["missing"] == {"chromium": "It does not start"}
    assert {setting.mode for setting in ran} == {"firefox"}
