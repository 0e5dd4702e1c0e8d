"""The command ``python3 build.py compare --faults``: a thousand loads under each fault in Chromium and Firefox."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Playwright, sync_playwright
from rich.console import Console

from tests.browser.engines import (
    CHROMIUM,
    FIREFOX,
    FIREFOX_PRIVATE,
    Mode,
    launch_browser,
    set_up_browsers,
    with_storage_limit,
)
from tests.evidence.documents import write_figures
from tests.evidence.faults import report
from tests.evidence.faults.environment import FaultEnvironment, fault_environment
from tests.evidence.faults.scenarios import SCENARIOS, SMALL_DISK_KB, Outcome, Scenario
from tests.evidence.run_conditions import about

LOADS = 1000
FIGURES = "faults.json"
_AT_A_TIME = 250
_ENGINES = {mode.name: mode for mode in (CHROMIUM, FIREFOX, FIREFOX_PRIVATE)}


def run(out: Path, *, modes: list[str], rows: list[str], loads: int = LOADS) -> int:
    """Runs the scenarios; returns the exit status, which is 1 if any has flaws.

    :param out: the folder for ``faults.json``, which is rewritten after each fault.
    :param modes: names of browsers; all if empty.
    :param rows: parts of faults' names; all faults if empty.
    """
    console = Console()
    unknown = sorted(set(modes) - set(_ENGINES))
    if unknown:
        console.print(f"authmedia: there is no {unknown[0]} here; there are: {', '.join(_ENGINES)}")
        return 1
    wanted = {name: it for name, it in SCENARIOS.items() if not rows or any(words in name for words in rows)}
    if not wanted:
        console.print(f"authmedia: no fault is called so; there are: {', '.join(SCENARIOS)}")
        return 1
    set_up_browsers()
    out.mkdir(parents=True, exist_ok=True)
    said = {**about(None, 1), "loads": loads}
    found: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        fault_environment(Path(folder), min(loads, _AT_A_TIME)) as environment,
    ):
        for engine in modes or list(_ENGINES):
            for name, scenario in wanted.items():
                if not scenario.strategies_in(_ENGINES[engine]):
                    continue
                row = _row(playwright, environment, engine, name, scenario, loads)
                found.append(row)
                write_figures(out / FIGURES, {"about": said, "rows": found})
                console.print(f"{engine}: {name}: {report.summary(row)}", highlight=False)
    console.print(f"The figures are in {out / FIGURES}", highlight=False)
    return 0 if all(report.holds(row) for row in found) else 1


@contextmanager
def browser_for(scenario: Scenario, mode: Mode, playwright: Playwright) -> Iterator[BrowserContext]:
    """Launches the browser that a scenario needs."""
    with launch_browser(
        with_storage_limit(mode, SMALL_DISK_KB) if scenario.small_disk else mode, playwright
    ) as context:
        yield context


def _row(
    playwright: Playwright, environment: FaultEnvironment, engine: str, name: str, scenario: Scenario, loads: int
) -> dict[str, Any]:
    total = Outcome()
    with browser_for(scenario, _ENGINES[engine], playwright) as context:
        strategies = scenario.strategies_in(_ENGINES[engine])
        for strategy in islice(cycle(strategies), max(len(strategies), -(-loads // _AT_A_TIME))):
            outcome = scenario.run(environment, context, strategy, environment.pictures)
            total.at_first.add(outcome.at_first)
            total.in_the_end.add(outcome.in_the_end)
            total.done += outcome.done
    return {"fault": name, "engine": engine, **asdict(total)}
