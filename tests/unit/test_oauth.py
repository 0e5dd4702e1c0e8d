"""Sign-in with OAuth 2.0: what is sent to which endpoint, and what the page trusts when the browser returns."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    ForeignSignIn,
    RateLimited,
    ServerFailure,
    SessionExpired,
    SignInDenied,
    SignInExpired,
)
from authmedia.matrix.oauth import OAuthServer, OAuthSession, OAuthSignIn, request_oauth_server
from tests.unit import fake_browser as fake
from tests.unit.support import answer, error, run

BASE = "https://matrix.example.org"
SERVICE = "https://account.example.org/"
APP = "https://app.example.org/?a=b c"
METADATA: dict[str, Any] = {
    "issuer": SERVICE,
    "authorization_endpoint": SERVICE + "authorize",
    "token_endpoint": SERVICE + "token",
    "registration_endpoint": SERVICE + "register",
    "revocation_endpoint": SERVICE + "revoke",
    "code_challenge_methods_supported": ["S256"],
}
TOKENS = {"access_token": "first", "refresh_token": "next", "expires_in": 300, "token_type": "Bearer"}
SESSION = OAuthSession("client", SERVICE + "token", SERVICE + "revoke")


def begin(device_id: str = "") -> tuple[OAuthSignIn, dict[str, str]]:
    """Returns a sign-in and the parameters of its URL."""
    pending = OAuthServer(BASE, METADATA).begin("client", APP, device_id)
    return pending, {name: value for name, (value,) in parse_qs(urlsplit(pending.url).query).items()}


@pytest.mark.parametrize("missing", [name for name in METADATA if name != "issuer"])
def test_metadata_without_an_endpoint_are_refused(missing: str) -> None:
    for value in (None, 7, "javascript:alert(1)", ["plain"]):
        with pytest.raises(ServerFailure):
            OAuthServer(BASE, {**METADATA, missing: value})


@pytest.mark.parametrize("status", [404, 400])
def test_homeserver_that_signs_users_in_itself_has_no_authorization_server(browser: Any, status: int) -> None:
    browser.server = lambda request: error(status, "M_UNRECOGNIZED", "Unrecognized request")
    assert run(request_oauth_server(BASE)) is None


def test_failure_of_the_homeserver_is_not_taken_for_its_answer(browser: Any) -> None:
    browser.server = lambda request: error(500, "M_UNKNOWN", "failed")
    with pytest.raises(ServerFailure):
        run(request_oauth_server(BASE))


def test_authorization_url_has_a_challenge_and_not_its_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "random_uuid", lambda: str(uuid4()))
    pending, sent = begin("MYDEVICE")
    verifier = pending.to_json()["verifier"]
    assert 43 <= len(verifier) <= 128
    assert verifier not in pending.url
    digest = hashlib.sha256(verifier.encode()).digest()
    assert sent["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (sent["code_challenge_method"], sent["response_mode"]) == ("S256", "fragment")
    assert sent["scope"] == "urn:matrix:client:api:* urn:matrix:client:device:MYDEVICE"
    assert sent["redirect_uri"] == APP
    assert verifier not in repr(pending)


def test_code_is_exchanged_with_the_verifier(browser: Any) -> None:
    pending, sent = begin()
    bodies = []

    def server(request: Any) -> Any:
        if request.url.endswith("/account/whoami"):
            assert request.headers["Authorization"] == "Bearer first"
            return answer({"user_id": "@ana:example.org"})
        bodies.append((request.url, parse_qs(request.body)))
        return answer(TOKENS)

    browser.server = server
    stored = OAuthSignIn.from_json(pending.to_json())
    login = run(stored.finish({"state": sent["state"], "code": "a code"}))
    assert (login.user_id, login.tokens.access_token, login.tokens.refresh_token) == (
        "@ana:example.org",
        "first",
        "next",
    )
    assert 290_000 < login.tokens.expires_in_ms <= 300_000
    ((url, body),) = bodies
    assert url == SERVICE + "token"
    assert body["code"] == ["a code"]
    assert body["code_verifier"] == [pending.to_json()["verifier"]]


@pytest.mark.parametrize("state", [None, "", "another"])
def test_return_of_another_sign_in_is_refused_before_any_request(browser: Any, state: str | None) -> None:
    pending, _ = begin()
    browser.server = lambda request: pytest.fail("requested")
    with pytest.raises(ForeignSignIn):
        run(pending.finish({"code": "x"} if state is None else {"code": "x", "state": state}))


def test_denied_sign_in_says_so(browser: Any) -> None:
    pending, sent = begin()
    with pytest.raises(SignInDenied, match="access_denied"):
        run(pending.finish({"error": "access_denied", "state": sent["state"]}))


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client"])
def test_code_that_was_used_before_says_so(browser: Any, error: str) -> None:
    pending, sent = begin()
    browser.server = lambda request: answer({"error": error}, 400)
    with pytest.raises(SignInExpired, match=error) as caught:
        run(pending.finish({"code": "used", "state": sent["state"]}))
    assert "media" not in caught.value.user_message


@pytest.mark.parametrize("revocation", [answer({}), error(500, "server_error", "failed")])
def test_session_without_a_user_id_is_revoked(browser: Any, revocation: Any) -> None:
    def serve(request: Any) -> Any:
        if request.url.endswith("/account/whoami"):
            return error(500, "M_UNKNOWN", "failed")
        return answer(TOKENS) if request.url == METADATA["token_endpoint"] else revocation

    pending, sent = begin()
    browser.server = serve
    with pytest.raises(ServerFailure):
        run(pending.finish({"state": sent["state"], "code": "a code"}))
    assert browser.requests[-1].url == METADATA["revocation_endpoint"]
    assert parse_qs(browser.requests[-1].body)["token"] == ["next"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "ended"}, SessionExpired),
        (401, {"error": "invalid_client"}, SessionExpired),
        (400, {"error": "unauthorized_client"}, Forbidden),
        (429, {}, RateLimited),
        (502, {}, ServerFailure),
        (200, {}, ServerFailure),
    ],
)
def test_refresh_fails_in_words(browser: Any, status: int, body: Any, kind: type[AuthMediaError]) -> None:
    browser.server = lambda request: answer(body, status)
    with pytest.raises(kind):
        run(SESSION.refresh("spent"))


def test_session_of_a_sign_in_can_be_stored() -> None:
    pending, _ = begin()
    stored = pending.session.to_json()
    assert stored == SESSION.to_json() == OAuthSession.from_json(stored).to_json()
    assert pending.base_url == BASE


def test_refresh_and_revocation_send_the_client_id(browser: Any) -> None:
    seen = []

    def server(request: Any) -> Any:
        seen.append((request.url, parse_qs(request.body)))
        return answer({**TOKENS, "access_token": "second", "refresh_token": "third"})

    browser.server = server
    tokens = run(SESSION.refresh("next"))
    run(SESSION.revoke(tokens.access_token))
    assert (tokens.access_token, tokens.refresh_token) == ("second", "third")
    assert seen == [
        (
            SERVICE + "token",
            {"grant_type": ["refresh_token"], "refresh_token": ["next"], "client_id": ["client"]},
        ),
        (SERVICE + "revoke", {"token": ["second"], "client_id": ["client"]}),
    ]
