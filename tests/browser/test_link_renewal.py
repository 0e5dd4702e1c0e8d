"""Links in real browsers: cached across reloads, renewed before and after they expire, also during playback."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.binding_harness import (
    ADD,
    BindingHarness,
    MediaSet,
    add_elements,
    arguments_to_add,
    binding_harness,
    read_counters,
    wait_for_state,
)
from tests.browser.engines import Mode
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration

LINKS = "/media/links"
LIFETIME_S, BUCKET_S = 3, 1
# Sets the page's clock ahead of the homeserver's by so many milliseconds.
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
# More than the lifetime of links: by the homeserver's clock, each would seem expired.
A_DAY_MS = 86_400_000

PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def expiring_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver whose links expire after a few seconds."""
    module = {"lifetime": f"{LIFETIME_S}s", "bucket": f"{BUCKET_S}s"}
    with Synapse(tmp_path_factory.mktemp("brief"), free_port(), module_config=module) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def media_set(expiring_homeserver: Synapse) -> MediaSet:
    return MediaSet(expiring_homeserver, "links", 6)


@pytest.fixture(scope="session")
def lasting_media_set(demonstration: Demonstration) -> MediaSet:
    """Media of a homeserver whose links last for hours."""
    return MediaSet(demonstration.synapse, "lasting", 6)


@pytest.fixture
def harness(
    binding_site: Path, browser: BrowserContext, expiring_homeserver: Synapse, media_set: MediaSet
) -> Iterator[BindingHarness]:
    with binding_harness(binding_site, browser, expiring_homeserver, media_set.room.account) as opened:
        yield opened


@pytest.fixture
def lasting_harness(
    binding_site: Path, browser: BrowserContext, demonstration: Demonstration, lasting_media_set: MediaSet
) -> Iterator[BindingHarness]:
    with binding_harness(binding_site, browser, demonstration.synapse, lasting_media_set.room.account) as opened:
        yield opened


