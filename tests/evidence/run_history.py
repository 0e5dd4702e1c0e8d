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

from tests.evidence.compare.results import NOT_RUN, SERVERS, TYPICAL_PLACE, Cell, Results, verdict

FOLDER = Path(__file__).with_name("history")
FORMAT = 1
OWN_SOURCE, PAGE_SOURCE = "build.py compare", "compare.html"
# The typical deployment, which the evidence is about, and other homeservers there.
_PLACES = (TYPICAL_PLACE, *SERVERS)
_INTERPRETERS = ("micropython", "pyodide")
_VISITS = {"first": "first visit", "reload": "after a reload"}
_COSTS = ("requests", "preflights", "bytes")
_CIRCUMSTANCES = ("commit", "alone", "others_load", "quick")
# Strategy, mode, and the homeserver if it is not Synapse as it ships.
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Change:
    """A verdict that is another one than in the latest earlier run that has it.

    :param homeserver: empty for Synapse as it ships.
    """

    strategy: str
    mode: str
    homeserver: str
    before: str
    after: str
    versions: tuple[str, str]
    dates: tuple[str, str]


@dataclass(frozen=True)
class Addition:
    """What a run has that no earlier one has.

    :param verdicts: how many verdicts.
    :param modes: the modes that no earlier run has.
    :param strategies: the strategies that no earlier run has.
    """

    date: str
    verdicts: int
    modes: tuple[str, ...]
    strategies: tuple[str, ...]


def of_results(results: Results) -> dict[str, Any]:
    """Returns the file of a run of ``build.py compare``."""
    versions = {name: text for name, text in results.about["versions"].items() if isinstance(text, str)}
    settings = dict.fromkeys((cell.setting.mode, cell.setting.homeserver) for cell in results.cells)
    worlds = [_world_of(results, mode, place) for mode, place in settings if place in _PLACES]
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

    Each verdict is compared with that of the latest earlier run that has it: a run may have some browsers alone.
    """
    known: dict[_Key, tuple[str, str, str]] = {}
    found = []
    for run in _own(runs):
        for key, (outcome, version) in _verdicts(run).items():
            previous, old_version, date = known.get(key, (outcome, "", ""))
            if outcome != previous:
                found.append(Change(*key, previous, outcome, (old_version, version), (date, run["date"])))
            known[key] = (outcome, version, run["date"])
    return found[::-1]


def additions(runs: list[dict[str, Any]]) -> list[Addition]:
    """Returns how many verdicts each run of ``build.py compare`` but the first has added, the latest first."""
    own = _own(runs)
    known = set(_verdicts(own[0])) if own else set()
    found = []
    for run in own[1:]:
        new = [key for key in _verdicts(run) if key not in known]
        if new:
            modes, strategies = (
                tuple(dict.fromkeys(key[part] for key in new if key[part] not in {old[part] for old in known}))
                for part in (1, 0)
            )
            found.append(Addition(run["date"], len(new), modes, strategies))
            known.update(new)
    return found[::-1]


def _own(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for run in runs if run["source"] == OWN_SOURCE]


def _verdicts(run: dict[str, Any]) -> dict[_Key, tuple[str, str]]:
    """Returns the verdicts of what was run, each with the browser's version."""
    return {
        (strategy, world["mode"], world["homeserver"].replace(TYPICAL_PLACE, "")): (
            outcome["verdict"],
            world["version"],
        )
        for world in run["worlds"]
        for strategy, outcome in world["strategies"].items()
        if outcome["verdict"] != NOT_RUN
    }


def _world_of(results: Results, mode: str, place: str) -> dict[str, Any]:
    cells = [cell for cell in results.cells if (cell.setting.mode, cell.setting.homeserver) == (mode, place)]
    setting = cells[0].setting
    names = dict.fromkeys(cell.setting.strategy for cell in cells)
    return {
        "mode": mode,
        "browser": setting.engine,
        "version": setting.version,
        "window": mode.partition("-")[2],
        "homeserver": place,
        "strategies": {name: _outcome(results, name, cells) for name in names},
    }


def _outcome(results: Results, strategy: str, cells: list[Cell]) -> dict[str, Any]:
    outcome, words = NOT_RUN, ""
    for interpreter in _INTERPRETERS:
        own = [cell for cell in cells if (cell.setting.strategy, cell.setting.interpreter) == (strategy, interpreter)]
        outcome, words = verdict(own)
        if outcome != NOT_RUN:
            break
    where = (cells[0].setting.mode, cells[0].setting.homeserver, strategy)
    costs = {key: _cost(results, where, visit) for key, visit in _VISITS.items()}
    return {"verdict": outcome, "words": words, "costs": costs}


def _cost(results: Results, where: tuple[str, str, str], visit: str) -> dict[str, float] | None:
    found = {}
    for name in _COSTS:
        values = [
            measure.median
            for measure in results.measures
            if (measure.setting.mode, measure.setting.homeserver, measure.setting.strategy) == where
            and measure.name == f"{visit}: {name}"
        ]
        if not values:
            return None
        found[name] = median(values)
    return found
