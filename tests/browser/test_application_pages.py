"""Pages as applications have them: cross-origin isolated, with a service worker of their own, with notifications."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright

from tests.browser.binding_harness import BindingHarness, MediaSet, add_elements, binding_harness, press, wait_for_state
from tests.browser.engines import Mode, launch_browser
from tests.browser.response_headers import with_headers
from tests.browser.site_tab import SEEK, SiteTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration
from web.server import Application

PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))
STRATEGIES_IN = {"chromium": ("link", "blob"), "firefox": ("link", "blob")}

pytestmark = pytest.mark.timeout(120)

# An application's worker that passes every request on, and counts those for media.
OWN_WORKER = """
let seen = 0;
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.url.includes("/_matrix/")) seen += 1;
  event.respondWith(fetch(event.request));
});
addEventListener("message", (event) => event.source.postMessage(seen));
"""
REGISTER = """async () => {
  await navigator.serviceWorker.register("./own-worker.js");
  await navigator.serviceWorker.ready;
  while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 20));
}"""
COUNT = """() => new Promise((resolve) => {
  navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
  navigator.serviceWorker.controller.postMessage("how many?");
})"""


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "pages", 4)
    yield media_set
    media_set.room.close()


def isolating(policy: str) -> Callable[[Application], Application]:
    """Returns what adds the headers of cross-origin isolation to all responses of a server.

    https://developer.mozilla.org/docs/Web/API/Window/crossOriginIsolated
    """
    headers = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": policy}
    return lambda application: with_headers(application, headers)


def show_all(tab: SiteTab, media_set: MediaSet, film: str) -> None:
    """Shows an image, a background and a video, and seeks in the video."""
    add_elements(tab, media_set.pictures[:1])
    add_elements(tab, [""], "div", data_mxc_background=media_set.pictures[1], id="background")
    add_elements(tab, [film], "video", muted="", preload="auto")
    for selector in ("img[data-mxc]", "#background", "video"):
        wait_for_state(tab, selector)
    assert tab.page.eval_on_selector("img[data-mxc]", "(image) => image.naturalWidth") == 64
    assert abs(tab.page.evaluate(SEEK, ["video", 5]) - 5) < 0.1


@pytest.mark.parametrize("policy", ["require-corp", pytest.param("credentialless", marks=pytest.mark.full_matrix)])
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_a_cross_origin_isolated_page_shows_all_media(
    binding_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    media_set: MediaSet,
    interpreter: str,
    strategy: str,
    policy: str,
) -> None:
    film = media_set.upload_file("film.mp4")
    told = media_set.room.account
    with binding_harness(binding_site, browser, demonstration.synapse, told, isolating(policy)) as harness:
        tab = harness.open(strategy, interpreter=interpreter)
        assert tab.page.evaluate("() => crossOriginIsolated")
        show_all(tab, media_set, film)


@pytest.fixture
def harness(
    binding_site: Path, browser: BrowserContext, demonstration: Demonstration, media_set: MediaSet
) -> Iterator[BindingHarness]:
    """A harness whose site has the worker."""
    (binding_site / "own-worker.js").write_text(OWN_WORKER, encoding="ascii")  # before the server lists its files
    with binding_harness(binding_site, browser, demonstration.synapse, media_set.room.account) as opened:
        yield opened


@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_a_worker_that_passes_requests_on_disturbs_nothing(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open(strategy, interpreter=interpreter)
    tab.page.evaluate(REGISTER)
    tab.reload()
    show_all(tab, media_set, film)
    assert tab.page.evaluate(COUNT) >= 3, "the requests went through the worker"


@pytest.mark.parametrize("strategy", ["link", pytest.param("blob", marks=pytest.mark.full_matrix)])
def test_a_notification_shows_a_media_as_its_icon(
    binding_site: Path,
    playwright: Playwright,
    demonstration: Demonstration,
    media_set: MediaSet,
    mode: Mode,
    strategy: str,
) -> None:
    # Without a desktop, Firefox shows notifications by itself.
    mode = Mode(mode.name, mode.browser, {**mode.preferences, "alerts.useSystemBackend": False})
    with (
        launch_browser(mode, playwright) as context,
        binding_harness(binding_site, context, demonstration.synapse, media_set.room.account) as harness,
    ):
        context.grant_permissions(["notifications"])
        tab = harness.open(strategy)
        finished: list[str] = []
        tab.page.on("requestfinished", lambda request: finished.append(request.url))
        tab.page.evaluate("(mxc) => { window.givenMxc = mxc; }", media_set.pictures[2])
        press(tab, "#notify")
        tab.page.wait_for_selector("html[data-notification=show]", state="attached")
        icon = tab.page.locator("html").get_attribute("data-icon")
        assert str(icon).startswith("blob:" if strategy == "blob" else harness.proxy.address())
        if mode.browser == "chromium":  # Firefox reports no requests for icons
            wait_for(lambda: icon in finished, what="the request for the icon")
