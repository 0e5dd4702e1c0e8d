"""The baseline ``signed_query``: a client computes by itself what opens media for a while, without asking anybody.

Proposed in https://github.com/matrix-org/matrix-spec/issues/1949: the query says which access token and what time, and
has a hash of both. The hash is an HMAC-SHA256 (https://www.rfc-editor.org/rfc/rfc2104) of the time, with the access
token as its key. As it was proposed, it does not cover the media: one query opens everything the session may read.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import hmac
import re
from base64 import urlsafe_b64encode

from synapse.api.errors import Codes, SynapseError
from synapse.http.servlet import parse_string
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer

from .config import MediaLinksConfig
from .delivery import Delivery
from .requests import NAMES, asked_media, path
from .serving import Grant, MediaServlet
from .sessions import Anchor, Session, Sessions, padded, token_digest
from .signing import PREFIX, LinkAltered

QUERY_PREFIX = f"{PREFIX}/query/"
QUERY_EXPIRED = "DEV.AUTHMEDIA.QUERY_EXPIRED"

_PURPOSE = "token id"
_TIME = re.compile("[1-9][0-9]{0,15}")


class QueryOffer:
    """What a client has to know before it can compute a query."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._clock = hs.get_clock()
        self._config = config

    def to(self, requester: Requester) -> JsonDict | None:
        """The offer to a session, or nothing where Synapse keeps no access token of it (application services)."""
        if requester.access_token_id is None:
            return None
        return {
            "token_id": self._config.keyring.seal_token(padded(requester.access_token_id), _PURPOSE),
            "window_ms": self._config.signed_query_window_ms,
            "now_ms": self._clock.time_msec(),
        }


class QueryServlet(MediaServlet):
    """``GET query/{serverName}/{mediaId}?token_id=&time=&h=``: a media, or a thumbnail of it."""

    PATTERNS = path("query/" + NAMES)

    def __init__(self, hs: HomeServer, delivery: Delivery, sessions: Sessions, config: MediaLinksConfig) -> None:
        super().__init__(hs, delivery)
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._sessions = sessions
        self._keyring = config.keyring
        self._window_ms = config.signed_query_window_ms

    async def _admit(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        token_id = parse_string(request, "token_id", required=True)
        time = parse_string(request, "time", required=True)
        given = parse_string(request, "h", required=True)
        if not _TIME.fullmatch(time):
            raise SynapseError(400, "'time' must be in milliseconds since 1970", Codes.INVALID_PARAM)
        media = asked_media(request, server_name, media_id)
        await self._check(token_id, time, given)
        # Last, so that nobody learns from the answer whether a made-up query was made of real parts.
        left_ms = self._left_ms(int(time))
        return Grant(media, {b"Cache-Control": f"private, max-age={left_ms // 1000}".encode()})

    async def _check(self, token_id: str, time: str, given: str) -> None:
        refusal = SynapseError(403, "This is not a query that can be used here", Codes.FORBIDDEN)
        try:
            row_id = int(self._keyring.open_token(token_id, _PURPOSE))
        except LinkAltered:
            raise refusal from None
        # Each time and not from a cache: a query dies with the very request that ends its access token.
        row = await self._store.db_pool.simple_select_one(
            table="access_tokens",
            keyvalues={"id": row_id},
            retcols=("token", "user_id", "puppets_user_id"),
            allow_none=True,
            desc="media_links_query_token",
        )
        if row is None:
            raise refusal
        access_token, user_id, puppets_user_id = row
        if not hmac.compare_digest(signature(access_token, time).encode(), given.encode()):
            raise refusal
        session = Session(puppets_user_id or user_id, Anchor.TOKEN, str(row_id), token_digest(access_token))
        if not await self._sessions.is_alive(session):
            raise refusal

    def _left_ms(self, time_ms: int) -> int:
        now_ms = self._clock.time_msec()
        if abs(now_ms - time_ms) > self._window_ms:
            raise SynapseError(403, "The time in this query is too long ago, or yet to come", QUERY_EXPIRED)
        return time_ms + self._window_ms - now_ms


def signature(access_token: str, time: str) -> str:
    """The hash that a client computes for a time in milliseconds, as it is written in the query."""
    return urlsafe_b64encode(hmac.digest(access_token.encode(), time.encode(), "sha256")).decode().rstrip("=")
