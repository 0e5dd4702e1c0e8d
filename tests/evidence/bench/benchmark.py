"""What is measured, each as pairs of two things measured in turn, so that a noisy machine disturbs both alike."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext

from tests.evidence.bench.environment import BenchmarkEnvironment

INTERPRETERS = ("micropython", "pyodide")
ROUND_TRIP_MS = 100
MANY = 200

Measurement = Callable[[], float]
Tell = Callable[[str], None]


@dataclass
class Row:
    """One line of the table.

    :param what: what of ours is measured, and ``against`` what else, in words.
    :param goal: what the ratio is to be at most.
    :param pairs: what was measured: ours and the other, in the unit's own.
    """

    what: str
    against: str
    goal: float | None
    unit: str
    engine: str
    pairs: list[tuple[float, float]] = field(default_factory=list)
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours as a part of the other, of each pair."""
        return [library / other for library, other in self.pairs]

    @property
    def median(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; nothing where there is none."""
        return None if self.goal is None or not self.pairs else self.median <= self.goal


class Benchmark:
    """Measures in one browser.

    :param runs: how many pairs each row gets.
    :param count: how many media a row loads.
    """

    def __init__(
        self,
        environment: BenchmarkEnvironment,
        context: BrowserContext,
        engine: str,
        tell: Tell,
        *,
        runs: int,
        count: int = MANY,
    ):
        self.environment = environment
        self.context = context
        self.engine = engine
        self.runs = runs
        self.count = count
        self._tell = tell

    def row(
        self, what: str, against: str, goal: float | None, library: Measurement, other: Measurement, unit: str = "ms"
    ) -> Row:
        """Measures ours and the other in turn: A B, B A, A B and so on, since the second may profit from the first."""
        row = Row(what, against, goal, unit, self.engine)
        for run in range(self.runs):
            self._tell(f"{self.engine}: {what} against {against} ({run + 1} of {self.runs})")
            if run % 2:
                second = other()
                row.pairs.append((library(), second))
            else:
                first = library()
                row.pairs.append((first, other()))
        return row

    def library(self, address: str, strategy: str, interpreter: str = "micropython", count: int = 0) -> Measurement:
        """Small media through this library."""
        media = self.environment.media[: count or self.count]
        return lambda: self.environment.load(
            self.context, "library", address, media, strategy=strategy, interpreter=interpreter
        )

    def plain(self, address: str, strategy: str, count: int = 0) -> Measurement:
        """The same media by hand-written JavaScript."""
        media = self.environment.media[: count or self.count]
        return lambda: self.environment.load(self.context, "plain", address, media, strategy=strategy)


def overhead(benchmark: Benchmark) -> Iterator[Row]:
    """What the library, and Python, add to the same strategy written by hand."""
    for strategy in ("blob", "link", "bundle", "opfs"):
        for interpreter in INTERPRETERS:
            for round_trip_ms in (0, ROUND_TRIP_MS):
                address = benchmark.environment.address(round_trip_ms=round_trip_ms)
                yield benchmark.row(
                    f"{benchmark.count} thumbnails by `{strategy}`, {interpreter}, {round_trip_ms} ms round trip",
                    "plain JavaScript of the same strategy",
                    1.05,
                    benchmark.library(address, strategy, interpreter),
                    benchmark.plain(address, strategy),
                )


def worker(benchmark: Benchmark) -> Iterator[Row]:
    """Links and bundles against what web clients do today."""
    protocols = (("http/1.1", "HTTP/1.1", 0.55, 0.15), ("h2", "HTTP/2 behind nginx", 0.9, 0.4))
    for over, name, link_goal, bundle_goal in protocols:
        if over == "h2" and not benchmark.environment.proxy:
            continue
        address = benchmark.environment.address(round_trip_ms=ROUND_TRIP_MS, over=over)
        for strategy, goal in (("link", link_goal), ("bundle", bundle_goal)):
            yield benchmark.row(
                f"{benchmark.count} thumbnails by `{strategy}`, {ROUND_TRIP_MS} ms, {name}",
                "a service worker as Element Web's",
                goal,
                benchmark.library(address, strategy),
                benchmark.plain(address, "worker"),
            )


def limit(benchmark: Benchmark) -> Iterator[Row]:
    """The least that a browser needs for as many images that anybody may see."""
    for round_trip_ms in (0, ROUND_TRIP_MS):
        public = benchmark.environment.address(round_trip_ms=round_trip_ms, over="site")
        for strategy in ("link", "bundle"):
            yield benchmark.row(
                f"{benchmark.count} thumbnails by `{strategy}`, {round_trip_ms} ms round trip",
                "public files of that size",
                None,
                benchmark.library(benchmark.environment.address(round_trip_ms=round_trip_ms), strategy),
                benchmark.plain(public, "public"),
            )


def as_json(row: Row) -> dict[str, Any]:
    """A row as ``benchmark.json`` has it."""
    return {
        "what": row.what,
        "against": row.against,
        "goal": row.goal,
        "ratios": [round(ratio, 4) for ratio in row.ratios],
        "unit": row.unit,
        "engine": row.engine,
        "pairs": row.pairs,
        "note": row.note,
    }
