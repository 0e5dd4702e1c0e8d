"""The pages: costs of a reload, accessibility, downloads, sign-in, hosting under a path and start-up failures."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page

from development.sample_media.catalogue import Sample
from tests.browser.accessibility import violations
from tests.browser.engines import Mode
from tests.browser.saved_files import saved_file
from tests.browser.site_tab import SiteTab
from tests.browser.throttling_proxy import ThrottlingProxy
from tests.conftest import OpenTab, only_chromium, only_firefox_private, parameters
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration
from web.server import SiteServer
from web.site import PAGES

MAX_BAR_PX = 60
STRATEGIES = ("link", "delegated", "opfs", "blob", "bundle")
# Injects an event handler, an inline script and an external script; resolves to what did not run.
INJECTED = """async (elsewhere) => {
  const settled = (element) => new Promise((resolve) => {
    const timer = setTimeout(() => resolve("nothing happened"), 3000);
    for (const name of ["load", "error"])
      element.addEventListener(name, () => { clearTimeout(timer); resolve(name); }, { once: true });
  });
  const image = new Image();
  try { image.setAttribute("onerror", "window.handled = true"); } catch { /* refused even earlier */ }
  image.src = "data:image/png,nothing";
  document.body.append(image);
  await settled(image);
  const script = document.createElement("script");
  script.append("window.scripted = true");
  document.body.append(script);
  const other = document.createElement("script");
  let became = "refused";
  try {
    other.src = elsewhere;
    document.body.append(other);
    became = await settled(other);
  } catch { /* by Trusted Types, before the policy is asked */ }
  return [
    window.handled ? "a handler" : "no handler",
    window.scripted ? "a script" : "no script",
    became === "load" ? "a script of others" : "no script of others",
  ];
}"""
# One page of each kind; the others differ only in their text.
KINDS = ("index", "link", "timeline", "compare")
NAMES = parameters([page.name for page in PAGES], by_default=KINDS)


# --- costs of a reload


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_opfs_sends_no_requests_after_reload(open_tab: OpenTab, interpreter: str) -> None:
    tab = open_tab()
    tab.open("opfs", interpreter=interpreter)
    assert {media["source"] for media in tab.media} == {"network"}
    before = len(tab.requests)
    tab.reload()
    assert {media["source"] for media in tab.media} == {"disk"}
    assert sum(media["requests"] + media["bytes"] for media in tab.media) == 0
    assert not [url for url in tab.requests[before:] if "/media/download/" in url or "/media/thumbnail/" in url]
    assert {element["source"] for element in tab.media_elements()} <= {"disk", "memory"}


def test_reload_with_links_is_served_from_http_cache(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("link")
    first = bytes_of_pictures(tab)
    tab.reload()
    assert bytes_of_pictures(tab) < first / 10


def bytes_of_pictures(tab: SiteTab) -> int:
    """Sums up images alone: of video and audio, browsers fetch varying parts."""
    return sum(media["bytes"] for media in tab.media if media["kind"] == "image")


@pytest.mark.by_default("chromium")
def test_blob_fetches_everything_anew(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("blob")
    first = [media["bytes"] for media in tab.media]
    tab.reload()
    assert [media["bytes"] for media in tab.media] == first
    assert {media["source"] for media in tab.media} == {"network"}


@pytest.mark.on_disk
def test_reload_and_clear_buttons(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("opfs")
    tab.click_and_settle("#reload")
    assert {media["source"] for media in tab.media} == {"disk"}
    tab.click_and_settle("#clear")
    assert {media["source"] for media in tab.media} == {"network"}


@pytest.mark.by_default("firefox-private")
def test_unregistered_service_worker_is_registered_again(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("service-worker", fresh="1")  # there is none to take away
    assert tab.state == "done"
    tab.reload()
    tab.open("service-worker", fresh="1")  # this page is controlled by the one that it takes away
    assert tab.state == "done", tab.report
    assert {entry["strategy"] for entry in tab.media} == {"service_worker"}


@only_chromium
def test_hard_reload_has_links_and_no_service_worker(open_tab: OpenTab) -> None:
    tab = open_tab()
    for name, state in (("service-worker", "failed"), ("link", "done")):
        tab.open(name)
        assert tab.state == "done"
        with tab.page.expect_navigation():
            tab.page.context.new_cdp_session(tab.page).send("Page.reload", {"ignoreCache": True})  # as with Shift
        tab.wait_until_settled()
        assert tab.state == state
        assert not tab.page.evaluate("() => navigator.serviceWorker.controller")
    assert {media["state"] for media in tab.media} == {"shown"}


@pytest.mark.full_matrix
@only_chromium
def test_switching_the_interpreter_keeps_the_page(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("link")
    tab.page.click(".choice a:has-text('Pyodide')")
    tab.page.wait_for_url("**/link.html?interpreter=pyodide")
    tab.wait_until_settled()
    assert tab.report["interpreter"] == "cpython"
    assert tab.page.locator(".choice a[aria-current]").inner_text() == "Pyodide"
    assert "interpreter=pyodide" in (tab.page.locator("nav a:has-text('blob')").get_attribute("href") or "")


# --- injected markup


def test_injected_markup_does_not_run(open_tab: OpenTab, demonstration: Demonstration) -> None:
    tab = open_tab()
    tab.open("link")
    elsewhere = demonstration.synapse.base_url + "/_matrix/client/versions"
    assert tab.page.evaluate(INJECTED, elsewhere) == ["no handler", "no script", "no script of others"]
    with pytest.raises(Error, match=r"TrustedHTML|blocked by CSP"):
        tab.page.evaluate("() => { document.body.innerHTML = '<b>markup out of a string</b>'; }")


# --- accessibility


@only_chromium
@pytest.mark.parametrize("name", NAMES)
def test_page_is_accessible(open_tab: OpenTab, name: str) -> None:
    tab = open_tab()
    tab.page.emulate_media(reduced_motion="reduce")
    tab.open(name)
    for width in (320, 640, 1280):  # a phone; a window of 1,280 pixels at 200 %; the same at 100 %
        tab.page.set_viewport_size({"width": width, "height": 900})
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert tab.page.evaluate("() => document.querySelector('.bar').offsetHeight") <= MAX_BAR_PX
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert violations(tab.page, "serious", "critical") == []


@only_firefox_private
@pytest.mark.parametrize("name", NAMES)
def test_page_fits_phone_viewport(open_tab: OpenTab, name: str) -> None:
    tab = open_tab()
    tab.page.set_viewport_size({"width": 320, "height": 640})
    tab.open(name)
    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 320


@pytest.mark.by_default("firefox-private")
def test_viewer_opens_and_closes_by_keyboard(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("link")
    opener = tab.page.locator("button.open-picture").first
    opener.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#viewer[open] img[data-state=shown]")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_selector("#viewer:not([open])", state="attached")
    assert opener.evaluate("(button) => button === document.activeElement")
    tab.page.wait_for_selector("#viewer img", state="detached")  # the dialog's event comes after its attribute
    assert tab.page.locator("#viewer img").count() == 0


@only_chromium
def test_first_tab_stop_skips_navigation(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("link")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("() => location.hash") == "#main"


@pytest.mark.on_disk
@pytest.mark.by_default("chromium", "firefox-private")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_file_is_saved_under_its_name(
    open_tab: OpenTab, mode: Mode, samples: dict[str, Sample], downloads: Path, strategy: str
) -> None:
    tab = open_tab()
    tab.open(strategy)
    button = tab.page.locator("button.file").first
    sample = samples[button.get_attribute("data-file") or ""]
    assert saved_file(tab, mode, downloads / sample.name, button.click) == sample.path.read_bytes()
    assert tab.page.url.endswith(f"/{strategy}.html"), "the page stays where it is"


# --- signing in


@pytest.fixture
def site_without_account(demonstration: Demonstration, state: Path) -> Iterator[str]:
    """The built site on a host without the demonstration's account."""
    server = SiteServer(state / "site", 0)
    server.start()
    yield server.url
    server.stop()


