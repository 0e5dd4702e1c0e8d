"""The format of ``faults.json``, and the table of the documentation made from it.

``about``: ``machine``, ``versions``, ``date``, ``loads``. ``rows``: a list of ``{fault, engine, at_first, in_the_end,
done}``: what became of the loads by themselves, and once the fault had passed and *Try again* was pressed; each is
``{shown, wrong, failed, hung, from_disk}``, where ``failed`` counts by the words in the media's place.
"""

from pathlib import Path
from typing import Any

from tests.evidence.faults.environment import LoadOutcomes
from tests.evidence.faults.scenarios import SCENARIOS

LATEST = Path(__file__).with_name("latest.json")
PART = "faults"


def flaws(row: dict[str, Any]) -> list[str]:
    """Returns a description of each flaw: wrong images, hung loads, unfitting messages, failed recovery."""
    scenario = SCENARIOS[row["fault"]]
    found = []
    for when in ("at_first", "in_the_end"):
        seen = row[when]
        found += [f"{count} wrong by {name}" for name, count in seen["wrong"].items()]
        if seen["hung"]:
            found.append(f"{seen['hung']} without an end")
        found += [f"{count} with the words '{words}'" for words, count in _unfit(row, when).items()]
    if scenario.heals and sum(row["in_the_end"]["failed"].values()):
        found.append(f"{sum(row['in_the_end']['failed'].values())} did not recover")
    if not row["done"]:
        found.append("the fault was not done at all")
    return list(dict.fromkeys(found))


def holds(row: dict[str, Any]) -> bool:
    """Whether a row has no flaws."""
    return not flaws(row)


def summary(row: dict[str, Any]) -> str:
    """Returns the outcomes of a row in one line."""
    seen, wrong = row["at_first"], flaws(row)
    words = [f"{seen['shown']} shown", *[f"{count} failed: {words}" for words, count in seen["failed"].items()]]
    words.append(f"in the end {row['in_the_end']['shown']} shown")
    return ", ".join(words) + (f"; NOT RIGHT: {', '.join(wrong)}" if wrong else "")


def table(faults: dict[str, Any]) -> str:
    """Returns the table of the documentation."""
    lines = [
        "| fault | in | loads | shown by themselves | failed, and said so | shown in the end "
        "| wrong, without end, or in words that do not fit |",
        "|---|---|---|---|---|---|---|",
    ]
    order = list(SCENARIOS)
    for row in sorted(faults["rows"], key=lambda row: (row["engine"], order.index(row["fault"]))):
        first, end = LoadOutcomes(**row["at_first"]), LoadOutcomes(**row["in_the_end"])
        failed = sum(first.failed.values())
        cells = [row["fault"], row["engine"], first.loads, first.shown, failed, end.shown, _bad(row)]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _bad(row: dict[str, Any]) -> str:
    """Returns wrong images, hung loads and unfitting messages as a cell of the table."""
    hung = max(row[when]["hung"] for when in ("at_first", "in_the_end"))
    by_strategy = [f"{count} by `{name}`" for name, count in row["at_first"]["wrong"].items()]
    unfit = [f"{count} said “{words}”" for words, count in _unfit(row, "at_first").items()]
    return ", ".join(by_strategy + ([f"{hung} without end"] if hung else []) + unfit) or "0"


def _unfit(row: dict[str, Any], when: str) -> dict[str, int]:
    """Returns the messages that do not fit the fault, with their numbers."""
    fit = SCENARIOS[row["fault"]].words
    return {words: count for words, count in row[when]["failed"].items() if words not in fit}
