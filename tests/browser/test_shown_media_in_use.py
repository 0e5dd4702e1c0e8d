"""What people do with shown media: print, zoom, open in a tab, copy, drag, picture-in-picture, back and forward.

In the full matrix, by each strategy; the table in `docs/reliability.md` has what came of it.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from development.attachments import encrypt
from tests.browser.binding_harness import (
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    to_json,
    wait_for_state,
)
from tests.browser.engines import Mode
from tests.browser.matrix_room import picture
from tests.browser.site_tab import SiteTab
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


def media_requests(harness: BindingHarness) -> int:
    return len([path for path in harness.proxy.requested_paths if "/media/" in path])


def test_print_zoom_copy_drag_and_picture_in_picture(tab: tuple[SiteTab, BindingHarness], mode: Mode) -> None:
    opened, harness = tab
    page = opened.page
    before = media_requests(harness)

    # Printed, on paper and into a PDF.
    page.eval_on_selector("#film", "(video) => video.pause()")
    if mode.browser == "chromium":
        page.emulate_media(media="print")
        printed = page.pdf(print_background=True)
        page.emulate_media(media="screen")
        assert printed.count(b"/Subtype /Image") >= 2
    assert page.evaluate(WIDTHS) == [64, 64]

    # Enlarged by the page, and on a screen with other pixels.
    page.evaluate("() => { document.body.style.zoom = 2; }")
    if mode.browser == "chromium":
        metrics = {"width": 800, "height": 600, "deviceScaleFactor": 2, "mobile": False}
        page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", metrics)
        page.wait_for_function("() => devicePixelRatio === 2")
    page.evaluate("() => { document.body.style.zoom = 1; }")
    assert page.evaluate(WIDTHS) == [64, 64]
    assert media_requests(harness) == before, "nothing loads anew"

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
        assert shot.getpixel((shot.width // 2, shot.height // 2)) == (red, 90, 160)
        other.close()


def test_back_and_forward(tab: tuple[SiteTab, BindingHarness], mode: Mode) -> None:
    opened, harness = tab
    page = opened.page
    page.evaluate(TELL_RETURN, harness.proxy.address())
    page.goto(f"{opened.origin}/icon-of-no-site.html")
    page.evaluate("() => setTimeout(() => history.back())")
    wait_for(lambda: harness.proxy.request_count("/returned/") > 0, 20, "the page")
    assert harness.proxy.request_count("/returned/true/64/64/12") == 1
