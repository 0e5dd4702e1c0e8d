"""Elements as applications have them: of `pyscript.web`, in shadow roots and dialogs, moved, as links."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.binding_harness import (
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    read_counters,
    wait_for_state,
)
from tests.browser.pixels import decode_screenshot
from tests.browser.site_tab import SiteTab
from web.demonstration import Demonstration

PAIRS = (("chromium", "micropython"), ("firefox", "pyodide"))

pytestmark = pytest.mark.timeout(120)

# Adds a custom element with an image in its shadow root, of an open or a closed mode, below a parent.
ADD_HOST = """([name, mode, mxc, parent]) => {
  class Host extends HTMLElement {
    constructor() {
      super();
      window.givenRoot = this.attachShadow({ mode });
      const image = document.createElement("img");
      Object.assign(image, { id: "inside" }).dataset.mxc = mxc;
      window.givenRoot.append(image);
    }
  }
  const host = document.createElement(name);
  (parent ? document.querySelector(parent).shadowRoot : document.getElementById("elements")).append(host);
  if (!customElements.get(name)) customElements.define(name, Host);
}"""
SHADOW_STATE = """([path, state]) => {
  let place = document;
  for (const selector of path) place = place.querySelector(selector)?.shadowRoot ?? place;
  return place.querySelector("#inside")?.dataset.state === state;
}"""

# Does something with the video, and has the page's observers run afterwards.
DO_AND_WAIT = """async (name) => {
  const video = document.querySelector("video"), place = video.parentElement, list = place.parentElement;
  const before = video.currentTime;
  await {
    "the same value": () => { video.dataset.mxc = video.dataset.mxc; },
    "another value and back": () => {
      const mxc = video.dataset.mxc;
      video.dataset.mxc = "mxc://example.org/other";
      video.dataset.mxc = mxc;
    },
    "moved": () => { list.prepend(place); },
    "moved by moveBefore": () => { list.moveBefore?.(place, null); },
    "detached and attached in one turn": () => { video.remove(); place.append(video); },
    "list rendered anew": () => {
      const others = [1, 2].map((n) => Object.assign(document.createElement("p"), { textContent: n }));
      list.replaceChildren(others[0], place, others[1]);
    },
  }[name]();
  for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return { before, after: video.currentTime, paused: video.paused };
}"""
COUNT = 12
BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "applications", COUNT)
    yield media_set
    media_set.room.close()


@pytest.fixture
def harness(
    binding_site: Path, browser: BrowserContext, demonstration: Demonstration, media_set: MediaSet
) -> Iterator[BindingHarness]:
    with binding_harness(binding_site, browser, demonstration.synapse, media_set.room.account) as opened:
        yield opened


def wait_for_bound(tab: SiteTab, count: int) -> None:
    """Waits until so many elements are bound."""
    for _ in range(50):
        if read_counters(tab)["bound"] == count:
            return
        tab.page.evaluate("() => new Promise(requestAnimationFrame)")
    raise AssertionError(read_counters(tab))


def shown_color(tab: SiteTab, selector: str) -> tuple[int, ...]:
    """Returns the colour in the middle of an element, by a screenshot."""
    shown = decode_screenshot(tab.page.locator(selector).screenshot())
    return tuple(shown.getpixel((shown.width // 2, shown.height // 2)))


def test_elements_of_pyscript_web_and_in_shadow_roots(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", interpreter=interpreter, web="yes", shadow_roots="yes")
    page = tab.page
    page.evaluate("(mxc) => { window.givenMxc = mxc; }", media_set.pictures[0])
    page.click("#draw")
    wait_for_state(tab, "#drawn")
    wait_for_state(tab, "#alone")
    page.wait_for_selector("html[data-refused*='pass one element']", state="attached")
    page.evaluate("() => { document.getElementById('drawn').remove(); }")

    page.evaluate(ADD_HOST, ["open-host", "open", media_set.pictures[1], ""])
    page.wait_for_function(SHADOW_STATE, arg=[["open-host"], "shown"])
    page.evaluate(ADD_HOST, ["nested-host", "open", media_set.pictures[2], "open-host"])
    page.wait_for_function(SHADOW_STATE, arg=[["open-host", "nested-host"], "shown"])
    wait_for_bound(tab, 2)

    # Moved in one turn: nothing is loaded anew. Without its host, a shadow root holds nothing.
    before = read_counters(tab)
    page.evaluate("() => { document.getElementById('elements').append(document.querySelector('open-host')); }")
    wait_for_bound(tab, 2)
    assert read_counters(tab) == before
    page.evaluate("() => { window.gone = document.querySelector('open-host'); window.gone.remove(); }")
    wait_for_bound(tab, 0)
    page.evaluate("() => { document.getElementById('elements').append(window.gone); }")
    page.wait_for_function(SHADOW_STATE, arg=[["open-host", "nested-host"], "shown"])
    wait_for_bound(tab, 2)
    page.evaluate("() => { document.getElementById('elements').replaceChildren(); }")
    wait_for_bound(tab, 0)

    page.evaluate(ADD_HOST, ["closed-host", "closed", media_set.pictures[3], ""])
    page.click("#add")
    page.wait_for_function("() => givenRoot.querySelector('#inside').dataset.state === 'shown'")
    page.evaluate("() => { window.gone = document.querySelector('closed-host'); window.gone.remove(); }")
    wait_for_bound(tab, 0)
    page.evaluate("() => { document.getElementById('elements').append(window.gone); }")
    page.wait_for_function("() => givenRoot.querySelector('#inside').dataset.state === 'shown'")
    page.click("#remove")
    wait_for_bound(tab, 0)
    assert page.evaluate("() => givenRoot.querySelector('#inside').getAttribute('src')") is None


def test_dialogs_load_when_opened_and_what_plays_is_not_restarted(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("link", near="100", interpreter=interpreter)
    page = tab.page
    add_elements(tab, [media_set.pictures[0]], "dialog")
    page.evaluate(
        """(mxc) => {
          const dialog = document.querySelector("dialog");
          dialog.removeAttribute("data-mxc");
          const image = document.createElement("img");
          image.dataset.mxc = mxc;
          dialog.append(image);
        }""",
        media_set.pictures[0],
    )
    add_elements(tab, [film], "video", muted="", controls="", preload="auto")
    wait_for_state(tab, "video")
    assert harness.proxy.request_count(media_set.pictures[0].rpartition("/")[2]) == 0, "a closed dialog loads nothing"
    page.evaluate("() => document.querySelector('dialog').showModal()")
    wait_for_state(tab, "dialog img")
    page.evaluate("() => document.querySelector('dialog').close()")
    assert page.locator("dialog img").get_attribute("data-state") == "shown"

    page.evaluate(
        """async () => {
          const video = document.querySelector("video");
          video.addEventListener("emptied", () => { window.emptied = true; });
          video.muted = true;
          video.currentTime = 1;
          await video.play();
        }"""
    )
    src = page.eval_on_selector("video", "(video) => video.src")
    for name in (
        "the same value",
        "another value and back",
        "moved by moveBefore",
        "moved",
        "detached and attached in one turn",
        "list rendered anew",
    ):
        done = page.evaluate(DO_AND_WAIT, name)
        print(name, done)
        assert read_counters(tab)["bound"] == 2
        assert done["after"] >= done["before"] >= 1, name
        assert page.eval_on_selector("video", "(video) => video.src") == src, name
    assert not page.evaluate("() => window.emptied")


@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_backgrounds(harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str) -> None:
    tab = harness.open(strategy, interpreter=interpreter)
    page = tab.page
    first, second, missing = media_set.pictures[4:7]
    colors = {mxc: number * 255 // COUNT for number, mxc in enumerate(media_set.pictures)}
    harness.proxy.refuse(missing.rpartition("/")[2])
    harness.proxy.hold(first.rpartition("/")[2])
    sized = {"style": "width: 64px; height: 48px; background-color: white; background-size: cover"}
    add_elements(tab, [""], "div", data_mxc_background=first, id="first", data_blurhash=BLURHASH, **sized)
    add_elements(tab, [""], "section", data_mxc_background=missing, id="missing", **sized)
    page.wait_for_function("() => document.getElementById('first').style.backgroundImage.includes('data:image/bmp')")
    assert page.locator("#first").get_attribute("data-state") == "loading"
    wait_for_state(tab, "#missing", "failed")
    assert page.locator("#missing + .media-failed").inner_text().startswith("This media is not on the server")
    harness.proxy.release_all()
    wait_for_state(tab, "#first")
    assert shown_color(tab, "#first") == (colors[first], 90, 160)
    assert page.eval_on_selector("#first", "(element) => element.style.backgroundSize") == "cover"
    page.get_by_role("button", name="Try again").click()
    wait_for_state(tab, "#missing")
    page.eval_on_selector("#first", "(element, mxc) => { element.dataset.mxcBackground = mxc; }", second)
    page.wait_for_function("() => document.getElementById('first').dataset.state === 'shown'")
    wait_for_state(tab, "#first")
    assert shown_color(tab, "#first") == (colors[second], 90, 160)
    requested = [harness.proxy.request_count(mxc.rpartition("/")[2]) for mxc in (first, second)]
    assert requested == [1, 1], "the style sheet takes it from the browser's cache"
    page.eval_on_selector("#first", "(element) => { delete element.dataset.mxcBackground; }")
    wait_for_bound(tab, 1)
    assert page.eval_on_selector("#first", "(element) => element.style.backgroundImage") == ""
