"""Rows about scaling: time per media as their number grows, and what a reload costs."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import ROUND_TRIP_MS, Benchmark, Measurement, Row
from tests.evidence.bench.environment import AVATAR, LOAD
from tests.evidence.compare.counting_proxy import CountingProxy

SIZES = (50, 500, 5000)
# Links are stored once a second.
_STORED_MS = 1500
# Short loads vary more, so several loads of so few media count as one measurement.
_FEW, _LOADS_OF_FEW = SIZES[0], 3


def growth(benchmark: Benchmark) -> Iterator[Row]:
    """Milliseconds per media, with ten times as many media."""
    steps = list(pairwise(size for size in SIZES if size <= len(benchmark.environment.media)))
    for strategy in ("link", "bundle", "blob"):
        for fewer, more in steps:
            yield _grown(
                benchmark,
                f"`{strategy}`",
                goals.GROWTH,
                partial(benchmark.library, benchmark.environment.address(), strategy),
                fewer,
                more,
            )
    # The growth of the browser's own time. Not for `blob`: Chromium fails some of that many concurrent fetches, which
    # the plain JavaScript of that strategy makes.
    for strategy in ("link", "bundle"):
        by = f"`{strategy}` in plain JavaScript"
        yield _grown(
            benchmark, by, None, partial(benchmark.plain, benchmark.environment.address(), strategy), *steps[-1]
        )


def _grown(
    benchmark: Benchmark, by: str, goal: float | None, peer: Callable[..., Measurement], fewer: int, more: int
) -> Row:
    return benchmark.row(
        f"time a media, {more} thumbnails by {by}",
        f"{fewer} thumbnails",
        goal,
        partial(_each, peer, more),
        partial(_each, peer, fewer),
    )


def _each(peer: Callable[..., Measurement], count: int) -> float:
    loads = _LOADS_OF_FEW if count == _FEW else 1
    return statistics.mean(peer(count=count)() for _ in range(loads)) / count


def reload(benchmark: Benchmark) -> Iterator[Row]:
    """Bytes of media that are fetched again after a reload of the page; and the time of requesting the key again."""
    media = benchmark.environment.media[: benchmark.count]
    with CountingProxy(benchmark.environment.synapse.base_url) as proxy:
        for strategy in ("opfs", "link", "delegated"):
            row = Row(
                f"bytes of {len(media)} thumbnails by `{strategy}`, after a reload",
                "the first visit",
                goals.RELOAD,
                "bytes",
                benchmark.engine,
            )
            for _ in range(benchmark.runs):
                taken = []
                for load in _visits(benchmark, proxy.address("127.0.0.1"), strategy):
                    proxy.take_traffic()
                    load()
                    taken.append(float(proxy.take_traffic().bytes))
                row.pairs.append((taken[1], taken[0]))
            yield row
    # `link` keeps its links in the tab's storage, and `delegated` its key nowhere.
    yield benchmark.row(
        f"{len(media)} thumbnails by `delegated`, after a reload, {ROUND_TRIP_MS} ms round trip",
        "`link`, whose links the tab has stored",
        None,
        partial(_reloaded, benchmark, "delegated"),
        partial(_reloaded, benchmark, "link"),
    )


def _reloaded(benchmark: Benchmark, strategy: str) -> float:
    address = benchmark.environment.address(round_trip_ms=ROUND_TRIP_MS)
    return [load() for load in _visits(benchmark, address, strategy)][1]


def _visits(benchmark: Benchmark, address: str, strategy: str) -> Iterator[Measurement]:
    """Yields a load in a new tab, and another one after a reload of the page."""
    media = benchmark.environment.media[: benchmark.count]
    tab = benchmark.environment.open(benchmark.context, "library", address, strategy=strategy, new="1")
    try:
        yield lambda: float(tab.page.evaluate(LOAD, [media, AVATAR]))
        tab.page.wait_for_timeout(_STORED_MS)
        tab.reload()
        yield lambda: float(tab.page.evaluate(LOAD, [media, AVATAR]))
    finally:
        tab.close()
