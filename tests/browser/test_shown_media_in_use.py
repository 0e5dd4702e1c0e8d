"""What people do with shown media: print, zoom, open in a tab, copy, drag, picture-in-picture, back and forward.

In the full matrix, by each strategy; the table in `docs/reliability.md` has what came of it.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Playwright

from development.attachments import encrypt
from tests.browser.binding_harness import (
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    to_json,
    wait_for_state,
)
from tests.browser.engines import Mode, launch_browser
from tests.browser.matrix_room import picture
from tests.browser.printed_images import printed_images
from tests.browser.site_tab import SiteTab
from tests.browser.throttling_proxy import ThrottlingProxy
from tests.browser.webkit_pages import add_to_webkit, open_binding, wait_for_webkit
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

STRATEGIES = ("link", "delegated", "opfs", "blob", "bundle")
PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))
WIDTHS = (
    """() => [...document.querySelectorAll("img[data-mxc]")].map((image) => image.complete && image.naturalWidth)"""
)
# Draws an image as a program that copies it does; resolves to the colour of its middle.
COPIED = """async (image) => {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  if (navigator.clipboard?.write && document.hasFocus())
    try { await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]); } catch { /* not by a driver */ }
  return [...context.getImageData(32, 24, 1, 1).data.slice(0, 3)];
}"""
# Keeps what a drag offers to others.
WATCH_DRAG = """() => addEventListener("dragstart", ({ dataTransfer }) => {
  window.dragged = [[...dataTransfer.types], dataTransfer.getData("text/uri-list")];
})"""
ENTER_PICTURE_IN_PICTURE = """async (video) => {
  if (!document.pictureInPictureEnabled) return "none";
  try { await video.requestPictureInPicture(); } catch (error) { return error.name; }
  return document.pictureInPictureElement === video ? "entered" : "not entered";
}"""
# Seeks the film when the browser shows the page again, and tells the homeserver what there is to see: Firefox's driver
# hears of no page that the browser has kept.
TELL_RETURN = """(homeserver) => addEventListener("pageshow", async ({ persisted }) => {
  const film = document.querySelector("#film");
  film.currentTime = 12;
  await new Promise((resolve) => film.addEventListener("seeked", resolve, { once: true }));
  const widths = [...document.querySelectorAll("img[data-mxc]")].map((image) => image.complete && image.naturalWidth);
  fetch(`${homeserver}/returned/${persisted}/${widths.join("/")}/${film.currentTime}`, { mode: "no-cors" });
})"""
# The same of the pictures alone.
TELL_PICTURES = """(homeserver) => addEventListener("pageshow", ({ persisted }) => {
  const widths = [...document.querySelectorAll("img[data-mxc]")].map((image) => image.complete && image.naturalWidth);
  fetch(`${homeserver}/returned/${persisted}/${widths.join("/")}`, { mode: "no-cors" });
})"""

pytestmark = [pytest.mark.full_matrix, pytest.mark.on_disk, pytest.mark.timeout(170)]


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "in-use", 2)
    yield media_set
    media_set.room.close()


@pytest.fixture(params=STRATEGIES)
def tab(
    request: pytest.FixtureRequest,
    binding_site: Path,
    demonstration: Demonstration,
    media_set: MediaSet,
    mode: Mode,
    interpreter: str,
) -> Iterator[tuple[SiteTab, BindingHarness]]:
    """A page with two pictures, one of them encrypted, and a film; in Chromium as people have it."""
    if mode.private:
        pytest.skip("as in the other windows")
    context: BrowserContext = request.getfixturevalue("ordinary_chromium" if mode.browser == "chromium" else "browser")
    ciphertext, file = encrypt(picture(120))
    secret = media_set.upload(ciphertext, "application/octet-stream")
    told = {**media_set.room.account, "files": to_json([{**file, "url": secret}])}
    with binding_harness(binding_site, context, demonstration.synapse, told) as harness:
        opened = harness.open(request.param, interpreter=interpreter)
        add_elements(opened, media_set.pictures[1:2], gap=80, id="plain")
        add_elements(opened, [secret], gap=80, id="secret", data_encrypted="1", data_type="image/png")
        add_elements(opened, [media_set.upload_file("film.mp4")], "video", 300, muted="", controls="", id="film")
        wait_for_state(opened, "[data-mxc]")
        yield opened, harness


def middle_of(image: Image.Image) -> Any:
    """Returns the colour of an image's middle."""
    return image.getpixel((image.width // 2, image.height // 2))


def media_requests(proxy: ThrottlingProxy) -> int:
    return len([path for path in proxy.requested_paths if "/media/" in path])


def test_print_zoom_copy_drag_and_picture_in_picture(tab: tuple[SiteTab, BindingHarness], mode: Mode) -> None:
    opened, harness = tab
    page = opened.page
    before = media_requests(harness.proxy)

    # Printed, on paper and into a PDF.
    page.eval_on_selector("#film", "(video) => video.pause()")
    if mode.browser == "chromium":
        page.emulate_media(media="print")
    printed = page.pdf(print_background=True)
    if mode.browser == "chromium":
        page.emulate_media(media="screen")
    assert {(127, 90, 160), (120, 90, 160)} <= {middle_of(image) for image in printed_images(printed)}
    assert page.evaluate(WIDTHS) == [64, 64]

    # Enlarged by the page, and on a screen with other pixels.
    page.evaluate("() => { document.body.style.zoom = 2; }")
    if mode.browser == "chromium":
        metrics = {"width": 800, "height": 600, "deviceScaleFactor": 2, "mobile": False}
        page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", metrics)
        page.wait_for_function("() => devicePixelRatio === 2")
    page.evaluate("() => { document.body.style.zoom = 1; }")
    assert page.evaluate(WIDTHS) == [64, 64]
    assert media_requests(harness.proxy) == before, "nothing loads anew"

    for name, red in (("plain", 127), ("secret", 120)):
        assert page.eval_on_selector(f"#{name}", COPIED) == [red, 90, 160]
        page.evaluate(WATCH_DRAG)
        page.eval_on_selector(f"#{name}", "(image) => image.scrollIntoView({ block: 'center' })")
        box: Any = page.locator(f"#{name}").bounding_box()
        page.mouse.move(box["x"] + 10, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
        page.wait_for_function("() => window.dragged")
        page.mouse.up()
        types, url = page.evaluate("() => window.dragged")
        assert "text/uri-list" in types
        assert url == page.locator(f"#{name}").get_attribute("src")
        page.evaluate("() => { window.dragged = null; }")

    entered = page.eval_on_selector("#film", ENTER_PICTURE_IN_PICTURE)
    assert entered == "entered"
    assert page.locator("#film").get_attribute("data-state") == "shown"


def test_open_in_a_new_tab(tab: tuple[SiteTab, BindingHarness], mode: Mode) -> None:
    opened, _ = tab
    for name, red in (("plain", 127), ("secret", 120)):
        url = opened.page.locator(f"#{name}").get_attribute("src") or ""
        with opened.page.context.expect_page() as caught:
            # By the page, whose object URL it is, as the browser's menu does.
            opened.page.evaluate("(url) => { window.open(url, '_blank'); }", url)
        other = caught.value
        other.wait_for_function("() => document.images.length === 1 && document.images[0].naturalWidth === 64")
        shot = Image.open(io.BytesIO(other.locator("img").screenshot())).convert("RGB")
        assert middle_of(shot) == (red, 90, 160)
        other.close()


def test_back_and_forward(tab: tuple[SiteTab, BindingHarness], mode: Mode) -> None:
    opened, harness = tab
    page = opened.page
    page.evaluate(TELL_RETURN, harness.proxy.address())
    page.goto(f"{opened.origin}/icon-of-no-site.html")
    page.evaluate("() => setTimeout(() => history.back())")
    wait_for(lambda: harness.proxy.request_count("/returned/") > 0, 20, "the page")
    assert harness.proxy.request_count("/returned/true/64/64/12") == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_firefox_window_on_a_screen_with_other_pixels(
    playwright: Playwright, binding_site: Path, demonstration: Demonstration, media_set: MediaSet, strategy: str
) -> None:
    mode = Mode("firefox-dense", "firefox", {"layout.css.devPixelsPerPx": "2"}, own_viewport=True)
    with (
        launch_browser(mode, playwright) as context,
        binding_harness(binding_site, context, demonstration.synapse, media_set.room.account) as harness,
    ):
        opened = harness.open(strategy, css_pixels="yes")
        assert opened.page.evaluate("() => devicePixelRatio") == 2
        thumbnail = {"data_width": "24", "data_height": "18"}
        add_elements(opened, media_set.pictures[1:2])
        add_elements(opened, media_set.pictures[:1], **thumbnail)
        wait_for_state(opened, "img[data-mxc]")
        before = media_requests(harness.proxy)
        opened.page.set_viewport_size({"width": 800, "height": 600})  # and one device pixel, as BiDi sets it
        opened.page.wait_for_function("() => devicePixelRatio === 1")
        assert opened.page.evaluate(WIDTHS) == [64, 48]
        assert media_requests(harness.proxy) == before, "nothing loads anew"


# Zooms by CSS there and back, once the page has had time to load anew what it would; resolves to the pictures' widths.
ZOOM = """async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  document.body.style.zoom = 2;
  await frame();
  document.body.style.zoom = 1;
  await frame();
  return [...document.querySelectorAll("img[data-mxc]")].map((image) => image.complete && image.naturalWidth);
}"""


@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_webkit_zooms_goes_back_copies_drags_and_opens_in_a_tab(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    media_set: MediaSet,
    strategy: str,
) -> None:
    """Its driver prints nothing, and the browser has no picture-in-picture."""
    ciphertext, file = encrypt(picture(120))
    secret = media_set.upload(ciphertext, "application/octet-stream")
    with ThrottlingProxy(demonstration.synapse.base_url) as proxy:
        told = {**media_set.room.account, "files": to_json([{**file, "url": secret}]), "homeserver": proxy.address()}
        site = site_for(told, binding_site)
        open_binding(webkit_tab, site, strategy=strategy)
        add_to_webkit(webkit_tab, media_set.pictures[1:2], gap=80, id="plain")
        add_to_webkit(webkit_tab, [secret], gap=80, id="secret", data_encrypted="1", data_type="image/png")
        film = media_set.upload_file("film.mp4")
        add_to_webkit(webkit_tab, [film], "video", 300, muted="", controls="", id="film")
        wait_for_webkit(webkit_tab, "[data-mxc]")
        before = media_requests(proxy)
        assert webkit_tab.evaluate(ZOOM) == [64, 64]
        assert media_requests(proxy) == before, "nothing loads anew"
        # By `blob` of the pictures alone: WebKitGTK 2.50 loads the film's object URL again, which at times stalls.
        tell, returned = (TELL_RETURN, "true/64/64/12") if strategy == "link" else (TELL_PICTURES, "true/64/64")
        webkit_tab.evaluate(tell, proxy.address())
        webkit_tab.open(f"{site}icon-of-no-site.html")
        webkit_tab.go_back()
        wait_for(lambda: proxy.request_count("/returned/") > 0, 20, "the page")
        assert proxy.request_count(f"/returned/{returned}") == 1
        for name, red in (("plain", 127), ("secret", 120)):
            element = f"document.querySelector('#{name}')"
            assert webkit_tab.evaluate(f"() => ({COPIED})({element})") == [red, 90, 160]
            webkit_tab.evaluate(WATCH_DRAG)
            webkit_tab.drag(f"#{name}")
            wait_for(lambda: webkit_tab.evaluate("() => Boolean(window.dragged)"), 10, "the drag")
            webkit_tab.evaluate("() => { window.dragged = null; }")
            url = webkit_tab.evaluate(f"() => {element}.src")
            assert webkit_tab.evaluate_in_new_tab(url, "() => document.images[0].naturalWidth") == 64
