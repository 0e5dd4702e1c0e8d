"""Rows of the benchmark: pairs of measurements taken alternately, so that a noisy machine affects both sides alike."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext

from tests.evidence.bench import goals
from tests.evidence.bench.environment import BenchmarkEnvironment

INTERPRETERS = ("micropython", "pyodide")
#: Without a distance, a good connection of real life, and a distant homeserver.
ROUND_TRIPS_MS = (0, 20, 100)
ROUND_TRIP_MS = 100
MANY = 200

Measurement = Callable[[], float]
Tell = Callable[[str], None]


@dataclass
class Row:
    """One row of the table.

    :param what: description of the library's measurement, and ``against`` of its peer's.
    :param goal: upper limit of the ratio; None for no goal.
    :param pairs: the measurements: the library's and its peer's, in ``unit``.
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
        """The library's measurement divided by its peer's, per pair."""
        return [library / other for library, other in self.pairs]

    @property
    def median(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None if there is no goal or no measurement."""
        return None if self.goal is None or not self.pairs else self.median <= self.goal


class Benchmark:
    """Measures in one browser.

    :param runs: number of pairs per row.
    :param count: number of media that a row loads.
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
        """Measures both sides alternately (A B, B A, A B, …), since the second of a pair may profit from the first."""
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

    def library(
        self, address: str, strategy: str, interpreter: str = "micropython", count: int = 0, *, is_new: bool = False
    ) -> Measurement:
        """Returns a measurement that loads thumbnails by this library.

        :param is_new: see `BenchmarkEnvironment.load`.
        """
        media = self.environment.media[: count or self.count]
        return lambda: self.environment.load(
            self.context, "library", address, media, is_new=is_new, strategy=strategy, interpreter=interpreter
        )

    def plain(self, address: str, strategy: str, count: int = 0, *, is_new: bool = False) -> Measurement:
        """Returns a measurement that loads the same thumbnails by hand-written JavaScript."""
        media = self.environment.media[: count or self.count]
        return lambda: self.environment.load(self.context, "plain", address, media, is_new=is_new, strategy=strategy)


def overhead(benchmark: Benchmark) -> Iterator[Row]:
    """Overhead of the library and of Python over the same strategy in plain JavaScript."""
    for strategy in ("blob", "link", "delegated", "bundle", "opfs"):
        for interpreter in INTERPRETERS:
            for round_trip_ms in ROUND_TRIPS_MS:
                address = benchmark.environment.address(round_trip_ms=round_trip_ms)
                yield benchmark.row(
                    f"{benchmark.count} thumbnails by `{strategy}`, {interpreter}, {round_trip_ms} ms round trip",
                    "plain JavaScript of the same strategy",
                    goals.overhead(benchmark.engine, interpreter, strategy, round_trip_ms),
                    benchmark.library(address, strategy, interpreter),
                    benchmark.plain(address, strategy),
                )


def worker(benchmark: Benchmark) -> Iterator[Row]:
    """Links and bundles against a service worker, as web clients use today."""
    for over, name in (("http/1.1", "HTTP/1.1"), ("h2", "HTTP/2 behind nginx")):
        if over == "h2" and not benchmark.environment.proxy:
            continue
        address = benchmark.environment.address(round_trip_ms=ROUND_TRIP_MS, over=over)
        for strategy, goal in goals.WORKER[over].items():
            for is_new in (False, True):
                how = ", new connections" if is_new else ""
                yield benchmark.row(
                    f"{benchmark.count} thumbnails by `{strategy}`{how}, {ROUND_TRIP_MS} ms, {name}",
                    "a service worker as Element Web's",
                    goal,
                    benchmark.library(address, strategy, is_new=is_new),
                    benchmark.plain(address, "worker", is_new=is_new),
                )


def single(benchmark: Benchmark) -> Iterator[Row]:
    """A single new picture on a page that is already there, such as an avatar that scrolls in; and signing its link."""
    what = f"a single new thumbnail by `delegated`, {ROUND_TRIP_MS} ms round trip"
    address = benchmark.environment.address(round_trip_ms=ROUND_TRIP_MS)
    delegated = benchmark.library(address, "delegated", count=1)
    yield benchmark.row(what, "`link`", goals.SINGLE, delegated, benchmark.library(address, "link", count=1))
    yield benchmark.row(
        what, "a service worker as Element Web's", goals.SINGLE, delegated, benchmark.plain(address, "worker", count=1)
    )
    for interpreter in INTERPRETERS:
        row = Row(f"signing one link, {interpreter}", f"{goals.SIGNING_US:g} µs", 1.0, "µs", benchmark.engine)
        for _ in range(benchmark.runs):
            tab = benchmark.environment.open(
                benchmark.context, "library", address, strategy="delegated", interpreter=interpreter
            )
            tab.page.click("#sign")
            row.pairs.append((float(tab.page.get_attribute("html", "data-signing-us") or 0), goals.SIGNING_US))
            tab.close()
        yield row


def limit(benchmark: Benchmark) -> Iterator[Row]:
    """The lower limit: as many public images without authentication."""
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
    """Returns a row for ``bench.json``."""
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
