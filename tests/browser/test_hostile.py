"""Hostile media: pages, scripts and polyglots, of which nothing runs however they are opened."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Page

from tests.browser.matrix_room import Account, Room, picture
from tests.browser.site_tab import MEDIA_ELEMENTS, SiteTab
from tests.browser.webkit_pages import open_page
from tests.conftest import OpenTab
from tests.evidence.compare.webkit import WebKitTab
from web.demonstration import Demonstration

MARK = "document.title = 'hacked'; try { localStorage.hacked = 'yes'; opener.hacked = 'yes'; } catch {}"
HTML = f'<!doctype html><title>quiet</title><script>{MARK}</script><img src=x onerror="{MARK}">'
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="{MARK}"><script>{MARK}</script></svg>'
# Contents and their declared types.
HOSTILE = {
    "page": (HTML.encode(), "text/html"),
    "page-as-png": (HTML.encode(), "image/png"),
    "xhtml": (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{MARK}</script></html>'.encode(),
        "application/xhtml+xml",
    ),
    "svg": (SVG.encode(), "image/svg+xml"),
    "svg-as-png": (SVG.encode(), "image/png"),
    "script": (MARK.encode(), "text/javascript"),
    # Polyglots: images that a browser may sniff as HTML.
    "gif-and-script": (b"GIF89a/*" + b"\0" * 8 + f"*/=1;{MARK}".encode(), "image/gif"),
    "png-and-page": (picture(60) + HTML.encode(), "text/html"),
    "png-and-page-as-png": (picture(61) + HTML.encode(), "image/png"),
    "no-type-at-all": (HTML.encode(), "x"),
}
LOADED_S = 5
_POLL_MS = 100
STRATEGIES = ("link", "delegated", "opfs", "blob", "bundle", "service_worker", "cookie", "signed_query")
STRATEGIES_IN = {"chromium": ("link",)}
# Records every object URL and prevents its revocation.
KEEP = """
  window.kept = [];
  const make = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (object) => { const url = make(object); kept.push(url); return url; };
  URL.revokeObjectURL = () => {};
