"""What all links of a session have in common, whoever signs them: session, expiry, base URL and client address."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from dataclasses import dataclass

from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer

from media_protocol.signing import bucketed_expiry_ms, is_server_name

from .config import MediaLinksConfig
from .request_parsing import client_address
from .sessions import Sessions


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """The terms of links that are made now.

    :param session: the handle of the session.
    :param now_ms: in milliseconds since 1970, as is the expiry.
    :param bucket_end_ms: when links made anew begin to expire later.
    :param base_url: scheme and host of the links, and the path under which clients see this homeserver.
    :param address: the client's, where links are bound to it.
    """

    session: str
    now_ms: int
    expires_ms: int
    bucket_end_ms: int
    base_url: str
    address: str | None

    @property
    def expiry(self) -> JsonDict:
        """The expiry as responses have it: the remaining time too, for clients whose clock differs from this one."""
        return {"expires_ts": self.expires_ms, "expires_in_ms": self.expires_ms - self.now_ms}


class LinkTermsReader:
    """Determines the terms of the links that a request is for."""

    def __init__(self, hs: HomeServer, sessions: Sessions, config: MediaLinksConfig) -> None:
        self._clock = hs.get_clock()
        self._sessions = sessions
        self._public_url = (hs.config.server.public_baseurl or "").rstrip("/")
        self._config = config

    async def read(self, request: SynapseRequest, requester: Requester, *, fresh: bool = False) -> LinkTerms:
        """Returns the terms for a request with an access token.

        :param fresh: whether the links have to be new to any cache, rather than those of the current time bucket.
        :raises SynapseError: 403 for a session that cannot have links.
        """
        open_session = await self._sessions.of(requester)
        session = open_session.session.seal(self._config.keyring)
        now_ms = self._clock.time_msec()
        lifetime_ms = self._config.lifetime_ms
        expires_ms = bucketed_expiry_ms(now_ms, lifetime_ms, 1 if fresh else self._config.bucket_ms, session)
        return LinkTerms(
            session,
            now_ms,
            open_session.cap(expires_ms),
            expires_ms - lifetime_ms,
            self._base_url(request),
            client_address(request) if self._config.bind_ip else None,
        )

    def _base_url(self, request: SynapseRequest) -> str:
        """Returns scheme and host of links: the configured ones, or those that the client has sent its request to."""
        if self._config.base_url:
            return self._config.base_url
        host = (request.getHeader(b"Host") or b"").decode("ascii", errors="replace")
        if not is_server_name(host):
            return self._public_url
        return f"{'https' if request.isSecure() else 'http'}://{host}"
