"""The endpoints, under an unstable prefix of the client-server API.

Errors are Matrix errors (https://spec.matrix.org/v1.16/client-server-api/#standard-error-response).
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from dataclasses import replace
from functools import cached_property

from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.api.ratelimiting import Ratelimiter
from synapse.http.server import HttpServer
from synapse.http.servlet import RestServlet, parse_json_object_from_request
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer

from media_protocol.delegation import DelegatedLink, is_delegated, verify_delegated
from media_protocol.media_requests import PROBE_ID, received_parameters
from media_protocol.signing import ExpiredLink, InvalidLink, InvalidSignature, Link, Media

from .body_producer import FileSender
from .bundle import BundleServlet
from .byte_budget import ByteBudget
from .config import MediaLinksConfig
from .cookie import CookieMediaServlet, CookieProbeServlet, CookieReader, CookieServlet
from .delegated_keys import KeyIssuer, KeyServlet
from .link_terms import LinkTerms, LinkTermsReader
from .media_opener import MediaOpener
from .media_response import MediaResponder
from .media_servlet import Grant, MediaServlet
from .metrics import LINKS, count_responses
from .offload import Offload
from .request_parsing import (
    MEDIA_PATH,
    Authenticator,
    client_address,
    media_from_path,
    parse_batch,
    parse_flag,
    path_pattern,
    thumbnail_from_query,
)
from .sessions import Session, Sessions
from .signed_query import QueryOffer, QueryServlet

LINK_EXPIRED = "DEV.AUTHMEDIA.LINK_EXPIRED"


class LinkMinter:
    """Mints links for clients that are authenticated by an access token."""

    def __init__(self, hs: HomeServer, terms: LinkTermsReader, config: MediaLinksConfig) -> None:
        self._store = hs.get_datastores().main
        self._terms = terms
        self._server_name = hs.hostname
        self._is_mine = hs.is_mine_server_name
        #: No media, of which links are minted all the same.
        self.probe = Media(hs.hostname, PROBE_ID)
        self._rate_limit = Ratelimiter(self._store, hs.get_clock(), config.rc_links)
        self._keyring = config.keyring

    async def mint(
        self, request: SynapseRequest, requester: Requester, batch: list[Media | SynapseError], *, fresh: bool = False
    ) -> list[JsonDict]:
        """Returns a link or an error for each entry of a batch, in its order.

        :param fresh: whether to mint new URLs, which are in no cache, instead of those of the current time bucket.
        :raises SynapseError: 429 beyond the rate limit, 403 for a session that cannot have links.
        """
        await self._rate_limit.ratelimit(requester)
        terms = await self._terms.read(request, requester, fresh=fresh)
        unavailable = await self._unavailable(batch)
        links = [self._link_or_error(media, unavailable, terms) for media in batch]
        LINKS.labels(self._server_name).inc(sum("url" in link for link in links))
        return links

    def _link_or_error(self, media: Media | SynapseError, unavailable: set[str], terms: LinkTerms) -> JsonDict:
        if isinstance(media, Media) and self._is_mine(media.server_name) and media.media_id in unavailable:
            media = NotFoundError("There is no such media here")
        if isinstance(media, SynapseError):
            return media.error_dict(None)
        link = Link(self._keyring.signing_key_id, media, terms.expires_ms, terms.session)
        return {"url": terms.base_url + self._keyring.sign(link, terms.address), **terms.expiry}

    async def _unavailable(self, batch: list[Media | SynapseError]) -> set[str]:
        """Returns the ids of local media that do not exist or are quarantined, with one query for every hundred."""
        local = {media.media_id for media in batch if isinstance(media, Media) and self._is_mine(media.server_name)}
        local.discard(PROBE_ID)
        if not local:
            return set()
        rows = await self._store.db_pool.simple_select_many_batch(
            table="local_media_repository",
            column="media_id",
            iterable=local,
            retcols=("media_id", "quarantined_by"),
            desc="media_links_missing",
        )
        return local - {media_id for media_id, quarantined_by in rows if not quarantined_by}


class LinksServlet(RestServlet):
    """``POST links``: mints many links in one request."""

    PATTERNS = path_pattern("links")

    def __init__(self, authenticator: Authenticator, minter: LinkMinter, config: MediaLinksConfig) -> None:
        self._authenticator = authenticator
        self._minter = minter
        self._batch_limit = config.batch_limit

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers with a link or an error for each entry, in their order, and with one to try links by if requested."""
        requester = await self._authenticator.authenticate(request)
        body = parse_json_object_from_request(request)
        batch = parse_batch(body, self._batch_limit)
        fresh = parse_flag(body, "fresh")
        if not parse_flag(body, "probe"):
            return 200, {"links": await self._minter.mint(request, requester, batch, fresh=fresh)}
        *links, probe = await self._minter.mint(request, requester, [*batch, self._minter.probe], fresh=fresh)
        return 200, {"links": links, "probe": probe}


