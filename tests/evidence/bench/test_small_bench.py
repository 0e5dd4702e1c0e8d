"""A small benchmark, to see that the large one measures what it says."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import CHROMIUM, launch_browser
from tests.conftest import parameters
from tests.evidence import documents
from tests.evidence.bench import goals, mp4_padding, report
from tests.evidence.bench.benchmark import Benchmark, Row, as_json
from tests.evidence.bench.crossings import calls_of_elements, calls_until_first_media, tasks_of_elements
from tests.evidence.bench.environment import BenchmarkEnvironment, benchmark_environment
from tests.evidence.bench.large_video import FILM
from tests.evidence.bench.network_emulation import EmulatedNetwork

MEDIA = 12
#: How many elements load while calls into JavaScript are counted: so many share the calls that a batch takes.
COUNTED = 30
#: The most calls an element, by strategy: below the goals, and a tenth above what there are. That depends a little on
#: garbage collection, and on how many elements one call of the browser wakes.
MOST_CALLS = {"link": 22, "delegated": 18, "blob": 34, "bundle": 24, "opfs": 56}
#: Those of `link.html` until its first media.
MOST_CALLS_FIRST_MEDIA = 2900
#: How often a task is resumed, an element, by strategy: each step takes as long as several calls.
MOST_STEPS = {"link": 6, "delegated": 4.5, "blob": 7.2, "bundle": 6, "opfs": 10.6}
#: How many tasks are shared by all elements that load at once, at the most.
MOST_SHARED_TASKS = 5
ABOUT = {"machine": {}, "versions": {}, "date": "", "runs": 2}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchmarkEnvironment]:
    with benchmark_environment(tmp_path_factory.mktemp("bench"), COUNTED, lambda words: None) as made:
        yield made


@pytest.fixture(scope="module")
def benchmark(environment: BenchmarkEnvironment, playwright: Playwright) -> Iterator[Benchmark]:
    trusted_spki = environment.proxy.spki if environment.proxy else ""
    with launch_browser(CHROMIUM, playwright, trusted_spki=trusted_spki) as context:
        yield Benchmark(environment, context, "chromium", lambda words: None, runs=2, count=MEDIA)


@pytest.mark.parametrize("strategy", parameters(("bundle", "link", "delegated", "blob"), by_default=("bundle",)))
def test_library_against_plain_javascript(benchmark: Benchmark, strategy: str) -> None:
    address = benchmark.environment.address(round_trip_ms=30)
    row = benchmark.row(
        "library", "plain", 1000, benchmark.library(address, strategy), benchmark.plain(address, strategy)
    )
    assert len(row.ratios) == 2
    assert all(library > 30 and other > 30 for library, other in row.pairs), "a round trip at the least"
    assert row.reached


@pytest.mark.parametrize("strategy", MOST_CALLS)
def test_calls_into_javascript_an_element(benchmark: Benchmark, strategy: str) -> None:
    counting = Benchmark(benchmark.environment, benchmark.context, benchmark.engine, print, runs=1, count=COUNTED)
    # A busy machine adds some: what arrives in more parts wakes the library more often.
    calls = min((calls_of_elements(counting, strategy) for _ in range(2)), key=Counter.total)
    assert calls.total() / COUNTED <= MOST_CALLS[strategy], calls.most_common()


@pytest.mark.parametrize("strategy", MOST_STEPS)
def test_tasks_and_steps_an_element(benchmark: Benchmark, strategy: str) -> None:
    counting = Benchmark(benchmark.environment, benchmark.context, benchmark.engine, print, runs=1, count=COUNTED)
    tasks, steps = tasks_of_elements(counting, strategy)
    assert 0 < tasks <= goals.TASKS * COUNTED + MOST_SHARED_TASKS
    assert steps / COUNTED <= MOST_STEPS[strategy]


def test_calls_into_javascript_until_the_first_media(benchmark: Benchmark) -> None:
    calls = calls_until_first_media(benchmark, "link")
    assert 500 < calls.total() <= MOST_CALLS_FIRST_MEDIA, calls.most_common()


def test_requests_through_nginx_use_http2(benchmark: Benchmark) -> None:
    if not benchmark.environment.proxy:
        pytest.skip("there is no nginx here, and none could be installed")
    address = benchmark.environment.address(over="h2")
    assert address.startswith("https://")
    tab = benchmark.environment.open(benchmark.context, "plain", address, strategy="worker")
    protocols = """async (base) => {
      await fetch(base + "/_matrix/client/versions");
      return performance.getEntriesByName(base + "/_matrix/client/versions").map((entry) => entry.nextHopProtocol);
    }"""
    assert set(tab.page.evaluate(protocols, address)) <= {"h2", ""}
    tab.close()
    for strategy in ("delegated", "bundle"):
        assert benchmark.library(address, strategy)() > 0
    assert benchmark.plain(address, "worker")() > 0


def test_emulated_network_adds_latency_and_counts_bytes(environment: BenchmarkEnvironment) -> None:
    url = f"{environment.site}/public/{environment.media[0].rpartition('/')[2]}.png"
    size = len(httpx.get(url).content)
    port = int(environment.site.rpartition(":")[2])
    with EmulatedNetwork(port, round_trip_ms=80, bits_per_s=8 * size * 4) as far, httpx.Client() as client:
        answers = [client.get(url.replace(str(port), str(far.port))) for _ in range(3)]
        first, *later = [answer.elapsed.total_seconds() for answer in answers]
        assert first > 0.16, "the connection, and the request"
        assert min(later) > 0.08
        assert far.take_byte_count() >= 3 * size
        assert far.take_byte_count() == 0


def test_padded_mp4_keeps_its_samples() -> None:
    film = FILM.read_bytes()
    large = mp4_padding.pad_mp4(film, 10_000_000)
    assert len(large) == pytest.approx(10_000_000, rel=0.01)
    before, after = ([content[at : at + length] for at, length in samples(content)] for content in (film, large))
    assert before == after


def samples(film: bytes) -> list[tuple[int, int]]:
    return mp4_padding._samples(film, dict(mp4_padding._tables(film, 0, len(film))))


def stored(group: str, *rows: Row, **run: str) -> list[dict[str, Any]]:
    return [{"group": group, **as_json(row), **run} for row in rows]


def test_figures_round_trip_and_tables(tmp_path: Path) -> None:
    row = Row("a", "b", 0.5, "ms", "chromium", [(1.0, 4.0), (3.0, 4.0), (1.0, 2.0)])
    missed = Row("c", "d", 0.4, "ms", "chromium", [(1.0, 2.0)])
    elsewhere = Row("a", "b", 0.5, "ms", "firefox", [(3.0, 4.0)])
    heap = Row("e", "f", None, "bytes", "chromium", [(1.0, 2.0)])
    rows = stored("heap", heap) + stored("single", row, missed, elsewhere)
    documents.write_figures(tmp_path / "bench.json", {"about": ABOUT, "rows": rows})
    found = documents.read_figures(tmp_path / "bench.json")
    assert found == json.loads((tmp_path / "bench.json").read_text())
    assert found["rows"][1]["ratios"] == [0.25, 0.75, 0.5]
    assert report.tables(found).strip().splitlines() == [
        "| Goals reached | Chromium | Firefox |",
        "|---|---|---|",
        "| [One picture more](#one-picture-more) | 1 of 2 | 0 of 1 |",
        "| [Memory for a large video](#memory-for-a-large-video) | - | - |",
        "",
        "### One picture more",
        "",
        "| what | against | goal | Chromium | Firefox | measured |",
        "|---|---|---|---|---|---|",
        "| a | b | at most 0.5 | 0.50 (0.25 to 0.75) reached | 0.75 (0.75 to 0.75) **missed** | - |",
        "| c | d | at most 0.4 | 0.50 (0.50 to 0.50) **missed** | - | - |",
        "",
        "### Memory for a large video",
        "",
        "| what | against | goal | Chromium | measured |",
        "|---|---|---|---|---|",
        "| e | f | - | 0.50 (0.50 to 0.50) | - |",
    ]


@pytest.mark.parametrize("firefox_day", [28, 29])
def test_a_table_has_each_engines_goal_and_the_run_of_its_rows(firefox_day: int) -> None:
    rows = [
        row
        for engine, goal, day in (("chromium", 1.35, 28), ("firefox", 1.2, firefox_day))
        for row in stored(
            "starting", Row("a", "b", goal, "ms", engine, [(1.0, 1.0)]), date=f"2026-11-{day}T09:00:00", commit="c0"
        )
    ]
    table = report.tables({"rows": rows}).partition("### ")[2].splitlines()
    cells = "| a | b | at most 1.35 (chromium), at most 1.2 (firefox) " + "| 1.00 (1.00 to 1.00) reached " * 2 + "|"
    if firefox_day == 28:
        assert table[2] == "Measured on 2026-11-28 at `c0`."
        assert table[-1] == cells
    else:
        assert table[-1] == f"{cells} 2026-11-28 at `c0` (chromium), 2026-11-29 at `c0` (firefox) |"


@pytest.mark.parametrize(("now", "named"), [(1.09, 0), (1.11, 1), (0.5, 0)])
def test_a_row_that_is_worse_by_more_than_a_tenth_is_named(now: float, named: int) -> None:
    def run(ratio: float) -> dict[str, Any]:
        rows = [Row("a", "b", 0.5, "ms", "chromium", [(ratio, 1.0)]), Row("c", "d", 1.0, "ms", "chromium")]
        return {"rows": [as_json(row) for row in rows]}

    assert report.worsened(run(1.0), run(now)) == ["chromium | a | b: 1.11, before 1.00"] * named