def sign_in(page: Page, user: str, password: str) -> None:
    page.fill("[name=user]", user)  # once the form has found the homeserver in the page's URL
    page.fill("[name=password]", password)
    page.click("#sign-in .password button")


@pytest.mark.by_default("chromium")
def test_unconfigured_host_shows_sign_in_form(
    open_tab: OpenTab, demonstration: Demonstration, site_without_account: str
) -> None:
    tab = open_tab(site_without_account)
    page, demo = tab.page, demonstration.demo
    page.goto(f"{tab.origin}/blob.html?homeserver={demonstration.synapse.base_url}")
    page.wait_for_selector("#sign-in:not([hidden])")
    assert demo
    sign_in(page, demo.user_id, "wrong")
    page.wait_for_selector("#sign-in .problem:has-text('M_FORBIDDEN')")
    for room in ("#nobody:localhost", "!nobody:localhost"):
        page.fill("[name=room]", room)
        sign_in(page, demo.user_id, demo.password)
        page.wait_for_selector(f"#sign-in .problem:has-text('{room} is no room that {demo.user_id} is in')")
    assert page.evaluate("() => sessionStorage.length") == 0
    page.fill("[name=room]", demo.room_id)
    sign_in(page, demo.user_id, demo.password)
    tab.wait_until_settled()
    assert tab.state == "done", page.locator("#problem").inner_text()
    assert {media["state"] for media in tab.media} == {"shown"}
    assert page.locator("[name=password]").input_value() == ""
    assert demo.password not in page.content()
    page.click("#account button")
    page.wait_for_selector("#sign-in:not([hidden])")
    assert page.evaluate("() => sessionStorage.length") == 0


