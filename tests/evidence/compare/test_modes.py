"""The modes of the comparison are what their names say: by what a page sees of cookies, workers, files and frames."""

from typing import Any

import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import launch_browser
from tests.evidence.compare import modes
from tests.evidence.compare.browsers import by_playwright
from tests.evidence.compare.probe import look, probe_server
from tests.evidence.compare.tab_kinds import incognito_tab

pytestmark = [pytest.mark.full_matrix, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def seen(playwright: Playwright) -> dict[str, dict[str, Any]]:
    """What a page sees in each mode."""
    found: dict[str, dict[str, Any]] = {}
    with probe_server() as url:
        for mode in modes.MODES:
            with by_playwright(mode, playwright).start() as started, started.new_tab() as tab:
                found[mode.name] = look(tab, url)
    return found


def modes_with(seen: dict[str, dict[str, Any]], **expected: object) -> set[str]:
    return {name for name, values in seen.items() if all(values[key] == value for key, value in expected.items())}


def test_modes_are_what_their_names_say(seen: dict[str, dict[str, Any]]) -> None:
    firefox = {name for name in seen if name.startswith("firefox")}
    private = {name for name in firefox if "private" in name or "tor-like" in name}
    no_worker = {name for name in firefox if "no-service-worker" in name or "tor-like" in name}
    frames = {mode.name for mode in modes.IN_FRAMES}
    assert modes_with(seen, worker=False) == no_worker
    assert modes_with(seen, framed=True) == modes_with(seen, same_origin_top=False) == frames
    assert modes_with(seen, files="SecurityError") >= private
    assert not modes_with(seen, files="SecurityError") & {"chromium", "firefox", "firefox-strict"}
    assert modes_with(seen, wasm="undefined") == {"firefox-tor-like-no-webassembly"}
    assert modes_with(seen, save_data=True) == {"chromium-save-data"}
    assert modes_with(seen, mobile=True) == {"chromium-phone"}
    # https://searchfox.org/mozilla-central/source/toolkit/components/resistfingerprinting
    assert modes_with(seen, zone="Atlantic/Reykjavik") == {name for name in firefox if "tor-like" in name}


def test_third_party_cookies_are_blocked_where_the_name_says_so(seen: dict[str, dict[str, Any]]) -> None:
    """Chromium lets partitioned ones pass all the same; Firefox partitions all of them."""
    assert seen["chromium-third-party-cookies-blocked"]["cookies"] == "own=1"
    assert seen["chromium-third-party-cookies-allowed"]["cookies"] == "whole=1; own=1"


def test_incognito_tabs_are_in_another_profile_than_those_that_playwright_opens(playwright: Playwright) -> None:
    with launch_browser(modes.CHROMIUM_INCOGNITO, playwright) as context, incognito_tab(context):
        pages = [context.pages[-1], context.new_page()]
        profiles = {
            context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
            for page in pages
        }
    assert len(profiles) == 2
