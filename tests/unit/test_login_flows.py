"""What a homeserver offers to sign in with, and single sign-on: its return is used by the tab that began it alone."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authmedia.errors import ForeignSignIn, MediaNotFound, SignInDenied, SignInExpired
from authmedia.matrix.login_flows import LoginFlows, request_login_flows
from authmedia.matrix.oauth import OAuthServer
from demo import session, sign_in_redirect
from tests.unit import fake_browser as fake
from tests.unit.support import answer, error, run

BASE = "https://matrix.example.org"
SSO: dict[str, Any] = {"type": "m.login.sso"}
TOKEN = {"type": "m.login.token"}
PASSWORD = {"type": "m.login.password"}
SIGNED_IN = {"user_id": "@ana:example.org", "access_token": "secret", "refresh_token": "next", "expires_in_ms": 300_000}


def flows(*listed: object) -> LoginFlows:
    return LoginFlows(BASE, {"flows": list(listed)})


@pytest.mark.parametrize(
    ("listed", "password", "providers"),
    [
        ((PASSWORD,), True, []),
        ((SSO, TOKEN), False, [("", "")]),
        ((SSO, PASSWORD), True, []),
        ((PASSWORD, {**SSO, "identity_providers": [{"id": "a b", "name": "A"}]}, TOKEN), True, [("a b", "A")]),
        (({**SSO, "identity_providers": [7, {}, {"id": ""}, {"id": 7}, {"id": "x"}]}, TOKEN), False, [("x", "")]),
        (({**SSO, "identity_providers": "x"}, TOKEN), False, [("", "")]),
        (({**SSO, "identity_providers": [{"id": "x", "name": 7}]}, TOKEN), False, [("x", "")]),
        ((7, None, {}, {"type": 7}, {"type": "m.login.application_service"}), False, []),
    ],
)
def test_flows_are_what_the_homeserver_offers(
    listed: tuple[object, ...], password: bool, providers: list[tuple[str, str]]
) -> None:
    offered = flows(*listed)
    assert offered.password is password
    assert [(provider.provider_id, provider.name) for provider in offered.providers] == providers


@pytest.mark.parametrize("body", [{}, {"flows": None}, {"flows": "m.login.password"}, {"flows": {}}])
def test_a_homeserver_without_flows_offers_nothing(browser: Any, body: object) -> None:
    browser.server = lambda request: answer(body)
    offered = run(request_login_flows(BASE + "/"))
    assert (offered.password, offered.providers) == (False, [])
    assert browser.requests[0].url == BASE + "/_matrix/client/v3/login"


def test_the_url_of_single_sign_on_has_each_part_encoded() -> None:
    offered = flows({**SSO, "identity_providers": [{"id": "../x?y"}]}, TOKEN)
    url = offered.sso_url("https://page.test/blob.html?a=b&c=d", offered.providers[0])
    assert url.startswith(BASE + "/_matrix/client/v3/login/sso/redirect/..%2Fx%3Fy?redirectUrl=")
    assert parse_qs(urlsplit(url).query) == {"redirectUrl": ["https://page.test/blob.html?a=b&c=d"]}


@pytest.fixture
def returned(browser: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The parameters of the page's URL, after the tab has left for single sign-on."""
    offered = flows(SSO, TOKEN)
    run(sign_in_redirect.leave_for_sign_on(offered, offered.providers[0], "#room:example.org"))
    (left_for,) = browser.navigations
    come_back = parse_qs(urlsplit(left_for).query)["redirectUrl"][0]
    query = {name: values[0] for name, values in parse_qs(urlsplit(come_back).query).items()}
    query["loginToken"] = "the-login-token"
    monkeypatch.setattr(fake, "query_parameter", lambda name: query.get(name, ""))
    monkeypatch.setattr(session, "_opened", {})
    browser.server = lambda request: answer(SIGNED_IN)
    return query


def logins(browser: Any) -> list[dict[str, Any]]:
    return [
        json.loads(request.body) for request in browser.requests if request.url == BASE + "/_matrix/client/v3/login"
    ]


