"""Some of the faults, with a few loads; `python3 build.py compare --faults` has all, and a thousand loads of each."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import CHROMIUM, FIREFOX, FIREFOX_PRIVATE, Mode
from tests.evidence import documents
from tests.evidence.faults import report, response_faults
from tests.evidence.faults.command import browser_for
from tests.evidence.faults.environment import FaultEnvironment, LoadOutcomes, fault_environment
from tests.evidence.faults.scenarios import SCENARIOS

PICTURES = 40
# Six times the rate of the long run, so that an image that stalls is given up after 6 seconds rather than 23.
MIN_BYTES_PER_S = 300_000
# By which strategy, in Chromium; `--full-matrix` has all faults, by all strategies, in all engines. Of those that are
# left out here some have tests of their own, with all that a person sees of them.
IN_TURN = {
    "500, 502 and 503": "link",
    "bodies that stand still": "bundle",
    "the clock jumps a day back": "blob",
    "files altered or removed by hand": "opfs",
}
# Firefox keeps what it has of a picture.
OFTEN = {("chromium", strategy, name) for name, strategy in IN_TURN.items()} | {
    ("firefox-private", "link", "bodies without a length, cut short")
}
CASES = [
    pytest.param(mode, name, strategy, id=f"{mode.name}-{strategy}-{name.replace(' ', '-')}", marks=marks)
    for mode in (CHROMIUM, FIREFOX, FIREFOX_PRIVATE)
    for name, scenario in SCENARIOS.items()
    for strategy in scenario.strategies_in(mode)
    for marks in [[] if (mode.name, strategy, name) in OFTEN else [pytest.mark.full_matrix]]
]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultEnvironment]:
    with fault_environment(tmp_path_factory.mktemp("faults"), PICTURES, MIN_BYTES_PER_S) as environment:
        yield environment


@pytest.mark.parametrize(("engine", "name", "strategy"), CASES)
def test_faults_show_no_wrong_media_and_lose_none(
    environment: FaultEnvironment, playwright: Playwright, engine: Mode, name: str, strategy: str
) -> None:
    scenario = SCENARIOS[name]
    with browser_for(scenario, engine, playwright) as context:
        outcome = scenario.run(environment, context, strategy, environment.pictures)
    row = {"fault": name, "engine": engine.name, **asdict(outcome)}
    assert report.flaws(row) == []
    assert outcome.at_first.loads == outcome.in_the_end.loads == PICTURES
    if scenario.heals:
        assert outcome.in_the_end.shown == PICTURES


def row(**at_first: object) -> dict[str, object]:
    seen = asdict(LoadOutcomes(shown=5))
    return {
        "fault": "answers out of order",
        "engine": "firefox",
        "at_first": {**seen, **at_first},
        "in_the_end": seen,
        "done": 3,
    }


@pytest.mark.parametrize(
    ("seen", "flaw"),
    [
        ({}, []),
        ({"wrong": {"blob": 2}}, ["2 wrong by blob"]),
        ({"hung": 1}, ["1 without an end"]),
        ({"failed": {"A traceback": 1}}, ["1 with the words 'A traceback'"]),
    ],
)
def test_report_finds_flaws(seen: dict[str, object], flaw: list[str]) -> None:
    assert report.flaws(row(**seen)) == flaw


def test_report_finds_unrecovered_loads_and_unapplied_faults() -> None:
    left = row()
    left["in_the_end"] = asdict(LoadOutcomes(shown=4, failed={"The server cannot be reached.": 1}))
    assert "1 did not recover" in report.flaws(left)
    assert report.flaws({**row(), "done": 0}) == ["the fault was not done at all"]


def test_figures_round_trip(tmp_path: Path) -> None:
    documents.write_figures(tmp_path / "faults.json", {"about": {"loads": 5}, "rows": [row()]})
    read = documents.read_figures(tmp_path / "faults.json")
    assert read == json.loads(json.dumps({"about": {"loads": 5}, "rows": [row()]}))
    assert "| answers out of order | firefox | 5 | 5 | 0 | 5 | 0 |" in report.table(read)
    assert len(response_faults.RESPONSE_FAULTS) == 11
