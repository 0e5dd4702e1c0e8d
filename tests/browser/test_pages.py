"""The pages themselves: what a reload costs, who can use them, what they say when they cannot start."""

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page

from development.samples import Sample
from tests.browser.engines import Mode
from tests.browser.site_tab import Window
from tests.browser.throttling_proxy import Brake
from tests.conftest import OpenWindow, only_chromium, only_firefox_private
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration
from web.server import SiteServer
from web.site import PAGES, WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
STRATEGIES = ("link", "opfs", "blob", "bundle")
# What gets into a page whose code is careless: a handler, a script, a script of another site. Tells what did not run.
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
# One of each kind; the others differ from these in their words.
KINDS = ("index", "link", "cookie", "timeline", "compare")
NAMES = [page.name if page.name in KINDS else pytest.param(page.name, marks=pytest.mark.full_matrix) for page in PAGES]


# --- what a reload costs


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_after_a_reload_opfs_asks_for_nothing(open_window: OpenWindow, interpreter: str) -> None:
    window = open_window()
    window.open("opfs", interpreter=interpreter)
    assert {media["source"] for media in window.media} == {"network"}
    before = len(window.requests)
    window.reload()
    assert {media["source"] for media in window.media} == {"disk"}
    assert sum(media["requests"] + media["bytes"] for media in window.media) == 0
    assert not [url for url in window.requests[before:] if "/media/download/" in url or "/media/thumbnail/" in url]
    assert {element["source"] for element in window.media_elements()} <= {"disk", "memory"}


