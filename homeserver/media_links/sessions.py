"""Identifies the session that a link belongs to, and tells whether it still exists.

A link is invalid when the session that requested it has ended, and stays invalid when the same user signs in again,
even with the same device id. So a session is identified by something that changes with each login and that the renewal
of an access token leaves unchanged. The link contains it in a sealed handle: any worker can look the session up, and
the URL reveals no user id.

========================  ============================================================================================
the session has           it is identified by
========================  ============================================================================================
an access token that is   the token's row and a digest of the token; row ids alone are reused after a restart
never renewed
an access token that is   the device and its revision: the last change of it that Synapse has recorded. Logins and
renewed (refresh token)   logouts are recorded, renewals are not. So are a rename of the device, an upload of its keys
                          and its verification: they invalidate links of a session that still exists, and clients
                          request new ones
no token in the database  the device and its revision (delegated authentication, guests)
an application service's  the service's id and a digest of its token
token
========================  ============================================================================================
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from synapse.api.errors import Codes, SynapseError
from synapse.module_api import Requester
from synapse.server import HomeServer
from synapse.util.caches.response_cache import ResponseCache
from synapse.util.clock import Clock

from media_protocol.signing import InvalidSignature, Keyring

# A logout takes effect within this time. Without a cache, each media would cost a query.
_CACHE_MS = 2000
_CACHE_SIZE = 10_000

# Handles are padded to a multiple of this, so that their length reveals little of the length of a user id.
_PADDING_BYTES = 32
# Of a token's SHA-256: 96 bits, so that two tokens have different digests.
_DIGEST_BYTES = 12

Key = TypeVar("Key")
Value = TypeVar("Value")


class Anchor(StrEnum):
    """What a session depends on: it ends when this is deleted."""

    TOKEN = "t"
    RENEWED_TOKEN = "r"
    DEVICE = "d"
    APPLICATION_SERVICE = "a"


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session.

    :param anchor_id: the access token's row, the device's id or the application service's id.
    :param login: what changes with each login: a digest of the token, or the device's revision.
    """

    user_id: str
    anchor: Anchor
    anchor_id: str
    login: str

    @property
    def parts(self) -> list[str]:
        """Its fields, as arguments for ``from_parts``."""
        return [self.anchor, self.user_id, self.anchor_id, self.login]

    @classmethod
    def from_parts(cls, anchor: str, user_id: str, anchor_id: str, login: str) -> "Session":
        """Creates the session that ``parts`` were read from.

        :raises ValueError: if the kind of anchor is unknown.
        """
        return cls(str(user_id), Anchor(anchor), str(anchor_id), str(login))

    def seal(self, keyring: Keyring) -> str:
        """Returns the handle that identifies this session in links."""
        return keyring.seal(padded(self.parts))

    @classmethod
    def unseal(cls, keyring: Keyring, key_id: str, handle: str) -> "Session":
        """Decrypts and parses a handle.

        :raises InvalidSignature: if the handle is not one that ``seal`` returned.
        """
        try:
            anchor, user_id, anchor_id, login = json.loads(keyring.open(key_id, handle))
            return cls.from_parts(anchor, user_id, anchor_id, login)
        except ValueError as error:
            raise InvalidSignature from error


@dataclass(frozen=True, slots=True)
class OpenSession:
    """The session that a request was made in.

    :param valid_until_ms: when it expires, in milliseconds since 1970; ``None`` if it does not.
    """

    session: Session
    valid_until_ms: int | None = None

    def cap(self, expires_ms: int) -> int:
        """Returns an expiry that is not later than the session's own."""
        return expires_ms if self.valid_until_ms is None else min(expires_ms, self.valid_until_ms)


