"""Caching in memory and on disk: eviction, content types, separation of accounts, and no session storage."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.binding_harness import (
    LIST_OPFS_FILES,
    MEDIA,
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    to_json,
    wait_for_state,
)
from tests.browser.matrix_room import Room
from tests.browser.site_tab import SiteTab
from tests.browser.throttling_proxy import ThrottlingProxy
from web.demonstration import Demonstration

SIZE = (MEDIA / "screenshot.png").stat().st_size
# The requests of each strategy for three thumbnails.
ASKED = {"opfs": ("/thumbnail/", 3), "blob": ("/thumbnail/", 3), "link": ("/media/links", 1), "bundle": ("/bundle", 1)}
SIDE = 96
REFUSED = """Object.defineProperty(window, "sessionStorage", {
  get() { throw new DOMException("refused by a test", "SecurityError"); },
});"""
TYPE = "async (element) => (await fetch(element.src)).headers.get('Content-Type')"

PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))
STRATEGIES_IN = {"chromium": ("opfs",)}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> MediaSet:
    return MediaSet(demonstration.synapse, "keeping", 4)


@pytest.fixture(scope="session")
def large_images(media_set: MediaSet) -> list[str]:
    """Four images of nearly the same size, much larger than a file's header and the index."""
    content = (MEDIA / "screenshot.png").read_bytes()
    return [media_set.upload(content + b"." * number, "image/png") for number in range(4)]


@pytest.fixture(scope="session")
def second_account_room(demonstration: Demonstration) -> Iterator[Room]:
    """A room of another account on the same homeserver."""
    room = Room(demonstration.synapse, "another")
    yield room
    room.close()


def show_in_turn(tab: SiteTab, mxcs: list[str]) -> None:
    """Shows and removes media one after another, so that their order of use is known."""
    for mxc in mxcs:
        add_elements(tab, [mxc])
        wait_for_state(tab, "img[data-mxc]")
        tab.page.evaluate("() => document.getElementById('elements').replaceChildren()")


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["blob", "opfs"])
def test_least_recently_used_media_is_evicted(
    harness: BindingHarness, large_images: list[str], interpreter: str, strategy: str
) -> None:
    tab = harness.open(strategy, budget=str(SIZE * 7 // 2), interpreter=interpreter)
    first, second, third, fourth = large_images
    show_in_turn(tab, [first, second, third, first, fourth])
    assert harness.proxy.request_count("/download/") == 4
    show_in_turn(tab, [first, third, fourth])
    assert harness.proxy.request_count("/download/") == 4, "these had room"
    show_in_turn(tab, [second])
    assert harness.proxy.request_count("/download/") == 5, "this one made way"
    if strategy == "opfs":
        assert len(tab.page.evaluate(LIST_OPFS_FILES)) == 3


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["opfs", "blob", "bundle"])
def test_content_types_survive_storage(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str
) -> None:
    tune = media_set.upload_file("tune.mp3")
    tab = harness.open(strategy, interpreter=interpreter)
    for source in ("network", "disk" if strategy == "opfs" else "network"):
        add_elements(tab, media_set.pictures[:1])
        add_elements(tab, [tune], "audio")
        wait_for_state(tab, "[data-mxc]")
        for tag, content_type in (("img", "image/png"), ("audio", "audio/mpeg")):
            assert tab.page.locator(f"{tag}[data-mxc]").get_attribute("data-source") == source
            assert tab.page.eval_on_selector(f"{tag}[data-mxc]", TYPE) == content_type
        tab.reload()


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", list(ASKED))
def test_what_is_kept_for_one_account_is_never_given_to_another(
    binding_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    media_set: MediaSet,
    second_account_room: Room,
    interpreter: str,
    strategy: str,
) -> None:
    """Two accounts of one homeserver, on one page, with the same media."""
    pictures = media_set.pictures[:3]
    path, times = ASKED[strategy]
    sized = {"data_width": str(SIDE), "data_height": str(SIDE), "data_method": "crop"}
    with ThrottlingProxy(demonstration.synapse.base_url) as proxy:
        other = {**second_account_room.account, "homeserver": proxy.address()}
        told = {**media_set.room.account, "second": to_json(other)}
        with binding_harness(binding_site, browser, demonstration.synapse, told) as opened:
            tab = opened.open(strategy, interpreter=interpreter)
            for account, way in ((media_set.room.account, opened.proxy), (other, proxy)):
                add_elements(tab, pictures, data_user_id=account["user"], **sized)
                wait_for_state(tab, "img[data-mxc]")
                assert way.request_count(path) == times, "each with a header of its own"
            if strategy == "opfs":
                assert len(tab.page.evaluate(LIST_OPFS_FILES)) == 2 * len(pictures)
            tab.page.click("#leave")
            tab.page.wait_for_selector("html[data-left]", state="attached")
            for number, mxc in enumerate(pictures):
                still = f'img[data-user-id="{other["user"]}"] >> nth={number}'
                thumbnail = second_account_room.thumbnail(mxc, SIDE, SIDE, "crop")
                assert tab.sha256(still) == hashlib.sha256(thumbnail).hexdigest()
            if strategy == "opfs":
                assert len(tab.page.evaluate(LIST_OPFS_FILES)) == len(pictures), "the other account's"


@pytest.mark.by_default("chromium")
def test_links_are_cached_in_memory_without_session_storage(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("link", script=REFUSED, interpreter=interpreter)
    show_in_turn(tab, media_set.pictures[:2])
    asked = harness.proxy.request_count("/media/links")
    show_in_turn(tab, media_set.pictures[:2])
    assert harness.proxy.request_count("/media/links") == asked == 2
    tab.reload()
    show_in_turn(tab, media_set.pictures[:1])
    assert harness.proxy.request_count("/media/links") == 3, "and for no longer than the page lives"
