"""The evidence as files: JSON, CSV, and a document in the shape of browser-compat-data.

https://github.com/mdn/browser-compat-data/blob/main/schemas/compat-data-schema.md
"""

import csv
import io
import json
from typing import Any

from tests.evidence.compare.results import FAILS, NOT_RUN, TYPICAL_PLACE, WORKS, Results
from web.evidence.costs import Chart
from web.evidence.matrix import Matrix, MatrixCell

JSON, CSV, COMPAT_DATA = "evidence.json", "evidence.csv", "evidence-bcd.json"
PAGE = "evidence.html"
_ABOUT = ("date", "commit", "versions", "machine", "alone", "others_load", "runs", "seed", "quick_run")
_TITLES = {"": "normal windows", "private": "private windows"}
_ENGINES = {"chromium": "Blink", "firefox": "Gecko", "webkit": "WebKit"}
# What each feature has to say of its standard: strategies have none.
_STATUS = {"experimental": True, "standard_track": False, "deprecated": False}
# The only form in which browser-compat-data takes the addresses of bugs.
_BUGS = {
    "https://bugzilla.mozilla.org/show_bug.cgi?id=": "https://bugzil.la/",
    "https://bugs.chromium.org/p/chromium/issues/detail?id=": "https://crbug.com/",
}


def as_json(matrix: Matrix, results: Results, charts: list[Chart], missing: list[str]) -> str:
    """Returns ``about``, the cells of the matrix, the charts and what is not measured.

    :param missing: descriptions of the worlds that were not measured.
    """
    about = {key: results.about.get(key) for key in _ABOUT}
    whole = {
        "about": {**about, "homeserver": TYPICAL_PLACE},
        "cells": [_flat(cell) for cell in matrix.cells()],
        "costs": [
            {
                "chart": chart.anchor,
                "title": chart.title,
                "parts": chart.segments,
                "rows": [{"what": bar.label, "values": bar.values} for bar in chart.bars],
                "not_measured": chart.missing,
            }
            for chart in charts
        ],
        "not_measured": missing,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def as_csv(matrix: Matrix) -> str:
    """Returns a row for each strategy, world, place, interpreter and kind of media that was run."""
    rows = list(matrix.all_places())
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]) if rows else ["cell"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _harmless(str(value)) for name, value in row.items()} for row in rows)
    return written.getvalue()


def as_compat_data(matrix: Matrix) -> str:
    """Returns the matrix in the shape of browser-compat-data: a feature for each strategy, with one for each window.

    A version is the one that was measured: ``≤156`` says that this version works, and nothing of earlier ones. The
    names of the browsers are our own, since a WebKitGTK is no Safari, and a Chromium no Chrome.
    """
    browsers: dict[str, Any] = {}
    for world in matrix.worlds:
        major = world.version.partition(".")[0]
        browser = browsers.setdefault(world.engine, _browser(world.browser))
        engine = {"engine": _ENGINES[world.engine]} if world.engine in _ENGINES else {}
        browser["releases"][major] = {**engine, "engine_version": world.version, "status": "current"}
    features: dict[str, Any] = {}
    for strategy in matrix.strategies:
        if not matrix.is_measured(strategy):
            continue
        for cell in matrix.of_strategy(strategy):
            window = cell.world.window.replace(", ", "_").replace(" ", "_").replace("-", "_")
            feature = features.setdefault(strategy, {})
            if window:
                feature = feature.setdefault(f"{window}_windows", {})
            titled = f"{strategy} in {_TITLES.get(cell.world.window, cell.world.window)}, homeserver on another site"
            compat = feature.setdefault("__compat", {"description": titled, "support": {}, "status": _STATUS})
            if cell.kind != NOT_RUN:
                compat["support"][cell.world.engine] = _support(cell)
    meta = {"version": matrix.date, "timestamp": f"{matrix.date}T00:00:00Z"}
    whole = {"__meta": meta, "browsers": browsers, "authmedia": features}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _browser(name: str) -> dict[str, Any]:
    return {"name": name, "type": "desktop", "accepts_flags": True, "accepts_webextensions": True, "releases": {}}


def _support(cell: MatrixCell) -> dict[str, Any]:
    major = cell.world.version.partition(".")[0]
    support: dict[str, Any] = {"version_added": False if cell.outcome == FAILS else f"≤{major}"}
    if cell.kind == WORKS:
        return support
    if cell.outcome != FAILS:
        support["partial_implementation"] = True
    words = cell.words if cell.outcome == FAILS else f"{cell.outcome}: {cell.words}"
    bugs, others = _sources(cell)
    for name, found in (("impl_url", bugs), ("notes", [words, *others])):
        if found:
            support[name] = found if len(found) > 1 else found[0]
    return support


def _sources(cell: MatrixCell) -> tuple[list[str], list[str]]:
    """Returns the addresses of browsers' bugs that explain a failure, and other sources as notes."""
    bugs, others = [], []
    for source in cell.explanations:
        short = next((short + source.url.removeprefix(long) for long, short in _BUGS.items() if long in source.url), "")
        if short:
            bugs.append(short)
        else:
            others.append(f"{source.kind}: {source.url}")
    return bugs, others


def _flat(cell: MatrixCell) -> dict[str, Any]:
    return {
        "address": f"{PAGE}#{cell.anchor}",
        "strategy": cell.strategy,
        "browser": cell.world.browser,
        "version": cell.version,
        "window": cell.world.window or "normal",
        "verdict": cell.outcome,
        "words": cell.words,
        "media": cell.media,
        "deviations": cell.deviations,
        "tests": cell.tests,
        "sources": [source.url for source in cell.explanations],
        "date": cell.date,
    }


def _harmless(text: str) -> str:
    """Returns a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