def assert_foreign() -> None:
    taken = run(sign_in_redirect.take_return())
    assert isinstance(taken.problem, ForeignSignIn)
    assert taken.login is None


def test_the_tab_that_began_a_sign_in_uses_its_return(returned: dict[str, str], browser: Any) -> None:
    taken = run(sign_in_redirect.take_return())
    assert taken.login
    assert taken.oauth is None
    assert (taken.address, taken.room, taken.login.user_id) == (BASE, "#room:example.org", "@ana:example.org")
    (login,) = logins(browser)
    assert (login["type"], login["token"], login["refresh_token"]) == ("m.login.token", "the-login-token", True)
    assert sorted(browser.removed_parameters) == ["loginToken", "sign-in"]
    assert browser.remembered == {}
    assert_foreign()  # once more, as by a reload
    assert len(logins(browser)) == 1


@pytest.mark.parametrize("state", ["", "guessed", "name-"])
def test_the_return_of_another_sign_in_is_not_used(returned: dict[str, str], browser: Any, state: str) -> None:
    returned["sign-in"] = state
    assert_foreign()
    assert logins(browser) == []
    assert sorted(browser.removed_parameters) == ["loginToken", "sign-in"]


@pytest.mark.parametrize("stored", ["", "{}", "[]", "null", '{"state": ""}', '{"state": null}'])
def test_a_tab_that_began_nothing_uses_no_return(returned: dict[str, str], browser: Any, stored: str) -> None:
    browser.remembered["authmedia.sign-in"] = stored
    for state in ("", "None", "null"):
        returned["sign-in"] = state
        assert_foreign()
    assert logins(browser) == []


def test_a_session_of_single_sign_on_is_renewed_and_not_the_demonstrations(
    returned: dict[str, str], browser: Any
) -> None:
    room = {"room_id": "!room:example.org"}
    browser.server = lambda request: answer(room if "/directory/" in request.url else SIGNED_IN)
    opened = run(session.open_session())
    opened.close()
    assert (opened.room, opened.is_demo) == ("!room:example.org", False)
    stored = json.loads(browser.remembered["authmedia.session"])
    assert (stored["address"], stored["refresh_token"]) == (BASE, "next")