@pytest.mark.by_default("firefox-private")
def test_video_resumes_at_its_position_after_link_expiry(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("link", interpreter=interpreter)
    harness.proxy.bytes_per_s = 150_000  # so that the browser has not all of it by then
    add_elements(tab, [film], "video", muted="")
    wait_for_state(tab, "video")
    first = tab.page.locator("video").get_attribute("src") or ""
    tab.page.eval_on_selector("video", "(video) => video.play()")
    wait_for(lambda: httpx.get(first, headers={"Range": "bytes=0-0"}).status_code == 403, 15, "the end of the link")
    harness.proxy.bytes_per_s = 0
    harness.proxy.cut()
    tab.page.eval_on_selector(
        "video",
        """(video) => {
          window.asked = performance.now();
          video.addEventListener("playing", () => { if (video.currentTime >= 20) window.went = performance.now(); });
          video.currentTime = 20;
        }""",
    )
    tab.page.wait_for_function("() => window.went && document.querySelector('video').currentTime > 20.1")
    assert tab.page.locator("video").get_attribute("src") != first
    assert tab.page.eval_on_selector("video", "(video) => [video.paused, video.dataset.state]") == [False, "shown"]
    assert tab.page.evaluate("() => window.went - window.asked") < 1000


@pytest.mark.by_default("chromium")
def test_link_of_playing_media_is_renewed_before_expiry(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("link", interpreter=interpreter)
    add_elements(tab, [film], "video")
    wait_for_state(tab, "video")
    first = tab.page.locator("video").get_attribute("src") or ""
    wait_for(lambda: harness.proxy.request_count(LINKS) == 2, 15, "another link")
    assert httpx.get(first, headers={"Range": "bytes=0-0"}).status_code == 206, "this one still lives"
    tab.page.eval_on_selector("video", "(video) => video.remove()")
    assert read_counters(tab)["bound"] == 0


@pytest.mark.by_default("chromium")
def test_mount_after_link_expiry_requests_a_new_link_first(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("link", interpreter=interpreter)
    add_elements(tab, media_set.pictures[:1])
    wait_for_state(tab, "img[data-mxc]")
    first = tab.page.locator("img[data-mxc]").get_attribute("src") or ""
    wait_for(lambda: httpx.get(first).status_code == 403, 15, "the end of the link")
    asked = harness.proxy.request_count(LINKS)
    add_elements(tab, media_set.pictures[:1])
    wait_for_state(tab, "img[data-mxc]")
    assert tab.page.locator("img[data-mxc]").nth(1).get_attribute("src") != first
    assert harness.proxy.request_count(LINKS) == asked + 1
    assert tab.sha256("img[data-mxc] >> nth=1") == media_set.sha256[media_set.pictures[0]]


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("ahead_ms", [A_DAY_MS, TEN_MINUTES_MS, -TEN_MINUTES_MS])
def test_links_survive_reload_despite_clock_skew(
    lasting_harness: BindingHarness, lasting_media_set: MediaSet, interpreter: str, ahead_ms: int
) -> None:
    tab = lasting_harness.open("link", script=AHEAD % ahead_ms, interpreter=interpreter)
    add_elements(tab, lasting_media_set.pictures)
    wait_for_state(tab, "img[data-mxc]")
    assert lasting_harness.proxy.request_count(LINKS) == 1, "all that is asked for in one turn goes together"
    links = tab.page.eval_on_selector_all("img[data-mxc]", "(images) => images.map((image) => image.src)")
    before = len(lasting_harness.proxy.requested_paths)
    tab.reload()
    add_elements(tab, lasting_media_set.pictures)
    wait_for_state(tab, "img[data-mxc]")
    assert tab.page.eval_on_selector_all("img[data-mxc]", "(images) => images.map((image) => image.src)") == links, (
        "stable, so that the browser's own cache answers"
    )
    later = [
        path for path in lasting_harness.proxy.requested_paths[before:] if "/media/" in path and "config" not in path
    ]
    assert later == [], "neither links nor media are asked for again"


@pytest.mark.by_default("chromium")
def test_leaving_ends_links_and_empties_what_was_kept(
    lasting_harness: BindingHarness, demonstration: Demonstration, interpreter: str
) -> None:
    tab = lasting_harness.open("link", interpreter=interpreter)
    mxc = MediaSet(demonstration.synapse, f"leaving-{time.monotonic_ns()}", 1).pictures[0]
    add_elements(tab, [mxc])
    wait_for_state(tab, "img[data-mxc]")
    link = tab.page.locator("img[data-mxc]").get_attribute("src") or ""
    assert httpx.get(link).status_code == 200
    assert link in tab.page.evaluate("() => Object.values(sessionStorage).join()")
    tab.page.click("#leave")
    tab.page.wait_for_selector("html[data-left]", state="attached")
    left = time.monotonic()
    wait_for(lambda: httpx.get(link).status_code == 403, 5, "the end of the link")
    assert time.monotonic() - left < 5
    kept = tab.page.evaluate("() => JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage)])")
    assert "/media/signed/" not in kept
    assert not tab.page.locator("img[data-mxc]").get_attribute("src")
    assert read_counters(tab)["bound"] == 0


# When the browser shows the page again, plays the film from where no browser has it yet, adds elements, and tells the
# homeserver how wide all pictures are once everything is shown: Firefox's driver hears of no page that was kept.
TELL_RETURN = """([homeserver, added]) => addEventListener("pageshow", ({ persisted }) => {
  const film = document.querySelector("video");
  film.currentTime = 20;
  film.play().catch(() => {});
  (%s)(added);
  const timer = setInterval(() => {
    const all = [...document.querySelectorAll("[data-mxc]")];
    if (film.currentTime < 20.1 || !all.every(({ dataset }) => dataset.state === "shown")) return;
    clearInterval(timer);
    const widths = all.filter(({ localName }) => localName === "img").map(({ naturalWidth }) => naturalWidth);
    fetch(`${homeserver}/returned/${persisted}/${widths.join("/")}`, { mode: "no-cors" });
  }, 50);
})"""
BACK = "() => setTimeout(() => history.back())"


@pytest.mark.by_default("chromium")
def test_back_to_a_page_that_the_browser_has_kept_while_its_links_ended(
    request: pytest.FixtureRequest,
    binding_site: Path,
    expiring_homeserver: Synapse,
    media_set: MediaSet,
    mode: Mode,
    interpreter: str,
) -> None:
    """https://developer.mozilla.org/docs/Glossary/bfcache"""
    context: BrowserContext = request.getfixturevalue("ordinary_chromium" if mode.browser == "chromium" else "browser")
    film = media_set.upload_file("film.mp4")
    with binding_harness(binding_site, context, expiring_homeserver, media_set.room.account) as harness:
        tab = harness.open("link", interpreter=interpreter)
        add_elements(tab, media_set.pictures[:2])
        add_elements(tab, [film], "video", muted="")
        wait_for_state(tab, "[data-mxc]")
        first = tab.page.locator("video").get_attribute("src") or ""
        added = arguments_to_add(media_set.pictures[:3], "img", 0, {})
        tab.page.evaluate(TELL_RETURN % ADD, [harness.proxy.address(), added])
        tab.page.goto(f"{tab.origin}/icon-of-no-site.html")
        wait_for(lambda: httpx.get(first, headers={"Range": "bytes=0-0"}).status_code == 403, 15, "the end of the link")
        tab.page.evaluate(BACK)
        wait_for(lambda: harness.proxy.request_count("/returned/") > 0, 30, "the page with all of its media")
        assert harness.proxy.request_count("/returned/true/64/64/64/64/64") == 1
