"""Media as people send them, in real browsers and on a real Synapse: the same end by every strategy."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, TimeoutError

from tests.browser.binding_harness import (
    ADD,
    ARE_SETTLED,
    MEDIA,
    OUTCOMES,
    BindingHarness,
    MediaSet,
    add_elements,
    arguments_to_add,
    shown_by_elements,
    wait_for_state,
)
from tests.browser.engines import Mode
from tests.browser.matrix_room import picture
from tests.browser.site_tab import SiteTab
from tests.browser.webkit_pages import open_binding
from tests.conftest import OpenTab
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))
STRATEGIES = ("link", "blob", "opfs", "bundle", "auto")
THUMBNAIL = {"data_width": "96", "data_height": "96", "data_method": "crop"}
SHOWN = "shown"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
FILM, TUNE = (MEDIA / "film.mp4").read_bytes(), (MEDIA / "tune.mp3").read_bytes()
WAITING = "The server cannot be reached. Waiting for the network."
NOT_YET = "This media is still being uploaded."
SETTLED_IN_WEBKIT_S = 20
# The process of WebKitGTK 2.50 ends with this AVI by a link. Of an object URL, its players at times get nothing, and
# fire `stalled` alone. A picture that a link declares as such is a video of one frame.
ENDS_WEBKIT, STALLED = "avi", "loading"
WEBKIT_SHOWS: dict[str, dict[str, str]] = {"blob": {}, "link": {"picture in video": SHOWN}}
WATCH_STALLS = """() => {
  window.stalled = [];
  addEventListener("stalled", ({ target }) => window.stalled.push(target.dataset.label), true);
}"""

pytestmark = pytest.mark.timeout(170)


def saved(form: str) -> bytes:
    """A picture in one of Pillow's formats."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(77))).save(buffer, form)
    return buffer.getvalue()


class Kind(NamedTuple):
    """One kind of media: what is uploaded as which type, the element that shows it, and what becomes of that."""

    tag: str
    content: bytes
    content_type: str
    becomes: str = SHOWN
    attributes: Mapping[str, str] = MappingProxyType({})
    suffix: str = ""


KINDS = {
    # The server makes no thumbnail of these.
    "bmp": Kind("img", saved("BMP"), "image/bmp", attributes=THUMBNAIL),
    "ico": Kind("img", saved("ICO"), "image/x-icon", attributes=THUMBNAIL),
    "avif": Kind("img", saved("AVIF"), "image/avif", attributes=THUMBNAIL),
    "heic": Kind("img", HEIC, "image/heic", "This browser cannot show HEIC.", THUMBNAIL),
    # Formats that the browser has not, or not in this element.
    "tiff": Kind("img", saved("TIFF"), "image/tiff", "This browser cannot show TIFF."),
    "film in img": Kind("img", FILM, "video/mp4", "This browser cannot show MP4 as an image."),
    "tune in img": Kind("img", TUNE, "audio/mpeg", "This browser cannot show MP3 as an image."),
    "picture in video": Kind("video", picture(5), "image/png", "This browser cannot show PNG as a video."),
    "avi": Kind("video", b"RIFF\x24\0\0\0AVI LIST" + bytes(80), "video/x-msvideo", "This browser cannot show AVI."),
    "empty": Kind("img", b"", "image/png", "This file is empty."),
    # Types that are wrong, missing, or spelt in another way.
    "jpg": Kind("img", saved("JPEG"), "image/jpg"),
    "capitals": Kind("img", saved("JPEG"), "IMAGE/JPEG; charset=binary"),
    "untyped picture": Kind("img", picture(9), "application/octet-stream", attributes={"data_type": "image/png"}),
    "m4v": Kind("video", FILM, "video/x-m4v"),
    "untyped film": Kind("video", FILM, "application/octet-stream", attributes={"data_type": "video/mp4"}),
    "unknown film": Kind("video", FILM, "application/octet-stream"),
    "mp3": Kind("audio", TUNE, "audio/mp3", attributes={"controls": ""}),
    "unknown tune": Kind("audio", TUNE, "binary/octet-stream", attributes={"controls": ""}),
    # Addresses and sizes.
    "fragment": Kind("img", picture(30), "image/png", suffix="#auto"),
    "space": Kind("img", picture(31), "image/png", suffix="?x=1 "),
    "fraction": Kind("img", picture(32), "image/png", attributes={"data_width": "31.5", "data_height": "24"}),
    "huge": Kind("img", picture(33), "image/png", attributes={"data_width": "4096", "data_height": "3072"}),
    "one side": Kind("img", picture(34), "image/png", attributes={"data_width": "40"}),
    "method": Kind("img", picture(35), "image/png", attributes={**THUMBNAIL, "data_method": "fit"}),
}


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "wild", 3)
    yield media_set
    media_set.room.close()


@pytest.fixture(scope="session")
def wild(media_set: MediaSet) -> dict[str, str]:
    """The addresses of all kinds."""
    return {name: media_set.upload(kind.content, kind.content_type) + kind.suffix for name, kind in KINDS.items()}


def outcomes(tab: SiteTab) -> dict[str, str]:
    """Returns ``shown``, or what the user reads in its place, by the element's label."""
    found: dict[str, str] = tab.page.evaluate(OUTCOMES)
    return found


def settle(tab: SiteTab) -> None:
    """Waits until each element is shown or failed; what hangs has another outcome."""
    with suppress(TimeoutError):
        tab.page.wait_for_function(ARE_SETTLED, timeout=15_000)