"""
# Returns the types of all blobs, except of the probe with which pages test whether object URLs can be shown, and of
# files that are gone from the disk. An SVG document counts as a page, unless it is the library's own with one image.
TYPES = """async () => {
  const contained = /^<svg [^<>]*><image [^<>]* href="data:image\\/svg\\+xml;base64,[A-Za-z0-9+\\/=]+"\\/><\\/svg>$/;
  const probe = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>';
  const read = await Promise.allSettled(kept.map(async (url) => (await fetch(url)).blob()));
  const blobs = read.flatMap(({ value }) => value ?? []);
  const texts = await Promise.all(blobs.map((blob) => blob.text()));
  return blobs.flatMap(({ type }, number) => {
    if (texts[number] === probe) return [];
    return [type === "image/svg+xml" && !contained.test(texts[number]) ? "a page" : type];
  });
}"""
SAFE_TYPES = {"image/png", "image/gif", "image/svg+xml", "video/mp4", "application/octet-stream"}
PROBE = "/dev_authmedia_probe?"
WITHOUT_HEADER = ("/media/signed/", "/media/cookie/", "/media/query/")


@pytest.fixture(scope="session")
def hostile_room(demonstration: Demonstration) -> Iterator[Room]:
    room = _room_of_pictures(demonstration, "hostile")
    for name, (content, content_type) in HOSTILE.items():
        room.send_media(f"{name}-video", room.upload(content + b" ", content_type), "m.video", mimetype="video/mp4")
    yield room
    room.close()


@pytest.fixture(scope="session")
def hostile_pictures(demonstration: Demonstration) -> Iterator[Room]:
    room = _room_of_pictures(demonstration, "hostile-pictures")
    yield room
    room.close()


def _room_of_pictures(demonstration: Demonstration, user: str) -> Room:
    room = Room(demonstration.synapse, user)
    for name, (content, content_type) in HOSTILE.items():
        room.send_media(name, room.upload(content, content_type), mimetype="image/png")
    room.send_media("a-picture", room.upload(picture(62), "image/png"))
    return room


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_in_media_runs_however_they_are_opened(
    open_tab: OpenTab, site_for: Callable[[Account], str], hostile_room: Room, strategy: str
) -> None:
    tab = open_tab(site_for(hostile_room.account))
    tab.page.add_init_script(KEEP)
    tab.open(strategy.replace("_", "-"))
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    states = {media["name"]: media["state"] for media in tab.media}
    assert len([name for name in states if not name.startswith("Avatar")]) == 2 * len(HOSTILE) + 1
    assert states["a-picture"] == "shown"
    assert states["page"] == states["page-as-png"] == states["script"] == "failed"
    assert states["svg"] == "shown", "as an image, which runs nothing"
    assert states["svg-as-png"] == states["svg-video"] == "failed"
    opened_by_themselves = addresses(tab)
    assert opened_by_themselves or strategy == "service_worker", "whose addresses open nothing without their worker"
    assert set(tab.page.evaluate(TYPES)) <= SAFE_TYPES
    for address in opened_by_themselves:
        with tab.page.context.expect_page() as opened:
            tab.page.evaluate("(address) => { window.open(address); }", address)
        wait_until_loaded_or_closed(opened.value)
        with suppress(Error):
            assert opened.value.title() != "hacked", address
            opened.value.close()
    told = tab.page.evaluate("() => [localStorage.hacked, window.hacked, document.title]")
    assert told[:2] == [None, None]
    assert told[2] != "hacked"


@pytest.mark.full_matrix
def test_nothing_in_media_runs_in_webkit(
    webkit_tab: WebKitTab, site_for: Callable[[Account], str], hostile_room: Room
) -> None:
    """By `link` alone: its players block the page at times by `blob`; see docs/reliability.md."""
    _assert_nothing_runs_in_webkit(webkit_tab, site_for(hostile_room.account), "link", 2 * len(HOSTILE) + 1)


@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_nothing_in_pictures_runs_in_webkit(
    webkit_tab: WebKitTab, site_for: Callable[[Account], str], hostile_pictures: Room, strategy: str
) -> None:
    _assert_nothing_runs_in_webkit(webkit_tab, site_for(hostile_pictures.account), strategy, len(HOSTILE) + 1)


def _assert_nothing_runs_in_webkit(webkit_tab: WebKitTab, site: str, strategy: str, count: int) -> None:
    open_page(webkit_tab, site, strategy)
    elements = webkit_tab.evaluate(MEDIA_ELEMENTS)
    states = {element["label"]: element["state"] for element in elements if "label" in element}
    assert len([name for name in states if not name.startswith("Avatar")]) == count
    assert states["a-picture"] == states["svg"] == "shown"
    assert states["page"] == states["page-as-png"] == states["script"] == states["svg-as-png"] == "failed"
    addresses = [element["src"] for element in elements if element["state"] == "shown"]
    assert len(addresses) >= 2
    for address in addresses:
        assert "hacked" not in webkit_tab.titles_of_new_tab(address), address
    assert webkit_tab.evaluate("() => [localStorage.hacked ?? null, window.hacked ?? null]") == [None, None]
    assert webkit_tab.evaluate("() => document.title") != "hacked"


def wait_until_loaded_or_closed(page: Page) -> None:
    """Waits for a page's load event. A download closes its page instead, which Playwright's own wait may miss."""
    deadline = time.monotonic() + LOADED_S
    while not page.is_closed() and time.monotonic() < deadline:
        with suppress(Error):
            page.wait_for_load_state(timeout=_POLL_MS)
            return


def addresses(tab: SiteTab) -> list[str]:
    """Returns the URLs that media were shown from: object URLs, and those that need no Authorization header.

    The link by which `support` finds out whether links arrive is of no media, and opens no page: it answers 204.
    """
    of_the_network = [url for url in tab.requests if any(way in url for way in WITHOUT_HEADER) and PROBE not in url]
    found = [*tab.page.evaluate("() => window.kept"), *dict.fromkeys(of_the_network)]
    return [str(url) for url in found]
