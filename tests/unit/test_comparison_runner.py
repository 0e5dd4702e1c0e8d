"""Which cells a run of the comparison has: all, each of the matrix once, or one round of a window."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.evidence.compare import runner
from tests.evidence.compare.browsers import Browser, Started
from tests.evidence.compare.results import STRATEGIES, Setting


def test_a_quick_run_has_each_cell_of_the_matrix_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Setting] = []
    monkeypatch.setattr(runner, "_try", lambda _sites, _started, _found, setting, **_: ran.append(setting))
    monkeypatch.setattr(runner, "_look", lambda _browser, _found: None)
    browser = Browser("firefox", "firefox", lambda: nullcontext(Started("153", nullcontext)))
    found = runner.new_results(seed=1, runs=5, quick=True)
    for _ in runner.compare(None, [browser], found, progress=str):  # type: ignore[arg-type]
        pass
    assert found.about["runs"] == 1
    assert sorted(setting.strategy for setting in ran) == sorted(STRATEGIES)
    assert {setting.homeserver for setting in ran} == {"cross-site"}
    assert {setting.interpreter for setting in ran if setting.strategy != "blocking"} == {"micropython"}
    assert {setting.interpreter for setting in ran if setting.strategy == "blocking"} == {"pyodide"}
    ran.clear()
    found = runner.new_results(seed=1, runs=2)
    for _ in runner.compare(None, [replace(browser, brief=True)], found, progress=str):  # type: ignore[arg-type]
        pass
    assert {setting.homeserver for setting in ran} == {"cross-site"}
    assert len(ran) == 2 * len(STRATEGIES), "one round, with both interpreters"
