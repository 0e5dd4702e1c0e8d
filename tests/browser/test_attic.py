"""The page `attic.html`: each odd kind of media ends in the same way by every strategy."""

import pytest

from development.attic import EITHER, READY, Attic
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab
from web.demonstration import Demonstration

STRATEGIES = ("link", "blob", "opfs", "bundle", "auto")
STRATEGIES_IN = {"chromium": ("link", "bundle"), "firefox-private": ("blob",)}


@pytest.fixture(scope="session")
def attic(demonstration: Demonstration) -> Attic:
    return demonstration.fill_attic()


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_kind_ends_as_it_has_to(open_tab: OpenTab, attic: Attic, strategy: str) -> None:
    tab = open_tab("")
    tab.open("attic", strategy=strategy)
    assert_ended(tab, attic)
    assert_presented(tab)
    waiting = [mxc.rpartition("/")[2] for mxc, oddity in attic.oddities.items() if oddity.ends == READY]
    tab.page.wait_for_selector(f"video[data-state={READY}][poster] >> nth={len(waiting) - 1}", state="attached")
    assert not [url for url in tab.requests for name in waiting if name in url], "it costs nothing before it is played"


def assert_ended(tab: SiteTab, attic: Attic) -> None:
    """Checks how each media has ended."""
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    ended = {element["mxc"]: element["state"] for element in tab.media_elements() if "state" in element}
    missing = [oddity.name for mxc, oddity in attic.oddities.items() if oddity.loads and mxc not in ended]
    assert missing == []
    wrong = {
        oddity.name: ended[mxc]
        for mxc, oddity in attic.oddities.items()
        if oddity.loads and oddity.ends != EITHER and ended[mxc] != oddity.ends
    }
    assert wrong == {}


def assert_presented(tab: SiteTab) -> None:
    """Checks what the page makes of markup, spoilers, stickers and sizes."""
    page = tab.page
    assert "hacked" not in page.title()
    assert page.locator("#timeline script, #timeline [onerror], #timeline [onclick], a[href^=javascript]").count() == 0
    assert not [url for url in tab.requests if "example.org/spy" in url]
    emoji = page.locator("img.emoticon")
    assert [image.get_attribute("data-state") for image in emoji.all()] == ["shown", "shown"]
    assert page.locator("details.spoiler:not([open])").count() == 3
    turned = page.locator('#timeline img[data-label="IMG_0002.jpg"]').bounding_box()
    assert turned
    assert turned["height"] > turned["width"], "it stands upright, whatever the event says"