def test_loading_again_with_links_is_answered_by_the_browsers_cache(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("link")
    first = bytes_of_pictures(window)
    window.reload()
    assert bytes_of_pictures(window) < first / 10


def bytes_of_pictures(window: Window) -> int:
    """Of a video or audio, browsers take as much as they like, and keep it once they have all of it."""
    return sum(media["bytes"] for media in window.media if media["kind"] == "image")


@pytest.mark.by_default("chromium")
def test_blob_fetches_everything_anew(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("blob")
    first = [media["bytes"] for media in window.media]
    window.reload()
    assert [media["bytes"] for media in window.media] == first
    assert {media["source"] for media in window.media} == {"network"}


@pytest.mark.on_disk
def test_load_again_and_clear(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("opfs")
    window.press("#reload")
    assert {media["source"] for media in window.media} == {"disk"}
    window.press("#clear")
    assert {media["source"] for media in window.media} == {"network"}


@pytest.mark.by_default("firefox-private")
def test_a_service_worker_that_was_taken_away_works_again(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("service-worker")
    window.reload()
    window.open("service-worker", fresh="1")  # this page is controlled by the one that it takes away
    assert window.state == "done", window.report
    assert {entry["strategy"] for entry in window.media} == {"service_worker"}


@pytest.mark.full_matrix
@only_chromium
def test_switching_the_interpreter_keeps_the_page(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("link")
    window.page.click(".choice a:has-text('Pyodide')")
    window.page.wait_for_url("**/link.html?interpreter=pyodide")
    window.settled()
    assert window.report["interpreter"] == "cpython"
    assert window.page.locator(".choice a[aria-current]").inner_text() == "Pyodide"
    assert "interpreter=pyodide" in (window.page.locator("nav a:has-text('blob')").get_attribute("href") or "")


# --- what strangers may do on them


def test_nothing_that_strangers_write_runs(open_window: OpenWindow, demonstration: Demonstration) -> None:
    window = open_window()
    window.open("link")
    elsewhere = demonstration.synapse.base_url + "/_matrix/client/versions"
    assert window.page.evaluate(INJECTED, elsewhere) == ["no handler", "no script", "no script of others"]
    with pytest.raises(Error, match=r"TrustedHTML|blocked by CSP"):
        window.page.evaluate("() => { document.body.innerHTML = '<b>markup out of a string</b>'; }")


# --- who can use them


@only_chromium
@pytest.mark.parametrize("name", NAMES)
def test_everybody_can_use_a_page(open_window: OpenWindow, name: str) -> None:
    window = open_window()
    window.page.emulate_media(reduced_motion="reduce")
    window.open(name)
    for width in (360, 1280):
        window.page.set_viewport_size({"width": width, "height": 900})
        assert window.page.evaluate("() => document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert serious_violations(window) == []


def serious_violations(window: Window) -> list[Any]:
    """What axe finds that keeps people out."""
    window.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = window.page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    return [
        (violation["id"], node["html"], node["failureSummary"])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@only_firefox_private
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_a_phone(open_window: OpenWindow, name: str) -> None:
    window = open_window()
    window.page.set_viewport_size({"width": 360, "height": 740})
    window.open(name)
    assert window.page.evaluate("() => document.documentElement.scrollWidth") <= 360


@pytest.mark.by_default("firefox-private")
def test_a_picture_opens_and_closes_by_keyboard(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("link")
    opener = window.page.locator("button.open-picture").first
    opener.focus()
    window.page.keyboard.press("Enter")
    window.page.wait_for_selector("#viewer[open] img[data-state=shown]")
    window.page.keyboard.press("Escape")
    window.page.wait_for_selector("#viewer:not([open])", state="attached")
    assert opener.evaluate("(button) => button === document.activeElement")
    window.page.wait_for_selector("#viewer img", state="detached")  # the dialog's event comes after its attribute
    assert window.page.locator("#viewer img").count() == 0


@only_chromium
def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(open_window: OpenWindow) -> None:
    window = open_window()
    window.open("link")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    window.page.keyboard.press("Enter")
    assert window.page.evaluate("() => location.hash") == "#main"


@pytest.mark.on_disk
@pytest.mark.by_default("chromium", "firefox-private")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_file_is_saved_under_its_name(
    open_window: OpenWindow, mode: Mode, samples: dict[str, Sample], downloads: Path, strategy: str
) -> None:
    window = open_window()
    window.open(strategy)
    button = window.page.locator("button.file").first
    sample = samples[button.get_attribute("data-file") or ""]
    assert saved(window, button, mode, downloads / sample.name) == sample.path.read_bytes()
    assert window.page.url.endswith(f"/{strategy}.html"), "the page stays where it is"


def saved(window: Window, button: Locator, mode: Mode, path: Path) -> bytes:
    """What a browser saves when a button is pressed, under the name that it should have.

    A stock Firefox tells nobody of a download over WebDriver BiDi, so there we look where it goes.
    """
    if mode.browser == "chromium":
        with window.page.expect_download() as caught:
            button.click()
        assert caught.value.suggested_filename == path.name
        return caught.value.path().read_bytes()
    button.click()
    deadline = time.monotonic() + 20
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < deadline, f"{path.name} was not saved"
        window.page.wait_for_timeout(50)
    content = path.read_bytes()
    path.unlink()
    return content


# --- signing in


@pytest.fixture
def strange_site(demonstration: Demonstration, state: Path) -> Iterator[str]:
    """The built site on a host that knows of no account."""
    server = SiteServer(state / "site", 0)
    server.start()
    yield server.url
    server.stop()


def sign_in(page: Page, user: str, password: str) -> None:
    page.fill("[name=user]", user)
    page.fill("[name=password]", password)
    page.click("#sign-in button")


@pytest.mark.by_default("chromium")
def test_on_a_host_of_its_own_the_page_asks_who_you_are(
    open_window: OpenWindow, demonstration: Demonstration, strange_site: str
) -> None:
    window = open_window(strange_site)
    page, demo = window.page, demonstration.demo
    page.goto(f"{window.origin}/blob.html?homeserver={demonstration.synapse.base_url}")
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
    window.settled()
    assert window.state == "done"
    assert {media["state"] for media in window.media} == {"shown"}
    assert page.locator("[name=password]").input_value() == ""
    assert demo.password not in page.content()
    page.click("#account button")
    page.wait_for_selector("#sign-in:not([hidden])")
    assert page.evaluate("() => sessionStorage.length") == 0


@pytest.mark.by_default("chromium")
def test_who_signs_out_while_the_room_is_on_its_way_leaves_nothing_loading(
    open_window: OpenWindow, demonstration: Demonstration, strange_site: str
) -> None:
    window = open_window(strange_site)
    page, demo = window.page, demonstration.demo
    assert demo
    with Brake(demonstration.synapse.base_url) as brake:
        brake.hold("/messages")
        brake.hold("/logout")
        page.goto(f"{window.origin}/opfs.html?homeserver={brake.address()}")
        sign_in(page, demo.user_id, demo.password)
        wait_for(lambda: brake.asked_for("/messages"), what="the question for the room")
        page.click("#account button")
        wait_for(lambda: brake.asked_for("/logout"), what="the end of the session")
        brake.pass_on("/messages")
        with pytest.raises(AssertionError, match="did not come"):
            wait_for(lambda: brake.asked_for("/v1/media/"), 2)
        brake.let_go()
        page.wait_for_selector("#sign-in:not([hidden])")


# --- where it stands and how it starts


@pytest.fixture(scope="session")
def under_a_path(demonstration: Demonstration, state: Path) -> Iterator[str]:
    """The built site on a plain static host, some folders down."""
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


def test_any_static_host_can_serve_it_under_any_path(
    open_window: OpenWindow, under_a_path: str, demonstration: Demonstration
) -> None:
    window = open_window(under_a_path)
    page = window.page
    page.goto(f"{window.origin}/link.html?homeserver={demonstration.synapse.base_url}")
    page.wait_for_selector("#sign-in:not([hidden])")
    assert not [text for text in window.said if "404" in text]


def test_a_page_that_cannot_start_says_so(open_window: OpenWindow, interpreter: str) -> None:
    window = open_window()
    window.page.route("**/assets/blob-*.tar.gz", lambda route: route.fulfill(status=404, body="gone"))
    window.open("blob", interpreter=interpreter)
    assert window.state == "failed"
    assert "This page could not start." in window.page.locator("#problem").inner_text()
