"""Elements as applications have them: of `pyscript.web`, in shadow roots and dialogs, moved, as links."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.binding_harness import (
    MEDIA,
    BindingHarness,
    MediaSet,
    add_elements,
    press,
    read_counters,
    wait_for_state,
)
from tests.browser.engines import Mode
from tests.browser.pixels import decode_screenshot
from tests.browser.saved_files import saved_file
from tests.browser.site_tab import SiteTab
from web.demonstration import Demonstration

STRATEGIES_IN = {"chromium": ("link", "blob"), "firefox": ("blob",)}
PAIRS = (("chromium", "micropython"), ("firefox", "micropython"), ("firefox", "pyodide"))

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
ADD_DIALOG = """(mxc) => {
  const dialog = document.createElement("dialog"), image = document.createElement("img");
  image.dataset.mxc = mxc;
  dialog.append(image);
  document.getElementById("elements").append(dialog);
}"""
ADD_PICTURE = """([wide, narrow]) => {
  const picture = document.createElement("picture"), image = document.createElement("img");
  const source = document.createElement("source");
  Object.assign(source, { media: "(min-width: 1px)" }).dataset.mxc = wide;
  image.dataset.mxc = narrow;
  picture.append(source, image);
  document.getElementById("elements").append(picture);
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
      list.replaceChildren(others[0], list.querySelector("dialog"), place, others[1]);
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


def wait_for_counter(tab: SiteTab, name: str, value: int) -> None:
    """Waits until a counter of the page has a value."""
    deadline = time.monotonic() + 20
    while read_counters(tab)[name] != value:
        assert time.monotonic() < deadline, read_counters(tab)
        tab.page.evaluate("() => new Promise(requestAnimationFrame)")


def wait_for_bound(tab: SiteTab, count: int) -> None:
    """Waits until so many elements are bound."""
    wait_for_counter(tab, "bound", count)


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
    press(tab, "#draw")
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
    press(tab, "#add")
    page.wait_for_function("() => givenRoot.querySelector('#inside').dataset.state === 'shown'")
    page.evaluate("() => { window.gone = document.querySelector('closed-host'); window.gone.remove(); }")
    wait_for_bound(tab, 0)
    page.evaluate("() => { document.getElementById('elements').append(window.gone); }")
    page.wait_for_function("() => givenRoot.querySelector('#inside').dataset.state === 'shown'")
    press(tab, "#remove")
    wait_for_bound(tab, 0)
    assert page.evaluate("() => givenRoot.querySelector('#inside').getAttribute('src')") is None


@pytest.mark.by_default(interpreters=("micropython",))
def test_dialogs_load_when_opened_and_what_plays_is_not_restarted(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("link", near="100", interpreter=interpreter)
    page = tab.page
    page.evaluate(ADD_DIALOG, media_set.pictures[0])
    add_elements(tab, [film], "video", gap=400, muted="", controls="", preload="auto")
    wait_for_state(tab, "video")
    assert harness.proxy.request_count(media_set.pictures[0].rpartition("/")[2]) == 0, "a closed dialog loads nothing"
    page.evaluate("() => document.querySelector('#elements dialog').showModal()")
    wait_for_state(tab, "#elements dialog img")
    page.evaluate("() => document.querySelector('#elements dialog').close()")
    assert page.locator("#elements dialog img").get_attribute("data-state") == "shown"

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
        assert read_counters(tab)["bound"] == 2
        assert done["after"] >= done["before"] >= 1, name
        assert not done["paused"], name
        assert page.eval_on_selector("video", "(video) => video.src") == src, name
    assert not page.evaluate("() => window.emptied")


@pytest.mark.by_default(interpreters=("micropython",))
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_backgrounds(harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str) -> None:
    tab = harness.open(strategy, interpreter=interpreter)
    page = tab.page
    first, second, missing = media_set.pictures[4:7]
    colors = {mxc: number * 255 // COUNT for number, mxc in enumerate(media_set.pictures)}
    harness.proxy.refuse(missing.rpartition("/")[2])
    harness.proxy.hold(first.rpartition("/")[2])
    add_elements(tab, [""], "div", gap=100, data_mxc_background=first, id="first", data_blurhash=BLURHASH)
    add_elements(tab, [""], "section", gap=100, data_mxc_background=missing, id="missing")
    page.evaluate("() => Object.assign(document.getElementById('first').style, { width: '64px', height: '48px' })")
    page.eval_on_selector("#first", "(element) => { element.style.backgroundSize = 'cover'; }")
    page.wait_for_function("() => document.getElementById('first').style.backgroundImage.includes('data:image/bmp')")
    assert page.locator("#first").get_attribute("data-state") == "loading"
    wait_for_state(tab, "#missing", "failed")
    assert page.locator("#missing + .media-failed").inner_text().startswith("This media is not on the server")
    harness.proxy.release_all()
    wait_for_state(tab, "#first")
    assert shown_color(tab, "#first") == (colors[first], 90, 160)
    assert page.eval_on_selector("#first", "(element) => element.style.backgroundSize") == "cover", "the page's own"
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


@pytest.mark.by_default(interpreters=("micropython",))
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_links_save_files_under_their_names(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, mode: Mode, downloads: Path, strategy: str
) -> None:
    name = "ridge-walk.gpx"
    track, content = media_set.upload_file(name), (MEDIA / name).read_bytes()
    # What is released is not kept.
    tab = harness.open(strategy, interpreter=interpreter, release_delay="1", budget="0")
    page = tab.page
    add_elements(tab, [track], "a", gap=100, download=name, id="walk")
    page.wait_for_selector("#walk[data-state=ready]", state="attached")
    page.evaluate("() => { document.getElementById('walk').textContent = 'The walk'; }")
    assert harness.proxy.request_count(track.rpartition("/")[2]) == 0, "nobody asked for it"
    link = page.get_by_role("link", name="The walk")
    assert saved_file(tab, mode, downloads / name, link.click) == content
    wait_for_state(tab, "#walk")
    page.focus("body")
    link.focus()
    assert saved_file(tab, mode, downloads / name, lambda: page.keyboard.press("Enter")) == content
    assert page.url.startswith(tab.origin + "/binding.html"), "the page stays where it is"
    wait_for_counter(tab, "urls", 0)

    harness.proxy.refuse("/links" if strategy == "link" else "/download/")
    missing = media_set.upload(b"another file", "text/plain")
    page.eval_on_selector("#walk", "(link, mxc) => { link.dataset.mxc = mxc; }", missing)
    page.wait_for_selector("#walk[data-state=ready]")
    link.click()
    wait_for_state(tab, "#walk", "failed")
    harness.proxy.release_all()
    page.eval_on_selector("#walk", "(link) => { link.download = 'another.txt'; }")
    button = page.get_by_role("button", name=f"Try again: {name}")
    assert button.count() == 1
    if strategy == "blob":  # a link's file has the name of its upload, which has none
        assert saved_file(tab, mode, downloads / "another.txt", button.click) == b"another file"


@pytest.mark.parametrize(
    "ratio",
    [
        pytest.param(1, marks=pytest.mark.by_default("chromium")),
        pytest.param(2, marks=pytest.mark.by_default(interpreters=("micropython",))),
    ],
)
def test_thumbnails_have_the_pixels_of_the_screen(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, mode: Mode, ratio: int
) -> None:
    script = "" if mode.browser == "chromium" else f"window.devicePixelRatio = {ratio};"  # BiDi's Firefox emulates none
    tab = harness.open("link", script=script, interpreter=interpreter, css_pixels="yes")
    if mode.browser == "chromium":
        metrics = {"width": 800, "height": 600, "deviceScaleFactor": ratio, "mobile": False}
        tab.page.context.new_cdp_session(tab.page).send("Emulation.setDeviceMetricsOverride", metrics)
    large = media_set.upload((MEDIA / "screenshot.png").read_bytes(), "image/png")
    small = media_set.pictures[8]
    add_elements(tab, [large, small], data_width="320", data_height="240")
    wait_for_state(tab, "img[data-mxc]")
    tab.page.evaluate(ADD_PICTURE, media_set.pictures[9:11])
    wait_for_state(tab, "picture > img")
    assert harness.proxy.request_count(media_set.pictures[9].rpartition("/")[2]) == 0, "a source is not bound"
    tab.page.evaluate("() => document.querySelector('picture').remove()")
    widths = tab.page.eval_on_selector_all("img[data-mxc]", "(all) => all.map((image) => image.naturalWidth)")
    assert widths == [320 * ratio, 64], "the homeserver enlarges nothing"
    sources = tab.page.eval_on_selector_all("img[data-mxc]", "(all) => all.map((image) => image.src)")
    assert all(f"&w={320 * ratio}&h={240 * ratio}&" in src for src in sources)
