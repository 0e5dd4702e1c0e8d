"""The session that a link belongs to, and whether it still lives.

A link must die with the session that asked for it. The link carries the session in a sealed handle, so that any worker
can look it up and no user id stands in a URL.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from synapse.api.errors import Codes, SynapseError
from synapse.module_api import Requester
from synapse.server import HomeServer

from .signing import Keyring, LinkAltered

# Logout must be felt within seconds; until then the store is asked once per session, not once per media.
_CACHE_MS = 2000
_CACHE_SIZE = 10_000

# Handles come in steps of this many bytes, so that their length says little about the length of a user's name.
_PADDING = 32


class Anchor(StrEnum):
    """What a session hangs on, and dies with."""

    DEVICE = "d"
    TOKEN = "t"
    APPLICATION_SERVICE = "a"


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session: who, and by what."""

    user_id: str
    anchor: Anchor
    anchor_id: str

    @classmethod
    def of(cls, requester: Requester) -> "Session":
        """The session that a request with an access token was made in.

        :raises SynapseError: where nothing would end the session, so nothing could end its links.
        """
        user_id = requester.user.to_string()
        if requester.device_id:
            return cls(user_id, Anchor.DEVICE, requester.device_id)
        if requester.access_token_id is not None:
            return cls(user_id, Anchor.TOKEN, str(requester.access_token_id))
        if requester.app_service_id is not None:
            return cls(user_id, Anchor.APPLICATION_SERVICE, requester.app_service_id)
        raise SynapseError(403, "This session has no device, so it cannot have links to media", Codes.FORBIDDEN)

    @property
    def parts(self) -> list[str]:
        """What ``from_parts`` makes the session of again."""
        return [self.anchor, self.user_id, self.anchor_id]

    @classmethod
    def from_parts(cls, anchor: str, user_id: str, anchor_id: str) -> "Session":
        """The session that ``parts`` were of.

        :raises ValueError: if there is no such kind of anchor.
        """
        return cls(str(user_id), Anchor(anchor), str(anchor_id))

    def seal(self, keyring: Keyring) -> str:
        """The handle that stands for this session in its links."""
        return keyring.seal(padded(self.parts))

    @classmethod
    def unseal(cls, keyring: Keyring, key_id: str, handle: str) -> "Session":
        """Gets a session back out of its handle.

        :raises LinkAltered:
        """
        try:
            anchor, user_id, anchor_id = json.loads(keyring.open(key_id, handle))
            return cls.from_parts(anchor, user_id, anchor_id)
        except ValueError as error:
            raise LinkAltered from error


def padded(value: object) -> bytes:
    """JSON with room behind it, to be sealed."""
    text = json.dumps(value, separators=(",", ":")).encode()
    return text.ljust(-(-len(text) // _PADDING) * _PADDING)


class Sessions:
    """Says whether a session lives, from the store, at most once in two seconds."""

    def __init__(self, hs: HomeServer) -> None:
        self._api = hs.get_module_api()
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._account_validity = hs.get_account_validity_handler()
        self._known: OrderedDict[Session, tuple[int, bool]] = OrderedDict()

    async def is_alive(self, session: Session) -> bool:
        """Whether Synapse would still let this session download media."""
        now_ms = self._clock.time_msec()
        until_ms, alive = self._known.get(session, (0, False))
        if now_ms < until_ms:
            return alive
        alive = await self._user_may(session) and await self._holds(session)
        self._known[session] = (now_ms + _CACHE_MS, alive)
        self._known.move_to_end(session)
        if len(self._known) > _CACHE_SIZE:
            self._known.popitem(last=False)
        return alive

    async def _user_may(self, session: Session) -> bool:
        # A suspended user may still read, media included; Synapse's own download asks for the same three things.
        user = await self._api.get_userinfo_by_id(session.user_id)
        if user is None:
            # The user that an application service itself acts as is often registered nowhere.
            return session.anchor is Anchor.APPLICATION_SERVICE
        if user.is_deactivated or user.locked:
            return False
        return not await self._account_validity.is_user_expired(session.user_id)

    async def _holds(self, session: Session) -> bool:
        if session.anchor is Anchor.DEVICE:
            # What Synapse caches is typed by a mypy plugin of its own.
            return await self._store.get_device(session.user_id, session.anchor_id) is not None  # type: ignore[call-arg]
        if session.anchor is Anchor.APPLICATION_SERVICE:
            return self._store.get_app_service_by_id(session.anchor_id) is not None
        return await self._token_holds(session)

    async def _token_holds(self, session: Session) -> bool:
        row = await self._store.db_pool.simple_select_one(
            table="access_tokens",
            keyvalues={"id": int(session.anchor_id)},
            retcols=("user_id", "puppets_user_id", "valid_until_ms"),
            allow_none=True,
            desc="media_links_token",
        )
        if row is None:
            return False
        user_id, puppets_user_id, valid_until_ms = row
        # The token of an administrator who signed in as somebody else is the administrator's.
        if session.user_id != (puppets_user_id or user_id):
            return False
        return valid_until_ms is None or valid_until_ms > self._clock.time_msec()
