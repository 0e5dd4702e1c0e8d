"""The page `attic.html`: each odd kind of media ends in the same way by every strategy."""

from typing import Any

import pytest

from development.attic import EITHER, ODDITIES, READY, SHOWN, Attic
from tests.browser.binding_harness import shown_by_elements
from tests.browser.site_tab import MEDIA_ELEMENTS, SiteTab
from tests.browser.webkit_pages import open_page
from tests.conftest import OpenTab
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

STRATEGIES = ("link", "blob", "opfs", "bundle", "auto")
STRATEGIES_IN = {"chromium": ("link",), "firefox-private": ("blob",)}

TAGS = {"m.image": "img", "m.video": "video", "m.audio": "audio"}
# WebKitGTK 2.50 shows a picture that is declared as a video as a video of one frame: GStreamer decodes both.
WEBKIT_SHOWS = {"a picture that claims to be a video": SHOWN}


@pytest.fixture(scope="session")
def attic(demonstration: Demonstration) -> Attic:
    return demonstration.fill_attic()


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_kind_ends_as_it_has_to(open_tab: OpenTab, attic: Attic, strategy: str) -> None:
    tab = open_tab("")
    tab.page.goto(f"{tab.origin}/icon-of-no-site.html")
    by_themselves = shown_by_elements(tab.page.evaluate, files_of_oddities())
    tab.open("attic", strategy=strategy)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    assert unexpected_ends(tab.media_elements(), attic, by_themselves) == {}
    assert_presented(tab)
    waiting = [mxc.rpartition("/")[2] for mxc, oddity in attic.oddities.items() if oddity.ends == READY]
    tab.page.wait_for_selector(f"video[data-state={READY}][poster] >> nth={len(waiting) - 1}", state="attached")
    assert not [url for url in tab.requests for name in waiting if name in url], "it costs nothing before it is played"


@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_webkit_ends_each_kind_as_it_has_to(
    webkit_tab: WebKitTab, demonstration: Demonstration, attic: Attic, strategy: str
) -> None:
    assert demonstration.site
    webkit_tab.open(f"{demonstration.site.url}icon-of-no-site.html")
    by_themselves = shown_by_elements(webkit_tab.evaluate, files_of_oddities())
    open_page(webkit_tab, demonstration.site.url, "attic", strategy=strategy)
    assert unexpected_ends(webkit_tab.evaluate(MEDIA_ELEMENTS), attic, by_themselves) == WEBKIT_SHOWS
    waiting = [oddity for oddity in attic.oddities.values() if oddity.ends == READY]
    posters = f"() => document.querySelectorAll('video[data-state={READY}][poster]').length"
    wait_for(lambda: webkit_tab.evaluate(posters) == len(waiting), 20, "the posters")


def files_of_oddities() -> list[tuple[str, str, bytes, str]]:
    """Returns name, tag, content and declared type of what loads unencrypted."""
    return [
        (oddity.name, TAGS[oddity.kind], oddity.file.make(), oddity.file.declared)
        for oddity in ODDITIES
        if oddity.loads and oddity.ends != READY and oddity.file and not oddity.file.encrypted
    ]


def unexpected_ends(elements: list[dict[str, Any]], attic: Attic, by_themselves: list[str]) -> dict[str, str]:
    """Returns how media have ended that have not as they have to, by the oddity's name; empty for one without end.

    :param by_themselves: the names of those that elements show without the library, which have to be shown.
    """
    ended = {element["mxc"]: element["state"] for element in elements if "state" in element}
    loaded = {mxc: oddity for mxc, oddity in attic.oddities.items() if oddity.loads}
    expected = {mxc: SHOWN if oddity.name in by_themselves else oddity.ends for mxc, oddity in loaded.items()}
    return {
        oddity.name: ended.get(mxc, "")
        for mxc, oddity in loaded.items()
        if ended.get(mxc) != expected[mxc] and not (expected[mxc] == EITHER and mxc in ended)
    }


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