def padded(value: object) -> bytes:
    """Returns a value as JSON, padded with spaces to a multiple of a fixed length, to be sealed."""
    text = json.dumps(value, separators=(",", ":")).encode()
    return text.ljust(-(-len(text) // _PADDING_BYTES) * _PADDING_BYTES)


def token_digest(token: str) -> str:
    """Returns a truncated SHA-256 of an access token. It is sealed wherever it is sent."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:_DIGEST_BYTES]).decode("ascii")


class Sessions:
    """Identifies sessions, and tells whether they still exist, which is cached for two seconds for each.

    Concurrent requests of one session share one check: a page requests all of its media at once.
    """

    def __init__(self, hs: HomeServer) -> None:
        self._api = hs.get_module_api()
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._account_validity = hs.get_account_validity_handler()
        self._tokens: _ExpiringCache[int, tuple[str, int | None, int | None]] = _ExpiringCache(self._clock)
        self._alive: _ExpiringCache[Session, bool] = _ExpiringCache(self._clock)
        self._checks: ResponseCache[Session] = ResponseCache(
            clock=self._clock, name="media_links_session_checks", server_name=hs.hostname, enable_logging=False
        )

    async def of(self, requester: Requester) -> OpenSession:
        """Returns the session that a request with an access token was made in.

        :raises SynapseError: 403 if nothing could end the session, and so its links.
        """
        user_id = requester.user.to_string()
        if requester.app_service_id is not None:
            return OpenSession(self._of_application_service(user_id, requester.app_service_id))
        if requester.access_token_id is None and not requester.device_id:
            raise SynapseError(403, "This session has no device, so it cannot have links to media", Codes.FORBIDDEN)
        return await self._find(user_id, requester)

    async def is_alive(self, session: Session) -> bool:
        """Whether Synapse would still let this session download media."""
        known = self._alive.get(session)
        return await self._checks.wrap(session, self._check, session) if known is None else known

    async def _check(self, session: Session) -> bool:
        since_ms = self._clock.time_msec()
        is_alive = await self._user_is_allowed(session) and await self._anchor_exists(session)
        self._alive.set(session, is_alive, since_ms)
        return is_alive

    # --- identifying --------------------------------------------------------------------------------------------------

    def _of_application_service(self, user_id: str, service_id: str) -> Session:
        service = self._store.get_app_service_by_id(service_id)
        assert service is not None, "Synapse has just authenticated it"
        return Session(user_id, Anchor.APPLICATION_SERVICE, service_id, token_digest(service.token))

    async def _find(self, user_id: str, requester: Requester) -> OpenSession:
        device_id = requester.device_id
        if requester.access_token_id is None:
            assert device_id, "the caller has checked it"
            return OpenSession(Session(user_id, Anchor.DEVICE, device_id, await self._revision(user_id, device_id)))
        token, refresh_token_id, valid_until_ms = await self._token_row(requester.access_token_id)
        if refresh_token_id is None or not device_id:
            login = Session(user_id, Anchor.TOKEN, str(requester.access_token_id), token_digest(token))
            return OpenSession(login, valid_until_ms)
        renewed = Session(user_id, Anchor.RENEWED_TOKEN, device_id, await self._revision(user_id, device_id))
        return OpenSession(renewed, await self._renewable_until_ms(refresh_token_id))

    async def _token_row(self, row_id: int) -> tuple[str, int | None, int | None]:
        known = self._tokens.get(row_id)
        if known is None:
            known = await self._select_token(row_id)
            self._tokens.set(row_id, known)
        return known

    async def _select_token(self, row_id: int) -> tuple[str, int | None, int | None]:
        row = await self._store.db_pool.simple_select_one(
            table="access_tokens",
            keyvalues={"id": row_id},
            retcols=("token", "refresh_token_id", "valid_until_ms"),
            allow_none=True,
            desc="media_links_session_token",
        )
        if row is None:  # deleted since Synapse has authenticated it
            raise SynapseError(401, "This access token has ended", Codes.UNKNOWN_TOKEN)
        token, refresh_token_id, valid_until_ms = row
        return token, refresh_token_id, valid_until_ms

    async def _renewable_until_ms(self, refresh_token_id: int) -> int | None:
        row = await self._store.db_pool.simple_select_one(
            table="refresh_tokens",
            keyvalues={"id": refresh_token_id},
            retcols=("expiry_ts", "ultimate_session_expiry_ts"),
            allow_none=True,
            desc="media_links_refresh_token",
        )
        return min((end for end in row or () if end is not None), default=None)

    async def _revision(self, user_id: str, device_id: str) -> str:
        """Returns the last change of a device that Synapse has recorded, in its one row for each device."""
        rows = await self._store.db_pool.simple_select_onecol(
            table="device_lists_stream",
            keyvalues={"user_id": user_id, "device_id": device_id},
            retcol="stream_id",
            desc="media_links_device_revision",
        )
        return str(max(rows, default=0))

    # --- checking -----------------------------------------------------------------------------------------------------

    async def _user_is_allowed(self, session: Session) -> bool:
        # Synapse's own download checks the same three conditions. A suspended user may still read media.
        user = await self._api.get_userinfo_by_id(session.user_id)
        if user is None:
            # The sender of an application service is often not registered as a user.
            return session.anchor is Anchor.APPLICATION_SERVICE
        if user.is_deactivated or user.locked:
            return False
        return not await self._account_validity.is_user_expired(session.user_id)

    async def _anchor_exists(self, session: Session) -> bool:
        if session.anchor is Anchor.APPLICATION_SERVICE:
            return self._service_exists(session)
        if session.anchor is Anchor.TOKEN:
            return await self._token_exists(session)
        if not await self._device_exists(session):
            return False
        return session.anchor is Anchor.DEVICE or await self._is_renewable(session)

    def _service_exists(self, session: Session) -> bool:
        service = self._store.get_app_service_by_id(session.anchor_id)
        return service is not None and token_digest(service.token) == session.login

    async def _device_exists(self, session: Session) -> bool:
        # Synapse's own mypy plugin types its cached methods.
        device = await self._store.get_device(session.user_id, session.anchor_id)  # type: ignore[call-arg]
        return device is not None and await self._revision(session.user_id, session.anchor_id) == session.login

    async def _is_renewable(self, session: Session) -> bool:
        """Whether the device has a refresh token that has not expired."""
        rows = await self._store.db_pool.simple_select_list(
            table="refresh_tokens",
            keyvalues={"user_id": session.user_id, "device_id": session.anchor_id},
            retcols=("expiry_ts", "ultimate_session_expiry_ts"),
            desc="media_links_refresh_tokens",
        )
        now_ms = self._clock.time_msec()
        return any(all(end is None or end > now_ms for end in row) for row in rows)

    async def _token_exists(self, session: Session) -> bool:
        row = await self._store.db_pool.simple_select_one(
            table="access_tokens",
            keyvalues={"id": int(session.anchor_id)},
            retcols=("user_id", "puppets_user_id", "token", "valid_until_ms"),
            allow_none=True,
            desc="media_links_token",
        )
        if row is None:
            return False
        user_id, puppets_user_id, token, valid_until_ms = row
        # The token of an administrator who signed in as another user is the administrator's.
        if session.user_id != (puppets_user_id or user_id) or session.login != token_digest(token):
            return False
        return valid_until_ms is None or valid_until_ms > self._clock.time_msec()


class RevokedTokens:
    """Records a change of a device when its tokens are deleted and the device is not.

    A password reset by an administrator whose own device has the same id does that. Synapse itself records no change
    then, so after the next login the device would have the same revision.

    With delegated authentication Synapse has neither passwords nor tokens, and refuses to start with such a callback.
    """

    def __init__(self, hs: HomeServer) -> None:
        self._store = hs.get_datastores().main
        self._devices = hs.get_device_handler
        if not hs.config.mas.enabled:
            hs.get_module_api().register_password_auth_provider_callbacks(on_logged_out=self._on_logged_out)

    async def _on_logged_out(self, user_id: str, device_id: str | None, access_token: str) -> None:
        if device_id and await self._store.get_device(user_id, device_id):  # type: ignore[call-arg]
            await self._devices().notify_device_update(user_id, [device_id])


class _ExpiringCache(Generic[Key, Value]):
    """A cache whose entries expire after two seconds. The oldest entry is evicted first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[int, Value]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        until_ms, value = self._entries.get(key, (0, None))
        return value if self._clock.time_msec() < until_ms else None

    def set(self, key: Key, value: Value, since_ms: int | None = None) -> None:
        """Caches a value from the time on at which it was requested; now by default."""
        self._entries[key] = (self._clock.time_msec() if since_ms is None else since_ms) + _CACHE_MS, value
        self._entries.move_to_end(key)
        if len(self._entries) > _CACHE_SIZE:
            self._entries.popitem(last=False)
