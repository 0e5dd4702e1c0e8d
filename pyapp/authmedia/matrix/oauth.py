"""Sign-in with OAuth 2.0 as Matrix has it, at the authorization server that a homeserver names.

>>> server = await request_oauth_server("https://matrix.example.org")  # None where the homeserver has none
>>> client_id = await server.register("https://app.example.org/", "https://app.example.org/", "App")
>>> sign_in = server.begin(client_id, "https://app.example.org/")
>>> # Store sign_in.to_json() for this tab alone, and send the browser to sign_in.url. On the page that it returns to:
>>> login = await OAuthSignIn.from_json(stored).finish(parameters)

https://spec.matrix.org/latest/client-server-api/#oauth-20-api
"""

import hashlib
import json

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    ForeignSignIn,
    HomeserverUnreachable,
    LinksUnsupported,
    MediaNotFound,
    RateLimited,
    ServerFailure,
    SessionExpired,
    SignInDenied,
    SignInExpired,
)
from authmedia.matrix.http import bearer_headers, read_json_object, request_url
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
# The server knows a code or a refresh token no more, or not the client: it may forget one that is not used.
_ENDED = ("invalid_grant", "invalid_client")


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

    def begin(self, client_id: str, redirect_uri: str, device_id: str = "") -> "OAuthSignIn":
        """Returns a sign-in to send the browser to.

        :param redirect_uri: a page that the client has registered, without a fragment.
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
        return OAuthSignIn(fields)


class OAuthSignIn:
    """A sign-in between the redirect and the return.

    :param fields: all that the page needs when the browser returns. The verifier is a secret of the tab.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: "dict[str, str]") -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return "OAuthSignIn()"  # without the verifier: reprs end up in logs

    @property
    def base_url(self) -> str:
        """The homeserver's base URL."""
        return self._fields["base_url"]

    @property
    def session(self) -> "OAuthSession":
        """What renews and ends the session that it leads to."""
        return OAuthSession.from_json(self._fields)

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
    def from_json(cls, fields: "dict[str, str]") -> "OAuthSignIn":
        """Returns the sign-in that `to_json` returned the fields of."""
        return cls(dict(fields))

    async def finish(self, parameters: "dict[str, str]") -> Login:
        """Exchanges the code that the browser returned with. Its session is that of the property `session`.

        :param parameters: those of the fragment of the URL that it returned to. Remove them from the URL first.
        :raises ForeignSignIn: if they are not those of this sign-in.
        :raises SignInDenied: if the user or the server did not allow it.
        :raises SignInExpired: if the code was used before, or is too old.
        :raises AuthMediaError: of the class that fits what happened otherwise.
        """
        fields = self._fields
        if parameters.get("state") != fields["state"]:
            raise ForeignSignIn("The browser returned from a sign-in that is not the one that was begun")
        code = parameters.get("code")
        if not code:
            raise SignInDenied("The sign-in service did not allow the sign-in", words=_words(parameters))
        tokens = await self._exchange(code)
        try:
            headers = bearer_headers(tokens.access_token)
            response = await request_url(fields["base_url"] + _WHOAMI_PATH, headers=headers)
            return Login(_text(await read_json_object(response), "user_id"), tokens)
        except AuthMediaError:
            await self._revoke(tokens)  # no caller ever has them
            raise

    async def _exchange(self, code: str) -> Tokens:
        fields = self._fields
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": fields["redirect_uri"],
            "client_id": fields["client_id"],
            "code_verifier": fields["verifier"],
        }
        try:
            return _tokens(await _post(fields["token_endpoint"], _FORM, _form(form)))
        except SessionExpired as error:
            failure = SignInExpired("The sign-in service does not take its code", words=error.words)
        raise failure

    async def _revoke(self, tokens: Tokens) -> None:
        try:
            await self.session.revoke(tokens.refresh_token or tokens.access_token)
        except AuthMediaError:
            return  # the error that led here says more


class OAuthSession:
    """What renews and ends a session of OAuth.

    >>> session = sign_in.session  # store session.to_json() with the tokens, for the tab's next page
    >>> shared = SharedRefresh(name, login.tokens, session.refresh, store)
    >>> await session.revoke(shared.tokens.refresh_token)  # signs out

    :param client_id: the application's.
    :param token_url: the authorization server's token endpoint.
    :param revocation_url: its revocation endpoint.
    """

    __slots__ = ("client_id", "revocation_url", "token_url")

    def __init__(self, client_id: str, token_url: str, revocation_url: str) -> None:
        self.client_id = client_id
        self.token_url = token_url
        self.revocation_url = revocation_url

    def to_json(self) -> "dict[str, str]":
        """Returns the fields to store, for `from_json`. None is a secret."""
        return {
            "client_id": self.client_id,
            "token_endpoint": self.token_url,
            "revocation_endpoint": self.revocation_url,
        }

    @classmethod
    def from_json(cls, fields: "dict[str, str]") -> "OAuthSession":
        """Returns the session that `to_json` returned the fields of."""
        return cls(fields["client_id"], fields["token_endpoint"], fields["revocation_endpoint"])

    async def refresh(self, refresh_token: str) -> Tokens:
        """Spends a refresh token and returns the next tokens.

        :raises SessionExpired: if the session has ended.
        :raises AuthMediaError: of the class that fits what happened.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id}
        return _tokens(await _post(self.token_url, _FORM, _form(form)), refresh_token)

    async def revoke(self, token: str) -> None:
        """Ends the session and its device. https://www.rfc-editor.org/rfc/rfc7009

        :param token: either of its tokens; a refresh token is valid for longer.
        :raises SessionExpired: if the server does not know the application any more.
        :raises AuthMediaError: of the class that fits what happened.
        """
        await _send(self.revocation_url, _FORM, _form({"token": token, "client_id": self.client_id}))


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
    if body.get("error") in _ENDED:
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
