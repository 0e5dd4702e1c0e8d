"""Sign-in by the form, on a real Synapse with single sign-on; and media of a homeserver from before Matrix 1.11."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page

from development.authorization_server import AuthorizationServer
from development.synapse import Synapse
from tests.browser.accessibility import violations
from tests.browser.authorization import authorization_server, decide
from tests.browser.matrix_room import PASSWORD, Room, picture
from tests.browser.throttling_proxy import ThrottlingProxy
from tests.conftest import OpenTab, only_chromium, parameters
from tests.evidence.compare.counting_proxy import Receive, Send
from tests.relay import free_port
from web.demonstration import Demonstration
from web.server import Server

pytestmark = pytest.mark.timeout(120)

PARAMETERS = ("loginToken", "sign-in")


class OldHomeserver(ThrottlingProxy):
    """A homeserver as before Matrix 1.11: with other versions, and without the endpoints that came then."""

    versions: tuple[str, ...] = ("r0.6.1", "v1.1", "v1.10")

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        body: dict[str, Any] = {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}
        if path.endswith("/client/versions") and method == "GET":
            await self._reply(scope, send, 200, {"versions": list(self.versions)})
        elif "/client/v1/media/" in path or "/dev.authmedia/" in path:
            await self._reply(scope, send, 404, body)
        else:
            await super()._answer(scope, receive, send)

    async def _reply(self, scope: dict[str, Any], send: Send, status: int, body: dict[str, Any]) -> None:
        self._asked.append((0.0, f"{scope['method']} {scope['path']}"))
        names = (b"origin", b"headers", b"methods")
        values = (b"*", b"Authorization, Content-Type", b"GET, POST, OPTIONS")
        headers = [(b"access-control-allow-" + name, value) for name, value in zip(names, values, strict=True)]
        status = 200 if scope["method"] == "OPTIONS" else status
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@pytest.fixture(scope="session")
def provider() -> Iterator[AuthorizationServer]:
    """A provider of OpenID Connect with one account."""
    with authorization_server() as provider:
        provider.register("ana", PASSWORD)
        yield provider


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory, provider: AuthorizationServer) -> Iterator[Synapse]:
    """A homeserver with single sign-on, and without passwords."""
    port = free_port()
    config = provider.oidc_config(f"http://localhost:{port}", "Example University")
    with Synapse(tmp_path_factory.mktemp("single-sign-on"), port, extra_config=config) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def room(homeserver: Synapse) -> Iterator[Room]:
    room = Room(homeserver, "ana")
    for red in (10, 90, 200):
        room.send_media(f"picture-{red}.png", room.upload(picture(red), "image/png"), w=64, h=48)
    yield room
    room.close()


def login_token(page: Page, synapse: Synapse) -> str:
    """Signs in by single sign-on in another tab, up to the token."""
    path = "/_matrix/client/v3/login/sso/redirect?redirectUrl="
    page.goto(synapse.base_url + path + quote("http://localhost/", safe=""))
    decide(page, "ana")
    link = page.locator("a:has-text('Continue')").get_attribute("href")
    page.close()
    return parse_qs(urlsplit(link or "").query)["loginToken"][0]


@pytest.mark.by_default("chromium")
def test_single_sign_on_comes_back_to_the_page(
    open_tab: OpenTab, homeserver: Synapse, room: Room, site_without_account: str
) -> None:
    tab = open_tab(site_without_account)
    page = tab.page
    page.goto(f"{tab.origin}/blob.html?interpreter=micropython")
    page.wait_for_selector("#sign-in:not([hidden])")
    page.fill("[name=homeserver]", f"localhost:{homeserver.port}")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Continue with Example University")
    button.wait_for()
    assert not page.is_visible("[type=password]"), "the homeserver takes no passwords"
    assert button.evaluate("(button) => document.activeElement === button")
    page.fill("[name=room]", room.account["room"])
    button.click()
    decide(page, "ana")
    page.click("a:has-text('Continue')")
    page.wait_for_selector("#account:not([hidden])")
    tab.wait_until_settled()
    assert tab.state == "done", page.locator("#problem").inner_text()
    assert page.locator("#account .user").inner_text() == "@ana:localhost"
    assert {media["state"] for media in tab.media} == {"shown"}
    assert page.url == f"{tab.origin}/blob.html?interpreter=micropython"
    assert page.evaluate("() => Object.keys(sessionStorage)").count("authmedia.sign-in") == 0
    used = [url for url in tab.requests if "loginToken=" in url and url.startswith(tab.origin)]
    assert len(used) == 1
    assert "sign-in=" in used[0]
    page.goto(used[0])  # as from the history, or by the one who saw it
    page.wait_for_selector("#account:not([hidden])")
    tab.wait_until_settled()
    assert not any(f"{name}=" in page.url for name in PARAMETERS)


@pytest.mark.by_default("chromium")
def test_a_sign_in_that_the_tab_has_not_begun_is_not_used(
    open_tab: OpenTab, homeserver: Synapse, room: Room, site_without_account: str
) -> None:
    tab = open_tab(site_without_account)
    page = tab.page
    for state in ("", "&sign-in=guessed"):
        page.goto(f"{tab.origin}/blob.html?loginToken={login_token(page.context.new_page(), homeserver)}{state}")
        page.wait_for_selector("#sign-in .problem:has-text('This sign-in was not begun in this tab')")
        assert not any(f"{name}=" in page.url for name in PARAMETERS)
        assert page.evaluate("() => sessionStorage.length") == 0
    assert [url for url in tab.requests if "/_matrix/" in url] == []


@pytest.mark.by_default("chromium")
def test_the_form_says_what_is_wrong_with_a_name(
    open_tab: OpenTab, demonstration: Demonstration, site_without_account: str
) -> None:
    async def without_cors(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"versions": ["v1.11"]}'})

    tab, hidden = open_tab(site_without_account), Server(without_cors, 0)
    page = tab.page
    hidden.start()
    page.goto(f"{tab.origin}/link.html")
    page.wait_for_selector("#sign-in:not([hidden])")
    website = demonstration.site
    assert website
    assert violations(page) == []
    for entered, words in (
        ("not a name", "This is not the address of a homeserver."),
        (f"localhost:{free_port()}", "There is no server under this name."),
        (hidden.url, "does not let web pages read what it says"),
        (f"{tab.origin}/docs", "That is a website or another server, and no Matrix homeserver."),
    ):
        page.fill("[name=homeserver]", entered)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#sign-in .problem:has-text('{words}')")
    assert violations(page) == []
    hidden.stop()
    page.fill("[name=homeserver]", f"@ana:localhost:{demonstration.synapse.port}")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=password]:focus")
    assert violations(page) == []
    assert page.locator(".providers button").count() == 0
    assert page.locator("#sign-in .problem").inner_text().strip() == ""
    page.click("#sign-in .change")
    page.wait_for_selector("[name=homeserver]:focus")


@pytest.fixture(scope="session")
def open_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room of a homeserver that gives its media to everybody."""
    config = {"enable_authenticated_media": False}
    with Synapse(tmp_path_factory.mktemp("open-media"), free_port(), extra_config=config) as synapse:
        room = Room(synapse, "ana")
        for red in range(12):
            room.send_media(f"picture-{red}.png", room.upload(picture(red), "image/png"), w=64, h=48)
        yield room
        room.close()


