"""What each strategy costs, as charts: rows of bars from the stored runs, and what was not measured."""

import re
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.evidence.compare.results import TYPICAL_PLACE, Measure, Results
from web.strategy_order import in_order

_REFERENCE = "blob"
# The rows of the benchmark about a distance: a strategy against the same in plain JavaScript, against a service worker,
# and links against public files.
_OVERHEAD = re.compile(r"200 thumbnails by `(?P<strategy>\w+)`, micropython, (?P<ms>\d+) ms round trip")
_AGAINST_WORKER = re.compile(r"200 thumbnails by `(?P<strategy>\w+)`, (?P<ms>\d+) ms, (?P<over>HTTP/\S+).*")
_PUBLIC = re.compile(r"200 thumbnails by `link`, (?P<ms>\d+) ms round trip")
_DISTANCES_MS = (0, 20, 100)
#: The row of the benchmark about a 100 MB video.
FILM = "first frame and then the middle of 100 MB of film by `link`, 20 Mbit/s: {what}"
_HEAP = "heap of Python and JavaScript while 100 MB of film load by `{strategy}`"


@dataclass(frozen=True)
class Bar:
    """One row of a chart.

    :param label: what it is of.
    :param values: its segments, from left to right.
    :param text: the values as text.
    """

    label: str
    values: tuple[float, ...]
    text: str

    @property
    def total(self) -> float:
        """Length of the whole bar."""
        return sum(self.values)


@dataclass(frozen=True)
class Chart:
    """A picture of bars.

    :param segments: names of the segments of its bars; one if they have no parts.
    :param caption: what was measured, and how to read it.
    :param missing: what was not measured.
    """

    anchor: str
    title: str
    segments: tuple[str, ...]
    caption: str
    bars: list[Bar] = field(default_factory=list)
    missing: str = ""


def charts(results: Results, benchmark: dict[str, Any], strategies: list[str]) -> list[Chart]:
    """Returns all charts that have bars.

    :param benchmark: the figures of the benchmark.
    :param strategies: the strategies to show, in their order.
    """
    figures = _Figures(results, benchmark, strategies)
    drawn = [
        _requests(figures, "first visit"),
        _requests(figures, "after a reload"),
        _bytes(figures),
        _first_media(figures),
        *(_distance(figures, engine) for engine in ("chromium", "firefox")),
        _film(figures, "time"),
        _film(figures, "bytes"),
        _memory(figures),
    ]
    return [chart for chart in drawn if chart.bars]


def reload_costs(results: Results, strategies: list[str]) -> list[dict[str, str]]:
    """Returns what a reload costs by each strategy: the median of all browsers, and WebKit's own figures."""
    figures = _Figures(results, {"rows": []}, strategies)
    rows = []
    for strategy in strategies:
        typical = figures.cost(strategy, "after a reload")
        if typical:
            own = figures.cost(strategy, "after a reload", engine="webkit")
            webkit = "does not work there" if own is None else _cost_text(own)
            rows.append({"strategy": strategy, "cost": _cost_text(typical), "webkit": webkit})
    return rows


class _Figures:
    """Medians of the stored runs."""

    def __init__(self, results: Results, benchmark: dict[str, Any], strategies: list[str]) -> None:
        self.strategies = strategies
        self._measures = [measure for measure in results.measures if measure.setting.homeserver == TYPICAL_PLACE]
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        for row in benchmark["rows"]:
            self._rows.setdefault((row["engine"], row["what"]), row)

    def measures(self, strategy: str, name: str, engine: str = "") -> list[Measure]:
        """Returns the measures of a quantity, one for each world."""
        return [
            measure
            for measure in self._measures
            if (measure.setting.strategy, measure.name) == (strategy, name) and engine in ("", measure.setting.engine)
        ]

    def median(self, strategy: str, name: str, engine: str = "") -> float | None:
        """Returns the median of all browsers, or of one engine's."""
        values = [measure.median for measure in self.measures(strategy, name, engine)]
        return median(values) if values else None

    def cost(self, strategy: str, visit: str, engine: str = "") -> tuple[float, float, float] | None:
        """Returns requests, preflights and bytes of a visit."""
        found = [self.median(strategy, f"{visit}: {name}", engine) for name in ("requests", "preflights", "bytes")]
        requests, preflights, size = found
        if requests is None or preflights is None or size is None:
            return None
        return requests, preflights, size

    def costs(self, visit: str) -> list[tuple[str, tuple[float, float, float]]]:
        """Returns the strategies whose costs of a visit are known, with those."""
        found = [(strategy, self.cost(strategy, visit)) for strategy in self.strategies]
        return [(strategy, cost) for strategy, cost in found if cost]

    def pairs(self, engine: str) -> list[tuple[str, tuple[float, float]]]:
        """Returns the rows of one engine with their medians."""
        rows = [(what, self.pair(engine, what)) for of, what in self._rows if of == engine]
        return [(what, pair) for what, pair in rows if pair]

    def pair(self, engine: str, what: str) -> tuple[float, float] | None:
        """Returns the medians of a row of the benchmark: the library's and its peer's."""
        row = self._rows.get((engine, what))
        if not row or not row["pairs"]:
            return None
        return median(pair[0] for pair in row["pairs"]), median(pair[1] for pair in row["pairs"])


