"""What the authorization server of the development environment stores: accounts, clients, codes, sessions, tokens.

Everything is in memory: it ends with the process, as the sessions of a test do.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from development.synapse import HomeserverError

# Matrix 1.15, "OAuth 2.0 API", and the names that clients used before it (MSC2967).
API_SCOPES = ("urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*")
# Who the user is, and nothing of their account: a homeserver's single sign-on asks for that.
OPENID_SCOPE = "openid"
_DEVICE_SCOPES = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
_DEVICE_ID = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_SCRYPT = {"n": 2**12, "r": 8, "p": 1}


@dataclass
class User:
    """An account.

    :param name: the localpart of the Matrix user id.
    """

    name: str
    salt: bytes
    password_hash: bytes
    locked: bool = False
    deactivated: bool = False

    @classmethod
    def new(cls, name: str, password: str) -> "User":
        """Creates an account with a salted hash of the password."""
        salt = secrets.token_bytes(16)
        return cls(name, salt, _password_hash(password, salt))

    def accepts(self, password: str) -> bool:
        """Whether the user may sign in with this password."""
        is_right = secrets.compare_digest(self.password_hash, _password_hash(password, self.salt))
        return is_right and not self.locked and not self.deactivated


@dataclass
class Client:
    """A registered client, with the methods that authlib's ``ClientMixin`` asks for. All clients are public."""

    client_id: str
    metadata: dict[str, Any]

    def get_client_id(self) -> str:
        """Returns the client's id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Returns nothing: a request has to say which of its addresses it means."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Returns a scope of Matrix or of OpenID Connect; ``None``, which refuses the request, for another."""
        return scope if scope == OPENID_SCOPE or (scope and is_matrix_scope(scope)) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the address is registered, letter by letter."""
        return redirect_uri in self.metadata["redirect_uris"]

    def check_client_secret(self, client_secret: str) -> bool:
        """Returns false: a public client has no secret."""
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client may authenticate in this way."""
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may use this response type."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client has registered this grant."""
        return grant_type in self.metadata["grant_types"]


@dataclass
class Session:
    """What a user has granted to a client: it ends as a whole, with all of its tokens."""

    user: User
    client_id: str
    scope: str
    ended: bool = False

    @property
    def device_id(self) -> str | None:
        """The Matrix device of the scope, if it has one."""
        return device_of(self.scope)


@dataclass
class Code:
    """An authorization code, with the methods that authlib's ``AuthorizationCodeMixin`` asks for."""

    code: str
    client_id: str
    user: User
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str
    expires_s: float
    nonce: str | None = None

    def get_redirect_uri(self) -> str:
        """Returns the address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Returns what the user has granted."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Returns what an ID token has to repeat."""
        return self.nonce

    def get_auth_time(self) -> None:
        """Returns nothing: an ID token then has the time at which it is issued."""

    def get_acr(self) -> None:
        """Returns nothing: there is one way to sign in."""

    def get_amr(self) -> None:
        """Returns nothing: there is one way to sign in."""


@dataclass
class Token:
    """An access token and its refresh token, with the methods that authlib's ``TokenMixin`` asks for."""

    session: Session
    access_token: str
    refresh_token: str | None
    expires_s: float
    renewed: bool = False

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client."""
        return self.session.client_id == client.client_id

    def get_scope(self) -> str:
        """Returns what the user has granted."""
        return self.session.scope

    def is_expired(self) -> bool:
        """Whether the access token has expired."""
        return time.time() >= self.expires_s

    def is_revoked(self) -> bool:
        """Whether the session has ended, or its user may not use it."""
        user = self.session.user
        return self.session.ended or user.locked or user.deactivated


@dataclass
class Records:
    """The tables of the authorization server."""

    users: dict[str, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    access_tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, Token] = field(default_factory=dict)

    def add_token(self, token: Token) -> None:
        """Stores a token under both of its names."""
        self.access_tokens[token.access_token] = token
        if token.refresh_token:
            self.refresh_tokens[token.refresh_token] = token

    def token(self, text: str) -> Token | None:
        """Returns the token with this access or refresh token."""
        return self.access_tokens.get(text) or self.refresh_tokens.get(text)

    def take_code(self, text: str, client: Client) -> Code | None:
        """Removes and returns a client's code: even a failed exchange uses it up."""
        code = self.codes.pop(text, None)
        return code if code and code.client_id == client.client_id and time.time() < code.expires_s else None

    def sessions(self, user: User, device_id: str | None = None) -> list[Session]:
        """Returns the user's sessions that have not ended, or those of one device."""
        found = {id(token.session): token.session for token in self.access_tokens.values()}
        return [
            session
            for session in found.values()
            if session.user is user and not session.ended and device_id in (None, session.device_id)
        ]

    def user(self, name: str) -> User:
        """Returns an account.

        :raises HomeserverError: if there is none of this name.
        """
        if name not in self.users:
            raise HomeserverError(f"The authorization server has no account {name}. Register it first.")
        return self.users[name]


def device_of(scope: str) -> str | None:
    """Returns the device id in a scope."""
    devices = _devices(scope)
    return devices[0] if devices else None


def is_matrix_scope(scope: str) -> bool:
    """Whether a scope is access to the client-server API, for one device at most."""
    tokens = scope.split()
    known = [part for part in tokens if part in API_SCOPES or part == OPENID_SCOPE or part.startswith(_DEVICE_SCOPES)]
    devices = _devices(scope)
    are_devices_valid = len(set(devices)) <= 1 and all(_DEVICE_ID.fullmatch(device) for device in devices)
    return len(known) == len(tokens) and any(part in API_SCOPES for part in tokens) and are_devices_valid


def _devices(scope: str) -> list[str]:
    prefixes = [(part, prefix) for part in scope.split() for prefix in _DEVICE_SCOPES if part.startswith(prefix)]
    return [part.removeprefix(prefix) for part, prefix in prefixes]


def _password_hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)
