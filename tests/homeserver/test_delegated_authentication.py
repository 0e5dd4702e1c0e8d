"""Sessions of OAuth 2.0 tokens, on a Synapse that delegates authentication to an authorization server."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from development.authorization_server import AuthorizationServer
from development.synapse import Synapse
from tests.homeserver import cookies
from tests.homeserver.conftest import running
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.oauth import API, DEVICE_SCOPE, REGISTRATION, OAuthClient, Tokens
from tests.homeserver.support import PASSWORD, PREFIX, Account, Mxc, picture, send, wait_for
from tests.relay import free_port
from web.server import Server

DEVICE = "CHOSENDEVICE"
LIVE = {"link": 200, "delegated": 200, "cookie": 200}
ENDED = {"link": 403, "delegated": 403, "cookie": 401}
_names = (f"oauth{number}" for number in count(1))


@pytest.fixture(scope="module")
def oauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthClient]:
    """A client of an authorization server and its Synapse."""
    port, synapse_port = free_port(), free_port()
    server = AuthorizationServer(f"http://localhost:{port}/", f"http://localhost:{synapse_port}", "s" * 32)
    site = Server(server.application, port)
    site.start()
    synapse = Synapse(
        tmp_path_factory.mktemp("delegated"),
        synapse_port,
        module_config={"cookie": True, "signed_query": True},
        extra_config=server.synapse_config,
    )
    try:
        with running(synapse):
            yield OAuthClient(synapse, server)
    finally:
        site.stop()
        server.close()


@pytest.fixture(scope="module")
def still(oauth: OAuthClient) -> Mxc:
    return oauth.account(oauth.login(new_user(oauth), DEVICE)).upload(picture(), "image/png")


def new_user(oauth: OAuthClient) -> str:
    name = next(_names)
    oauth.server.register(name, PASSWORD)
    return name


def statuses(account: Account, mxc: Mxc) -> Callable[[], dict[str, int]]:
    """Returns, for a link, a delegated link and a cookie of one session, a function that uses them."""
    link, cookie = account.link(mxc), cookies.cookie(account)
    delegated = delegated_link(issued_key(account), mxc)
    return lambda: {
        "link": send(link).status,
        "delegated": send(delegated).status,
        "cookie": cookies.get(account.synapse, mxc, cookie).status,
    }


# --- the authorization server ----------------------------------------------------------------------------------------


def test_metadata_is_that_of_the_authorization_server_and_readable_for_pages(oauth: OAuthClient) -> None:
    url = f"{oauth.server.issuer}.well-known/oauth-authorization-server"
    own = httpx.get(url, headers={"Origin": "https://app.example"})
    assert own.headers["access-control-allow-origin"] == "*"
    assert oauth.metadata == own.json()
    assert oauth.metadata["issuer"] == oauth.server.issuer


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ["http://app.example/"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": []},
        {"token_endpoint_auth_method": "client_secret_basic"},
    ],
)
def test_registration_of_an_unsafe_client_is_refused(oauth: OAuthClient, changes: dict[str, Any]) -> None:
    answer = httpx.post(oauth.metadata["registration_endpoint"], json={**REGISTRATION, **changes})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid_")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "urn:matrix:client:device:ABC"}, "invalid_scope"),
        ({"scope": f"{API} {DEVICE_SCOPE}A {DEVICE_SCOPE}B"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_wrong_request_comes_back_to_the_client(oauth: OAuthClient, changes: dict[str, str], error: str) -> None:
    _, wanted = oauth.request(f"{API} {DEVICE_SCOPE}{DEVICE}")
    wanted.update(changes)
    answer = oauth.browser.get(oauth.metadata["authorization_endpoint"], params=wanted)
    assert answer.status_code == 302
    back = httpx.QueryParams(httpx.URL(answer.headers["location"]).fragment)
    assert (back["error"], back["state"]) == (error, wanted["state"])


def test_answer_is_sent_to_registered_addresses_alone(oauth: OAuthClient) -> None:
    for changes in ({"redirect_uri": "https://evil.example/"}, {"client_id": "unknown"}):
        _, wanted = oauth.request(API, **changes)
        answer = oauth.browser.get(oauth.metadata["authorization_endpoint"], params=wanted)
        assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_code_needs_consent_and_its_verifier_and_is_good_once(oauth: OAuthClient) -> None:
    name = new_user(oauth)
    verifier, wanted = oauth.request(f"{API} {DEVICE_SCOPE}{DEVICE}")
    assert oauth.sign_in(name, wanted, "wrong").status_code == 403
    consent = oauth.sign_in(name, wanted)
    assert "The &lt;tests&gt;" in consent.text
    assert oauth.decide(consent, "deny")["error"] == "access_denied"
    forged = oauth.browser.post(str(consent.url), data={"csrf": "guessed", "decision": "allow"})
    assert (forged.status_code, "location" in forged.headers) == (400, False)
    assert oauth.exchange(oauth.decide(consent)["code"], verifier[::-1]).json()["error"] == "invalid_grant"
    code = oauth.decide(consent)["code"]
    assert oauth.exchange(code, verifier).status_code == 200
    assert oauth.exchange(code, verifier).json()["error"] == "invalid_grant"


def test_other_names_than_this_machines_are_refused(oauth: OAuthClient) -> None:
    url = f"{oauth.server.issuer}.well-known/openid-configuration"
    assert httpx.get(url, headers={"Host": "w1.localhost"}).status_code == 200
    assert httpx.get(url, headers={"Host": "rebound.example"}).status_code == 400


def test_openid_says_who_the_user_is_and_opens_no_account(oauth: OAuthClient) -> None:
    name = new_user(oauth)
    verifier, wanted = oauth.request("openid", nonce="drawn at random")
    answer = oauth.exchange(oauth.decide(oauth.sign_in(name, wanted))["code"], verifier).raise_for_status().json()
    keys = KeySet.import_key_set(httpx.get(oauth.metadata["jwks_uri"]).json())
    claims = jwt.decode(answer["id_token"], keys, ["ES256"]).claims
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (name, [oauth.client_id], "drawn at random")
    assert claims["iss"] == oauth.server.issuer
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    url = f"http://127.0.0.1:{oauth.synapse.port}/_matrix/client/v3/account/whoami"
    assert httpx.get(url, headers=headers).status_code in (401, 403)


# --- the module on a delegated homeserver ----------------------------------------------------------------------------


@pytest.mark.parametrize("unstable", [False, True])
def test_session_has_a_device_and_gets_links_bundles_and_cookies(
    oauth: OAuthClient, still: Mxc, unstable: bool
) -> None:
    account = oauth.account(oauth.login(new_user(oauth), DEVICE, unstable=unstable))
    assert account.device_id == DEVICE
    assert statuses(account, still)() == LIVE
    bundle = account.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": still.uri}]})
    assert bundle.raise_for_status().content.endswith(picture())


def test_oauth_session_without_a_device_gets_no_links(oauth: OAuthClient, still: Mxc) -> None:
    account = oauth.account(oauth.login(new_user(oauth), None))
    assert account.download(still).status_code == 200
    answer = account.ask({"media": [{"mxc": still.uri}]})
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
    assert account.http.post(f"{PREFIX}/key").status_code == 403
    assert account.http.get(f"{PREFIX}/config").json()["delegated"] is None


def test_refreshed_token_keeps_links_and_their_urls(oauth: OAuthClient, still: Mxc) -> None:
    tokens = oauth.login(new_user(oauth), DEVICE)
    account = oauth.account(tokens)
    before, url = statuses(account, still), account.link(still)
    for _ in range(3):
        old, tokens = tokens, oauth.refresh(tokens)
        assert tokens.access_token != old.access_token
        assert oauth.account(tokens).link(still) == url, "the browser's cache needs the same URL"
    assert before() == LIVE


# --- ways to end a session --------------------------------------------------------------------------------------------


def _revoke_access_token(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    oauth.revoke(tokens.access_token)


def _revoke_refresh_token(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    oauth.revoke(tokens.refresh_token)


def _authorization_server_ends_sessions(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    oauth.server.end_sessions(name)


def _refresh_token_is_used_twice(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    oauth.refresh(tokens)
    answer = oauth.token_request(grant_type="refresh_token", refresh_token=tokens.refresh_token)
    assert answer.json()["error"] == "invalid_grant"


def _deactivate(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    oauth.server.deactivate(name)


def _sign_in_again(oauth: OAuthClient, name: str, tokens: Tokens) -> None:
    """The device stays in Synapse, which records a change of it."""
    oauth.login(name, DEVICE)


ENDINGS = [
    _revoke_access_token,
    _revoke_refresh_token,
    _authorization_server_ends_sessions,
    _refresh_token_is_used_twice,
    _deactivate,
    _sign_in_again,
]


@pytest.fixture(scope="module")
def ended(oauth: OAuthClient, still: Mxc) -> dict[str, tuple[Callable[[], dict[str, int]], str]]:
    """For each way to end a session, a function that uses its link and cookie, and the user's name.

    All sessions end at once, so that the tests wait for the homeserver's cache once.
    """
    found = {}
    for end in ENDINGS:
        name = new_user(oauth)
        tokens = oauth.login(name, DEVICE)
        before = statuses(oauth.account(tokens), still)
        assert before() == LIVE
        end(oauth, name, tokens)
        found[end.__name__] = before, name
    return found


@pytest.mark.parametrize("end", [end.__name__ for end in ENDINGS])
def test_login_with_the_same_device_id_revives_nothing_of_an_oauth_session(
    oauth: OAuthClient, ended: dict[str, tuple[Callable[[], dict[str, int]], str]], still: Mxc, end: str
) -> None:
    before, name = ended[end]
    wait_for(lambda: before() == ENDED, what="the end of link and cookie")
    if end == "_deactivate":
        return  # nobody signs in again: /_synapse/mas/reactivate_user of Synapse 1.163.2 fails with 500
    again = oauth.account(oauth.login(name, DEVICE))
    assert again.device_id == DEVICE
    fresh = statuses(again, still)
    # The new session's own link answers, so that the homeserver does know the device again.
    assert fresh() == LIVE
    wait_for(lambda: before() == ENDED, what="the end of link and cookie")


def test_links_of_a_locked_oauth_user_are_invalid_while_the_lock_lasts(oauth: OAuthClient, still: Mxc) -> None:
    name = new_user(oauth)
    before = statuses(oauth.account(oauth.login(name, DEVICE)), still)
    assert before() == LIVE
    oauth.server.set_locked(name, True)
    wait_for(lambda: before() == ENDED, what="the end of link and cookie")
    oauth.server.set_locked(name, False)
    wait_for(lambda: before() == LIVE, what="the session of an unlocked user")


def test_links_outlive_what_synapse_does_not_know_of(oauth: OAuthClient, still: Mxc) -> None:
    """An authorization server that ends a session and leaves its device in Synapse."""
    tokens = oauth.login(new_user(oauth), DEVICE)
    before = statuses(oauth.account(tokens), still)
    oauth.server.records.access_tokens[tokens.access_token].session.ended = True
    refused = oauth.token_request(grant_type="refresh_token", refresh_token=tokens.refresh_token)
    assert refused.json()["error"] == "invalid_grant"
    other = statuses(oauth.account(oauth.login(ended := new_user(oauth), DEVICE)), still)
    oauth.server.end_sessions(ended)
    wait_for(lambda: other() == ENDED, what="the expiry of the homeserver's cache")
    assert before() == LIVE
