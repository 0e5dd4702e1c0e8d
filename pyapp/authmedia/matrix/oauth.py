"""Sign-in with OAuth 2.0 as Matrix has it, at the authorization server that a homeserver names.

>>> server = await request_oauth_server("https://matrix.example.org")  # None where the homeserver has none
>>> client_id = await server.register("https://app.example.org/", "https://app.example.org/", "App")
>>> pending = server.begin(client_id, "https://app.example.org/")
>>> # Store pending.to_json() for this tab alone, and send the browser to pending.url. On the page that it returns to:
>>> login = await PendingSignIn.from_json(stored).finish(parameters)

https://spec.matrix.org/latest/client-server-api/#oauth-20-api
"""

import hashlib
import json

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    HomeserverUnreachable,
    LinksUnsupported,
    MediaNotFound,
    RateLimited,
    ServerFailure,
    SessionExpired,
)
from authmedia.matrix.http import read_json_object, request_url
from authmedia.matrix.login import Login
from authmedia.matrix.tokens import Tokens
from authmedia.matrix.urls import BaseUrl, percent_encode
from authmedia.support.base64url import base64url
from authmedia.support.untrusted import finite_number, json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_METADATA_PATH = "/_matrix/client/v1/auth_metadata"
_WHOAMI_PATH = "/_matrix/client/v3/account/whoami"
_API_SCOPE = "urn:matrix:client:api:*"
_DEVICE_SCOPE = "urn:matrix:client:device:"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint")


class OAuthServer:
    """The authorization server of a homeserver.

    :param base_url: the homeserver's base URL.
    :param metadata: its answer to ``GET /auth_metadata``, https://www.rfc-editor.org/rfc/rfc8414#section-2
    :raises ServerFailure: if an endpoint is missing or no http or https URL, or the server does not do PKCE with S256.
    """

    __slots__ = ("base_url", "endpoints")

    def __init__(self, base_url: str, metadata: "dict[str, Any]") -> None:
        self.base_url = base_url
        #: The URL of each endpoint, by its name in the metadata.
        self.endpoints: dict[str, str] = {}
        for name in _ENDPOINTS:
            text = metadata.get(name)
            url = browser.parse_url(text) if isinstance(text, str) else None
            if not url or url.protocol not in ("http:", "https:"):
                raise ServerFailure(f"The homeserver's sign-in service has no {name}")
            self.endpoints[name] = url.href
        methods = metadata.get("code_challenge_methods_supported")
        if not isinstance(methods, list) or "S256" not in methods:
            raise ServerFailure("The homeserver's sign-in service does not protect sign-ins (PKCE with S256)")

    async def register(self, client_uri: str, redirect_uri: str, name: str) -> str:
        """Registers an application and returns its client id. https://www.rfc-editor.org/rfc/rfc7591

        :param client_uri: its home page.
        :param redirect_uri: the page that the browser returns to.
        :param name: for the person who signs in.
        :raises AuthMediaError: of the class that fits what happened.
        """
        body = {
            "client_name": name,
            "client_uri": client_uri,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "web",
        }
        answer = await _post(self.endpoints["registration_endpoint"], _JSON, json.dumps(body))
        return _text(answer, "client_id")

    def begin(self, client_id: str, redirect_uri: str, device_id: str = "") -> "PendingSignIn":
        """Returns a sign-in to send the browser to.

        :param device_id: the device to sign in as; a new one if it is empty.
        """
        fields = {
            "base_url": self.base_url,
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "state": browser.random_uuid(),
            # 72 characters of those that RFC 7636, section 4.1, allows.
            "verifier": browser.random_uuid() + browser.random_uuid(),
            "device_id": device_id or browser.random_uuid().replace("-", "")[:20].upper(),
        }
        fields.update(self.endpoints)
        return PendingSignIn(fields)


