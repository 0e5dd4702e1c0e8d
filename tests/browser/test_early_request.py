"""What a page asks for while its Python still starts."""

import json

import pytest

from tests.browser.site_tab import Window
from tests.conftest import OpenWindow
from web.demonstration import Demonstration

ROOMS = "/_matrix/client/v3/rooms/"
BEGINNING = "authmedia.beginning"
# When Python says that the page runs, which is the first thing that it does.
NOTE = """new MutationObserver(() => {
  if (document.documentElement.dataset.state === "running") window.running ??= performance.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] })"""
ASKED = """(part) => performance.getEntriesByType("resource").filter(({ name }) => name.includes(part))
  .map(({ startTime }) => startTime < window.running)"""


@pytest.mark.by_default("firefox-private")
def test_the_next_page_of_a_room_asks_before_its_python_is_there(open_window: OpenWindow, interpreter: str) -> None:
    window = open_window()
    window.page.add_init_script(NOTE)
    window.open("blob", interpreter=interpreter)
    assert window.page.evaluate(ASKED, ROOMS) == [False, False], "nothing is known of a room yet"
    window.open("link", interpreter=interpreter)
    assert window.page.evaluate(ASKED, ROOMS) == [True, True], "and what came is used"
    assert {media["state"] for media in window.media} == {"shown"}


@pytest.mark.by_default("chromium")
def test_a_session_that_has_ended_meanwhile_is_renewed(open_window: OpenWindow, demonstration: Demonstration) -> None:
    window = open_window()
    window.open("blob")
    window.end_session(demonstration.synapse.base_url)
    window.open("link")
    assert window.state == "done"
    assert {media["state"] for media in window.media} == {"shown"}


@pytest.mark.by_default("chromium")
def test_no_token_goes_to_another_server(open_window: OpenWindow, demonstration: Demonstration) -> None:
    window = open_window()
    window.open("blob")
    elsewhere = [demonstration.synapse.base_url + ".example.org/", f"{window.origin}/elsewhere"]
    window.page.evaluate(f"(urls) => {{ sessionStorage['{BEGINNING}'] = urls; }}", json.dumps(elsewhere))
    window.requests.clear()
    window.open("link")
    assert window.state == "done"
    assert not [url for url in window.requests if "elsewhere" in url or "example.org" in url]


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("own", [True, False])
def test_what_was_asked_with_another_token_is_not_taken(
    open_window: OpenWindow, demonstration: Demonstration, own: bool
) -> None:
    window = open_window()
    window.open("blob")
    token = window.token()
    _begin(window, demonstration.synapse.base_url + "/_matrix/client/v3/account/whoami", token if own else "another")
    window.open("index")
    assert window.state == "done"
    assert (window.token() != token) == own, "who hears that a session has ended signs in anew"


def _begin(window: Window, url: str, token: str) -> None:
    """Has each page of the window begin with a request that is answered with the end of the session."""
    window.page.add_init_script(
        f"""window.authmediaBegun = {{{json.dumps(url)}: {{
          answer: Promise.resolve(new Response('{{"errcode": "M_UNKNOWN_TOKEN"}}', {{ status: 401 }})),
          controller: new AbortController(),
          authorization: "Bearer {token}",
        }} }}"""
    )
