"""Requests that a page sends while Python starts (``boot.js``)."""

import asyncio
import json
from typing import Any

import pytest

from authmedia.matrix.endpoints import PROBE_ID
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab
from tests.evidence.compare.counting_proxy import CountingProxy
from web.demonstration import Demonstration

ROOMS = "/_matrix/client/v3/rooms/"
PREFETCH = "authmedia.prefetch"
# Records when Python sets the state to running, which is its first action.
NOTE = """new MutationObserver(() => {
  if (document.documentElement.dataset.state === "running") window.running ??= performance.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] })"""
# Has the stored access token end in the past.
EXPIRE = """() => {
  const session = JSON.parse(sessionStorage["authmedia.session"]);
  sessionStorage["authmedia.session"] = JSON.stringify({ ...session, expires_at_ms: Date.now() - 1000 });
}"""
ASKED = """(part) => performance.getEntriesByType("resource").filter(({ name }) => name.includes(part))
  .map(({ startTime }) => startTime < window.running)"""


@pytest.mark.by_default("firefox-private")
def test_next_page_requests_room_before_python_starts(open_tab: OpenTab, interpreter: str) -> None:
    tab = open_tab()
    tab.page.add_init_script(NOTE)
    tab.open("blob", interpreter=interpreter)
    assert tab.page.evaluate(ASKED, ROOMS) == [False, False], "nothing is known of a room yet"
    tab.open("link", interpreter=interpreter)
    assert tab.page.evaluate(ASKED, ROOMS) == [True, True], "and what came is used"
    assert {media["state"] for media in tab.media} == {"shown"}


@pytest.mark.by_default("chromium")
def test_session_ended_since_last_page_is_renewed(open_tab: OpenTab, demonstration: Demonstration) -> None:
    tab = open_tab()
    tab.open("blob")
    tab.end_session(demonstration.synapse.base_url)
    tab.open("link")
    assert tab.state == "done"
    assert {media["state"] for media in tab.media} == {"shown"}


@pytest.mark.by_default("chromium")
def test_token_that_has_ended_is_renewed_instead_of_sent_early(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.page.add_init_script(NOTE)
    tab.open("blob")
    token = tab.access_token()
    tab.page.evaluate(EXPIRE)
    tab.open("link")
    assert tab.state == "done"
    assert True not in tab.page.evaluate(ASKED, ROOMS)
    assert {media["state"] for media in tab.media} == {"shown"}
    assert tab.access_token() != token
    assert not [url for url in tab.requests if url.endswith("/login")][1:], "signed in once"


@pytest.mark.by_default("chromium")
def test_early_requests_send_no_token_to_other_servers(open_tab: OpenTab, demonstration: Demonstration) -> None:
    tab = open_tab()
    tab.open("blob")
    elsewhere = [demonstration.synapse.base_url + ".example.org/", f"{tab.origin}/elsewhere"]
    tab.page.evaluate(f"(urls) => {{ sessionStorage['{PREFETCH}'] = urls; }}", json.dumps(elsewhere))
    tab.requests.clear()
    tab.open("link")
    assert tab.state == "done"
    assert not [url for url in tab.requests if "elsewhere" in url or "example.org" in url]


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("own", [True, False])
def test_early_response_for_another_token_is_ignored(
    open_tab: OpenTab, demonstration: Demonstration, own: bool
) -> None:
    tab = open_tab()
    tab.open("blob")
    token = tab.access_token()
    _begin(tab, demonstration.synapse.base_url + "/_matrix/client/v3/account/whoami", token if own else "another")
    tab.open("index")
    assert tab.state == "done"
    assert (tab.access_token() != token) == own, "who hears that a session has ended signs in anew"


def _begin(tab: SiteTab, url: str, token: str) -> None:
    """Makes each page of the tab start with an early request that is answered with ``M_UNKNOWN_TOKEN``."""
    tab.page.add_init_script(
        f"""window.authmediaEarlyRequests = {{{json.dumps(url)}: {{
          response: Promise.resolve(new Response('{{"errcode": "M_UNKNOWN_TOKEN"}}', {{ status: 401 }})),
          controller: new AbortController(),
          authorization: "Bearer {token}",
        }} }}"""
    )


class HoldingProxy(CountingProxy):
    """Answers a link that is only tried once a media has been requested."""

    def __init__(self, homeserver: str) -> None:
        super().__init__(homeserver)
        self._requested: asyncio.Event | None = None
        self.has_held = False

    async def before_request(self, path: str, gone: "asyncio.Task[Any]") -> None:
        self._requested = self._requested or asyncio.Event()
        if PROBE_ID in path:
            self.has_held = True
            await self._requested.wait()
        elif "/media/signed/" in path:
            self._requested.set()


@pytest.mark.by_default("chromium")
def test_delegated_page_requests_media_while_it_tries_a_link(open_tab: OpenTab, demonstration: Demonstration) -> None:
    with HoldingProxy(demonstration.synapse.base_url) as proxy:
        tab = open_tab()
        tab.open("delegated", homeserver=proxy.address())
        assert tab.state == "done"
        assert {media["state"] for media in tab.media} == {"shown"}
        assert proxy.has_held
