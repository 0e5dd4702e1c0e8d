"""Issues the keys with which pages sign links by themselves. ``media_protocol.delegation`` derives them."""

from synapse.api.errors import SynapseError
from synapse.api.ratelimiting import Ratelimiter
from synapse.http.servlet import RestServlet
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer

from media_protocol.delegation import Delegation

from .config import MediaLinksConfig
from .link_terms import LinkTermsReader
from .request_parsing import Authenticator, path_pattern


class KeyIssuer:
    """Derives the key of a session for the current bucket of time."""

    def __init__(self, terms: LinkTermsReader, config: MediaLinksConfig) -> None:
        self._terms = terms
        self._keyring = config.keyring

    async def issue(self, request: SynapseRequest, requester: Requester) -> JsonDict:
        """Returns the key, and what the page needs to write links that the server accepts.

        :raises SynapseError: 403 for a session that cannot have links.
        """
        terms = await self._terms.read(request, requester)
        key_id = self._keyring.signing_key_id
        delegation = Delegation(key_id, terms.session, terms.expires_ms, terms.address)
        return {
            "key": delegation.derive_key(self._keyring).hex(),
            "key_id": key_id,
            "session": terms.session,
            **terms.expiry,
            "renew_in_ms": min(terms.bucket_end_ms, terms.expires_ms) - terms.now_ms,
            "now_ts": terms.now_ms,
            "base_url": terms.base_url,
        }

    async def offer(self, request: SynapseRequest, requester: Requester) -> JsonDict | None:
        """Returns the same, or ``None`` for a session that cannot have links."""
        try:
            return await self.issue(request, requester)
        except SynapseError as error:
            if error.code != 403:
                raise
            return None


class KeyServlet(RestServlet):
    """``POST key``: the key with which the page signs links by itself until the bucket ends."""

    PATTERNS = path_pattern("key")

    def __init__(
        self, hs: HomeServer, authenticator: Authenticator, issuer: KeyIssuer, config: MediaLinksConfig
    ) -> None:
        self._authenticator = authenticator
        self._issuer = issuer
        self._rate_limit = Ratelimiter(hs.get_datastores().main, hs.get_clock(), config.rc_links)

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers with the key of the session of the access token. The request's body has no meaning."""
        requester = await self._authenticator.authenticate(request)
        await self._rate_limit.ratelimit(requester)
        return 200, await self._issuer.issue(request, requester)
