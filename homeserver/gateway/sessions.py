"""Identifies the session that a link belongs to, by a sealed handle.

Where access tokens are permanent (``tokens = "sealed"``) the handle contains the token, so the gateway keeps no state.
Where they are renewed (``tokens = "stored"``) it contains user and device, and the gateway keeps the newest token that
it was shown for them. A token too long for a URL is stored in either mode.
"""

import hashlib
import json
from dataclasses import dataclass

from media_protocol.signing import InvalidSignature, Keyring

from .errors import MatrixError, session_ended
from .homeserver import Homeserver, Identity
from .time_limited_cache import TimeLimitedCache
from .token_store import TokenStore

# How long the homeserver's word that a token is valid holds: a logout takes effect within this time.
TOKEN_PROOF_MS = 2000
# Handles are padded to a multiple of this, so that their length reveals little of the length of a user id.
_PADDING_BYTES = 32
_MAX_SEALED_TOKEN_LENGTH = 500
# A handle in a link has at most 1,024 characters, which are 768 bytes in base64url, 16 of them AES-SIV's tag.
_MAX_TEXT_BYTES = (768 - 16) // _PADDING_BYTES * _PADDING_BYTES
_TOKEN, _DEVICE = "t", "d"


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session, as it stands in handles.

    :param kind: whether ``anchor`` is an access token or the id of a device.
    """

    kind: str
    user_id: str
    anchor: str

    def __repr__(self) -> str:
        return f"Session({self.user_id})"

    @property
    def key(self) -> bytes:
        """A digest, by which limits and caches know the session."""
        return hashlib.sha256(f"{self.kind} {self.user_id} {self.anchor}".encode()).digest()[:16]

    @property
    def fits(self) -> bool:
        """Whether the handle is short enough for a link."""
        is_long_token = self.kind == _TOKEN and len(self.anchor) > _MAX_SEALED_TOKEN_LENGTH
        return not is_long_token and len(self._text) <= _MAX_TEXT_BYTES

    @property
    def _text(self) -> bytes:
        return json.dumps([self.kind, self.user_id, self.anchor], separators=(",", ":")).encode()

    def seal(self, keyring: Keyring) -> str:
        """Returns the handle that identifies this session in links."""
        text = self._text
        return keyring.seal(text.ljust(-(-len(text) // _PADDING_BYTES) * _PADDING_BYTES))

    @classmethod
    def unseal(cls, keyring: Keyring, key_id: str, handle: str) -> "Session":
        """Decrypts and parses a handle.

        :raises InvalidSignature: if the handle is not one that ``seal`` returned.
        """
        try:
            kind, user_id, anchor = json.loads(keyring.open(key_id, handle))
        except (ValueError, TypeError) as error:
            raise InvalidSignature from error
        # The module's handles have other kinds; it may have the same secret.
        if kind not in (_TOKEN, _DEVICE) or not isinstance(user_id, str) or not isinstance(anchor, str):
            raise InvalidSignature
        return cls(kind, user_id, anchor)


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that requests media, as the homeserver and the limits know it.

    :param token: of its session.
    :param address: its address; empty if it is unknown.
    :param session_key: by which limits know the session.
    """

    token: str
    address: str = ""
    session_key: bytes = b""

    def __repr__(self) -> str:
        return "Caller()"


class Sessions:
    """Identifies sessions by their tokens, and finds the token of a session."""

    def __init__(self, homeserver: Homeserver, store: TokenStore, is_stored: bool) -> None:
        self._homeserver = homeserver
        self._store = store
        self._is_stored = is_stored
        self._identities: TimeLimitedCache[str, Identity] = TimeLimitedCache(TOKEN_PROOF_MS)

    async def of(self, token: str, address: str = "") -> Session:
        """Returns the session of a token that the homeserver accepts.

        :param address: of the client.
        :raises MatrixError: the homeserver's own, if it does not; 403 if no link has room for the session.
        """
        identity = await self.prove(token, address)
        session = Session(_TOKEN, identity.user_id, token)
        if identity.device_id and (self._is_stored or not session.fits):
            session = Session(_DEVICE, identity.user_id, identity.device_id)
        if not session.fits:
            raise session_ended()
        if session.kind == _DEVICE:
            await self._store.put(identity.user_id, identity.device_id, token)
        return session

    async def prove(self, token: str, address: str = "") -> Identity:
        """Returns whose a token is, which the homeserver has said within the last two seconds.

        :raises MatrixError: the homeserver's own, if it does not accept the token.
        """
        return await self._identities.get(token, lambda: self._homeserver.whoami(token, address))

    async def prove_alive(self, caller: Caller) -> None:
        """Has the homeserver confirm a caller's token, as ``prove`` does.

        :raises MatrixError: as a link responds with it: 403 if the homeserver does not accept the token any more.
        """
        try:
            await self.prove(caller.token, caller.address)
        except MatrixError as error:
            raise session_ended() if error.status in (401, 403) else error from None

    async def caller(self, session: Session, address: str) -> Caller:
        """Returns a client of a session, with the token by which its media are requested.

        :param address: of the client.
        :raises MatrixError: 403 if none is known.
        """
        token = session.anchor if session.kind == _TOKEN else await self._store.get(session.user_id, session.anchor)
        if token is None:
            raise session_ended()
        return Caller(token, address, session.key)

    async def newer_caller(self, session: Session, refused: Caller) -> Caller | None:
        """Returns the same client with a newer token than one that was refused, if another process was shown one."""
        if session.kind != _DEVICE:
            return None
        token = await self._store.get(session.user_id, session.anchor, from_memory=False)
        return Caller(token, refused.address, session.key) if token and token != refused.token else None
