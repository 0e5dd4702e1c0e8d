"""A small comparison, to see that the large one can be believed."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import CHROMIUM
from tests.evidence.compare import report
from tests.evidence.compare.browsers import by_playwright
from tests.evidence.compare.results import GATEWAY, RANGES, REDIRECTING, SERVERS, Results
from tests.evidence.compare.results import MEDIA as MEDIA_KINDS
from tests.evidence.compare.runner import ComparisonSites, compare, new_results
from web.demonstration import Demonstration

MEDIA = 39  # those that the sample room shows at once


@pytest.fixture(scope="module")
def strategies(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("link", "blob") if request.config.getoption("--full-matrix") else ("link",)


@pytest.fixture(scope="module")
def results(demonstration: Demonstration, state: Path, playwright: Playwright, strategies: tuple[str, ...]) -> Results:
    with ExitStack() as stack:
        sites = ComparisonSites(demonstration, state, stack)
        browsers = [by_playwright(CHROMIUM, playwright)]
        found = new_results(seed=1, runs=1)
        told: list[str] = []
        for _ in range(2):  # the second time there is nothing left to do
            for _ in compare(
                sites, browsers, found, places=("cross-site",), strategies=strategies, progress=told.append
            ):
                assert found.cells
        assert len(told) == len(strategies)
        return found


def values(results: Results, strategy: str, name: str) -> list[float]:
    (found,) = [m.values for m in results.measures if (m.setting.strategy, m.name) == (strategy, name)]
    return found


def test_every_cell_has_a_verdict(results: Results, strategies: tuple[str, ...]) -> None:
    assert len(results.cells) == len(strategies) * 2 * 5
    for cell in results.cells:
        setting = cell.setting
        assert (setting.engine, setting.mode, setting.homeserver) == ("chromium", "chromium", "cross-site")
        assert setting.version
        assert (cell.verdict, cell.words) == ("works", "")


def test_counted_requests_of_link(results: Results) -> None:
    # What the homeserver offers, no links at all to warm up, links for what is seen first and for the rest; a video may
    # ask once more.
    assert values(results, "link", "first visit: requests")[0] == pytest.approx(MEDIA + 4, abs=1)
    assert values(results, "link", "first visit: preflights") == [2]
    assert values(results, "link", "after a reload: bytes")[0] < values(results, "link", "first visit: bytes")[0] / 10


@pytest.mark.full_matrix
def test_counted_requests_of_blob(results: Results) -> None:
    assert values(results, "blob", "first visit: requests") == [MEDIA]
    assert values(results, "blob", "first visit: preflights") == [MEDIA]
    assert values(results, "blob", "after a reload: bytes") == values(results, "blob", "first visit: bytes")


@pytest.mark.full_matrix
def test_other_homeservers(demonstration: Demonstration, state: Path, playwright: Playwright) -> None:
    """Each homeserver shows the same room; a service worker's video needs the one with ranges."""
    found = new_results(seed=1, runs=1)
    with ExitStack() as stack:
        sites = ComparisonSites(demonstration, state, stack)
        browsers = [by_playwright(CHROMIUM, playwright)]
        chosen = ("link", "service_worker", "redirect")
        places = ("cross-site", *SERVERS)
        for _ in compare(sites, browsers, found, places=places, strategies=chosen, progress=lambda words: None):
            pass
    verdicts = {(cell.setting.homeserver, cell.setting.strategy): set() for cell in found.cells}
    for cell in found.cells:
        verdicts[cell.setting.homeserver, cell.setting.strategy].add((cell.media, cell.verdict, cell.words))
    works = {(media, "works", "") for media in MEDIA_KINDS}
    usual = verdicts.pop(("cross-site", "service_worker"))
    # The gateway passes on downloads as they are; its ranges are those of links.
    assert verdicts.pop((GATEWAY, "service_worker")) == usual
    # The second interpreter's visit has the video from the browser's cache, where it is whole.
    assert {(media, verdict, bool(words)) for media, verdict, words in usual - works} == {("video", "fails", True)}
    assert verdicts == dict.fromkeys(
        [
            ("cross-site", "link"),
            (RANGES, "link"),
            (RANGES, "service_worker"),
            (GATEWAY, "link"),
            (REDIRECTING, "redirect"),
        ],
        works,
    )
    assert "| `redirect`, a homeserver that redirects | works |" in report.table(found)
    found.about["missing"] = {}
    assert "Homeserver gateway, first visit" in report.page(found)


def test_results_round_trip_and_render(results: Results, tmp_path: Path) -> None:
    results.about["missing"] = {"webkit": "there is none"}
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert again == results
    page = report.page(again)
    assert "link works everywhere" in page
    assert "not run: there is none" in page
    assert "src=" not in page, "it stands by itself"
