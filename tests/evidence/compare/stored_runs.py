"""The stored results of the comparison: those of the latest whole run, with the verdicts of a quick run since then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.evidence.compare.results import NOT_RUN, Cell, Results, Setting

WHOLE = Path(__file__).with_name("latest.json")
QUICK = Path(__file__).with_name("quick.json")


def published() -> Results:
    """Returns what the site shows."""
    whole = Results.read(WHOLE)
    return with_quick_run(whole, Results.read(QUICK)) if QUICK.exists() else whole


def with_quick_run(whole: Results, quick: Results) -> Results:
    """Returns a whole run's results with the verdicts of a quick run, if that is the later one.

    Costs stay those of the whole run, which are medians of several rounds; a strategy that it does not have gets those
    of the quick run, and so does a homeserver. ``about`` has that of the quick run as ``quick_run``.
    """
    if quick.about["date"] <= whole.about["date"]:
        return whole
    day = str(quick.about["date"])[:10]
    newer = [replace(cell, date=day) for cell in quick.cells]
    verdicts = {_place_of(cell.setting): cell.verdict for cell in quick.cells}
    older = [cell for cell in whole.cells if not _is_outdated(cell, verdicts)]
    kept = {_place_of(cell.setting) for cell in older}
    measured = {(measure.setting.strategy, measure.setting.homeserver) for measure in whole.measures}
    return Results(
        _about_both(whole.about, quick.about),
        [*(cell for cell in newer if _place_of(cell.setting) not in kept), *older],
        whole.measures + [m for m in quick.measures if (m.setting.strategy, m.setting.homeserver) not in measured],
    )


def _place_of(setting: Setting) -> tuple[str, str, str, str]:
    return setting.mode, setting.homeserver, setting.interpreter, setting.strategy


def _is_outdated(cell: Cell, verdicts: dict[tuple[str, str, str, str], str]) -> bool:
    """Returns whether a newer run has tried the same, or neither of them has."""
    newer = verdicts.get(_place_of(cell.setting))
    return newer is not None and (newer != NOT_RUN or cell.verdict == NOT_RUN)


def _about_both(whole: dict[str, Any], quick: dict[str, Any]) -> dict[str, Any]:
    return {
        **whole,
        "versions": {**whole["versions"], **quick["versions"]},
        "worlds": {**whole.get("worlds", {}), **quick.get("worlds", {})},
        "quick_run": quick,
    }
