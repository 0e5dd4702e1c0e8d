"""Renders the results of a comparison: a self-contained page, and the tables of README and documentation."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from tests.browser.engines import ALL_MODES
from tests.evidence import documents
from tests.evidence.compare import stored_runs
from tests.evidence.compare.results import (
    FAILS,
    GATEWAY,
    GATEWAY_STRATEGY,
    NOT_RUN,
    PLACES,
    RANGES,
    REDIRECTING,
    SERVERS,
    STRATEGIES,
    TYPICAL_PLACE,
    WORKS,
    Cell,
    Measure,
    Results,
    verdict,
)
from web.strategy_order import in_order

HERE = Path(__file__).parent
ORDERED = tuple(in_order(STRATEGIES))
LATEST = stored_runs.WHOLE
PART = "comparison"

COSTS = ("time to the first media", "time to the last media", "requests", "preflights", "bytes")
VISITS = ("first visit", "after a reload")
# The strategy to which times are relative: it works everywhere and resembles what clients do today.
REFERENCE_STRATEGY = "blob"
_PLOTS = (
    ("first", "First media on show", "{:.2f}"),
    ("last", "All media on show", "{:.2f}"),
    ("requests", "Requests and preflights", "{:.0f}"),
    ("again", "Fetched after a reload", "{:.1f} MB"),
)
_ENGINES = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKit"}
_MODES = {
    "off-the-record": "private",
    "ephemeral": "private",
    "private-no-service-worker": "private, no service worker",
}
# Those that have a column in README and documentation; the page `evidence.html` has all.
_TABLE_MODES = (*(mode.name for mode in ALL_MODES), "webkit-ephemeral")
# Words that name a homeserver other than Synapse as it ships, behind a strategy's name.
_SERVER_TITLES = {
    RANGES: "Synapse with `native_ranges`",
    GATEWAY: "through the gateway",
    REDIRECTING: "a homeserver that redirects",
}
_SIGNS = {WORKS: "✓", FAILS: "✗", NOT_RUN: "-"}


def page(results: Results) -> str:
    """Returns the report as HTML without external resources."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    figures = [(strategy, _figures(results, strategy)) for strategy in ORDERED]
    return environment.get_template("report.html").render(
        about=results.about,
        summary_sentences=summary_sentences(results),
        modes=modes(results),
        places=[(place, ORDERED) for place in PLACES] + _measured_servers(results),
        typical_place=TYPICAL_PLACE,
        visits=VISITS,
        costs=COSTS,
        verdict_of=lambda mode, place, strategy: _shown(results, mode, place, strategy),
        cost_of=lambda mode, place, strategy, name: _cost(results, mode, place, strategy, name),
        words=_words(results),
        classes={"✓": WORKS, "✗": FAILS, "◐": "part"},
        figures=figures,
        plots=_PLOTS,
        most={name: max(figure[name] or 0 for _, figure in figures) for name, _, _ in _PLOTS},
        reference_strategy=REFERENCE_STRATEGY,
    )


def summary_sentences(results: Results) -> list[str]:
    """Returns a sentence per strategy: where it works and what it costs."""
    sentences = []
    for strategy in ORDERED:
        good: list[str] = []
        bad: list[str] = []
        for mode in modes(results):
            outcome = _shown(results, mode, TYPICAL_PLACE, strategy)[0]
            (good if outcome == WORKS else bad).append(mode if outcome in (WORKS, FAILS) else f"{mode} ({outcome})")
        where = "works everywhere"
        if bad:
            where = (
                f"works in {', '.join(good)}; not in {', '.join(bad)}" if good else f"works in none: {', '.join(bad)}"
            )
        first, again = (_typical(results, strategy, when) for when in VISITS)
        cost = f": {first} for a first visit, {again} after a reload" if first and again else ""
        sentences.append(f"{strategy} {where}{cost}.")
    return sentences


def table(results: Results, visits: Sequence[str] = VISITS) -> str:
    """Returns the table of the documentation: verdicts by engine and mode with a cross-site homeserver, and costs.

    :param visits: those of `VISITS` that have a column.
    """
    shown = [mode for mode in modes(results) if mode in _TABLE_MODES]
    lines = [
        f"| {' | '.join(['', *map(_heading, shown), *visits])} |",
        f"|{'---|' * (len(shown) + 1 + len(visits))}",
    ]
    for title, place, strategy in _table_rows(results, shown):
        verdicts = [_shown(results, mode, place, strategy)[0] for mode in shown]
        costs = [_compact(_typical(results, strategy, when, place)) or "-" for when in visits]
        lines.append(f"| {title} | {' | '.join([*verdicts, *costs])} |")
    return "\n".join(lines) + "\n"


def _table_rows(results: Results, shown: Sequence[str]) -> list[tuple[str, str, str]]:
    """Returns title, homeserver and strategy of each row: with other homeservers, those that they make a difference to.

    :param shown: the modes with a column.
    """
    rows = [(f"`{strategy}`", TYPICAL_PLACE, strategy) for strategy in ORDERED]
    for place, strategies in _measured_servers(results):
        for strategy in strategies:
            own, usual = ([_shown(results, mode, at, strategy)[0] for mode in shown] for at in (place, TYPICAL_PLACE))
            differs = any(one not in (NOT_RUN, other) for one, other in zip(own, usual, strict=True))
            if differs or (place, strategy) == (GATEWAY, GATEWAY_STRATEGY):
                rows.append((f"`{strategy}`, {_SERVER_TITLES[place]}", place, strategy))
    return rows


