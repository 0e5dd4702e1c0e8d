"""Failures: each shows its own message instead of the media, and affects no other media."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Playwright

from development.synapse import Synapse
from tests.browser.engines import CHROMIUM, FIREFOX, Mode, launch_browser, with_storage_limit
from tests.browser.matrix_room import Account, Room, picture
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab
from tests.relay import Relay, free_port
from web.demonstration import Demonstration

STRATEGIES = ("link", "opfs", "blob", "bundle")
STRATEGIES_IN = {"chromium": ("bundle",), "firefox-private": ("link",)}
SIGNED_OUT = "You are signed out. Sign in again to see this media."
UNREACHABLE = "The server cannot be reached."


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Iterator[Room]:
    """A room with two valid images and one of each kind of bad media."""
    room = Room(demonstration.synapse, "faults")
    room.send_media("good", room.upload(picture(200), "image/png"))
    room.send_media("malformed", "mxc://not a server/../x")
    room.send_media("elsewhere", "https://example.org/picture.png")
    room.send_media("unknown", f"mxc://{demonstration.synapse.server_name}/doesnotexist")
    room.send_media("lying", room.upload(b"this is not a picture", "image/png"))
    room.send_media("lying-video", room.upload(b"this is not a video", "video/mp4"), "m.video")
    room.send_media("also-good", room.upload(picture(30), "image/png"))
    yield room
    room.close()


def outcomes(tab: SiteTab) -> dict[str, str]:
    """Returns ``shown`` or the message in its place, by the media's label."""
    return {
        element["label"]: element["words"] or element["state"] for element in tab.media_elements() if "label" in element
    }


def names(tab: SiteTab) -> dict[str, Any]:
    """Returns the error class in the report, by the media's label."""
    return {media["name"]: media["error"] for media in tab.media}


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_bad_media_fails_alone(
    open_tab: OpenTab, site_for: Callable[[Account], str], room: Room, strategy: str
) -> None:
    tab = open_tab(site_for(room.account))
    tab.open(strategy)
    assert tab.state == "done"
    assert names(tab) == {
        "good": None,
        "malformed": "MalformedMxc",
        "elsewhere": "MalformedMxc",
        "unknown": "MediaNotFound",
        "lying": "WrongContent",
        "lying-video": "WrongContent",
        "also-good": None,
    }
    words = outcomes(tab)
    assert words["good"] == words["also-good"] == "shown"
    assert words["malformed"] == "This message names a media address that is not valid."
    assert words["unknown"] == "This media is not on the server (any more)."
    assert words["lying"] == "This file is damaged, or not of the kind that it claims to be."
    for media in tab.media:
        if media["error"]:
            assert media["mxc"][:60] in media["words"]
            assert media["words"].endswith("."), "the message ends with what to do"


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.by_default("chromium")
def test_ended_session_is_reported_at_every_media(
    open_tab: OpenTab, demonstration: Demonstration, strategy: str
) -> None:
    tab = open_tab()
    tab.open(strategy)
    assert tab.state == "done"
    tab.end_session(demonstration.synapse.base_url)
    tab.click_and_settle("#clear")
    assert tab.state == "done"
    assert {media["error"] for media in tab.media} == {"SessionExpired"}
    assert set(outcomes(tab).values()) == {SIGNED_OUT}
    tab.reload()
    assert {media["state"] for media in tab.media} == {"shown"}, "the demonstration signs in again"


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.by_default("firefox-private")
def test_page_recovers_after_homeserver_outage(
    open_tab: OpenTab,
    site_for: Callable[[Account], str],
    room: Room,
    demonstration: Demonstration,
    strategy: str,
) -> None:
    with Relay(demonstration.synapse.port) as relay:
        tab = open_tab(site_for({**room.account, "homeserver": relay.url}))
        tab.open(strategy)
        assert names(tab)["good"] is None
        relay.cut()
        tab.click_and_settle("#clear")
        assert names(tab)["good"] == names(tab)["also-good"] == "HomeserverUnreachable"
        assert names(tab)["malformed"] == "MalformedMxc"
        assert outcomes(tab)["good"] == f"{UNREACHABLE} Waiting for the network."
        relay.open()
        tab.click_and_settle("#clear")
        assert names(tab)["good"] is None


def test_unreachable_homeserver_is_reported_at_startup(
    open_tab: OpenTab, site_for: Callable[[Account], str], room: Room
) -> None:
    nowhere = f"http://localhost:{free_port()}"
    tab = open_tab(site_for({**room.account, "homeserver": nowhere}))
    tab.open("blob")
    assert tab.state == "failed"
    told = tab.page.locator("#problem").inner_text()
    assert UNREACHABLE in told
    assert nowhere in told
    assert "Traceback" not in told


@pytest.fixture(scope="session")
def room_without_links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room on a homeserver without the module."""
    directory = tmp_path_factory.mktemp("plain")
    with Synapse(directory, free_port(), extra_config={"modules": []}) as synapse:
        room = Room(synapse, "plain")
        room.send_media("good", room.upload(picture(90), "image/png"))
        yield room
        room.close()


def test_missing_links_endpoint_is_reported_and_fallback_offered(
    open_tab: OpenTab, site_for: Callable[[Account], str], room_without_links: Room, mode: Mode
) -> None:
    tab = open_tab(site_for(room_without_links.account))
    tab.open("link")
    assert tab.state == "failed"
    assert "M_UNRECOGNIZED" in tab.report["support"]["link"]["words"]
    assert "M_UNRECOGNIZED" in tab.page.locator("#problem").inner_text()
    tab.click_and_settle("#others button:has-text('blob')")
    assert tab.state == "done"
    assert outcomes(tab) == {"good": "shown"}


SMALL_DISK_KB = 4096
FIREFOX_SMALL_DISK = with_storage_limit(FIREFOX, SMALL_DISK_KB)


@pytest.mark.parametrize(
    "small",
    [CHROMIUM, pytest.param(FIREFOX_SMALL_DISK, marks=pytest.mark.full_matrix)],
    ids=lambda small: small.name,
)
def test_full_disk_is_reported_and_fitting_media_are_shown(
    playwright: Playwright, demonstration: Demonstration, small: Mode
) -> None:
    assert demonstration.site
    with launch_browser(small, playwright) as browser:
        tab = SiteTab(browser, demonstration.site.url)
        tab.limit_storage(SMALL_DISK_KB)
        tab.open("opfs")
        assert tab.state == "done"
        results = [media["error"] for media in tab.media]
        assert set(results) == {None, "QuotaExceeded"}
        assert results.count(None) > 10, "the small ones fit"
        assert "There is no room left on this device to keep this media." in outcomes(tab).values()
