"""How cost grows with the work, and what is fetched again."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from tests.evidence.bench.benchmark import Bench, Measurement, Row
from tests.evidence.bench.environment import AVATAR, LOAD
from tests.evidence.compare.counting_proxy import Gateway

SIZES = (50, 500, 5000)
# A short load is at the mercy of what the machine does just then, so that of fewer media several are taken together.
_LOADS_OF_FEWER = 3


def growth(bench: Bench) -> Iterator[Row]:
    """Milliseconds a media, as there are ten times as many."""
    steps = list(pairwise(size for size in SIZES if size <= len(bench.stage.media)))
    for strategy in ("link", "bundle", "blob"):
        for fewer, more in steps:
            yield _grown(bench, f"`{strategy}`", 1.1, partial(bench.ours, bench.stage.address(), strategy), fewer, more)
    # What the browser itself takes longer for, as there are more of them. Not by `blob`: Chromium fails some of so many
    # fetches at once as plain JavaScript of that strategy makes.
    for strategy in ("link", "bundle"):
        by = f"`{strategy}` in plain JavaScript"
        yield _grown(bench, by, None, partial(bench.plain, bench.stage.address(), strategy), *steps[-1])


def _grown(bench: Bench, by: str, goal: float | None, peer: Callable[..., Measurement], fewer: int, more: int) -> Row:
    return bench.row(
        f"time a media, {more} thumbnails by {by}",
        f"{fewer} thumbnails",
        goal,
        partial(_each, peer, more, 1),
        partial(_each, peer, fewer, _LOADS_OF_FEWER),
    )


def _each(peer: Callable[..., Measurement], count: int, loads: int) -> float:
    return statistics.mean(peer(count=count)() for _ in range(loads)) / count


def reload(bench: Bench) -> Iterator[Row]:
    """Bytes of media that are fetched again when the page is loaded again."""
    media = bench.stage.media[: bench.count]
    with Gateway(bench.stage.synapse.base_url) as gateway:
        for strategy in ("opfs", "link"):
            row = Row(
                f"bytes of {len(media)} thumbnails by `{strategy}`, after a reload",
                "the first visit",
                0.0,
                "bytes",
                bench.engine,
            )
            for _ in range(bench.runs):
                window = bench.stage.open(bench.context, "library", gateway.address("127.0.0.1"), strategy=strategy)
                taken = []
                for _ in range(2):
                    gateway.take()
                    window.page.evaluate(LOAD, [media, AVATAR])
                    taken.append(float(gateway.take().bytes))
                    window.page.wait_for_timeout(1500)  # links are remembered once a second
                    window.reload()
                window.close()
                row.pairs.append((taken[1], taken[0]))
            yield row
