"""Links in real browsers: kept over reloads, renewed before and after they end, under a playing video too."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.binding_fixture import Bench, Stock, add, bench, counters, wait_until
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration

LINKS = "/media/links"
LIFETIME_S, BUCKET_S = 3, 1
# The page's clock runs so many milliseconds ahead of the homeserver's.
AHEAD = """(() => {
  const ahead = %d;
  const now = Date.now;
  Date.now = () => now() + ahead;
  const toJSON = Performance.prototype.toJSON;
  Performance.prototype.toJSON = function () {
    const told = toJSON.call(this);
    return { ...told, timeOrigin: told.timeOrigin + ahead };
  };
})()"""
TEN_MINUTES_MS = 600_000
# More than links live: whoever goes by the homeserver's clock takes each for one that has ended.
A_DAY_MS = 86_400_000

PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver whose links live for a few seconds."""
    module = {"lifetime": f"{LIFETIME_S}s", "bucket": f"{BUCKET_S}s"}
    with Synapse(tmp_path_factory.mktemp("brief"), free_port(), module_config=module) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def stock(brief: Synapse) -> Stock:
    return Stock(brief, "links", 6)


@pytest.fixture(scope="session")
def lasting(demonstration: Demonstration) -> Stock:
    """Media of a homeserver whose links live for hours."""
    return Stock(demonstration.synapse, "lasting", 6)


@pytest.fixture
def one(bound_site: Path, browser: BrowserContext, brief: Synapse, stock: Stock) -> Iterator[Bench]:
    with bench(bound_site, browser, brief, stock.room.account) as opened:
        yield opened


@pytest.fixture
def steady(bound_site: Path, browser: BrowserContext, demonstration: Demonstration, lasting: Stock) -> Iterator[Bench]:
    with bench(bound_site, browser, demonstration.synapse, lasting.room.account) as opened:
        yield opened


@pytest.mark.by_default("firefox-private")
def test_a_video_goes_on_where_it_was_when_its_link_ends(one: Bench, stock: Stock, interpreter: str) -> None:
    film = stock.add_file("film.mp4")
    window = one.open("link", interpreter=interpreter)
    one.brake.bytes_per_s = 150_000  # so that the browser has not all of it by then
    add(window, [film], "video", muted="")
    wait_until(window, "video")
    first = window.page.locator("video").get_attribute("src") or ""
    window.page.eval_on_selector("video", "(video) => video.play()")
    wait_for(lambda: httpx.get(first, headers={"Range": "bytes=0-0"}).status_code == 403, 15, "the end of the link")
    one.brake.bytes_per_s = 0
    one.brake.cut()
    window.page.eval_on_selector(
        "video",
        """(video) => {
          window.asked = performance.now();
          video.addEventListener("playing", () => { if (video.currentTime >= 20) window.went = performance.now(); });
          video.currentTime = 20;
        }""",
    )
    window.page.wait_for_function("() => window.went && document.querySelector('video').currentTime > 20.1")
    assert window.page.locator("video").get_attribute("src") != first
    assert window.page.eval_on_selector("video", "(video) => [video.paused, video.dataset.state]") == [False, "shown"]
    assert window.page.evaluate("() => window.went - window.asked") < 1000


@pytest.mark.by_default("chromium")
def test_the_next_link_of_what_plays_is_there_before_this_one_ends(one: Bench, stock: Stock, interpreter: str) -> None:
    film = stock.add_file("film.mp4")
    window = one.open("link", interpreter=interpreter)
    add(window, [film], "video")
    wait_until(window, "video")
    first = window.page.locator("video").get_attribute("src") or ""
    wait_for(lambda: one.brake.asked_for(LINKS) == 2, 15, "another link")
    assert httpx.get(first, headers={"Range": "bytes=0-0"}).status_code == 206, "this one still lives"
    window.page.eval_on_selector("video", "(video) => video.remove()")
    assert counters(window)["bound"] == 0


@pytest.mark.by_default("chromium")
def test_what_is_mounted_after_its_link_ended_gets_another_without_a_failed_request(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    window = one.open("link", interpreter=interpreter)
    add(window, stock.pictures[:1])
    wait_until(window, "img[data-mxc]")
    first = window.page.locator("img[data-mxc]").get_attribute("src") or ""
    wait_for(lambda: httpx.get(first).status_code == 403, 15, "the end of the link")
    asked = one.brake.asked_for(LINKS)
    add(window, stock.pictures[:1])
    wait_until(window, "img[data-mxc]")
    assert window.page.locator("img[data-mxc]").nth(1).get_attribute("src") != first
    assert one.brake.asked_for(LINKS) == asked + 1
    assert window.sha256("img[data-mxc] >> nth=1") == stock.sha256[stock.pictures[0]]


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("ahead_ms", [A_DAY_MS, TEN_MINUTES_MS, -TEN_MINUTES_MS])
def test_links_are_kept_over_a_reload_whatever_the_clocks_say(
    steady: Bench, lasting: Stock, interpreter: str, ahead_ms: int
) -> None:
    window = steady.open("link", script=AHEAD % ahead_ms, interpreter=interpreter)
    add(window, lasting.pictures)
    wait_until(window, "img[data-mxc]")
    assert steady.brake.asked_for(LINKS) == 1, "all that is asked for in one turn goes together"
    links = window.page.eval_on_selector_all("img[data-mxc]", "(images) => images.map((image) => image.src)")
    before = len(steady.brake.asked)
    window.reload()
    add(window, lasting.pictures)
    wait_until(window, "img[data-mxc]")
    assert window.page.eval_on_selector_all("img[data-mxc]", "(images) => images.map((image) => image.src)") == links, (
        "stable, so that the browser's own cache answers"
    )
    later = [path for path in steady.brake.asked[before:] if "/media/" in path and "config" not in path]
    assert later == [], "neither links nor media are asked for again"


@pytest.mark.by_default("chromium")
def test_leaving_ends_links_and_empties_what_was_kept(
    steady: Bench, demonstration: Demonstration, interpreter: str
) -> None:
    window = steady.open("link", interpreter=interpreter)
    mxc = Stock(demonstration.synapse, f"leaving-{time.monotonic_ns()}", 1).pictures[0]
    add(window, [mxc])
    wait_until(window, "img[data-mxc]")
    link = window.page.locator("img[data-mxc]").get_attribute("src") or ""
    assert httpx.get(link).status_code == 200
    assert link in window.page.evaluate("() => Object.values(sessionStorage).join()")
    window.page.click("#leave")
    window.page.wait_for_selector("html[data-left]", state="attached")
    left = time.monotonic()
    wait_for(lambda: httpx.get(link).status_code == 403, 5, "the end of the link")
    assert time.monotonic() - left < 5
    kept = window.page.evaluate("() => JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage)])")
    assert "/media/signed/" not in kept
    assert not window.page.locator("img[data-mxc]").get_attribute("src")
    assert counters(window)["bound"] == 0
