"""The history of the comparison: one small file a run in ``history/``, and what changed between runs.

A file has ``format`` (1), ``source`` (``build.py compare`` or ``compare.html``), ``date`` (ISO 8601, or null), ``by``
(who measured, or null), ``versions``, and ``worlds``: a list of ``{mode, browser, version, window, homeserver,
strategies}``, where ``strategies`` has, by name, ``{verdict, words, costs}``, and ``costs`` has ``first`` and
``reload``, each ``{requests, preflights, bytes}`` or null. ``compare.html`` also tells ``first_ms``, ``last_ms`` and
``bytes_known``. The project's own runs have ``commit``, ``alone``, ``others_load`` and ``quick`` as in ``results.json``
(`tests.evidence.compare.results`).
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.evidence.compare.results import NOT_RUN, Cell, Results, verdict

FOLDER = Path(__file__).with_name("history")
FORMAT = 1
OWN_SOURCE, PAGE_SOURCE = "build.py compare", "compare.html"
# The typical deployment, which the evidence is about.
_PLACE = "cross-site"
_INTERPRETERS = ("micropython", "pyodide")
_VISITS = {"first": "first visit", "reload": "after a reload"}
_COSTS = ("requests", "preflights", "bytes")
_CIRCUMSTANCES = ("commit", "alone", "others_load", "quick")


@dataclass(frozen=True)
class Change:
    """A verdict that is another one than in the latest earlier run that has it, or that no earlier run has.

    :param before: empty if the earlier run did not have it.
    """

    strategy: str
    mode: str
    before: str
    after: str
    versions: tuple[str, str]
    dates: tuple[str, str]


def of_results(results: Results) -> dict[str, Any]:
    """Returns the file of a run of ``build.py compare``."""
    versions = {name: text for name, text in results.about["versions"].items() if isinstance(text, str)}
    worlds = [_world_of(results, mode) for mode in dict.fromkeys(cell.setting.mode for cell in results.cells)]
    return {
        "format": FORMAT,
        "source": OWN_SOURCE,
        "date": str(results.about["date"])[:10],
        "by": None,
        "versions": versions,
        **{name: results.about[name] for name in _CIRCUMSTANCES if name in results.about},
        "worlds": worlds,
    }


def add(results: Results, folder: Path = FOLDER) -> Path:
    """Adds a run of ``build.py compare``, unless it is there already; returns its file."""
    run = of_results(results)
    start = f"{run['date']}-{'quick' if results.is_quick else 'compare'}"
    names = itertools.chain([start], (f"{start}-{number}" for number in itertools.count(2)))
    for name in names:
        path = folder / f"{name}.json"
        if not path.exists():
            return write(run, name, folder)
        if json.loads(path.read_text(encoding="utf-8")) == run:
            return path
    raise AssertionError  # the names do not end


def read(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Returns all runs, the earliest first; those without a date come last."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda run: (run["date"] is None, run["date"] or ""))


def write(run: dict[str, Any], name: str, folder: Path = FOLDER) -> Path:
    """Writes the file of a run; returns its path.

    :param name: the file's name, without ``.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(run, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def changes(runs: list[dict[str, Any]]) -> list[Change]:
    """Returns what changed between runs of ``build.py compare``, the latest first.

    Each verdict is compared with that of the latest earlier run that has it: a run may have some browsers alone. The
    first run has no predecessor.
    """
    own = [run for run in runs if run["source"] == OWN_SOURCE]
    known: dict[tuple[str, str], tuple[str, str, str]] = {}
    found = []
    for number, run in enumerate(own):
        for cell, (outcome, version) in _verdicts(run).items():
            if outcome == NOT_RUN:
                continue
            previous, old_version, date = known.get(cell, ("", "", own[number - 1]["date"]))
            if number and outcome != previous:
                found.append(Change(*cell, previous, outcome, (old_version, version), (date, run["date"])))
            known[cell] = (outcome, version, run["date"])
    return found[::-1]


def _verdicts(run: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (strategy, world["mode"]): (outcome["verdict"], world["version"])
        for world in run["worlds"]
        for strategy, outcome in world["strategies"].items()
    }


def _world_of(results: Results, mode: str) -> dict[str, Any]:
    cells = [cell for cell in results.cells if (cell.setting.mode, cell.setting.homeserver) == (mode, _PLACE)]
    setting = cells[0].setting
    names = dict.fromkeys(cell.setting.strategy for cell in cells)
    return {
        "mode": mode,
        "browser": setting.engine,
        "version": setting.version,
        "window": mode.partition("-")[2],
        "homeserver": _PLACE,
        "strategies": {name: _outcome(results, mode, name, cells) for name in names},
    }


def _outcome(results: Results, mode: str, strategy: str, cells: list[Cell]) -> dict[str, Any]:
    outcome, words = NOT_RUN, ""
    for interpreter in _INTERPRETERS:
        own = [cell for cell in cells if (cell.setting.strategy, cell.setting.interpreter) == (strategy, interpreter)]
        outcome, words = verdict(own)
        if outcome != NOT_RUN:
            break
    costs = {key: _cost(results, mode, strategy, visit) for key, visit in _VISITS.items()}
    return {"verdict": outcome, "words": words, "costs": costs}


def _cost(results: Results, mode: str, strategy: str, visit: str) -> dict[str, float] | None:
    found = {}
    for name in _COSTS:
        values = [
            measure.median
            for measure in results.measures
            if (measure.setting.mode, measure.setting.homeserver) == (mode, _PLACE)
            and (measure.setting.strategy, measure.name) == (strategy, f"{visit}: {name}")
        ]
        if not values:
            return None
        found[name] = median(values)
    return found