@only_chromium
@pytest.mark.parametrize("name", parameters(("blob", "auto", "opfs", "link", "blocking"), by_default=("blob", "auto")))
def test_media_of_an_old_homeserver_need_no_token(open_tab: OpenTab, site_for: Any, open_room: Room, name: str) -> None:
    with OldHomeserver(open_room.account["homeserver"]) as proxy:
        tab = open_tab(site_for({**open_room.account, "homeserver": proxy.address()}))
        tab.open(name, interpreter="pyodide" if name == "blocking" else "micropython")
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        tab.page.evaluate("() => document.querySelector('#timeline li:first-child').scrollIntoView()")
        tab.page.wait_for_function(
            "() => [...document.querySelectorAll('#timeline img[data-mxc]')].every((img) => img.dataset.state)"
        )
        assert {media["state"] for media in tab.media} == {"shown"}
        # `blocking` tries urllib by a request of its own.
        assert proxy.request_count("GET /_matrix/client/versions") == 1 + (name == "blocking")
        assert proxy.request_count("/_matrix/media/v3/") >= 12
        if name == "auto":  # whatever is loaded once the server's age is known
            tab.click_and_settle("#reload")
            assert {media["strategy"] for media in tab.media} == {"plain"}
        age = tab.page.locator("#age")
        assert age.locator("h2").inner_text() == "This homeserver is old: its newest version is Matrix 1.10"
        assert age.is_visible()
        if name == "link":
            assert {media["strategy"] for media in tab.media} == {"plain"}
            words = "this homeserver has Matrix 1.10 and gives its media to everybody, by `plain` or `auto`"
            assert tab.page.locator(".what .words").inner_text() == words
            # One that has media of neither kind says so.
            proxy.versions = ()
            tab.reload()
            assert tab.state == "failed"
            problem = tab.page.locator("#problem")
            assert problem.locator(".people").inner_text().startswith("This server has no media")
            assert 'MediaUnsupported: The homeserver has no media that a client can load: "versions: none"' in (
                problem.locator(".developers").inner_text()
            )
