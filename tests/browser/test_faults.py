"""What goes wrong in real life: each has its own words in the media's place, and leaves every other media alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Playwright

from development.synapse import Synapse
from tests.browser.engines import CHROMIUM, FIREFOX, Mode, opened, with_little_storage
from tests.browser.matrix_room import Account, Room, picture
from tests.browser.site_tab import Window
from tests.conftest import OpenWindow
from tests.relay import Relay, free_port
from web.demonstration import Demonstration

STRATEGIES = ("link", "opfs", "blob", "bundle")
STRATEGIES_IN = {"chromium": ("bundle",), "firefox-private": ("link",)}
SIGNED_OUT = "You are signed out. Sign in again to see this media."
UNREACHABLE = "The server cannot be reached."


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Iterator[Room]:
    """A room with two good pictures and everything that can be wrong with a media."""
    room = Room(demonstration.synapse, "faults")
    room.say("good", room.upload(picture(200), "image/png"))
    room.say("malformed", "mxc://not a server/../x")
    room.say("elsewhere", "https://example.org/picture.png")
    room.say("unknown", f"mxc://{demonstration.synapse.server_name}/doesnotexist")
    room.say("lying", room.upload(b"this is not a picture", "image/png"))
    room.say("lying-video", room.upload(b"this is not a video", "video/mp4"), "m.video")
    room.say("also-good", room.upload(picture(30), "image/png"))
    yield room
    room.close()


def outcomes(window: Window) -> dict[str, str]:
    """By a media's label: ``shown``, or the words in its place."""
    return {
        element["label"]: element["words"] or element["state"]
        for element in window.media_elements()
        if "label" in element
    }


def names(window: Window) -> dict[str, Any]:
    """By a media's label: the error class in the report."""
    return {media["name"]: media["error"] for media in window.media}


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_bad_media_fails_alone(
    open_window: OpenWindow, site_for: Callable[[Account], str], room: Room, strategy: str
) -> None:
    window = open_window(site_for(room.account))
    window.open(strategy)
    assert window.state == "done"
    assert names(window) == {
        "good": None,
        "malformed": "MalformedMxc",
        "elsewhere": "MalformedMxc",
        "unknown": "MediaNotFound",
        "lying": "WrongContent",
        "lying-video": "WrongContent",
        "also-good": None,
    }
    words = outcomes(window)
    assert words["good"] == words["also-good"] == "shown"
    assert words["malformed"] == "This message names a media address that is not valid."
    assert words["unknown"] == "This media is not on the server (any more)."
    assert words["lying"] == "This file is damaged, or not of the kind that it claims to be."
    for media in window.media:
        if media["error"]:
            assert media["mxc"][:60] in media["words"]
            assert media["words"].endswith("."), "the message ends with what to do"


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.by_default("chromium")
def test_a_session_that_ended_is_told_at_every_media(
    open_window: OpenWindow, demonstration: Demonstration, strategy: str
) -> None:
    window = open_window()
    window.open(strategy)
    assert window.state == "done"
    window.end_session(demonstration.synapse.base_url)
    window.press("#clear")
    assert window.state == "done"
    assert {media["error"] for media in window.media} == {"SessionExpired"}
    assert set(outcomes(window).values()) == {SIGNED_OUT}
    window.reload()
    assert {media["state"] for media in window.media} == {"shown"}, "the demonstration signs in again"


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.by_default("firefox-private")
def test_a_homeserver_that_goes_down_is_survived(
    open_window: OpenWindow,
    site_for: Callable[[Account], str],
    room: Room,
    demonstration: Demonstration,
    strategy: str,
) -> None:
    with Relay(demonstration.synapse.port) as relay:
        window = open_window(site_for({**room.account, "homeserver": relay.url}))
        window.open(strategy)
        assert names(window)["good"] is None
        relay.cut()
        window.press("#clear")
        assert names(window)["good"] == names(window)["also-good"] == "HomeserverUnreachable"
        assert names(window)["malformed"] == "MalformedMxc"
        assert outcomes(window)["good"] == UNREACHABLE
        relay.open()
        window.press("#clear")
        assert names(window)["good"] is None


def test_a_homeserver_that_is_down_from_the_start_is_told(
    open_window: OpenWindow, site_for: Callable[[Account], str], room: Room
) -> None:
    nowhere = f"http://localhost:{free_port()}"
    window = open_window(site_for({**room.account, "homeserver": nowhere}))
    window.open("blob")
    assert window.state == "failed"
    told = window.page.locator("#problem").inner_text()
    assert UNREACHABLE in told
    assert nowhere in told
    assert "Traceback" not in told


@pytest.fixture(scope="session")
def plain_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room on a homeserver that has never heard of links."""
    directory = tmp_path_factory.mktemp("plain")
    with Synapse(directory, free_port(), extra_config={"modules": []}) as synapse:
        room = Room(synapse, "plain")
        room.say("good", room.upload(picture(90), "image/png"))
        yield room
        room.close()


def test_a_homeserver_without_links_is_told_and_another_strategy_offered(
    open_window: OpenWindow, site_for: Callable[[Account], str], plain_room: Room, mode: Mode
) -> None:
    window = open_window(site_for(plain_room.account))
    window.open("link")
    assert window.state == "failed"
    assert "M_UNRECOGNIZED" in window.report["support"]["link"]["words"]
    assert "M_UNRECOGNIZED" in window.page.locator("#problem").inner_text()
    window.press("#others button:has-text('blob')")
    assert window.state == "done"
    assert outcomes(window) == {"good": "shown"}


SMALL_DISK_KB = 4096
FIREFOX_SMALL_DISK = with_little_storage(FIREFOX, SMALL_DISK_KB)


@pytest.mark.parametrize(
    "small",
    [CHROMIUM, pytest.param(FIREFOX_SMALL_DISK, marks=pytest.mark.full_matrix)],
    ids=lambda small: small.name,
)
def test_a_full_disk_is_told_and_what_fits_is_shown(
    playwright: Playwright, demonstration: Demonstration, small: Mode
) -> None:
    assert demonstration.site
    with opened(small, playwright) as browser:
        window = Window(browser, demonstration.site.url)
        window.limit_storage(SMALL_DISK_KB)
        window.open("opfs")
        assert window.state == "done"
        results = [media["error"] for media in window.media]
        assert set(results) == {None, "QuotaExceeded"}
        assert results.count(None) > 10, "the small ones fit"
        assert "There is no room left on this device to keep this media." in outcomes(window).values()
