"""A client of the authorization server, as far as a browser and an application would go."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from development.authorization_server import AuthorizationServer
from development.synapse import Synapse
from tests.homeserver.support import PASSWORD, Account

REDIRECT_URI = "http://localhost:1234/callback"
API = "urn:matrix:client:api:*"
UNSTABLE_API = "urn:matrix:org.matrix.msc2967.client:api:*"
DEVICE_SCOPE = "urn:matrix:client:device:"
UNSTABLE_DEVICE_SCOPE = "urn:matrix:org.matrix.msc2967.client:device:"
REGISTRATION = {
    "client_name": "The <tests>",
    "client_uri": "http://localhost:1234/",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Tokens:
    access_token: str
    refresh_token: str
    expires_in: int
    scope: str


class OAuthClient:
    """A registered client with one browser."""

    def __init__(self, synapse: Synapse, server: AuthorizationServer) -> None:
        self.synapse = synapse
        self.server = server
        self.browser = httpx.Client(timeout=30)
        self.metadata = self.fetch_metadata()
        answer = self.browser.post(self.metadata["registration_endpoint"], json=REGISTRATION)
        self.client_id = answer.raise_for_status().json()["client_id"]

    def fetch_metadata(self) -> dict[str, Any]:
        url = f"http://localhost:{self.synapse.port}/_matrix/client/v1/auth_metadata"
        return dict(self.browser.get(url).raise_for_status().json())

    def request(self, scope: str, **changes: str) -> tuple[str, dict[str, str]]:
        """Returns a verifier and the parameters of an authorization request."""
        verifier = secrets.token_urlsafe(48)
        wanted = {
            "client_id": self.client_id,
            "response_type": "code",
            "response_mode": "fragment",
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": secrets.token_urlsafe(12),
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return verifier, {**wanted, **changes}

    def sign_in(self, name: str, wanted: dict[str, str], password: str = PASSWORD) -> httpx.Response:
        """Returns the page that follows the form for user name and password."""
        endpoint = self.metadata["authorization_endpoint"]
        self.browser.cookies.clear()
        page = self.browser.get(endpoint, params=wanted)
        assert 'name="password"' in page.text
        form = {"username": name, "password": password}
        return self.browser.post(str(page.url), data=form, follow_redirects=True)

    def decide(self, consent: httpx.Response, decision: str = "allow") -> dict[str, str]:
        """Presses a button of the consent page; returns the parameters that come back to the client."""
        (csrf,) = re.findall(r'name="csrf" value="([^"]+)"', consent.text)
        answer = self.browser.post(str(consent.url), data={"csrf": csrf, "decision": decision})
        assert answer.status_code == 302, answer.text
        parts = urlsplit(answer.headers["location"])
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REDIRECT_URI
        return {name: value for name, (value,) in parse_qs(parts.fragment or parts.query).items()}

    def token_request(self, **form: str) -> httpx.Response:
        return self.browser.post(self.metadata["token_endpoint"], data={"client_id": self.client_id, **form})

    def exchange(self, code: str, verifier: str) -> httpx.Response:
        return self.token_request(
            grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=REDIRECT_URI
        )

    def login(self, name: str, device_id: str | None, *, unstable: bool = False) -> Tokens:
        """Signs a user in, with consent."""
        device = (UNSTABLE_DEVICE_SCOPE if unstable else DEVICE_SCOPE) + device_id if device_id else ""
        verifier, wanted = self.request(f"{UNSTABLE_API if unstable else API} {device}".strip())
        back = self.decide(self.sign_in(name, wanted))
        assert back["state"] == wanted["state"]
        return self._tokens(self.exchange(back["code"], verifier))

    def refresh(self, tokens: Tokens) -> Tokens:
        return self._tokens(self.token_request(grant_type="refresh_token", refresh_token=tokens.refresh_token))

    def revoke(self, token: str) -> None:
        body = {"token": token, "client_id": self.client_id}
        self.browser.post(self.metadata["revocation_endpoint"], data=body).raise_for_status()

    def account(self, tokens: Tokens) -> Account:
        """Returns the session as the homeserver sees it."""
        url = f"http://127.0.0.1:{self.synapse.port}/_matrix/client/v3/account/whoami"
        who = httpx.get(url, headers={"Authorization": f"Bearer {tokens.access_token}"}, timeout=30)
        return Account._of(self.synapse, {**who.raise_for_status().json(), "access_token": tokens.access_token})

    def _tokens(self, answer: httpx.Response) -> Tokens:
        body = answer.raise_for_status().json()
        return Tokens(body["access_token"], body["refresh_token"], body["expires_in"], body["scope"])
