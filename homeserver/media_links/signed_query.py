"""The baseline ``signed_query``: a client signs media URLs itself, with its access token, without a request.

Proposed in https://github.com/matrix-org/matrix-spec/issues/1949: the query names an access token and a time, and has a
hash of both. The hash is an HMAC-SHA256 (https://www.rfc-editor.org/rfc/rfc2104) of the time, with the access token as
its key. As proposed, it does not cover the media: one query is valid for all media that the session may read.
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

from media_protocol.signing import PREFIX, InvalidSignature

from .config import MediaLinksConfig
from .media_response import MediaResponder
from .media_servlet import Grant, MediaServlet
from .request_parsing import MEDIA_PATH, media_from_query, path_pattern
from .sessions import Anchor, Session, Sessions, padded, token_digest

QUERY_PREFIX = f"{PREFIX}/query/"
QUERY_EXPIRED = "DEV.AUTHMEDIA.QUERY_EXPIRED"

_PURPOSE = "token id"
_TIME = re.compile("[1-9][0-9]{0,15}")


class QueryOffer:
    """Tells clients what they need to compute a query."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._clock = hs.get_clock()
        self._config = config

    def for_session(self, requester: Requester) -> JsonDict | None:
        """Returns the parameters for a session; ``None`` if its access token is not in Synapse's database."""
        if requester.access_token_id is None:
            return None
        return {
            "token_id": self._config.keyring.seal_token(padded(requester.access_token_id), _PURPOSE),
            "window_ms": self._config.signed_query_window_ms,
            "now_ms": self._clock.time_msec(),
        }


class QueryServlet(MediaServlet):
    """``GET query/{serverName}/{mediaId}?token_id=&time=&h=``: a media, or a thumbnail of it, by a signed query."""

    PATTERNS = path_pattern("query/" + MEDIA_PATH)

    def __init__(self, hs: HomeServer, responder: MediaResponder, sessions: Sessions, config: MediaLinksConfig) -> None:
        super().__init__(hs, responder)
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._sessions = sessions
        self._keyring = config.keyring
        self._window_ms = config.signed_query_window_ms

    async def _authorize(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        token_id = parse_string(request, "token_id", required=True)
        time = parse_string(request, "time", required=True)
        received_hash = parse_string(request, "h", required=True)
        if not _TIME.fullmatch(time):
            raise SynapseError(400, "'time' must be in milliseconds since 1970", Codes.INVALID_PARAM)
        media = media_from_query(request, server_name, media_id)
        session = await self._verify(token_id, time, received_hash)
        # Last, so that the response does not reveal whether a part of a forged query is valid.
        remaining_ms = self._remaining_ms(int(time))
        cache_control = f"private, max-age={remaining_ms // 1000}".encode()
        return Grant(media, session, {b"Cache-Control": cache_control}, remaining_ms)

    async def _verify(self, token_id: str, time: str, received_hash: str) -> Session:
        invalid = SynapseError(403, "This is not a query that can be used here", Codes.FORBIDDEN)
        try:
            row_id = int(self._keyring.open_token(token_id, _PURPOSE))
        except InvalidSignature:
            raise invalid from None
        # Not cached, so that a query is invalid as soon as its access token is.
        row = await self._store.db_pool.simple_select_one(
            table="access_tokens",
            keyvalues={"id": row_id},
            retcols=("token", "user_id", "puppets_user_id"),
            allow_none=True,
            desc="media_links_query_token",
        )
        if row is None:
            raise invalid
        access_token, user_id, puppets_user_id = row
        if not hmac.compare_digest(query_hash(access_token, time).encode(), received_hash.encode()):
            raise invalid
        session = Session(puppets_user_id or user_id, Anchor.TOKEN, str(row_id), token_digest(access_token))
        if not await self._sessions.is_alive(session):
            raise invalid
        return session

    def _remaining_ms(self, time_ms: int) -> int:
        now_ms = self._clock.time_msec()
        if abs(now_ms - time_ms) > self._window_ms:
            raise SynapseError(403, "The time in this query is too long ago, or yet to come", QUERY_EXPIRED)
        return time_ms + self._window_ms - now_ms


def query_hash(access_token: str, time: str) -> str:
    """Returns the hash that the client computes.

    :param time: in milliseconds since 1970, in digits as in the query.
    """
    return urlsafe_b64encode(hmac.digest(access_token.encode(), time.encode(), "sha256")).decode().rstrip("=")