class PendingSignIn:
    """A sign-in between the redirect and the return.

    :param fields: all that the page needs when the browser returns. The verifier is a secret of the tab.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: "dict[str, str]") -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return "PendingSignIn()"  # without the verifier: reprs end up in logs

    @property
    def url(self) -> str:
        """Where the browser has to go."""
        fields = self._fields
        digest = hashlib.sha256(fields["verifier"].encode()).digest()
        endpoint = fields["authorization_endpoint"]
        return (
            endpoint
            + ("&" if "?" in endpoint else "?")
            + _form(
                {
                    "response_type": "code",
                    "response_mode": "fragment",  # a fragment is sent to no server and stands in no log
                    "client_id": fields["client_id"],
                    "redirect_uri": fields["redirect_uri"],
                    "scope": f"{_API_SCOPE} {_DEVICE_SCOPE}{fields['device_id']}",
                    "state": fields["state"],
                    "code_challenge": base64url(digest),
                    "code_challenge_method": "S256",
                }
            )
        )

    def to_json(self) -> "dict[str, str]":
        """Returns the fields to store, for `from_json`."""
        return dict(self._fields)

    @classmethod
    def from_json(cls, fields: "dict[str, str]") -> "PendingSignIn":
        """Returns the sign-in that `to_json` returned the fields of."""
        return cls(dict(fields))

    async def finish(self, parameters: "dict[str, str]") -> "OAuthLogin":
        """Exchanges the code that the browser returned with.

        :param parameters: those of the fragment of the URL that it returned to. Remove them from the URL first.
        :raises Forbidden: if the sign-in was denied, or is not the one that this tab began.
        :raises AuthMediaError: of the class that fits what happened.
        """
        if parameters.get("state") != self._fields["state"]:
            raise Forbidden("The browser returned from a sign-in that this page did not begin")
        code = parameters.get("code")
        if not code:
            raise Forbidden("The sign-in was refused", words=_words(parameters))
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._fields["redirect_uri"],
            "client_id": self._fields["client_id"],
            "code_verifier": self._fields["verifier"],
        }
        tokens = _tokens(await _post(self._fields["token_endpoint"], _FORM, _form(form)))
        headers = {"Authorization": "Bearer " + tokens.access_token}
        response = await request_url(self._fields["base_url"] + _WHOAMI_PATH, headers=headers)
        session = OAuthSession(
            self._fields["client_id"], self._fields["token_endpoint"], self._fields["revocation_endpoint"]
        )
        return OAuthLogin(_text(await read_json_object(response), "user_id"), tokens, session)


class OAuthSession:
    """What renews and ends a session of OAuth; `refresh` is the ``spend`` of a `SharedRefresh`.

    :param client_id: the application's.
    """

    __slots__ = ("client_id", "revocation_url", "token_url")

    def __init__(self, client_id: str, token_url: str, revocation_url: str) -> None:
        self.client_id = client_id
        self.token_url = token_url
        self.revocation_url = revocation_url

    async def refresh(self, refresh_token: str) -> Tokens:
        """Spends a refresh token and returns the next tokens.

        :raises SessionExpired: if the session has ended.
        :raises AuthMediaError: of the class that fits what happened.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id}
        return _tokens(await _post(self.token_url, _FORM, _form(form)), refresh_token)

    async def revoke(self, token: str) -> None:
        """Ends the session and its device, by either of its tokens. https://www.rfc-editor.org/rfc/rfc7009

        :raises AuthMediaError: of the class that fits what happened.
        """
        await _send(self.revocation_url, _FORM, _form({"token": token, "client_id": self.client_id}))


class OAuthLogin(Login):
    """A new session, whose tokens its ``session`` renews and revokes."""

    __slots__ = ("session",)

    def __init__(self, user_id: str, tokens: Tokens, session: OAuthSession) -> None:
        super().__init__(user_id, tokens)
        self.session = session


async def request_oauth_server(base_url: str) -> OAuthServer | None:
    """Returns the homeserver's authorization server; ``None`` if it signs users in itself.

    :raises AuthMediaError: of the class that fits what happened.
    """
    base_url = BaseUrl(base_url).href
    try:
        response = await request_url(base_url + _METADATA_PATH)
    except (LinksUnsupported, MediaNotFound):  # M_UNRECOGNIZED, or 404 without a Matrix error
        return None
    return OAuthServer(base_url, await read_json_object(response))


async def _post(url: str, headers: "dict[str, str]", body: str) -> "dict[str, Any]":
    answer = parse_json(await _send(url, headers, body))
    if not isinstance(answer, dict):
        raise ServerFailure("The sign-in service's answer is not JSON")
    return answer


async def _send(url: str, headers: "dict[str, str]", body: str) -> str:
    failure: AuthMediaError
    try:
        response = await browser.fetch(
            url, method="POST", headers=headers, body=body, credentials="omit", cache="no-store", priority="auto"
        )
        text = await response.text()
        if response.status < 400:
            return text
        failure = _error(response.status, json_object(parse_json(text)))
    except browser.BrowserError as error:
        failure = HomeserverUnreachable("No answer from the sign-in service", words=error.words)
    raise failure


def _error(status: int, body: "dict[str, Any]") -> AuthMediaError:
    """Returns the error for an error response of OAuth. https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""
    words = _words(body) or f"HTTP {status}"
    if body.get("error") == "invalid_grant":
        return SessionExpired("The sign-in has ended", words=words)
    if status == 429:
        return RateLimited("Too many requests to the sign-in service", words=words)
    if status >= 500:
        return ServerFailure("The sign-in service failed", words=words)
    return Forbidden("The sign-in service refused", words=words)


def _words(body: "dict[str, Any]") -> str:
    parts = [str(body.get(name, "")) for name in ("error", "error_description")]
    return ": ".join([part for part in parts if part])[:200]


def _tokens(body: "dict[str, Any]", refresh_token: str = "") -> Tokens:
    fields = dict(body)
    fields["expires_in_ms"] = finite_number(body.get("expires_in")) * 1000
    return Tokens.from_response(fields, refresh_token)


def _text(body: "dict[str, Any]", name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ServerFailure(f"The answer to the sign-in has no {name}")
    return value


def _form(fields: "dict[str, str]") -> str:
    return "&".join([f"{name}={percent_encode(value)}" for name, value in fields.items()])
