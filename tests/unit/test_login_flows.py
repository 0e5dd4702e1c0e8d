"""What a homeserver offers to sign in with, and single sign-on: its return is used by the tab that began it alone."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authmedia.errors import LoginRefused
from authmedia.matrix.login_flows import LoginFlows, request_login_flows
from demo import session, single_sign_on
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
    run(single_sign_on.leave_for_sign_on(offered, offered.providers[0], "#room:example.org"))
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


def test_the_tab_that_began_a_sign_in_uses_its_return(returned: dict[str, str], browser: Any) -> None:
    taken = run(single_sign_on.take_return(returned["loginToken"]))
    assert (taken.address, taken.room, taken.login.user_id) == (BASE, "#room:example.org", "@ana:example.org")
    (login,) = logins(browser)
    assert (login["type"], login["token"], login["refresh_token"]) == ("m.login.token", "the-login-token", True)
    assert sorted(browser.removed_parameters) == ["loginToken", "sign-in"]
    assert browser.remembered == {}
    with pytest.raises(single_sign_on.ForeignSignIn):  # once more, as by a reload
        run(single_sign_on.take_return(returned["loginToken"]))
    assert len(logins(browser)) == 1


@pytest.mark.parametrize("state", ["", "guessed", "name-"])
def test_the_return_of_another_sign_in_is_not_used(returned: dict[str, str], browser: Any, state: str) -> None:
    returned["sign-in"] = state
    with pytest.raises(single_sign_on.ForeignSignIn):
        run(single_sign_on.take_return(returned["loginToken"]))
    assert logins(browser) == []
    assert sorted(browser.removed_parameters) == ["loginToken", "sign-in"]


@pytest.mark.parametrize("stored", ["", "{}", "[]", "null", '{"state": ""}', '{"state": null}'])
def test_a_tab_that_began_nothing_uses_no_return(returned: dict[str, str], browser: Any, stored: str) -> None:
    browser.remembered["authmedia.sign-in"] = stored
    for state in ("", "None", "null"):
        returned["sign-in"] = state
        with pytest.raises(single_sign_on.ForeignSignIn):
            run(single_sign_on.take_return(returned["loginToken"]))
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

    async def show(address: str, problem: Any = None) -> None:
        shown.append(problem)

    monkeypatch.setattr(session, "_sign_in_by_form", show)
    browser.server = lambda request: error(403, "M_FORBIDDEN", "Invalid login token")
    run(session.open_session())
    assert isinstance(shown[0], LoginRefused)
    assert "authmedia.session" not in browser.remembered