def _requests(figures: _Figures, visit: str) -> Chart:
    first = visit == "first visit"
    chart = Chart(
        "cost-requests" if first else "cost-reload-requests",
        f"Requests and preflights, {visit}",
        ("requests", "preflights"),
        "A room with 39 media, homeserver on another site, counted in front of it. Medians of all browsers.",
    )
    for strategy, cost in figures.costs(visit):
        chart.bars.append(Bar(strategy, cost[:2], f"{cost[0]:.0f} + {cost[1]:.0f}"))
    return chart


def _bytes(figures: _Figures) -> Chart:
    chart = Chart(
        "cost-bytes",
        "Megabytes of media, after a reload",
        ("megabytes",),
        "The same room: a first visit transfers 8.5 MB by every strategy. Medians of all browsers; the answer on "
        "reloads has WebKit by itself.",
    )
    for strategy, cost in figures.costs("after a reload"):
        chart.bars.append(Bar(strategy, (cost[2] / 1e6,), f"{cost[2] / 1e6:.1f} MB"))
    return chart


def _first_media(figures: _Figures) -> Chart:
    chart = Chart(
        "cost-first-media",
        "Time to the first media, homeserver on the same machine",
        ("time",),
        "As a share of blob's in the same browser: browsers differ more than strategies. Medians of all browsers.",
        missing="over a distance.",
    )
    for strategy in figures.strategies:
        share = _share(figures, strategy, "first visit: time to the first media")
        if share is not None:
            chart.bars.append(Bar(strategy, (share,), f"{share:.2f}"))
    return chart


def _share(figures: _Figures, strategy: str, name: str) -> float | None:
    reference = {measure.setting.mode: measure.median for measure in figures.measures(_REFERENCE, name)}
    shares = [
        measure.median / reference[measure.setting.mode]
        for measure in figures.measures(strategy, name)
        if reference.get(measure.setting.mode)
    ]
    return median(shares) if shares else None


def _distance(figures: _Figures, engine: str) -> Chart:
    name = {"chromium": "Chromium", "firefox": "Firefox"}[engine]
    # By strategy, protocol and distance, in seconds.
    found: dict[tuple[str, str, int], float] = {}
    for what, (library, peer) in figures.pairs(engine):
        if match := _OVERHEAD.fullmatch(what):
            found[match["strategy"], "HTTP/1.1", int(match["ms"])] = library / 1000
        elif match := _AGAINST_WORKER.fullmatch(what):
            found.setdefault((match["strategy"], match["over"], int(match["ms"])), library / 1000)
            found.setdefault(("service_worker", match["over"], int(match["ms"])), peer / 1000)
        elif match := _PUBLIC.fullmatch(what):
            found["public files", "HTTP/1.1", int(match["ms"])] = peer / 1000
    names = [*figures.strategies, "public files"]
    keys = sorted((key for key in found if key[0] in names), key=lambda key: (names.index(key[0]), *key[1:]))
    bars = [
        Bar(f"{who}, {ms} ms, {over}", (found[who, over, ms],), f"{found[who, over, ms]:.1f} s")
        for who, over, ms in keys
    ]
    never = [f"{ms} ms" for ms in _DISTANCES_MS if not any(key[2] == ms for key in found)]
    return Chart(
        f"cost-distance-{engine}",
        f"Seconds until the last of 200 thumbnails shows, {name}",
        ("seconds",),
        "By the round trip to the homeserver. Medians of five runs; a worker as Element Web's.",
        bars,
        "; ".join([*never, "what has no bar here."]),
    )


def _film(figures: _Figures, what: str) -> Chart:
    unit = "seconds" if what == "time" else "megabytes"
    chart = Chart(
        f"cost-film-{what}",
        f"{unit.capitalize()} until the first frame, and then the middle, of a 100 MB video",
        (unit,),
        "At 20 Mbit/s. link asks for ranges; blob has to have the whole file. Medians of five runs.",
        missing="the other strategies.",
    )
    for engine, name in (("chromium", "Chromium"), ("firefox", "Firefox")):
        pair = figures.pair(engine, FILM.format(what=what))
        for strategy, value in zip(("link", "blob"), pair or (), strict=False):
            size = value / (1000 if what == "time" else 1e6)
            text = f"{size:.1f} s" if what == "time" else f"{size:.1f} MB"
            chart.bars.append(Bar(f"{strategy}, {name}", (size,), text))
    return Chart(**{**chart.__dict__, "bars": sorted(chart.bars, key=lambda bar: bar.label)})


def _memory(figures: _Figures) -> Chart:
    chart = Chart(
        "cost-memory",
        "Heap of Python and JavaScript while a 100 MB video loads, Chromium",
        ("megabytes",),
        "What the page's own program holds. The body is not in it: with blob and bundle the browser keeps all 100 MB "
        "outside of this heap, with opfs it is on disk, with the others the browser buffers the part that plays.",
        missing="the browser's own memory; Firefox and WebKit, which do not tell it.",
    )
    for strategy in in_order(figures.strategies):
        pair = figures.pair("chromium", _HEAP.format(strategy=strategy))
        if pair:
            chart.bars.append(Bar(strategy, (pair[0] / 1e6,), f"{pair[0] / 1e6:.1f} MB"))
    return chart


def _cost_text(cost: tuple[float, float, float]) -> str:
    return f"{cost[0]:.0f} + {cost[1]:.0f}, {cost[2] / 1e6:.1f} MB"