@pytest.mark.by_default("chromium")
def test_sign_out_during_room_load_stops_all_loads(
    open_tab: OpenTab, demonstration: Demonstration, site_without_account: str
) -> None:
    tab = open_tab(site_without_account)
    page, demo = tab.page, demonstration.demo
    assert demo
    with ThrottlingProxy(demonstration.synapse.base_url) as proxy:
        proxy.hold("/messages")
        proxy.hold("/logout")
        page.goto(f"{tab.origin}/opfs.html?homeserver={proxy.address()}")
        sign_in(page, demo.user_id, demo.password)
        wait_for(lambda: proxy.request_count("/messages"), what="the question for the room")
        page.click("#account button")
        wait_for(lambda: proxy.request_count("/logout"), what="the end of the session")
        proxy.release("/messages")
        with pytest.raises(AssertionError, match="did not come"):
            wait_for(lambda: proxy.request_count("/v1/media/"), 2)
        proxy.release_all()
        page.wait_for_selector("#sign-in:not([hidden])")


# --- hosting and start-up


@pytest.fixture(scope="session")
def site_under_path(demonstration: Demonstration, state: Path) -> Iterator[str]:
    """The built site on a plain static host, in a nested folder."""
    (state / "host" / "some").mkdir(parents=True)
    (state / "host" / "some" / "path").symlink_to(state / "site")
    handler = functools.partial(_Quiet, directory=str(state / "host"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/some/path"
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


def test_static_host_serves_site_under_a_path(
    open_tab: OpenTab, site_under_path: str, demonstration: Demonstration
) -> None:
    tab = open_tab(site_under_path)
    page, missing = tab.page, []
    page.on("response", lambda response: missing.append(response.url) if response.status == 404 else None)
    page.goto(f"{tab.origin}/link.html?homeserver={demonstration.synapse.base_url}")
    page.wait_for_selector("#sign-in .offers:not([hidden])")
    assert [url for url in missing if url.startswith(tab.origin)] == []


def test_startup_failure_is_reported(open_tab: OpenTab, interpreter: str) -> None:
    tab = open_tab()
    tab.page.route("**/assets/blob-*.gz", lambda route: route.fulfill(status=404, body="gone"))
    tab.open("blob", interpreter=interpreter)
    assert tab.state == "failed"
    assert "This page could not start." in tab.page.locator("#problem").inner_text()
