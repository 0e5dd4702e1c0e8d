"""The format of ``bench.json``, and the tables of the documentation made from it.

``about``: ``machine``, ``versions``, ``date``, ``runs``, ``costs`` (CPU milliseconds of the homeserver per request of
each kind). ``rows``: a list of ``{what, against, goal, ratios, unit, engine, pairs, note}``: the measurement and its
peer; ``goal``, the upper limit of the ratio or ``null``; ``ratios``, one for each pair of alternate measurements;
``pairs``, the measurements themselves.
"""

from pathlib import Path
from statistics import median
from typing import Any

from tests.evidence import documents
from tests.evidence.bench import cost_model

LATEST = Path(__file__).with_name("latest.json")
PART = "bench"
COST_MODEL_PART = "cost-model"


def table(benchmark: dict[str, Any]) -> str:
    """Returns the table of the documentation: goals and ratios, a column per browser, missed goals marked."""
    engines = list(dict.fromkeys(row["engine"] for row in benchmark["rows"]))
    lines = [f"| what | against | goal | {' | '.join(engines)} |", "|---" * (3 + len(engines)) + "|"]
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in benchmark["rows"]:
        rows.setdefault((row["what"], row["against"]), {})[row["engine"]] = row
    for (what, against), found in rows.items():
        goal = _goal(next(iter(found.values())))
        cells = [_cell(found[engine]) if engine in found else "-" for engine in engines]
        lines.append(f"| {' | '.join([what, against, goal, *cells])} |")
    return "\n".join(lines) + "\n"


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


def _goal(row: dict[str, Any]) -> str:
    return "-" if row["goal"] is None else f"at most {row['goal']:g}"