def _measured_servers(results: Results) -> list[tuple[str, list[str]]]:
    """Returns the other homeservers that were run, with the strategies of each."""
    known = {cell.setting.homeserver for cell in results.cells}
    return [(place, in_order(strategies)) for place, strategies in SERVERS.items() if place in known]


def readme_table(results: Results) -> str:
    """Returns the README's table, which has one column of cost."""
    return table(results, VISITS[:1])


def write_tables(results: Results) -> None:
    """Writes the tables into README and documentation."""
    documents.write_between(PART, readme_table(results), documents.README)
    documents.write_between(PART, table(results), documents.COMPARISON)


def _compact(cost: str) -> str:
    """Returns a cost for a narrow column whose heading names the units; its parts do not wrap."""
    counts, _, size = cost.replace(" requests", "").partition(", ")
    return ", ".join(part.replace(" ", "\u00a0") for part in (counts, size) if part)


def _heading(mode: str) -> str:
    """Returns engine and mode as a heading: ``firefox-private`` as ``Firefox, private``."""
    engine, _, rest = mode.partition("-")
    return ", ".join([_ENGINES.get(engine, engine), *filter(None, [_MODES.get(rest, rest)])])


def modes(results: Results) -> list[str]:
    """Returns the modes in the order in which they were run."""
    return list(dict.fromkeys(cell.setting.mode for cell in results.cells))


def _shown(results: Results, mode: str, place: str, strategy: str) -> tuple[str, str, str]:
    """Returns verdict, sign and words of a strategy, by the first interpreter that ran it (`blocking` has one)."""
    best = (NOT_RUN, _SIGNS[NOT_RUN], "")
    for interpreter in ("micropython", "pyodide"):
        cells = _cells(results, mode, place, strategy, interpreter)
        outcome, words = verdict(cells)
        if outcome != NOT_RUN:
            return outcome, _SIGNS.get(outcome, "◐"), words
        best = (outcome, _SIGNS[NOT_RUN], words or best[2])
    return best


def _cells(results: Results, mode: str, place: str, strategy: str, interpreter: str) -> list[Cell]:
    wanted = (mode, place, strategy, interpreter)
    return [
        cell
        for cell in results.cells
        if (cell.setting.mode, cell.setting.homeserver, cell.setting.strategy, cell.setting.interpreter) == wanted
    ]


def _measures(results: Results, place: str, strategy: str, name: str) -> list[Measure]:
    return [
        measure
        for measure in results.measures
        if (measure.setting.homeserver, measure.setting.strategy, measure.name) == (place, strategy, name)
    ]


def _typical(results: Results, strategy: str, when: str, place: str = TYPICAL_PLACE) -> str:
    """Returns requests, preflights and bytes with a homeserver on another site, as medians of all browsers."""
    counts = []
    for name in ("requests", "preflights", "bytes"):
        values = [measure.median for measure in _measures(results, place, strategy, f"{when}: {name}")]
        if not values:
            return ""
        counts.append(median(values))
    return f"{counts[0]:.0f} + {counts[1]:.0f} requests, {_megabytes(counts[2])}"


def _figures(results: Results, strategy: str) -> dict[str, float | None]:
    """Returns a strategy's figures with a cross-site homeserver, as medians of all browsers; None where it failed.

    Times are relative to the reference strategy's in the same browser, because browsers differ more than strategies.
    """
    return {
        "first": _share(results, strategy, "first visit: time to the first media"),
        "last": _share(results, strategy, "first visit: time to the last media"),
        "requests": _sum(results, strategy, "first visit", ("requests", "preflights")),
        "again": _sum(results, strategy, "after a reload", ("bytes",), 1e6),
    }


def _share(results: Results, strategy: str, name: str) -> float | None:
    by_mode = [
        {measure.setting.mode: measure.median for measure in _measures(results, TYPICAL_PLACE, which, name)}
        for which in (strategy, REFERENCE_STRATEGY)
    ]
    shares = [value / by_mode[1][mode] for mode, value in by_mode[0].items() if by_mode[1].get(mode)]
    return median(shares) if shares else None


def _sum(results: Results, strategy: str, when: str, names: tuple[str, ...], unit: float = 1) -> float | None:
    medians = [
        [measure.median for measure in _measures(results, TYPICAL_PLACE, strategy, f"{when}: {name}")] for name in names
    ]
    return sum(median(values) for values in medians) / unit if all(medians) else None


def _cost(results: Results, mode: str, place: str, strategy: str, name: str) -> str:
    """Returns a median with its range."""
    for measure in _measures(results, place, strategy, name):
        if measure.setting.mode == mode:
            low, high = min(measure.values), max(measure.values)
            form = _megabytes if measure.unit == "bytes" else "{:.0f}".format
            spread = f" ({form(low)} to {form(high)})" if low != high else ""
            return form(measure.median) + spread
    return "-"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def _words(results: Results) -> list[dict[str, Any]]:
    """Returns the messages of browsers and homeserver, each with the settings in which it occurred."""
    said: dict[tuple[str, str], list[str]] = {}
    for cell in results.cells:
        if cell.words:
            where = f"{cell.setting.mode}, {cell.setting.homeserver}, {cell.setting.interpreter}: {cell.media}"
            said.setdefault((cell.setting.strategy, cell.words), []).append(where)
    return [{"strategy": strategy, "words": words, "where": where} for (strategy, words), where in said.items()]
