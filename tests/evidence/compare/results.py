"""The format of ``results.json``, and classes to read and write it.

``about``: ``machine`` (system, processor, cores), ``versions``, ``commit``, ``date`` (ISO 8601), ``seed`` of the order,
``runs``, ``quick`` if it ran each cell of the matrix once, ``others_load`` (the largest share of all cores' time that
other programs took in a part of the run, 0 to 1), ``alone`` (whether that is below 5 %), ``seconds`` of each part,
by mode and homeserver, and ``worlds``: by mode, what a page sees of its browser (`tests.evidence.compare.probe`).
``cells``: a list of ``{engine, version, mode, homeserver, interpreter, strategy, media, verdict, words}``, where
``homeserver`` is ``same-origin``, ``same-site`` or ``cross-site`` for Synapse as it ships, with the module; or, each on
another site, ``native-ranges`` for one with ``native_ranges: true``, ``gateway`` for one without the module behind the
gateway, and ``redirecting`` for one that redirects downloads to a storage. ``media`` is ``thumbnail``, ``image``,
``video``, ``audio`` or ``encrypted``, and ``verdict`` is ``works``, ``fails`` or ``not run``; ``words`` are the
browser's, or why.
``measures``: a list of the same keys, with ``media`` ``all`` or ``video``, and ``name``, ``unit`` and ``values``, one a
run.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

#: The typical deployment, which the matrix is about: the client on one site, the homeserver on another.
TYPICAL_PLACE = "cross-site"
PLACES = ("same-origin", "same-site", TYPICAL_PLACE)
#: Homeservers that are not as Synapse ships. Each is on another site.
RANGES, GATEWAY, REDIRECTING = "native-ranges", "gateway", "redirecting"
STRATEGIES = (
    "auto",
    "link",
    "delegated",
    "opfs",
    "blob",
    "bundle",
    "service_worker",
    "cookie",
    "signed_query",
    "blocking",
)
#: By homeserver, the strategies that are run with it: all that it offers, and those that only it offers.
SERVERS = {
    RANGES: STRATEGIES,
    GATEWAY: tuple(name for name in STRATEGIES if name not in ("cookie", "signed_query")),
    REDIRECTING: ("redirect",),
}
#: The strategy that stands for all through the gateway, where they do not differ.
GATEWAY_STRATEGY = "link"
#: What a whole run has of them in a window that it runs briefly: what the matrix shows.
BRIEF_SERVERS = {GATEWAY: (GATEWAY_STRATEGY,), REDIRECTING: ("redirect",)}
#: What a quick run has of them, in `QUICK_SERVER_MODES`: the strategies that each is there for.
QUICK_SERVERS = {
    RANGES: ("service_worker", "cookie", "signed_query"),
    GATEWAY: ("link", "delegated", "bundle"),
    REDIRECTING: ("redirect",),
}
#: One mode of each engine that the other homeservers are run in by a quick run.
QUICK_SERVER_MODES = ("chromium", "firefox-private")
#: One mode of each engine in which a quick run measures what a reload costs.
QUICK_RELOAD_MODES = (*QUICK_SERVER_MODES, "webkit-ephemeral")
ALL = tuple(dict.fromkeys((*STRATEGIES, *(name for names in SERVERS.values() for name in names))))
MEDIA = ("thumbnail", "image", "video", "audio", "encrypted")
WORKS, FAILS, NOT_RUN = "works", "fails", "not run"


@dataclass(frozen=True)
class Setting:
    """The circumstances of a cell or a measure."""

    engine: str
    version: str
    mode: str
    homeserver: str
    interpreter: str
    strategy: str


@dataclass(frozen=True)
class Cell:
    """Whether one kind of media is shown.

    :param date: the day of the run, if it is another one than that of the results; it is not written.
    """

    setting: Setting
    media: str
    verdict: str
    words: str = ""
    date: str = ""


@dataclass
class Measure:
    """The measurements of one quantity."""

    setting: Setting
    media: str
    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the values."""
        return median(self.values)


@dataclass
class Results:
    """A whole comparison."""

    about: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)

    @property
    def is_quick(self) -> bool:
        """Whether the run has each cell of the matrix once."""
        return bool(self.about.get("quick"))

    def measure(self, setting: Setting, media: str, name: str, unit: str, *values: float) -> None:
        """Adds values."""
        for known in self.measures:
            if (known.setting, known.media, known.name) == (setting, media, name):
                known.values += values
                return
        self.measures.append(Measure(setting, media, name, unit, [*values]))

    def add(self, other: "Results") -> None:
        """Adds the results of another browser or place."""
        self.cells += other.cells
        self.measures += other.measures
        self.about["versions"].update({cell.setting.engine: cell.setting.version for cell in other.cells})

    def write(self, path: Path) -> None:
        """Writes ``results.json``."""
        whole = {
            "about": self.about,
            "cells": [_flat(cell) for cell in self.cells],
            "measures": [_flat(measure) for measure in self.measures],
        }
        lines = json.dumps(whole, ensure_ascii=False).replace('{"engine"', '\n{"engine"')
        path.write_text(lines + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Reads ``results.json``."""
        whole = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            whole["about"],
            [Cell(**_deep(cell)) for cell in whole["cells"]],
            [Measure(**_deep(measure)) for measure in whole["measures"]],
        )


def verdict(cells: Iterable[Cell]) -> tuple[str, str]:
    """Returns a verdict for all kinds of media, or the kinds that fail, and the words of the first failure."""
    tried = list(cells)
    bad = [cell for cell in tried if cell.verdict != WORKS]
    if not bad:
        return (WORKS, "") if tried else (NOT_RUN, "")
    words = bad[0].words
    if len(bad) == len(tried):
        return bad[0].verdict, words
    return f"no {' or '.join(cell.media for cell in bad)}", words


def _flat(entry: Cell | Measure) -> dict[str, Any]:
    values = asdict(entry)
    values.pop("date", None)
    return {**values.pop("setting"), **values}


def _deep(values: dict[str, Any]) -> dict[str, Any]:
    setting = Setting(**{name: values.pop(name) for name in Setting.__dataclass_fields__})
    return {"setting": setting, **values}
