"""An OAuth 2.0 authorization server as Matrix has it, for development and tests, on loopback addresses only.

Synapse delegates authentication to it as to the Matrix Authentication Service (``matrix_authentication_service``): it
asks for the state of tokens (RFC 7662), and takes users and devices from it at ``/_synapse/mas``. Another Synapse can
have it as a provider of single sign-on (``oidc_providers``).

https://spec.matrix.org/latest/client-server-api/#oauth-20-api
"""

# authlib has no annotations.
# mypy: disable-error-code="no-untyped-call, no-any-return"

import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

import httpx
from authlib.oauth2 import OAuth2Error
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from development.loopback import HOSTS
from development.oauth_grants import FormRequest, Protocol, RegistrationRequest
from development.oauth_pages import consent_page, error_page, sign_in_page
from development.oauth_records import API_SCOPES, OPENID_SCOPE, Client, Records, Session, Token, User
from development.oidc import ALGORITHM, IdTokens
from development.synapse import HomeserverError

_COOKIE = "authorization_server"
_REQUEST_S = 30.0
_DAY_S = 24 * 60 * 60
_MAX_BODY_BYTES = 100_000
# What an answer of the authorization endpoint is made of: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
_ANSWER = ("code", "state", "error", "error_description", "error_uri")


class AuthorizationServer:
    """Signs users in and issues tokens for one homeserver.

    :param issuer: its own address, with a final slash, on loopback.
    :param homeserver_url: of the homeserver, to which the server reports new and ended users and devices; empty if none
        delegates authentication to it.
    :param secret: shared with the homeserver, in its ``matrix_authentication_service``.
    :param lifetime_s: of access tokens.
    """

    def __init__(self, issuer: str, homeserver_url: str = "", secret: str = "", lifetime_s: int = 300) -> None:
        self.issuer = issuer
        self.lifetime_s = lifetime_s
        self.records = Records()
        self._secret = secret
        self._homeserver = httpx.Client(
            base_url=homeserver_url, headers={"Authorization": f"Bearer {secret}"}, timeout=_REQUEST_S
        )
        self._browsers: dict[str, tuple[User, str]] = {}
        self.id_tokens = IdTokens(issuer)
        self._protocol = Protocol(self)
        #: An account whose name and password the sign-in page has in its fields.
        self.sample_account = ("", "")
        self.application = Starlette(
            routes=self._routes(),
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
        )

    @property
    def synapse_config(self) -> dict[str, Any]:
        """The options of ``homeserver.yaml`` by which Synapse delegates authentication to this server."""
        delegation = {"enabled": True, "endpoint": self.issuer, "secret": self._secret}
        return {"matrix_authentication_service": delegation, "password_config": {"enabled": False}}

    def oidc_config(self, homeserver_url: str, name: str) -> dict[str, Any]:
        """Returns the options of ``homeserver.yaml`` by which a Synapse offers single sign-on with this server.

        :param name: of the provider, for its button.
        """
        client_id = secrets.token_urlsafe(16)
        callback = f"{homeserver_url}/_synapse/client/oidc/callback"
        metadata = {"client_name": homeserver_url, "redirect_uris": [callback], "grant_types": ["authorization_code"]}
        self.records.clients[client_id] = Client(client_id, metadata)
        provider = {
            "idp_id": "development",
            "idp_name": name,
            "issuer": self.issuer,
            "client_id": client_id,
            "client_auth_method": "none",
            "scopes": [OPENID_SCOPE],
            "skip_verification": True,  # which asks for https
            "allow_existing_users": True,
            "user_mapping_provider": {"config": {"localpart_template": "{{ user.preferred_username }}"}},
        }
        return {"oidc_providers": [provider], "password_config": {"enabled": False}}

    @property
    def metadata(self) -> dict[str, Any]:
        """The server's metadata, https://www.rfc-editor.org/rfc/rfc8414#section-2"""
        endpoints = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "oauth2/token",
            "registration_endpoint": "oauth2/registration",
            "revocation_endpoint": "oauth2/revoke",
            "introspection_endpoint": "oauth2/introspect",
            "account_management_uri": "account",
            "jwks_uri": "oauth2/keys.json",
        }
        return {
            "issuer": self.issuer,
            **{name: self.issuer + path for name, path in endpoints.items()},
            "scopes_supported": [OPENID_SCOPE, *API_SCOPES],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "subject_types_supported": ["public"],
        }

    # --- administration -----------------------------------------------------------------------------------------------

    def register(self, name: str, password: str) -> None:
        """Creates an account, here and at the homeserver.

        :raises HomeserverError: if the homeserver refuses.
        """
        self._tell_homeserver("provision_user", localpart=name)
        self.records.users[name] = User.new(name, password)

    def sign_up(self, name: str, password: str) -> dict[str, str]:
        """Creates an account, or changes its password, and begins a session of it without its consent, for seeding.

        :returns: the fields of a login: ``user_id``, ``device_id``, ``access_token``.
        :raises HomeserverError: if the homeserver refuses.
        """
        self.register(name, password)
        user = self.records.user(name)
        session = self.begin(user, "development", f"{API_SCOPES[0]} urn:matrix:client:device:DEVELOPMENT")
        token = Token(session, f"access_{secrets.token_urlsafe(24)}", None, time.time() + _DAY_S)
        self.records.add_token(token)
        headers = {"Authorization": f"Bearer {token.access_token}"}
        answer = self._homeserver.get("/_matrix/client/v3/account/whoami", headers=headers).raise_for_status()
        return {**answer.json(), "access_token": token.access_token}

    def begin(self, user: User, client_id: str, scope: str) -> Session:
        """Begins a session, which replaces those with the same device, and makes its device at the homeserver."""
        session = Session(user, client_id, scope)
        if session.device_id:
            for replaced in self.records.sessions(user, session.device_id):
                replaced.ended = True
            self._tell_homeserver("upsert_device", localpart=user.name, device_id=session.device_id)
        return session

    def end(self, session: Session) -> None:
        """Ends a session and deletes its device."""
        if session.ended:
            return
        session.ended = True
        if session.device_id:
            self._tell_homeserver("delete_device", localpart=session.user.name, device_id=session.device_id)

    def end_sessions(self, name: str) -> None:
        """Ends all sessions of a user, as an administrator does."""
        for session in self.records.sessions(self.records.user(name)):
            self.end(session)

    def set_locked(self, name: str, locked: bool) -> None:
        """Locks an account, or unlocks it. Its sessions do not end."""
        self.records.user(name).locked = locked
        self._tell_homeserver("provision_user", localpart=name, locked=locked)

    def deactivate(self, name: str) -> None:
        """Deactivates an account."""
        user = self.records.user(name)
        user.deactivated = True
        for session in self.records.sessions(user):
            session.ended = True
        self._tell_homeserver("delete_user", localpart=name, erase=False)

    def close(self) -> None:
        """Closes the connections to the homeserver."""
        self._homeserver.close()

    def _tell_homeserver(self, action: str, **body: object) -> None:
        if not self._homeserver.base_url.host:
            return
        answer = self._homeserver.post(f"/_synapse/mas/{action}", json=body)
        if answer.is_error:
            raise HomeserverError(f"The homeserver refused {action}: {answer.text} Look into its log.")

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def _routes(self) -> list[Route]:
        for_pages = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])]

        def shared(path: str, endpoint: Any, method: str = "POST") -> Route:
            return Route(path, endpoint, methods=[method, "OPTIONS"], middleware=for_pages)

        return [
            shared("/.well-known/oauth-authorization-server", self._get_metadata, "GET"),
            shared("/.well-known/openid-configuration", self._get_metadata, "GET"),
            Route("/oauth2/keys.json", self._get_keys, methods=["GET"]),
            shared("/oauth2/registration", self._register_client),
            shared("/oauth2/token", self._token),
            shared("/oauth2/revoke", self._revoke),
            Route("/oauth2/introspect", self._introspect, methods=["POST"]),
            Route("/authorize", self._authorize, methods=["GET", "POST"]),
        ]

    async def _get_metadata(self, request: Request) -> Response:
        return JSONResponse(self.metadata)

    async def _get_keys(self, request: Request) -> Response:
        return JSONResponse(self.id_tokens.public_keys)

    async def _register_client(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return JSONResponse({"error": "invalid_client_metadata"}, 400)
        wanted = RegistrationRequest(str(request.url), body)
        return await run_in_threadpool(self._protocol.create_endpoint_response, "client_registration", wanted)

    async def _token(self, request: Request) -> Response:
        form = self._oauth_request(request, await _form(request))
        return await run_in_threadpool(self._protocol.create_token_response, form)

    async def _revoke(self, request: Request) -> Response:
        form = self._oauth_request(request, await _form(request))
        return await run_in_threadpool(self._protocol.create_endpoint_response, "revocation", form)

    async def _introspect(self, request: Request) -> Response:
        # The homeserver has no client id: it shows the shared secret. authlib's endpoint knows clients alone.
        if not self._secret or not secrets.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {self._secret}".encode()
        ):
            return JSONResponse({"error": "invalid_client"}, 401)
        token = self.records.access_tokens.get(dict(await _form(request)).get("token", ""))
        if token is None or token.is_revoked() or token.is_expired():
            return JSONResponse({"active": False})
        session = token.session
        state = {"active": True, "scope": session.scope, "client_id": session.client_id, "token_type": "access_token"}
        expires_in = max(1, int(token.expires_s - time.time()))
        return JSONResponse(
            {**state, "username": session.user.name, "sub": session.user.name, "expires_in": expires_in}
        )

    def _oauth_request(self, request: Request, pairs: list[tuple[str, str]]) -> FormRequest:
        return FormRequest(request.method, str(request.url), dict(request.headers), pairs)

    # --- pages --------------------------------------------------------------------------------------------------------

    async def _authorize(self, request: Request) -> Response:
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        wanted = self._oauth_request(request, pairs)
        form = dict(await _form(request)) if request.method == "POST" else None
        return await run_in_threadpool(self._answer_authorization, request, wanted, form)

    def _answer_authorization(self, request: Request, wanted: FormRequest, form: dict[str, str] | None) -> Response:
        user, csrf = self._browsers.get(request.cookies.get(_COOKIE, ""), (None, ""))
        try:
            grant = self._protocol.get_consent_grant(wanted, user)
        except OAuth2Error as error:
            if not error.redirect_uri:
                return error_page(f"The application's request is wrong: {error.description or error.error}")
            return _in_response_mode(self._protocol.handle_error_response(wanted, error), wanted)
        if form is not None and "password" in form:
            return self._sign_in(request, form)
        if user is None:
            return sign_in_page(self.sample_account)
        if form is None:
            name = str(
                grant.client.metadata.get("client_name") or grant.client.metadata.get("client_uri", "An application")
            )
            device_id = Session(user, "", wanted.scope).device_id
            is_openid = wanted.scope == OPENID_SCOPE
            return consent_page(name, user.name, csrf, device_id=device_id, identity_only=is_openid)
        if not secrets.compare_digest(form.get("csrf", "").encode(), csrf.encode()):
            return error_page("The form has expired. Go back and press the button again.")
        granted = user if form.get("decision") == "allow" else None
        wanted.user = granted
        return _in_response_mode(self._protocol.create_authorization_response(wanted, granted, grant), wanted)

    def _sign_in(self, request: Request, form: dict[str, str]) -> Response:
        origin = request.headers.get("Origin")
        if origin not in (None, self.issuer.rstrip("/")):
            return error_page("This form was sent by another site.")
        user = self.records.users.get(form.get("username", ""))
        if user is None or not user.accepts(form["password"]):
            return sign_in_page(self.sample_account, "User name or password is wrong, or the account is locked.")
        browser = secrets.token_urlsafe(24)
        self._browsers[browser] = user, secrets.token_urlsafe(24)
        answer = RedirectResponse(str(request.url), 303)
        answer.set_cookie(_COOKIE, browser, httponly=True, samesite="lax")
        return answer


async def _form(request: Request) -> list[tuple[str, str]]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            return []
    return parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True)


def _in_response_mode(answer: Response, wanted: FormRequest) -> Response:
    """Moves the answer's parameters into the fragment if the client asks for that; authlib writes the query."""
    if wanted.payload.data.get("response_mode") != "fragment" or "Location" not in answer.headers:
        return answer
    pairs = httpx.URL(answer.headers["Location"]).params.multi_items()
    moved = httpx.QueryParams([pair for pair in pairs if pair[0] in _ANSWER])
    # As the client has spelt it: authlib writes its query anew.
    answer.headers["Location"] = f"{wanted.payload.data['redirect_uri']}#{moved}"
    return answer
