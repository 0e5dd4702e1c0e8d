"""The OAuth 2.0 protocol of the development environment's authorization server, by authlib.

authlib has no integration with Starlette for servers, so this is one of its framework-agnostic core: requests are read
before it runs, and its answers become Starlette's.
"""

# authlib has no annotations.
# mypy: disable-error-code="misc, no-untyped-call, no-any-return"

import secrets
import time
from collections import defaultdict
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer as OAuthCore
from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    JsonPayload,
    JsonRequest,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidRedirectURIError
from authlib.oauth2.rfc7636 import CodeChallenge
from starlette.responses import JSONResponse, Response

from development.loopback import is_loopback
from development.oauth_records import Client, Code, Token, User

_CODE_S = 60


class Payload(OAuth2Payload):
    """The parameters of a request."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @cached_property
    def data(self) -> dict[str, str]:
        """Each parameter's first value."""
        return dict(reversed(self._pairs))

    @cached_property
    def datalist(self) -> defaultdict[str, list[str]]:
        """All values of each parameter."""
        found = defaultdict(list)
        for name, value in self._pairs:
            found[name].append(value)
        return found


class FormRequest(OAuth2Request):
    """A request of OAuth, whose parameters have been read."""

    def __init__(self, method: str, uri: str, headers: dict[str, str], pairs: list[tuple[str, str]]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = Payload(pairs)

    @property
    def args(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data


class JsonBody(JsonPayload):
    """The body of a registration."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object."""
        return self._data


class RegistrationRequest(JsonRequest):
    """A registration of a client, whose body has been parsed."""

    def __init__(self, uri: str, data: dict[str, Any]) -> None:
        super().__init__("POST", uri)
        self.payload = JsonBody(data)


class Protocol(OAuthCore):
    """Grants and endpoints over the records of an authorization server.

    :param owner: the ``AuthorizationServer``, whose records, lifetimes and homeserver it uses.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.owner = owner
        self.register_token_generator("default", self._generate)
        self.register_grant(_CodeGrant, [_S256(required=True), owner.id_tokens])
        self.register_grant(_RefreshGrant)
        self.register_endpoint(_Revocation(self))
        self.register_endpoint(_Registration(self))

    def query_client(self, client_id: str) -> Client | None:
        """Returns a registered client."""
        return self.owner.records.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: FormRequest) -> None:
        """Stores a new token, in a new session or that of the token that it replaces."""
        old: Token | None = request.refresh_token
        session = old.session if old else self.owner.begin(request.user, request.client.client_id, token["scope"])
        expires_s = time.time() + token["expires_in"]
        self.owner.records.add_token(Token(session, token["access_token"], token.get("refresh_token"), expires_s))

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Returns the request, which has authlib's form already."""
        return request

    def create_json_request(self, request: RegistrationRequest) -> RegistrationRequest:
        """Returns the request, which has authlib's form already."""
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """Returns authlib's answer as Starlette's."""
        made = JSONResponse(body, status) if isinstance(body, dict) else Response(body, status)
        made.headers.update(dict(headers))
        return made

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Does nothing: the server has no listeners."""

    def _generate(self, scope: str, include_refresh_token: bool, **_: object) -> dict[str, Any]:
        token = {
            "token_type": "Bearer",
            "access_token": f"access_{secrets.token_urlsafe(24)}",
            "expires_in": self.owner.lifetime_s,
            "scope": scope,
        }
        return {**token, "refresh_token": f"refresh_{secrets.token_urlsafe(24)}"} if include_refresh_token else token


class _S256(CodeChallenge):
    """Requires PKCE with S256. authlib takes ``plain``, and asks for no challenge before the token endpoint."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: a code_challenge, with code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        data = request.payload.data
        challenge = data["code_challenge"], data["code_challenge_method"]
        uri, expires_s = data["redirect_uri"], time.time() + _CODE_S
        client_id, nonce = request.client.client_id, data.get("nonce")
        saved = Code(code, client_id, request.user, uri, request.scope, *challenge, expires_s, nonce)
        self.server.owner.records.codes[code] = saved

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return self.server.owner.records.take_code(code, client)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        pass  # taken when it was looked up

    def authenticate_user(self, authorization_code: Code) -> User | None:
        user = authorization_code.user
        return None if user.locked or user.deactivated else user


class _RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        token: Token | None = self.server.owner.records.refresh_tokens.get(refresh_token)
        if token is None or token.is_revoked():
            return None
        if token.renewed:
            # Two holders of one refresh token: one of them is a thief, so that the session ends.
            # https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
            self.server.owner.end(token.session)
            return None
        return token

    def authenticate_user(self, refresh_token: Token) -> User:
        return refresh_token.session.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.renewed = True
        refresh_token.expires_s = 0


class _Revocation(RevocationEndpoint):
    """Ends the session, whichever of its tokens is revoked, as the Matrix specification has it."""

    CLIENT_AUTH_METHODS = ("none",)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return self.server.owner.records.token(token_string)

    def revoke_token(self, token: Token, request: FormRequest) -> None:
        self.server.owner.end(token.session)


class _Registration(ClientRegistrationEndpoint):
    """Registers public clients, without an initial access token."""

    def authenticate_token(self, request: RegistrationRequest) -> bool:
        return True

    def get_server_metadata(self) -> dict[str, Any]:
        return self.server.owner.metadata

    def extract_client_metadata(self, request: RegistrationRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().extract_client_metadata(request)
        found.setdefault("grant_types", ["authorization_code", "refresh_token"])
        found.setdefault("response_types", ["code"])
        if found.get("token_endpoint_auth_method") != "none":
            raise InvalidClientMetadataError("Clients are public: token_endpoint_auth_method has to be none.")
        uris = found.get("redirect_uris")
        if not isinstance(uris, list) or not uris or not all(map(_is_redirect_uri, uris)):
            raise InvalidRedirectURIError("redirect_uris has to list https URLs, or http URLs of this machine.")
        return found

    def generate_client_info(self, request: RegistrationRequest) -> dict[str, Any]:
        return {"client_id": secrets.token_urlsafe(16), "client_id_issued_at": int(time.time())}

    def save_client(self, client_info: dict[str, Any], client_metadata: dict[str, Any], request: object) -> Client:
        client = Client(client_info["client_id"], client_metadata)
        self.server.owner.records.clients[client.client_id] = client
        return client


def _is_redirect_uri(uri: object) -> bool:
    if not isinstance(uri, str):
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    return is_safe and bool(parts.hostname) and not parts.fragment
