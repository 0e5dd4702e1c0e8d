"""The page `timeline.html`: smooth scrolling, the right images, and no loads of media scrolled past."""

import hashlib

import pytest
from playwright.sync_api import BrowserContext

from development.long_room import EVENTS, PICTURES, ArchiveRoom, picture
from tests.browser.engines import Mode
from tests.browser.site_tab import SiteTab
from tests.browser.tracing import longest_task_ms
from tests.conftest import OpenTab
from tests.evidence.bench import scrolling
from web.demonstration import Demonstration

# A small room, because it has to be filled first; `--full-matrix` uses the size of `python3 build.py serve`.
FEW_EVENTS, FEW_PICTURES = 240, 60
LONGEST_TASK_MS = 100
STEP_PX = 700
# Scrolls through the whole timeline; if patient, waits at each step until all visible media are loaded.
SCROLL = """async ([step, patient]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const box = document.scrollingElement;
  const seen = () => [...document.querySelectorAll("#timeline [data-mxc]")].filter((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  let worst = 0, stops = 0;
  while (box.scrollTop + innerHeight < box.scrollHeight - 2) {
    box.scrollTop += step;
    const before = performance.now();
    await frame();
    worst = Math.max(worst, performance.now() - before);
    while (patient && seen().some((element) => element.dataset.state === "loading")) await frame();
    stops += 1;
  }
  return { worst, stops, failed: document.querySelectorAll("[data-state=failed][data-mxc]").length };
}"""
SHOWN = """() => [...document.querySelectorAll("figure img[data-state=shown]")].map((element) => element.dataset.mxc)"""

PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))

pytestmark = pytest.mark.timeout(600)

STRATEGIES_IN = {"chromium": ("blob",), "firefox-private": ("link",)}


@pytest.fixture(scope="session")
def events(request: pytest.FixtureRequest) -> int:
    return EVENTS if request.config.getoption("--full-matrix") else FEW_EVENTS


@pytest.fixture(scope="session")
def archive(demonstration: Demonstration, events: int) -> ArchiveRoom:
    return demonstration.fill_archive(events, PICTURES if events == EVENTS else FEW_PICTURES)


@pytest.fixture
def tab(open_tab: OpenTab) -> SiteTab:
    opened = open_tab("")
    opened.page.set_viewport_size({"width": 600, "height": 900})
    return opened


@pytest.mark.parametrize("strategy", ["blob", "link", "auto"])
@pytest.mark.by_default("chromium")
def test_scroll_through_whole_timeline(
    tab: SiteTab, archive: ArchiveRoom, events: int, mode: Mode, interpreter: str, strategy: str
) -> None:
    tab.open("timeline", strategy=strategy, interpreter=interpreter)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    if mode.browser == "chromium":
        assert longest_task_ms(tab.page, lambda: scroll_through(tab)) <= LONGEST_TASK_MS
    else:
        scroll_through(tab)
    mxcs = tab.page.evaluate(SHOWN)
    assert mxcs
    for mxc in mxcs[:3]:
        assert tab.sha256(f'figure img[data-mxc="{mxc}"]') == archive.pictures[mxc]
    tab.page.wait_for_function(
        f"() => JSON.parse(document.getElementById('report').textContent).counters?.events === {events}"
    )
    counted = settled_counters(tab)
    assert counted["drawn"] < events / 2, "the rest is gaps"
    assert counted["bound"] < counted["events"]
    assert counted["opened"] >= len(archive.pictures)
    assert counted["coalesced"] > 0, "people's pictures are wanted several times at once"
    assert counted["hits"] > 0, "and again and again"
    if strategy == "blob":
        assert counted["urls"] == counted["opened"] - counted["released"]
    told = counted["longest_task"]
    assert isinstance(told, int) if mode.browser == "chromium" else told == "not told by this browser"


def scroll_through(tab: SiteTab) -> None:
    outcome = tab.page.evaluate(SCROLL, [STEP_PX, True])
    assert outcome["failed"] == 0
    assert outcome["stops"] > 15


@pytest.mark.by_default("chromium")
def test_late_frames_and_tasks_are_measured(
    browser: BrowserContext, demonstration: Demonstration, archive: ArchiveRoom, mode: Mode
) -> None:
    """The small version of what the benchmark measures."""
    assert demonstration.site
    assert archive.pictures
    is_chromium = mode.browser == "chromium"
    late_percent, task_ms = scrolling.scroll(browser, demonstration.site.url, "link", traced=is_chromium)
    assert 0 <= late_percent <= 100
    assert (task_ms > 0) == is_chromium


def test_media_scrolled_past_quickly_are_not_loaded(tab: SiteTab, archive: ArchiveRoom) -> None:
    tab.open("timeline", strategy="blob")
    before = settled_counters(tab)["opened"]
    tab.page.evaluate(SCROLL, [9000, False])
    tab.page.wait_for_function(
        "() => [...document.querySelectorAll('figure img')].some((i) => i.dataset.state === 'shown')"
    )
    counted = settled_counters(tab)
    assert counted["opened"] - before < len(archive.pictures) / 2
    assert counted["failed"] == 0


def settled_counters(tab: SiteTab) -> dict[str, int]:
    """Returns the counters once they have stopped changing."""
    handle = tab.page.wait_for_function(
        """() => {
          const told = document.getElementById("report").textContent;
          const same = told === window.told && performance.now() - window.toldAt > 600;
          if (told !== window.told) { window.told = told; window.toldAt = performance.now(); }
          return same && JSON.parse(told).counters;
        }"""
    )
    return dict(handle.json_value())


def test_archive_holds_the_generated_images(archive: ArchiveRoom) -> None:
    digests = {hashlib.sha256(picture(number)).hexdigest() for number in range(len(archive.pictures))}
    assert set(archive.pictures.values()) == digests
