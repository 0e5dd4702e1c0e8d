"""The format of ``bench.json``, and the tables of the documentation made from it.

``about``: ``machine``, ``versions``, ``date``, ``runs``, ``costs`` (CPU milliseconds of the homeserver per request of
each kind), and what else was running (see `run_conditions.note_load`). ``rows``: a list of ``{group, what, against,
goal, ratios, unit, engine, pairs, note, date, commit}``: the measurement and its peer; ``group``, one of `TITLES`;
``goal``, the upper limit of the ratio or ``null``; ``ratios``, one for each pair of alternate measurements; ``pairs``,
the measurements themselves; day and commit of the row's run, which rows measured before 2026-11-29 do not have.
"""

import re
from pathlib import Path
from statistics import median
from typing import Any

from tests.evidence import documents
from tests.evidence.bench import cost_model

LATEST = Path(__file__).with_name("latest.json")
PART = "bench"
COST_MODEL_PART = "cost-model"
#: Titles of the groups of rows, in their order.
TITLES = {
    "starting": "From navigation to the first media",
    "overhead": "Against the same strategy in plain JavaScript",
    "worker": "Against a service worker",
    "limit": "Against public files",
    "single": "One picture more",
    "crossings": "Calls and tasks",
    "reload": "A reload",
    "growth": "Ten times as many media",
    "scrolling": "A long timeline",
    "film": "A large video",
    "heap": "Memory for a large video",
    "server": "The homeserver's processor time",
}
_ENGINES = {"chromium": "Chromium", "firefox": "Firefox"}
#: What identifies a row: a new one replaces the old one with the same values.
KEY = ("engine", "what", "against")
REACHED = "reached"
#: A row whose median is larger than before by more than this factor is named when it is taken over.
WORSE = 1.1


def tables(benchmark: dict[str, Any]) -> str:
    """Returns the tables of the documentation: how many goals are reached, then one table for each group of rows."""
    groups = {name: [row for row in benchmark["rows"] if row["group"] == name] for name in TITLES}
    found = {name: rows for name, rows in groups.items() if rows}
    parts = [f"### {TITLES[name]}\n\n{_table(rows)}" for name, rows in found.items()]
    return "\n".join(["\n" + _summary(found), *parts])


def _summary(groups: dict[str, list[dict[str, Any]]]) -> str:
    """Returns a table with a row for each group: how many of its goals are reached, by engine."""
    lines = [f"| Goals reached | {' | '.join(_ENGINES.values())} |", "|---" * (1 + len(_ENGINES)) + "|"]
    for name, rows in groups.items():
        title = TITLES[name]
        anchor = re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", ""))
        verdicts = [[verdict(row) for row in rows if row["engine"] == engine] for engine in _ENGINES]
        cells = [f"{said.count(REACHED)} of {len(said) - said.count('')}" if any(said) else "-" for said in verdicts]
        lines.append(f"| [{title}](#{anchor}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> str:
    """Returns a table of goals and ratios, a column per engine, below the run of its rows.

    Rows of several runs have a column that names them in its place.
    """
    run = _run_of_all(rows)
    engines = [engine for engine in _ENGINES if any(row["engine"] == engine for row in rows)]
    columns = ["what", "against", "goal", *(_ENGINES[engine] for engine in engines)]
    columns += [] if run else ["measured"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    by_engine: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_engine.setdefault((row["what"], row["against"]), {})[row["engine"]] = row
    for (what, against), found in by_engine.items():
        cells = [_cell(found[engine]) if engine in found else "-" for engine in engines]
        measured = [] if run else [_measured(found)]
        lines.append(f"| {' | '.join([what, against, _goal(found), *cells, *measured])} |")
    return (f"Measured on {run}.\n\n" if run else "") + "\n".join(lines) + "\n"


def _run_of_all(rows: list[dict[str, Any]]) -> str:
    """Returns day and commit of the run of all these rows; empty if they are of several runs, or not known."""
    runs = {_run_of(row) for row in rows}
    return runs.pop() if len(runs) == 1 else ""


def worsened(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns a sentence for each row of a run whose ratio is larger than before by more than `WORSE`."""
    known = {_key(row): median(row["ratios"]) for row in before["rows"] if row["ratios"]}
    sentences = []
    for row in now["rows"]:
        old = known.get(_key(row))
        if old is not None and row["ratios"] and median(row["ratios"]) > old * WORSE:
            sentences.append(f"{' | '.join(_key(row))}: {median(row['ratios']):.2f}, before {old:.2f}")
    return sentences


def verdict(row: dict[str, Any]) -> str:
    """Returns ``reached``, ``**missed**``, or an empty text if there is no goal or no measurement."""
    if row["goal"] is None or not row["ratios"]:
        return ""
    return REACHED if median(row["ratios"]) <= row["goal"] else "**missed**"


def write_tables(benchmark: dict[str, Any]) -> None:
    """Writes the tables into the documentation."""
    documents.write_between(PART, tables(benchmark), documents.PERFORMANCE)
    costs = benchmark["about"]["costs"]
    documents.write_between(COST_MODEL_PART, cost_model.table(costs), documents.ADMINISTRATORS)


def _cell(row: dict[str, Any]) -> str:
    ratios = row["ratios"]
    if not ratios:
        return f"not run: {row['note']}"
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) {verdict(row)}".rstrip()


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in KEY)


def _goal(found: dict[str, dict[str, Any]]) -> str:
    """Returns the goal of a row's measurements by engine, which some rows share."""
    goals = {engine: row["goal"] for engine, row in found.items()}
    first, *others = dict.fromkeys(goals.values())
    if first is None:
        return "-"
    if not others:
        return f"at most {first:g}"
    return ", ".join(f"at most {goal:g} ({engine})" for engine, goal in goals.items())


def _run_of(row: dict[str, Any]) -> str:
    """Returns day and commit of a row's run; empty if they are not known."""
    return f"{row['date'][:10]} at `{row['commit']}`" if row.get("date") else ""


def _measured(found: dict[str, dict[str, Any]]) -> str:
    """Returns day and commit of a row's measurements, by engine where they differ."""
    runs = {engine: _run_of(row) for engine, row in found.items()}
    if len(set(runs.values())) == 1:
        return next(iter(runs.values())) or "-"
    return ", ".join(f"{run} ({engine})" for engine, run in runs.items() if run)