def test_a_refused_return_shows_the_form_with_the_reason(
    returned: dict[str, str], browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    async def show(address: str, room: str, problem: Any = None) -> None:
        shown.extend((address, room, problem))

    monkeypatch.setattr(session, "_sign_in_by_form", show)
    browser.server = lambda request: error(403, "M_FORBIDDEN", "Invalid login token")
    run(session.open_session())
    assert shown[:2] == [BASE, "#room:example.org"]
    assert isinstance(shown[2], SignInExpired)
    assert "authmedia.session" not in browser.remembered


# --- OAuth 2.0 --------------------------------------------------------------------------------------------------------

SERVICE = "https://account.example.org/"
METADATA = {
    "authorization_endpoint": SERVICE + "authorize",
    "token_endpoint": SERVICE + "token",
    "registration_endpoint": SERVICE + "register",
    "revocation_endpoint": SERVICE + "revoke",
    "code_challenge_methods_supported": ["S256"],
}
ROOM_ID = "!room:example.org"


class AuthorizationService:
    """A homeserver and its authorization server, whose refresh tokens can be spent once."""

    def __init__(self) -> None:
        self.number = 0
        self.forms: list[dict[str, str]] = []
        self.refusal = ""

    def __call__(self, request: Any) -> Any:
        if not request.url.startswith(SERVICE):
            return answer({"user_id": "@ana:example.org", "joined_rooms": [ROOM_ID]})
        if request.url.endswith("/register"):
            assert json.loads(request.body)["redirect_uris"] == [fake.page_url()]
            return answer({"client_id": "client"})
        self.forms.append({name: values[0] for name, values in parse_qs(request.body).items()})
        if self.refusal:
            return answer({"error": self.refusal}, 400)
        self.number += 1
        pair = {"access_token": f"access-{self.number}", "refresh_token": f"refresh-{self.number}"}
        return answer({**pair, "expires_in": 300})


@pytest.fixture
def service(browser: Any, monkeypatch: pytest.MonkeyPatch) -> AuthorizationService:
    """The authorization server, after the tab has left for it; the fragment has what it returns."""
    monkeypatch.setattr(session, "_opened", {})
    browser.server = AuthorizationService()
    run(sign_in_redirect.leave_for_oauth(OAuthServer(BASE, METADATA), ""))
    (left_for,) = browser.navigations
    sent = parse_qs(urlsplit(left_for).query)
    assert sent["redirect_uri"] == [fake.page_url()]
    browser.fragment = f"#code=the-code&state={sent['state'][0]}"
    return browser.server  # type: ignore[no-any-return]


def test_a_session_of_oauth_is_renewed_and_revoked_at_its_server(service: AuthorizationService, browser: Any) -> None:
    async def work() -> None:
        opened = await session.open_session()
        assert browser.fragment == ""
        assert (opened.room, opened.homeserver.user_id) == (ROOM_ID, "@ana:example.org")
        assert list(browser.remembered) == ["authmedia.session"]
        browser.clock += 300_000
        await opened.homeserver.request_json("GET", "/_matrix/client/v3/account/whoami")
        assert json.loads(browser.remembered["authmedia.session"])["access_token"] == "access-2"
        await session.sign_out(opened)

    run(work())
    assert [form.get("grant_type") for form in service.forms] == ["authorization_code", "refresh_token", None]
    assert service.forms[1]["refresh_token"] == "refresh-1"
    assert service.forms[2] == {"token": "refresh-2", "client_id": "client"}
    assert browser.remembered == {}
    assert not [request for request in browser.requests if request.url.endswith("/logout")]


def test_a_session_of_oauth_that_is_not_used_is_revoked(
    service: AuthorizationService, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    async def show(address: str, room: str, problem: Any = None) -> None:
        shown.extend((address, room, problem))

    monkeypatch.setattr(session, "_sign_in_by_form", show)
    monkeypatch.setattr(session, "_room_id", raising(MediaNotFound("There is no such room")))
    run(session.open_session())
    assert shown[0] == BASE
    assert isinstance(shown[2], MediaNotFound)
    assert service.forms[1]["token"] == "refresh-1"
    assert browser.remembered == {}


def raising(error: Exception) -> Any:
    async def refuse(*_arguments: object) -> None:
        raise error

    return refuse


@pytest.mark.parametrize(
    ("fragment", "refusal", "kind"),
    [
        ("code=x&state=guessed", "", ForeignSignIn),
        ("code=x&state=", "", ForeignSignIn),
        ("code=x", "", ForeignSignIn),
        ("error=access_denied", "", ForeignSignIn),
        ("error=access_denied&state={state}", "", SignInDenied),
        ("code=used&state={state}", "invalid_grant", SignInExpired),
    ],
)
def test_a_return_without_a_session_says_why(
    service: AuthorizationService, browser: Any, fragment: str, refusal: str, kind: type[Exception]
) -> None:
    state = parse_qs(browser.fragment[1:])["state"][0]
    browser.fragment, service.refusal = "#" + fragment.replace("{state}", state), refusal
    taken = run(sign_in_redirect.take_return())
    assert type(taken.problem) is kind
    assert (taken.login, browser.fragment) == (None, "")
    is_foreign = kind is ForeignSignIn
    assert taken.address == ("" if is_foreign else BASE)
    assert ("authmedia.sign-in" in browser.remembered) is is_foreign, "what was begun may still come back"


def test_a_single_sign_on_is_no_return_of_oauth(
    service: AuthorizationService, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = parse_qs(browser.fragment[1:])["state"][0]
    query = {"loginToken": "of-another", "sign-in": state}
    monkeypatch.setattr(fake, "query_parameter", lambda name: query.get(name, ""))
    assert_foreign()
    assert service.forms == []
