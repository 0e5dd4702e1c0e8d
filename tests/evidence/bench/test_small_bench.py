"""A small benchmark, to see that the large one measures what it says."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import CHROMIUM, opened
from tests.evidence import readme
from tests.evidence.bench import mp4_padding, report
from tests.evidence.bench.benchmark import Bench, Row, as_json
from tests.evidence.bench.environment import Stage, staged
from tests.evidence.bench.large_video import FILM
from tests.evidence.bench.network_emulation import Distance

MEDIA = 12
ABOUT = {"machine": {}, "versions": {}, "date": "", "runs": 2}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("bench"), MEDIA, lambda words: None) as made:
        yield made


@pytest.fixture(scope="module")
def bench(stage: Stage, playwright: Playwright) -> Iterator[Bench]:
    believed = stage.proxy.spki if stage.proxy else ""
    with opened(CHROMIUM, playwright, believed=believed) as context:
        yield Bench(stage, context, "chromium", lambda words: None, runs=2, count=MEDIA)


@pytest.mark.parametrize(
    "strategy", ["bundle", *[pytest.param(name, marks=pytest.mark.full_matrix) for name in ("link", "blob")]]
)
def test_ours_against_plain_javascript(bench: Bench, strategy: str) -> None:
    address = bench.stage.address(round_trip_ms=30)
    row = bench.row("library", "plain", 1000, bench.ours(address, strategy), bench.plain(address, strategy))
    assert len(row.ratios) == 2
    assert all(ours > 30 and other > 30 for ours, other in row.pairs), "a round trip at the least"
    assert row.reached


def test_over_the_proxy(bench: Bench) -> None:
    if not bench.stage.proxy:
        pytest.skip("there is no nginx here, and none could be installed")
    address = bench.stage.address(over="h2")
    assert address.startswith("https://")
    window = bench.stage.open(bench.context, "plain", address, strategy="worker")
    protocols = """async (base) => {
      await fetch(base + "/_matrix/client/versions");
      return performance.getEntriesByName(base + "/_matrix/client/versions").map((entry) => entry.nextHopProtocol);
    }"""
    assert set(window.page.evaluate(protocols, address)) <= {"h2", ""}
    window.close()
    for strategy in ("link", "bundle"):
        assert bench.ours(address, strategy)() > 0
    assert bench.plain(address, "worker")() > 0


def test_a_long_way_takes_its_time_and_lets_through_what_it_says(stage: Stage) -> None:
    url = f"{stage.site}/public/{stage.media[0].rpartition('/')[2]}.png"
    size = len(httpx.get(url).content)
    port = int(stage.site.rpartition(":")[2])
    with Distance(port, round_trip_ms=80, bits_per_s=8 * size * 4) as far, httpx.Client() as client:
        answers = [client.get(url.replace(str(port), str(far.port))) for _ in range(3)]
        first, *later = [answer.elapsed.total_seconds() for answer in answers]
        assert first > 0.16, "the connection, and the request"
        assert min(later) > 0.08
        assert far.take_bytes() >= 3 * size
        assert far.take_bytes() == 0


def test_a_film_that_is_made_larger_is_the_same_film() -> None:
    film = FILM.read_bytes()
    large = mp4_padding.inflated(film, 10_000_000)
    assert len(large) == pytest.approx(10_000_000, rel=0.01)
    before, after = ([content[at : at + length] for at, length in samples(content)] for content in (film, large))
    assert before == after


def samples(film: bytes) -> list[tuple[int, int]]:
    return mp4_padding._samples(film, dict(mp4_padding._tables(film, 0, len(film))))


def test_the_figures_are_written_and_told(tmp_path: Path) -> None:
    row = Row("a", "b", 0.5, "ms", "chromium", [(1.0, 4.0), (3.0, 4.0), (1.0, 2.0)])
    missed = Row("c", "d", 0.4, "ms", "chromium", [(1.0, 2.0)])
    elsewhere = Row("a", "b", 0.5, "ms", "firefox", [(3.0, 4.0)])
    readme.write_figures(
        tmp_path / "bench.json", {"about": ABOUT, "rows": [as_json(row), as_json(missed), as_json(elsewhere)]}
    )
    found = readme.read_figures(tmp_path / "bench.json")
    assert found == json.loads((tmp_path / "bench.json").read_text())
    assert found["rows"][0]["ratios"] == [0.25, 0.75, 0.5]
    assert report.table(found).splitlines() == [
        "| what | against | goal | chromium | firefox |",
        "|---|---|---|---|---|",
        "| a | b | at most 0.5 | 0.50 (0.25 to 0.75) reached | 0.75 (0.75 to 0.75) **missed** |",
        "| c | d | at most 0.4 | 0.50 (0.50 to 0.50) **missed** | - |",
    ]
