"""The format of ``bench.json``, and the tables of the documentation made from it.

``about``: ``machine``, ``versions``, ``date``, ``runs``, ``costs`` (CPU milliseconds of the homeserver per request of
each kind), and what else was running (see `run_conditions.note_load`). ``rows``: a list of ``{what, against, goal,
ratios, unit, engine, pairs, note, date, commit}``: the measurement and its peer; ``goal``, the upper limit of the ratio
or ``null``; ``ratios``, one for each pair of alternate measurements; ``pairs``, the measurements themselves; day and
commit of the row's run, which rows measured before 2026-11-29 do not have.
"""

from pathlib import Path
from statistics import median
from typing import Any

from tests.evidence import documents
from tests.evidence.bench import cost_model

LATEST = Path(__file__).with_name("latest.json")
PART = "bench"
COST_MODEL_PART = "cost-model"
#: What identifies a row: a new one replaces the old one with the same values.
KEY = ("engine", "what", "against")
#: A row whose median is larger than before by more than this factor is named when it is taken over.
WORSE = 1.1


def table(benchmark: dict[str, Any]) -> str:
    """Returns the table of the documentation: goals and ratios, a column per browser, missed goals marked."""
    engines = list(dict.fromkeys(row["engine"] for row in benchmark["rows"]))
    lines = [f"| what | against | goal | {' | '.join(engines)} | measured |", "|---" * (4 + len(engines)) + "|"]
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in benchmark["rows"]:
        rows.setdefault((row["what"], row["against"]), {})[row["engine"]] = row
    for (what, against), found in rows.items():
        cells = [_cell(found[engine]) if engine in found else "-" for engine in engines]
        lines.append(f"| {' | '.join([what, against, _goal(found), *cells, _measured(found)])} |")
    return "\n".join(lines) + "\n"


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
    return "reached" if median(row["ratios"]) <= row["goal"] else "**missed**"


def write_tables(benchmark: dict[str, Any]) -> None:
    """Writes the tables into the documentation."""
    documents.write_between(PART, table(benchmark), documents.PERFORMANCE)
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


def _measured(found: dict[str, dict[str, Any]]) -> str:
    """Returns day and commit of a row's measurements, by engine where they differ."""
    runs = {
        engine: f"{row['date'][:10]} at `{row['commit']}`" if row.get("date") else "" for engine, row in found.items()
    }
    if len(set(runs.values())) == 1:
        return next(iter(runs.values())) or "-"
    return ", ".join(f"{run} ({engine})" for engine, run in runs.items() if run)
