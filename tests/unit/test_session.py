"""To whom the demonstration's password goes."""

import asyncio
import json
from typing import Any

import pytest
from ada_url import URL

from authmedia.errors import MalformedAddress, ServerFailure
from demo import session
from tests.unit import fake_browser as fake
from tests.unit.support import answer, error, run

PASSWORD = "of the demonstration"
OWN = "http://homeserver.test:8008"
DEMO = {"homeserver": OWN + "/", "user": "@ana:localhost", "password": PASSWORD, "room": "!room:localhost"}
SIGNED_IN = {"user_id": "@ana:localhost", "access_token": "secret-token"}


class FormShown(Exception):
    """The page asks the person who they are."""


@pytest.fixture
def demo_site(browser: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page beside which the demonstration's account is told; every homeserver there is takes it."""

    async def ask_person(address: str, room: str, problem: Any = None) -> session.Session:
        raise FormShown(address)

    monkeypatch.setattr(session, "_sign_in_by_form", ask_person)
    monkeypatch.setattr(session, "_opened", {})
    browser.server = lambda request: answer(DEMO if request.url.endswith("/demo.json") else SIGNED_IN)
    return browser


def open_at(address: str, monkeypatch: pytest.MonkeyPatch) -> session.Session:
    monkeypatch.setattr(fake, "query_parameter", lambda name: address if name == "homeserver" else "")
    opened = run(session.open_session())
    assert isinstance(opened, session.Session)
    return opened


def told(browser: Any) -> list[str]:
    """The origins that the password went to, as a browser reads the addresses from a page of the site."""
    asked = [request for request in browser.requests if PASSWORD in (request.body or "")]
    return [URL(request.url, base=fake.page_url()).origin for request in asked]


ELSEWHERE = [
    *("https:evil.example:9443/x://localhost", "https:evil.example/://localhost", "https:/evil.example/x://127.0.0.1"),
    *("http:\\\\evil.example\\x://localhost", "http:\\\\evil.example:80\\x://[::1]", "http://evil.example\\@localhost"),
    *("https:\n//evil.example/x://localhost", "ht\ttps:evil.example/x://localhost", " https:evil.example/://localhost"),
    *("http://evil.example", "http://evil.example/localhost", "http://evil.example:8008/http://localhost:8008"),
    *("http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://localhost。evil.example"),
    *("http://xlocalhost", "http://l\u043ecalhost", "http://localhost.:8008", "http://0.0.0.0:8008"),
    *("http://127.0.0.11", "http://[::2]", "http://[::ffff:192.0.2.7]", OWN[:-1], "http://homeserver.test"),
]
MALFORMED = [
    *(
        "http://localhost:8008@evil.example",
        "https://localhost@evil.example/",
        "http://a:b@localhost:8008",
        "@localhost",
    ),
    *("https://evil.example?://localhost", "https://evil.example#://localhost", "http://localhost:8008?", OWN + "#x"),
    *("localhost", "localhost:8008", "//localhost:8008", "javascript://localhost/%0aalert(1)", "file://localhost/x"),
    *("ws://localhost", "data:text/html,://localhost", "blob:http://localhost/x", "http://", "http://localhost:99999"),
    *("http://[::1", "http://loc alhost", "http://%zz", "https:", "\x00"),
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_demonstrations_password_goes_to_no_other_machine(
    demo_site: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(FormShown):
        open_at(address, monkeypatch)
    assert told(demo_site) == []
    assert demo_site.remembered == {}


@pytest.mark.parametrize("address", MALFORMED)
def test_what_is_no_address_of_a_homeserver_is_told_in_words(
    demo_site: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(MalformedAddress, match=r"https://matrix\.example\.org") as caught:
        open_at(address, monkeypatch)
    assert told(demo_site) == []
    assert str(caught.value).isprintable()
    assert caught.value.user_message == "This is not the address of a homeserver."


@pytest.mark.parametrize(
    ("address", "base_url"),
    [
        ("", OWN),
        (OWN, OWN),
        ("HTTP://HomeServer.TEST:8008//", OWN),
        ("http:\\\\homeserver.test:8008", OWN),
        ("http://localhost:9000/", "http://localhost:9000"),
        ("http:localhost:9000", "http://localhost:9000"),
        ("HTTP://LOCALHOST:80", "http://localhost"),
        ("https://127.1:443/a/../b/", "https://127.0.0.1/b"),
        ("http://0x7f000001:9000", "http://127.0.0.1:9000"),
        ("http://[0:0::1]:9000", "http://[::1]:9000"),
        ("http://localhost\\.evil.example", "http://localhost/.evil.example"),
    ],
)
def test_it_goes_to_its_own_homeserver_and_to_this_machine(
    demo_site: Any, monkeypatch: pytest.MonkeyPatch, address: str, base_url: str
) -> None:
    opened = open_at(address, monkeypatch)
    assert opened.homeserver.base_url == base_url
    assert told(demo_site) == [URL(base_url).origin]
    assert json.loads(demo_site.remembered["authmedia.session"])["address"] == base_url
    assert open_at(address, monkeypatch).homeserver.base_url == base_url, "the tab knows the session again"
    assert len(told(demo_site)) == 1


@pytest.mark.parametrize("missing", ["user_id", "access_token"])
def test_a_sign_in_that_is_no_session_is_an_error_in_words(demo_site: Any, missing: str) -> None:
    signed_in = {name: value for name, value in SIGNED_IN.items() if name != missing}
    demo_site.server = lambda request: answer(DEMO if request.url.endswith("/demo.json") else signed_in)
    with pytest.raises(ServerFailure, match="The homeserver's answer to the sign-in"):
        run(session.open_session())


LIFE_MS = 300_000


class RenewableAccount:
    """A homeserver whose refresh tokens can be spent once; each gives the next pair."""

    def __init__(self) -> None:
        self.number = 0
        self.refused: list[str] = []

    def __call__(self, request: Any) -> Any:
        if request.url.endswith("/demo.json"):
            return answer(DEMO)
        body = json.loads(request.body or "{}")
        if request.url.endswith("/login"):
            return self._pair() if body["refresh_token"] else answer(SIGNED_IN)
        if request.url.endswith("/refresh"):
            if body["refresh_token"] != f"refresh-{self.number}":
                self.refused.append(body["refresh_token"])
                return error(403, "M_FORBIDDEN", "refresh token isn't valid anymore")
            return self._pair()
        if request.headers.get("Authorization") != f"Bearer access-{self.number}":
            return error(401, "M_UNKNOWN_TOKEN", "Token is not active")
        return answer({"user_id": "@ana:localhost"})

    def _pair(self) -> Any:
        self.number += 1
        pair = {"access_token": f"access-{self.number}", "refresh_token": f"refresh-{self.number}"}
        return answer({"user_id": "@ana:localhost", "expires_in_ms": LIFE_MS, **pair})


@pytest.fixture
def renewable(demo_site: Any) -> RenewableAccount:
    demo_site.server = RenewableAccount()
    return demo_site.server  # type: ignore[no-any-return]


async def whoami(opened: session.Session) -> None:
    await opened.homeserver.request_json("GET", "/_matrix/client/v3/account/whoami")


def stored(browser: Any) -> dict[str, Any]:
    return dict(json.loads(browser.remembered["authmedia.session"]))


def test_a_session_is_renewed_and_the_tab_keeps_the_newest_pair(renewable: RenewableAccount, browser: Any) -> None:
    async def work() -> None:
        opened = await session.open_session()
        for number in (2, 3, 4):
            browser.clock += LIFE_MS - 1000
            await whoami(opened)
            pair = (stored(browser)["access_token"], stored(browser)["refresh_token"])
            assert pair == (f"access-{number}", f"refresh-{number}")
        opened.close()

    run(work())
    assert renewable.refused == []
    assert list(browser.remembered) == ["authmedia.session"]
    assert browser.files == {}
    assert browser.channels == []


def test_a_reload_goes_on_with_the_renewed_session(
    renewable: RenewableAccount, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def visit() -> str:
        monkeypatch.setattr(session, "_opened", {})
        opened = await session.open_session()
        browser.clock += LIFE_MS
        await whoami(opened)
        opened.close()
        return opened.name

    assert run(visit()) == run(visit()) == run(visit())
    assert renewable.number == 4
    assert renewable.refused == []


def test_of_two_tabs_with_one_session_only_one_spends_the_refresh_token(
    renewable: RenewableAccount, browser: Any
) -> None:
    async def work() -> None:
        first = await session.open_session()
        second = session.Session(stored(browser))  # as in a tab that was duplicated
        for opened in (first, second):
            opened._open_shared()
        for number in (2, 3):
            browser.clock += LIFE_MS
            await asyncio.gather(whoami(first), whoami(second))
            assert renewable.number == number
        browser.clock += LIFE_MS
        await whoami(second)
        await whoami(first)
        assert renewable.number == 4
        first.close()
        second.close()

    run(work())
    assert renewable.refused == []


def test_a_tab_that_slept_takes_the_tokens_of_another(renewable: RenewableAccount, browser: Any) -> None:
    async def work() -> None:
        first = await session.open_session()
        copy = stored(browser)
        first._open_shared()
        for _ in range(2):
            browser.clock += LIFE_MS
            await whoami(first)
        second = session.Session(copy)  # whose tokens are two renewals old
        await whoami(second)
        assert renewable.number == 3
        first.close()
        second.close()

    run(work())
    assert renewable.refused == []


def test_a_tab_keeps_what_it_stores_of_another_session(renewable: RenewableAccount, browser: Any) -> None:
    """As the comparison does, whose runs sign in anew in the same tab."""

    async def work() -> None:
        opened = await session.open_session()
        await session.forget_session()
        browser.clock += LIFE_MS
        await whoami(opened)
        assert browser.remembered == {}
        await opened.store()
        assert stored(browser)["access_token"] == "access-2"
        opened.close()

    run(work())
