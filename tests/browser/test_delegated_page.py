"""The page `delegated.html`, which loads its media while it tries a link: behind proxies where that link fails."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from tests.browser.matrix_room import Account, Room, picture
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab
from tests.evidence.faults.faulty_proxy import Exchange, Fault, FaultyProxy
from tests.relay import free_port
from web.demonstration import Demonstration

SIGNED, PROBE = "/media/signed/", "/dev_authmedia_probe"
CORS = (b"access-control-allow-origin", b"*")
# Of each media element of the room: its attributes that a load sets, and whether a message follows it.
LOADED = """() => [...document.querySelectorAll("#timeline [data-mxc]")].map((element) => ({
  ...element.dataset, src: element.getAttribute("src") ?? "",
  failed: element.parentElement.querySelector(".media-failed") !== null,
}))"""


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Iterator[Room]:
    room = Room(demonstration.synapse, "behind-proxies")
    for number in (1, 2, 3):
        room.send_media(f"{number}.png", room.upload(picture(number), "image/png"), mimetype="image/png", w=64, h=48)
    yield room
    room.close()


async def answer_as_firewall(exchange: Exchange, _homeserver: str) -> None:
    exchange.status, exchange.body = 403, b"<html>Not from here</html>"
    exchange.headers = [(b"content-type", b"text/html"), CORS]


async def strip_query(exchange: Exchange, homeserver: str) -> None:
    """Has the homeserver answer to the link without its query."""
    async with httpx.AsyncClient(base_url=homeserver) as client:
        answer = await client.get(exchange.path)
    exchange.status, exchange.body = answer.status_code, answer.content
    exchange.headers = [(b"content-type", b"application/json"), CORS]


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        (answer_as_firewall, "Something before the homeserver answers to links, with HTTP 403"),
        (strip_query, "a proxy strips the query of links"),
    ],
)
def test_page_that_loads_already_says_why_links_do_not_arrive(
    open_tab: OpenTab,
    site_for: Callable[[Account], str],
    demonstration: Demonstration,
    room: Room,
    refuse: Callable[[Exchange, str], Awaitable[None]],
    words: str,
) -> None:
    is_media_requested = asyncio.Event()

    async def fail(exchange: Exchange) -> None:
        if SIGNED in exchange.path:
            if PROBE in exchange.path:
                await is_media_requested.wait()  # else the page would not load while it tries the link
            else:
                is_media_requested.set()
            await refuse(exchange, demonstration.synapse.base_url)
        await exchange.answer()

    with FaultyProxy(demonstration.synapse.port) as proxy, proxy.applying(Fault(fail, 1)):
        tab = open_tab(site_for({**room.account, "homeserver": proxy.url}))
        tab.open("delegated")
        assert tab.state == "failed"
        assert words in tab.page.locator("#problem").inner_text()
        assert words in tab.page.locator('section[data-support="delegated"] .words').inner_text()
        assert_nothing_loaded(tab)
        offered = tab.page.locator("#others .strategy").all_inner_texts()
        assert "blob" in offered
        assert not {"link", "delegated"} & set(offered)
        tab.click_and_settle("#others button:has-text('blob')")
        assert {(media["state"], media["strategy"]) for media in tab.page.evaluate(LOADED)} == {("shown", "blob")}


def assert_nothing_loaded(tab: SiteTab) -> None:
    """Checks that nothing is left of the media that were being loaded."""
    elements = tab.page.evaluate(LOADED)
    assert len(elements) >= 3
    for element in elements:
        assert not {"state", "strategy", "source"} & set(element)
        assert (element["src"], element["failed"]) == ("", False)
    assert tab.page.locator("#measures-panel").is_hidden()
    assert tab.report["shown_by"] == ""


@pytest.mark.by_default("firefox-private")
def test_page_that_loads_already_loads_again_where_links_arrive(
    open_tab: OpenTab, site_for: Callable[[Account], str], demonstration: Demonstration, room: Room
) -> None:
    """The proxy does not pass the host on, so that the key's links lead to a server that does not answer."""
    named = f"http://127.0.0.1:{free_port()}"
    with FaultyProxy(demonstration.synapse.port) as proxy:

        async def misname(exchange: Exchange) -> None:
            exchange.body = exchange.body.replace(proxy.url.encode(), named.encode())
            await exchange.answer()

        with proxy.applying(Fault(misname, 1)):
            tab = open_tab(site_for({**room.account, "homeserver": proxy.url}))
            tab.open("delegated")
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        elements = tab.page.evaluate(LOADED)
        assert len(elements) >= 3
        for element in elements:
            assert (element["state"], element["strategy"]) == ("shown", "delegated")
            assert element["src"].startswith(proxy.url + "/_matrix/")
        assert any(url.startswith(named) for url in tab.requests)
        said = tab.page.locator('section[data-support="delegated"] .words').inner_text()
        assert said.startswith(f"links lead to {named}, and the page asked {proxy.url}:")
        assert "the proxy does not pass on `Host`" in said