class LinkServlet(RestServlet):
    """``GET link/{serverName}/{mediaId}``: mints one link."""

    PATTERNS = path_pattern("link/" + MEDIA_PATH)

    def __init__(self, authenticator: Authenticator, minter: LinkMinter) -> None:
        self._authenticator = authenticator
        self._minter = minter

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with a link, or with the error that a batch would contain in its place."""
        requester = await self._authenticator.authenticate(request)
        return await self._mint_one(request, requester, media_from_path(server_name, media_id))

    async def _mint_one(self, request: SynapseRequest, requester: Requester, media: Media) -> tuple[int, JsonDict]:
        (entry,) = await self._minter.mint(request, requester, [media])
        return (200 if "url" in entry else 404), entry


class ThumbnailLinkServlet(LinkServlet):
    """``GET link/thumbnail/{serverName}/{mediaId}``: mints one link to a thumbnail.

    The parameters are those of Matrix's own thumbnail endpoint. The path has one segment more than that of
    ``LinkServlet``, so it is unambiguous for every server name and media id.
    """

    PATTERNS = path_pattern("link/thumbnail/" + MEDIA_PATH)

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with a link, or with the error that a batch would contain in its place."""
        requester = await self._authenticator.authenticate(request)
        media = media_from_path(server_name, media_id)
        return await self._mint_one(request, requester, replace(media, thumbnail=thumbnail_from_query(request)))


