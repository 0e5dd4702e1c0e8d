"""The room on every strategy's page, in every browser and mode, on both interpreters: all media are shown and right."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from development.sample_media import video
from development.sample_media.catalogue import Sample
from tests.browser import pixels
from tests.browser.engines import Mode
from tests.browser.site_tab import SEEK, SiteTab
from tests.conftest import OpenTab
from web.demonstration import Demonstration

STRATEGIES = ("link", "delegated", "opfs", "blob", "bundle")
# Those whose links the elements load by themselves.
LINKED = ("link", "delegated")
STRATEGIES_IN = {
    "chromium": ("delegated", "bundle"),
    "firefox": ("opfs",),
    "firefox-private": ("link",),
}
PAINTED_S = 5.0
KEY_PATH = "/_matrix/client/unstable/dev.authmedia/media/key"
# One column, so that the whole timeline stands on the page rather than in a box of its own.
PHONE = {"width": 480, "height": 900}

# The document, what its address and its loads are called, and all that outlives the tab.
EVERYTHING_KEPT = """async () => {
  const kept = [
    document.documentElement.outerHTML, document.cookie, JSON.stringify(localStorage), location.href,
    JSON.stringify(performance.getEntriesByType("resource").map((entry) => entry.name)),
    JSON.stringify(await caches.keys()),
  ];
  const answer = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  for (const { name } of await indexedDB.databases()) {
    const database = await answer(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const opened = database.transaction(store).objectStore(store);
      kept.push(JSON.stringify([name, await answer(opened.getAllKeys()), await answer(opened.getAll())]));
    }
    kept.push(name);
    database.close();
  }
  const walk = async (directory) => {
    for await (const entry of directory.values())
      if (entry.kind === "directory") await walk(entry);
      else kept.push(entry.name + (await (await entry.getFile()).text()));
  };
  try {
    await walk(await navigator.storage.getDirectory());
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
  }
  return kept;
}"""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def room(
    browser: BrowserContext, mode: Mode, demonstration: Demonstration, strategy: str, interpreter: str
) -> Iterator[SiteTab]:
    """The page of a strategy with everything on it shown, by another strategy where this one cannot work."""
    assert demonstration.site
    tab = SiteTab(browser, demonstration.site.url)
    tab.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    tab.open(strategy, interpreter=interpreter)
    if refused(mode, strategy):
        assert tab.state == "failed"
        tab.click_and_settle("#others button:has-text('blob')")
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    yield tab
    tab.close()


def refused(mode: Mode, strategy: str) -> bool:
    """What a private window of Firefox does not have."""
    return mode.private and strategy == "opfs"


def test_all_media_are_shown(room: SiteTab, mode: Mode, strategy: str) -> None:
    served_by = "blob" if refused(mode, strategy) else strategy
    elements = room.media_elements()
    assert {element["tag"] for element in elements} == {"img", "video", "audio"}
    assert len(elements) > 30
    for element in elements:
        assert element["state"] == "shown", element["words"]
        assert element["strategy"] == served_by
        assert element["source"] in ("network", "memory"), "what stands further up may have been there already"
    assert {media["source"] for media in room.media} == {"network"}, "nothing is known yet on this origin"


def test_every_image_matches_its_original(room: SiteTab, samples: dict[str, Sample]) -> None:
    room.page.evaluate("() => Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")
    pictures = [element for element in room.media_elements() if element["tag"] == "img"]
    page = painted(room, pictures, samples)
    for element in pictures:
        fit = pixels.requested_thumbnail(element)
        shown = pixels.cut(page, element["box"])
        right = pixels.nearest(page, element["box"], pixels.frames(samples[element["mxc"]].path, fit))
        assert right < pixels.MAX_DIFFERENCE, element
        nearest = min(images(samples), key=lambda sample: pixels.difference(shown, pixels.frames(sample.path, fit)))
        assert nearest == samples[element["mxc"]]


def painted(room: SiteTab, pictures: list[dict[str, Any]], samples: dict[str, Sample]) -> Image.Image:
    """The whole page once all pictures are painted; a browser may still be about it when they are decoded."""
    deadline = time.monotonic() + PAINTED_S
    while True:
        page = pixels.decode_screenshot(room.page.screenshot(full_page=True))
        distances = [
            pixels.nearest(
                page, element["box"], pixels.frames(samples[element["mxc"]].path, pixels.requested_thumbnail(element))
            )
            for element in pictures
        ]
        if max(distances) < pixels.MAX_DIFFERENCE or time.monotonic() > deadline:
            return page


def images(samples: dict[str, Sample]) -> list[Sample]:
    return [sample for sample in samples.values() if sample.kind in ("avatar", "image")]


@pytest.mark.parametrize("tag", ["video", "audio", ".open-picture img:not([data-width])"])
def test_full_media_arrive_byte_for_byte(room: SiteTab, samples: dict[str, Sample], tag: str) -> None:
    for element in room.page.locator(f"#timeline {tag}").all():
        mxc = element.get_attribute("data-mxc") or ""
        assert room.sha256(f'#timeline {tag}[data-mxc="{mxc}"]') == samples[mxc].sha256


def test_audio_duration(room: SiteTab, samples: dict[str, Sample]) -> None:
    mxc, seconds = room.page.eval_on_selector("#timeline audio", "(audio) => [audio.dataset.mxc, audio.duration]")
    assert seconds == pytest.approx(samples[mxc].duration_ms / 1000, abs=0.2)


def test_video_seeks_to_its_middle(room: SiteTab) -> None:
    middle = video.SECONDS / 2
    position = room.page.evaluate(SEEK, ["#timeline video", middle])
    assert position == pytest.approx(middle, abs=0.05)
    shown = pixels.decode_screenshot(room.page.locator("#timeline video").screenshot())
    right, wrong = (pixels.difference(*compared(shown, second)) for second in (middle, middle - 6))
    assert right < pixels.MAX_DIFFERENCE
    assert wrong > right


def compared(shown: Image.Image, second: float) -> tuple[Image.Image, list[Image.Image]]:
    """The middle of what is shown, and of the film as it is at a second."""
    return pixels.cut(shown, [0, 0, *shown.size]), [pixels.downsample(video.draw_frame(second))]


def test_report_matches_page(room: SiteTab, mode: Mode, interpreter: str) -> None:
    report = room.report
    assert report["interpreter"] == {"micropython": "micropython", "pyodide": "cpython"}[interpreter]
    assert report["browser"]["name"].lower() == mode.browser
    assert set(report["support"]) == set(STRATEGIES)
    for name, support in report["support"].items():
        assert support["works"] is not refused(mode, name), support
        assert bool(support["words"]) is refused(mode, name)
    elements = room.media_elements()
    assert {media["mxc"] for media in report["media"]} == {element["mxc"] for element in elements}
    assert sum(media["elements"] for media in report["media"]) == len(elements)
    rows = room.page.locator("#measures tr").count()
    assert rows == len(report["media"])
    for media in report["media"]:
        assert media["state"] == "shown"
        assert media["milliseconds"] > 0


def test_reported_costs_add_up(room: SiteTab, samples: dict[str, Sample], mode: Mode, strategy: str) -> None:
    media = room.media
    requests = sum(entry["requests"] for entry in media)
    preflights = sum(entry["preflights"] for entry in media)
    if strategy in LINKED:
        assert preflights == 0, "the only one was made when the strategy was tried"
        assert strategy == "link" or requests == len(media), "no request but that of each media"
    elif strategy == "bundle":
        large = [entry for entry in media if "?" not in entry["key"]]
        assert requests == 2 + len(large), "what is seen first, all else that is small, each of the rest"
        assert preflights == len(large)
    else:
        assert requests == preflights == len(media), "one for each, however many elements show it"
    for entry in media:
        sample = samples[entry["mxc"]]
        if strategy not in LINKED and "?" not in entry["key"]:
            assert entry["bytes"] == sample.size


def test_no_third_party_requests(room: SiteTab, demonstration: Demonstration) -> None:
    assert room.requested_origins() <= {room.origin, demonstration.synapse.base_url}


def test_the_access_token_stays_where_it_belongs(room: SiteTab, demonstration: Demonstration) -> None:
    token = room.access_token()
    kept: list[str] = room.page.evaluate(EVERYTHING_KEPT)
    assert any("pyscript" in text for text in kept), "PyScript keeps something in IndexedDB, so it was read"
    assert not [text for text in [*kept, *room.requests, *room.console_messages] if token in text]
    assert token not in demonstration.synapse.log_path.read_text(encoding="utf-8")
    # Nor does the key of the same session, with which the page signs links, and which has no place in the tab either.
    answer = httpx.post(demonstration.synapse.base_url + KEY_PATH, headers={"Authorization": f"Bearer {token}"})
    key = answer.raise_for_status().json()["key"]
    kept += [*room.requests, *room.console_messages, room.page.evaluate("() => JSON.stringify(sessionStorage)")]
    assert not [text for text in kept if key in text]


def test_private_window_reports_unsupported_strategy(open_tab: OpenTab, mode: Mode) -> None:
    if not mode.private:
        pytest.skip("only private windows refuse a strategy")
    tab = open_tab()
    tab.open("opfs")
    problem = tab.page.locator("#problem")
    assert "does not work in this browser" in problem.inner_text()
    assert "Security error when calling GetDirectory" in problem.inner_text()
    assert tab.page.locator("#others button").all_inner_texts() == [
        "Show the room with link",
        "Show the room with delegated",
        "Show the room with blob",
        "Show the room with bundle",
    ]
    assert tab.report["mode"]["guess"] == "private"
