"""Sign-in with OAuth 2.0 on a real Synapse that delegates authentication: the redirect, renewals, and sign-out."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from development.authorization_server import AuthorizationServer
from development.oauth_records import Session
from development.synapse import Synapse
from tests.browser.accessibility import violations
from tests.browser.authorization import authorization_server, decide
from tests.browser.matrix_room import Room, picture
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab, only_chromium
from tests.homeserver.support import wait_for
from tests.relay import free_port
from tests.sample_media_cache import copy_sample_media
from web.demonstration import Demonstration
from web.server import SiteServer

LIFETIME_S = 2
USER = "ana"
WHOAMI = "/_matrix/client/v3/account/whoami"
PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))
# Records what Python fetches while the page's URL has the result of a sign-in.
WATCH = """{
  const { fetch } = window;
  window.early = [];
  window.fetch = (resource, options) => {
    const url = String(resource.url ?? resource);
    if (location.hash && !url.includes("/assets/")) early.push(url);
    return fetch(resource, options);
  };
}"""
STORED = "() => Object.keys(sessionStorage)"

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="session")
def authorization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AuthorizationServer, Synapse]]:
    """An authorization server with tokens of a few seconds, and the homeserver that delegates to it."""
    port = free_port()
    with authorization_server(f"http://localhost:{port}", LIFETIME_S) as server:
        folder = tmp_path_factory.mktemp("delegated")
        with Synapse(folder, port, extra_config=server.synapse_config) as synapse:
            yield server, synapse


@pytest.fixture(scope="session")
def server(authorization: tuple[AuthorizationServer, Synapse]) -> AuthorizationServer:
    return authorization[0]


@pytest.fixture(scope="session")
def room(authorization: tuple[AuthorizationServer, Synapse]) -> Iterator[Room]:
    server, synapse = authorization
    room = Room(synapse, USER, server.sign_up)
    for red in (20, 80, 210):
        room.send_media(f"picture-{red}.png", room.upload(picture(red), "image/png"), w=64, h=48)
    yield room
    room.close()


@pytest.fixture(scope="session")
def site(demonstration: Demonstration, state: Path, room: Room) -> Iterator[str]:
    """The built site on a host that names a homeserver and a room, and no account."""
    names = ("homeserver", "room")
    server = SiteServer(state / "site", 0, {name: room.account[name] for name in names})
    server.start()
    yield server.url
    server.stop()


def leave(page: Page, server: AuthorizationServer) -> None:
    """Presses the form's button for the authorization server."""
    button = page.get_by_role("button", name=f"Continue at {server.issuer.split('/')[2]}")
    button.wait_for()
    assert button.evaluate("(button) => document.activeElement === button")
    assert not page.is_visible("[type=password]"), "the homeserver takes no passwords"
    assert violations(page) == []
    button.click()


def sessions(server: AuthorizationServer) -> list[Session]:
    """Returns the sessions of pages, in their order; the last one is the newest."""
    tokens = server.records.access_tokens.values()
    return list({id(token.session): token.session for token in tokens if token.refresh_token}.values())


def wait_for_pictures(tab: SiteTab) -> None:
    tab.page.wait_for_selector("#account:not([hidden])")
    tab.wait_until_settled()
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    assert len(tab.media) >= 3
    assert {media["state"] for media in tab.media} == {"shown"}
    assert tab.page.evaluate("() => [...document.querySelectorAll('#timeline img')].every((img) => img.naturalWidth)")


@pytest.mark.by_default("firefox-private")
def test_oauth_comes_back_renews_and_ends(
    open_tab: OpenTab, server: AuthorizationServer, room: Room, site: str, interpreter: str
) -> None:
    tab = open_tab(site)
    page, homeserver = tab.page, room.account["homeserver"]
    address = f"{tab.origin}/blob.html?interpreter={interpreter}&kept=a%20b"
    page.add_init_script(WATCH)
    page.goto(address)
    leave(page, server)
    decide(page, USER, "Deny")
    page.wait_for_selector("#sign-in .problem:has-text('The sign-in was cancelled or not allowed.')")
    assert (page.url, page.evaluate(STORED)) == (address, [])
    assert page.input_value("[name=room]") == room.account["room"]
    leave(page, server)
    decide(page, USER)
    wait_for_pictures(tab)
    assert page.url == address
    assert page.evaluate("() => early") == [], "the code is removed before anything is requested"
    assert "authmedia.sign-in" not in page.evaluate(STORED)
    assert page.evaluate("() => Object.keys(localStorage)") == []
    session, token = sessions(server)[-1], tab.access_token()
    assert session.device_id
    headers = {"Authorization": f"Bearer {token}"}
    wait_for(lambda: httpx.get(homeserver + WHOAMI, headers=headers).status_code == 401, 15, "the token's end")
    tab.click_and_settle("#clear")
    wait_for_pictures(tab)
    assert tab.access_token() != token
    page.goto(address + "#code=of-another&state=guessed")  # as in a link that somebody sent
    page.reload()
    wait_for_pictures(tab)
    assert page.url == address
    assert sessions(server)[-1] is session
    assert not session.ended
    page.click("#account button")
    page.wait_for_selector("#sign-in:not([hidden])")
    assert session.ended
    assert page.evaluate(STORED) == []


@only_chromium
def test_result_of_a_sign_in_is_used_once_and_by_the_tab_that_began_it(
    open_tab: OpenTab, server: AuthorizationServer, room: Room, site: str
) -> None:
    tab = open_tab(site)
    page, count = tab.page, len(sessions(server))
    for fragment in ("code=x", "code=x&state=guessed"):
        page.goto(f"{tab.origin}/blob.html?n={fragment[-3:]}#{fragment}")
        page.wait_for_selector("#sign-in .problem:has-text('This sign-in was not begun in this tab')")
        assert "#" not in page.url
    leave(page, server)
    page.wait_for_selector("[name=username], [name=decision]")
    begun = page.url
    page.goto(f"{tab.origin}/blob.html#code=x&state=guessed")
    page.wait_for_selector("#sign-in .problem:has-text('This sign-in was not begun in this tab')")
    page.goto(begun)  # what was begun may still come back
    decide(page, USER)
    wait_for_pictures(tab)
    assert len(sessions(server)) == count + 1
    assert "#" not in page.url


@only_chromium
@pytest.mark.full_matrix
def test_demonstration_with_oauth_shows_the_sample_room(open_tab: OpenTab, tmp_path: Path) -> None:
    copy_sample_media(tmp_path / "seed")
    demonstration = Demonstration(tmp_path, 0, free_port(), oauth_port=free_port(), token_lifetime_s=20)
    with demonstration.running() as site:
        tab = open_tab(site)
        assert demonstration.authorization
        tab.page.goto(f"{tab.origin}/auto.html")
        leave(tab.page, demonstration.authorization)
        tab.page.get_by_role("button", name="Sign in").click()  # with the sample account
        tab.page.get_by_role("button", name="Allow", exact=True).click()
        wait_for_pictures(tab)
        assert len(tab.media) > 30