@pytest.mark.full_matrix
def test_each_kind_ends_the_same_way_by_every_strategy(
    harness: BindingHarness, wild: dict[str, str], mode: Mode, interpreter: str
) -> None:
    expected = {name: kind.becomes for name, kind in KINDS.items()}
    ends, saves = {}, {}
    strategies = [strategy for strategy in STRATEGIES if strategy != "opfs" or not mode.private]
    for strategy in strategies:
        tab = harness.open(strategy, near="1000000", interpreter=interpreter)
        for name, kind in KINDS.items():
            add_elements(tab, [wild[name]], kind.tag, data_label=name, **kind.attributes)
        settle(tab)
        ends[strategy] = {name: end for name, end in outcomes(tab).items() if end != expected[name]}
        saves[strategy] = tab.page.locator(".media-save").count()
        tab.close()
    assert ends == {strategy: {} for strategy in strategies}
    assert set(saves.values()) == {sum("cannot show" in end for end in expected.values())}


@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_webkit_ends_each_kind_the_same_way(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    media_set: MediaSet,
    wild: dict[str, str],
    strategy: str,
) -> None:
    kinds = {name: kind for name, kind in KINDS.items() if strategy == "blob" or name != ENDS_WEBKIT}
    open_binding(webkit_tab, site_for(media_set.room.account, binding_site), strategy=strategy, near="1000000")
    webkit_tab.evaluate(WATCH_STALLS)
    added = [
        arguments_to_add([wild[name]], kind.tag, 0, {"data_label": name, **kind.attributes})
        for name, kind in kinds.items()
    ]
    webkit_tab.evaluate(f"(added) => added.forEach({ADD})", added)
    with suppress(AssertionError):  # what hangs has another outcome
        wait_for(lambda: webkit_tab.evaluate(ARE_SETTLED), SETTLED_IN_WEBKIT_S, "the media")
    ends, stalled = webkit_tab.evaluate(OUTCOMES), webkit_tab.evaluate("() => window.stalled")
    others = {name: end for name, end in ends.items() if end != kinds[name].becomes}
    unexplained = {name: end for name, end in others.items() if end != STALLED or name not in stalled}
    assert unexplained == WEBKIT_SHOWS[strategy]
    assert len(ends) == len(kinds)


@pytest.mark.full_matrix
def test_what_an_element_shows_by_itself_is_shown(open_tab: OpenTab) -> None:
    """All kinds end as `KINDS` says by every strategy, so that none is refused that an element shows by itself."""
    tab = open_tab()
    tab.page.goto(f"{tab.origin}/icon-of-no-site.html")
    assert_refuses_nothing(shown_by_elements(tab.page.evaluate, files_of_kinds()))


@pytest.mark.full_matrix
def test_what_webkit_shows_by_itself_is_shown(webkit_tab: WebKitTab, demonstration: Demonstration) -> None:
    assert demonstration.site
    webkit_tab.open(f"{demonstration.site.url}icon-of-no-site.html")
    assert_refuses_nothing(shown_by_elements(webkit_tab.evaluate, files_of_kinds()))


def files_of_kinds() -> list[tuple[str, str, bytes, str]]:
    """Returns name, tag, content and declared type of each kind."""
    return [(name, kind.tag, kind.content, kind.content_type) for name, kind in KINDS.items()]


def assert_refuses_nothing(shown: list[str]) -> None:
    """Checks what elements show without the library."""
    assert {"bmp", "ico", "avif", "jpg", "m4v", "mp3"} <= set(shown)
    assert [name for name in shown if KINDS[name].becomes != SHOWN] == []


@pytest.mark.by_default("chromium")
def test_what_fails_without_a_network_appears_with_it(
    harness: BindingHarness, browser: BrowserContext, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", interpreter=interpreter)
    browser.set_offline(True)
    add_elements(tab, media_set.pictures)
    wait_for_state(tab, "img[data-mxc]", "failed")
    assert tab.page.locator(".media-failed").first.inner_text().startswith(WAITING)
    browser.set_offline(False)
    wait_for_state(tab, "img[data-mxc]")
    assert tab.page.locator(".media-failed").count() == 0


@pytest.mark.by_default("chromium")
def test_a_media_appears_once_it_is_uploaded(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    mxc = media_set.room.reserve()
    tab = harness.open("bundle", interpreter=interpreter)
    add_elements(tab, [mxc, media_set.pictures[0]], **THUMBNAIL)
    wait_for_state(tab, f'img[data-mxc="{mxc}"]', "failed")
    wait_for_state(tab, f'img[data-mxc="{media_set.pictures[0]}"]')
    assert tab.page.locator(".media-failed").inner_text().startswith(NOT_YET)
    media_set.room.upload_reserved(mxc, picture(99))
    wait_for_state(tab, "img[data-mxc]")


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_a_sign_in_page_of_a_network_does_not_stay(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("opfs", interpreter=interpreter)
    mxc = media_set.pictures[1]
    answer = {"access-control-allow-origin": "*", "content-type": "text/html"}
    pattern = f"**/{mxc.rpartition('/')[2]}"
    tab.page.route(pattern, lambda route: route.fulfill(status=200, headers=answer, body="<html>Sign in</html>"))
    add_elements(tab, [mxc])
    wait_for_state(tab, "img[data-mxc]", "failed")
    tab.page.unroute(pattern)
    tab.page.get_by_role("button", name="Try again").click()
    wait_for_state(tab, "img[data-mxc]")
    assert tab.sha256("img[data-mxc]") == media_set.sha256[mxc]