class ConfigServlet(RestServlet):
    """``GET config``: the server's limits, which baselines are enabled, and the session's delegated key."""

    PATTERNS = path_pattern("config")

    def __init__(
        self, hs: HomeServer, authenticator: Authenticator, key_issuer: KeyIssuer, config: MediaLinksConfig
    ) -> None:
        self._authenticator = authenticator
        self._key_issuer = key_issuer if config.delegated else None
        self._query_offer = QueryOffer(hs, config) if config.signed_query else None
        self._config: JsonDict = {
            "batch_limit": config.batch_limit,
            "lifetime_ms": config.lifetime_ms,
            "bucket_ms": config.bucket_ms,
            "bind_ip": config.bind_ip,
            "bundle": {
                "limit": config.bundle_limit,
                "part_bytes": config.bundle_part_bytes,
                "bytes": config.bundle_bytes,
            },
            "baselines": {"cookie": config.cookie, "signed_query": config.signed_query},
        }

    async def on_GET(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers any authenticated client. No cache may store the response: it contains a key."""
        requester = await self._authenticator.authenticate(request)
        answer = dict(self._config)
        if self._key_issuer:
            answer["delegated"] = await self._key_issuer.offer(request, requester)
        if self._query_offer:
            answer["signed_query"] = self._query_offer.for_session(requester)
        return 200, answer


class SignedMediaServlet(MediaServlet):
    """``GET signed/{serverName}/{mediaId}?…``: the media that a link grants, to any client that has the link.

    The server or the page has signed it. For all else, both kinds of links are the same.
    """

    PATTERNS = path_pattern("signed/" + MEDIA_PATH)

    def __init__(self, hs: HomeServer, responder: MediaResponder, sessions: Sessions, config: MediaLinksConfig) -> None:
        super().__init__(hs, responder)
        self._clock = hs.get_clock()
        self._sessions = sessions
        self._keyring = config.keyring
        self._bind_ip = config.bind_ip
        self._delegated = config.delegated

    async def _authorize(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant | None:
        """Verifies the link as a whole. The names in the path are part of what is signed."""
        address = client_address(request) if self._bind_ip else None
        try:
            verified = self._verify(request.uri, address)
            link = verified.link
            session = Session.unseal(self._keyring, link.key_id, link.session)
        except ExpiredLink:
            raise SynapseError(403, "This link has expired; ask for a new one", LINK_EXPIRED) from None
        except InvalidLink:
            message = "This is not a link that can be used here"
            received = {"query": received_parameters(request.uri.decode("latin-1"))} if media_id == PROBE_ID else None
            raise SynapseError(403, message, Codes.FORBIDDEN, additional_fields=received) from None
        if not await self._sessions.is_alive(session):
            raise SynapseError(403, "The session that this link belongs to has ended", Codes.FORBIDDEN)
        if link.media.media_id == PROBE_ID:
            return None
        remaining_ms = max(0, link.expires_ms - self._clock.time_msec())
        cache_control = f"private, max-age={remaining_ms // 1000}, immutable".encode()
        return Grant(link.media, session, {b"Cache-Control": cache_control}, remaining_ms)

    def _verify(self, uri: bytes, address: str | None) -> DelegatedLink:
        """Verifies a link, whether this server or a page has signed it."""
        now_ms = self._clock.time_msec()
        if not is_delegated(uri):
            return DelegatedLink(self._keyring.verify(uri, now_ms, address))
        if not self._delegated:
            raise InvalidSignature
        return verify_delegated(self._keyring, uri, now_ms, address)


class Endpoints:
    """The servlets of this process. All of its listeners share them, and so their rate limits."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._hs = hs
        self._config = config

    def register(self, http_server: HttpServer) -> None:
        """Registers the servlets with one listener."""
        for servlet in self._servlets:
            servlet.register(http_server)

    @cached_property
    def _servlets(self) -> list[RestServlet]:
        """Created with the first listener: Synapse creates its media repository after its modules."""
        hs, config = self._hs, self._config
        authenticator = Authenticator(hs)
        sessions = Sessions(hs)
        terms = LinkTermsReader(hs, sessions, config)
        minter = LinkMinter(hs, terms, config)
        key_issuer = KeyIssuer(terms, config)
        servlets: list[RestServlet] = [
            LinksServlet(authenticator, minter, config),
            LinkServlet(authenticator, minter),
            ThumbnailLinkServlet(authenticator, minter),
            ConfigServlet(hs, authenticator, key_issuer, config),
        ]
        if config.delegated:
            servlets.append(KeyServlet(hs, authenticator, key_issuer, config))
        if config.cookie:
            servlets.append(CookieServlet(hs, authenticator, sessions, config))
        if hs.config.media.can_load_media_repo:
            servlets += _media_servlets(hs, authenticator, sessions, config)
        count_responses(servlets, hs.hostname)
        return servlets


def _media_servlets(
    hs: HomeServer, authenticator: Authenticator, sessions: Sessions, config: MediaLinksConfig
) -> list[RestServlet]:
    """Returns the servlets that send media, which need the media repository."""
    opener = MediaOpener(hs)
    file_sender = FileSender(hs.get_reactor(), hs.get_clock(), hs.get_media_sender_thread_pool())
    byte_budget = ByteBudget(hs.get_clock(), config.session_bytes_per_hour)
    responder = MediaResponder(opener, file_sender, byte_budget, Offload(hs, config) if config.offload else None)
    servlets: list[RestServlet] = [
        BundleServlet(hs, authenticator, opener, file_sender, config),
        SignedMediaServlet(hs, responder, sessions, config),
    ]
    if config.cookie:
        reader = CookieReader(hs, sessions, config.keyring)
        servlets += [CookieMediaServlet(hs, responder, reader), CookieProbeServlet(reader)]
    if config.signed_query:
        servlets.append(QueryServlet(hs, responder, sessions, config))
    return servlets
