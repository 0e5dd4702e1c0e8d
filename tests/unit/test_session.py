"""To whom the demonstration's password goes."""

import json
from typing import Any

import pytest
from ada_url import URL

from authmedia.errors import MalformedAddress
from demo import session
from tests.unit import fake_browser as fake
from tests.unit.support import answer, run

PASSWORD = "of the demonstration"
OWN = "http://homeserver.test:8008"
DEMO = {"homeserver": OWN + "/", "user": "@ana:localhost", "password": PASSWORD, "room": "!room:localhost"}
SIGNED_IN = {"user_id": "@ana:localhost", "access_token": "secret-token"}


class FormShown(Exception):
    """The page asks the person who they are."""


@pytest.fixture
def demo_site(browser: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page beside which the demonstration's account is told; every homeserver there is takes it."""

    async def ask_person(address: str) -> session.Session:
        raise FormShown(address)

    monkeypatch.setattr(session, "_ask_person", ask_person)
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
