"""Elements that come, change and go in real browsers, on both interpreters: what the loader makes of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from development.attachments import encrypt
from tests.browser.binding_harness import (
    MEDIA,
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    read_counters,
    to_json,
    wait_for_state,
)
from tests.browser.engines import Mode
from tests.browser.matrix_room import picture
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

GAP = 700
# So many loads the pipeline lets through at a time, and of those so many a browser has on their way over HTTP/1.1.
TRANSFERS, CONNECTIONS = 16, 6
# Longer than what we would wait by ourselves.
WAIT_S = 1.5
# So often elements are put into the document and taken out again; the pictures repeat.
MOUNTS, FEWER_MOUNTS = 5000, 1500
MOUNT = """async ([mxcs, mounts]) => {
  const main = document.getElementById("elements");
  const frame = () => new Promise(requestAnimationFrame);
  for (let start = 0; start < mounts; start += 50) {
    const batch = [...Array(50).keys()].map((number) => {
      const image = document.createElement("img");
      image.dataset.mxc = mxcs[(start + number) % mxcs.length];
      return image;
    });
    main.append(...batch);
    await frame();
    for (const image of batch.slice(0, 25)) image.remove();
    await frame();
    for (const image of batch) image.remove();
  }
}"""

# Scrolls to an element; is done once the page has been told what people see now.
INTO_VIEW = """(selector) => new Promise((resolve) => {
  const element = document.querySelector(selector);
  const told = ([{ isIntersecting }]) => isIntersecting && requestAnimationFrame(() => resolve());
  new IntersectionObserver(told).observe(element);
  element.scrollIntoView({ block: "center" });
})"""

# Once a page is open, what would wait for 40 seconds or longer waits for half a second.
IMPATIENT = """(() => {
  const real = window.setTimeout.bind(window);
  window.impatient = false;
  window.setTimeout = (work, ms, ...more) => real(work, window.impatient && ms >= 40_000 ? 500 : ms, ...more);
})()"""

PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "elements", 40)
    yield media_set
    media_set.room.close()


def test_elements_load_near_viewport_and_release_on_removal(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", near="100", interpreter=interpreter)
    tab.page.set_viewport_size({"width": 800, "height": 600})
    add_elements(tab, media_set.pictures[:20], gap=GAP)
    wait_for_state(tab, "#elements > div:first-child > img")
    first = tab.page.locator("img[data-mxc]").first
    assert tab.sha256("img[data-mxc] >> nth=0") == media_set.sha256[media_set.pictures[0]]
    loaded = harness.proxy.request_count("/download/")
    assert 1 <= loaded <= 2, "the others are far away"
    tab.page.evaluate("() => document.querySelector('#elements > div:last-child > img').scrollIntoView()")
    wait_for_state(tab, "#elements > div:last-child > img")
    assert harness.proxy.request_count("/download/") <= 6, "what was scrolled past is not loaded"
    tab.page.evaluate("() => { document.querySelector('img[data-mxc]').scrollIntoView(); }")
    first.evaluate("(image, mxc) => { image.dataset.mxc = mxc; }", media_set.pictures[30])
    wait_for_state(tab, f'img[data-mxc="{media_set.pictures[30]}"]')
    assert tab.sha256("img[data-mxc] >> nth=0") == media_set.sha256[media_set.pictures[30]]
    tab.page.evaluate("() => document.getElementById('elements').replaceChildren()")
    tab.page.wait_for_function("() => JSON.parse(document.getElementById('report').textContent).counters[0].bound >= 0")
    assert read_counters(tab)["bound"] == 0
    tab.page.click("#close")
    tab.page.wait_for_selector("html[data-closed]", state="attached")
    assert tab.report["urls"] == 0
    found = tab.report["counters"][0]
    assert found["opened"] == found["released"]


@pytest.mark.by_default("chromium")
def test_late_response_for_replaced_media_is_discarded(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    slow, quick = media_set.pictures[:2]
    harness.proxy.hold(slow.rpartition("/")[2])
    add_elements(tab, [slow])
    wait_for(lambda: harness.proxy.request_count("/download/") == 1, what="the request for the slow one")
    tab.page.eval_on_selector("img[data-mxc]", "(image, mxc) => { image.dataset.mxc = mxc; }", quick)
    wait_for_state(tab, "img[data-mxc]")
    harness.proxy.release_all()
    add_elements(tab, [media_set.pictures[2]])
    wait_for_state(tab, "img[data-mxc]")
    assert tab.sha256("img[data-mxc] >> nth=0") == media_set.sha256[quick]
    assert read_counters(tab)["aborted"] == 1


@pytest.mark.by_default("chromium")
def test_removing_an_element_aborts_its_request(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    harness.proxy.hold(media_set.pictures[0].rpartition("/")[2])
    add_elements(tab, media_set.pictures[:1] * 2)
    wait_for(lambda: harness.proxy.request_count("/download/") == 1, what="the request")
    tab.page.eval_on_selector("img[data-mxc]", "(image) => image.remove()")
    assert read_counters(tab)["aborted"] == 0, "another element waits for it"
    tab.page.eval_on_selector("img[data-mxc]", "(image) => image.remove()")
    wait_for(lambda: harness.proxy.aborted == 1, what="the end of the request")
    found = read_counters(tab)
    assert (found["aborted"], found["coalesced"], found["opened"], found["urls"]) == (1, 1, 0, 0)


@pytest.mark.by_default("chromium")
def test_layout_is_reserved_and_blurhash_shown_until_loaded(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    harness.proxy.hold("/download/")
    harness.proxy.hold("/thumbnail/")
    sized = {"data_width": "96", "data_height": "72", "data_method": "crop"}
    add_elements(tab, media_set.pictures[:1], data_blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj", **sized)
    tab.page.wait_for_function(
        "() => document.querySelector('img[data-mxc]').style.backgroundImage.startsWith('url(\"data:image/bmp')"
    )
    image = tab.page.locator("img[data-mxc]")
    assert image.get_attribute("data-state") == "loading"
    before = image.bounding_box()
    harness.proxy.release_all()
    wait_for_state(tab, "img[data-mxc]")
    assert image.bounding_box() == before
    assert before
    assert (before["width"], before["height"]) == (96, 72)
    assert image.evaluate("(image) => image.style.backgroundImage") == ""


@pytest.mark.by_default("chromium")
def test_visible_media_load_first(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    tab = harness.open("blob", near="100000", interpreter=interpreter)
    tab.page.set_viewport_size({"width": 800, "height": 600})
    harness.proxy.hold("/download/")
    add_elements(tab, media_set.pictures, gap=GAP)
    wait_for(lambda: harness.proxy.request_count("/download/") == CONNECTIONS, what="the first requests")
    tab.page.evaluate(INTO_VIEW, "#elements > div:last-child > img")  # while it waits already
    harness.proxy.release_all()
    wait_for_state(tab, "img[data-mxc]")
    asked = [path for path in harness.proxy.requested_paths if "/download/" in path]
    last = next(n for n, path in enumerate(asked) if path.endswith(media_set.pictures[-1].rpartition("/")[2]))
    assert last < TRANSFERS + 4, "before those that stand above it"


@pytest.mark.by_default("chromium")
def test_links_of_one_turn_are_requested_in_one_batch(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("link", interpreter=interpreter)
    before = harness.proxy.request_count("/media/links")
    add_elements(tab, media_set.pictures)
    wait_for_state(tab, "img[data-mxc]")
    assert harness.proxy.request_count("/media/links") == before + 1


@pytest.mark.by_default("chromium")
def test_thousands_of_mounts_leak_nothing(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, pytestconfig: pytest.Config
) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    mounts = MOUNTS if pytestconfig.getoption("--full-matrix") else FEWER_MOUNTS
    tab.page.evaluate(MOUNT, [media_set.pictures, mounts])
    add_elements(tab, media_set.pictures[:3])
    wait_for_state(tab, "img[data-mxc]")
    found = read_counters(tab)
    assert found["bound"] == 3
    assert found["failed"] == 0, tab.console_messages
    assert found["urls"] == found["opened"] - found["released"] <= len(media_set.pictures)
    assert found["opened"] < 2 * len(media_set.pictures), "what was shown before is kept for a while"
    tab.page.click("#close")
    tab.page.wait_for_selector("html[data-closed]", state="attached")
    assert tab.report["urls"] == 0


@pytest.mark.by_default("chromium")
def test_failed_media_is_retried_by_button(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    harness.proxy.refuse(media_set.pictures[5].rpartition("/")[2])
    add_elements(tab, [media_set.pictures[5]])
    wait_for_state(tab, "img[data-mxc]", "failed")
    assert tab.page.locator(".media-failed").inner_text().startswith("This media is not on the server")
    harness.proxy.release_all()
    tab.page.get_by_role("button", name="Try again").click()
    wait_for_state(tab, "img[data-mxc]")
    assert tab.page.locator(".media-failed").count() == 0
    assert tab.sha256("img[data-mxc]") == media_set.sha256[media_set.pictures[5]]


@pytest.mark.by_default("chromium")
def test_rate_limit_delay_is_honoured(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    name = media_set.pictures[6].rpartition("/")[2]
    harness.proxy.rate_limit_next(name, WAIT_S)
    add_elements(tab, [media_set.pictures[6]])
    wait_for_state(tab, "img[data-mxc]")
    first, second = harness.proxy.request_times(name)
    assert WAIT_S <= second - first < 2 * WAIT_S
    assert read_counters(tab)["retried"] == 1


@pytest.mark.by_default("chromium")
def test_silent_server_is_retried_after_timeout(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    tab = harness.open("blob", script=IMPATIENT, interpreter=interpreter)
    tab.page.evaluate("() => { window.impatient = true; }")
    name = media_set.pictures[4].rpartition("/")[2]
    harness.proxy.hold(name)
    add_elements(tab, [media_set.pictures[4]])
    wait_for(lambda: harness.proxy.request_count(name) > 1, what="the second request")
    harness.proxy.release_all()
    wait_for_state(tab, "img[data-mxc]")
    assert tab.sha256("img[data-mxc]") == media_set.sha256[media_set.pictures[4]]
    assert read_counters(tab)["retried"] > 0


@pytest.mark.by_default("chromium")
def test_large_download_reports_progress(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, mode: Mode
) -> None:
    film = media_set.upload_file("film.mp4")
    strategies = ["blob"] if mode.private else ["blob", "opfs"]
    for strategy in strategies:
        tab = harness.open(strategy, interpreter=interpreter)
        harness.proxy.bytes_per_s = 1_500_000
        add_elements(tab, [film], "video")
        tab.page.wait_for_function(
            "() => { const p = Number(document.querySelector('video').dataset.progress); return p > 5 && p < 95; }"
        )
        harness.proxy.release_all()
        wait_for_state(tab, "video")
        assert tab.page.locator("video[data-progress]").count() == 0
        assert tab.sha256("video") == media_set.sha256[film]


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_encrypted_media_of_every_kind(
    binding_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    media_set: MediaSet,
    interpreter: str,
    strategy: str,
) -> None:
    originals = {
        "img": (picture(77), "image/png"),
        "video": ((MEDIA / "film.mp4").read_bytes(), "video/mp4"),
        "audio": ((MEDIA / "tune.mp3").read_bytes(), "audio/mpeg"),
    }
    files, mxcs = [], {}
    for tag, (content, _) in originals.items():
        ciphertext, file = encrypt(content)
        mxcs[tag] = media_set.room.upload(ciphertext, "application/octet-stream")
        files.append({**file, "url": mxcs[tag]})
    altered, file = encrypt(picture(78))
    wrong = media_set.room.upload(altered[:-1] + bytes([altered[-1] ^ 1]), "application/octet-stream")
    files.append({**file, "url": wrong})
    told = {**media_set.room.account, "files": to_json(files)}
    with binding_harness(binding_site, browser, demonstration.synapse, told) as opened:
        tab = opened.open(strategy, interpreter=interpreter)
        for number, (tag, mxc) in enumerate(mxcs.items()):
            add_elements(tab, [mxc], tag, data_type=originals[tag][1], data_encrypted=str(number + 1))
        add_elements(tab, [wrong], data_type="image/png", data_encrypted=str(len(files)), id="wrong")
        for tag, mxc in mxcs.items():
            wait_for_state(tab, f'{tag}[data-mxc="{mxc}"]')
        wait_for_state(tab, "#wrong", "failed")
        for tag, (content, _) in originals.items():
            assert tab.sha256(f"{tag}[data-state=shown]") == hashlib.sha256(content).hexdigest()
        assert "not what its sender encrypted" in tab.page.locator(".media-failed").inner_text()
        assert not tab.page.locator("#wrong").get_attribute("src")
        page = tab.page.content()
        assert not [file for file in files if file["key"]["k"] in page]
        assert read_counters(tab)["urls"] == 3
