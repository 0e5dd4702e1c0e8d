"""The HTTP interface, under an unstable prefix of the client-server API.

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

from .bundle import BundleServlet
from .config import MediaLinksConfig
from .cookie import CookieMediaServlet, CookiePictureServlet, CookieServlet, Tickets
from .delivery import Delivery
from .requests import NAMES, Authenticator, asked_thumbnail, client_address, named, path, wants_fresh, wishes
from .serving import Grant, MediaServlet
from .sessions import Session, Sessions
from .signed_query import QueryOffer, QueryServlet
from .signing import Link, LinkExpired, LinkRefused, Media, expiry, valid_server_name

LINK_EXPIRED = "DEV.AUTHMEDIA.LINK_EXPIRED"


class Minter:
    """Makes links for whoever has shown an access token."""

    def __init__(self, hs: HomeServer, sessions: Sessions, config: MediaLinksConfig) -> None:
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._sessions = sessions
        self._is_mine = hs.is_mine_server_name
        self._public_url = (hs.config.server.public_baseurl or "").rstrip("/")
        self._limit = Ratelimiter(self._store, self._clock, config.rc_links)
        self._config = config

    async def mint(
        self, request: SynapseRequest, requester: Requester, wanted: list[Media | SynapseError], *, fresh: bool = False
    ) -> list[JsonDict]:
        """A link, or an error, for each wish.

        :param fresh: whether they are to be links that no cache knows yet, instead of the same all bucket long.
        """
        await self._limit.ratelimit(requester)
        open_session = await self._sessions.of(requester)
        session = open_session.session.seal(self._config.keyring)
        now_ms = self._clock.time_msec()
        bucket_ms = 1 if fresh else self._config.bucket_ms
        expires_ms = open_session.cap(expiry(now_ms, self._config.lifetime_ms, bucket_ms, session))
        base = self._base_url(request)
        address = client_address(request) if self._config.bind_ip else None
        missing = await self._missing(wanted)
        # Also as time that is left, for clients whose clock is another than ours.
        ends = {"expires_ts": expires_ms, "expires_in_ms": expires_ms - now_ms}
        return [self._entry(media, missing, base, ends, session, address) for media in wanted]

    def _entry(
        self,
        media: Media | SynapseError,
        missing: set[str],
        base: str,
        ends: JsonDict,
        session: str,
        address: str | None,
    ) -> JsonDict:
        if isinstance(media, Media) and self._is_mine(media.server_name) and media.media_id in missing:
            media = NotFoundError("There is no such media here")
        if isinstance(media, SynapseError):
            return media.error_dict(None)
        keyring = self._config.keyring
        signed = keyring.sign(Link(keyring.signing_id, media, ends["expires_ts"], session), address)
        return {"url": base + signed, **ends}

    async def _missing(self, wanted: list[Media | SynapseError]) -> set[str]:
        """Those of our own media that do not exist or are quarantined; one query for every hundred."""
        local = {media.media_id for media in wanted if isinstance(media, Media) and self._is_mine(media.server_name)}
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

    def _base_url(self, request: SynapseRequest) -> str:
        """Scheme and host as the client knows them: those that its request came to."""
        if self._config.base_url:
            return self._config.base_url
        host = (request.getHeader(b"Host") or b"").decode("ascii", errors="replace")
        if not valid_server_name(host):
            return self._public_url
        return f"{'https' if request.isSecure() else 'http'}://{host}"


class LinksServlet(RestServlet):
    """``POST links``: many links in one request."""

    PATTERNS = path("links")

    def __init__(self, authenticator: Authenticator, minter: Minter, config: MediaLinksConfig) -> None:
        self._authenticator = authenticator
        self._minter = minter
        self._most = config.batch_limit

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers in the order of the wishes; a bad one fails alone."""
        requester = await self._authenticator.authenticate(request)
        body = parse_json_object_from_request(request)
        wanted = wishes(body, self._most)
        return 200, {"links": await self._minter.mint(request, requester, wanted, fresh=wants_fresh(body))}


class LinkServlet(RestServlet):
    """``GET link/{serverName}/{mediaId}``: one link."""

    PATTERNS = path("link/" + NAMES)

    def __init__(self, authenticator: Authenticator, minter: Minter) -> None:
        self._authenticator = authenticator
        self._minter = minter

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with one link, or with the error that a batch would carry in its place."""
        requester = await self._authenticator.authenticate(request)
        return await self._one(request, requester, named(server_name, media_id))

    async def _one(self, request: SynapseRequest, requester: Requester, media: Media) -> tuple[int, JsonDict]:
        (entry,) = await self._minter.mint(request, requester, [media])
        return (200 if "url" in entry else 404), entry


class ThumbnailLinkServlet(LinkServlet):
    """``GET link/thumbnail/{serverName}/{mediaId}``: one link to a thumbnail.

    The parameters are those of Matrix's own thumbnail endpoint. The path has one part more than a plain link's, so
    neither can be taken for the other, whatever a server or a media is called.
    """

    PATTERNS = path("link/thumbnail/" + NAMES)

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with one link, or with the error that a batch would carry in its place."""
        requester = await self._authenticator.authenticate(request)
        media = named(server_name, media_id)
        return await self._one(request, requester, replace(media, thumbnail=asked_thumbnail(request)))


class ConfigServlet(RestServlet):
    """``GET config``: what this server offers."""

    PATTERNS = path("config")

    def __init__(self, hs: HomeServer, authenticator: Authenticator, config: MediaLinksConfig) -> None:
        self._authenticator = authenticator
        self._query_offer = QueryOffer(hs, config) if config.signed_query else None
        self._offer: JsonDict = {
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
        """Answers to any signed-in client."""
        requester = await self._authenticator.authenticate(request)
        if self._query_offer is None:
            return 200, self._offer
        return 200, {**self._offer, "signed_query": self._query_offer.to(requester)}


class SignedServlet(MediaServlet):
    """``GET signed/{serverName}/{mediaId}?…``: the media behind a link, for whoever holds the link."""

    PATTERNS = path("signed/" + NAMES)

    def __init__(self, hs: HomeServer, delivery: Delivery, sessions: Sessions, config: MediaLinksConfig) -> None:
        super().__init__(hs, delivery)
        self._clock = hs.get_clock()
        self._sessions = sessions
        self._keyring = config.keyring
        self._bind_ip = config.bind_ip

    async def _admit(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        """Checks the link, never the path's own names: those are signed, and compared, as part of it."""
        address = client_address(request) if self._bind_ip else None
        try:
            link = self._keyring.verify(request.uri, self._clock.time_msec(), address)
            session = Session.unseal(self._keyring, link.key_id, link.session)
        except LinkExpired:
            raise SynapseError(403, "This link has expired; ask for a new one", LINK_EXPIRED) from None
        except LinkRefused:
            raise SynapseError(403, "This is not a link that can be used here", Codes.FORBIDDEN) from None
        if not await self._sessions.is_alive(session):
            raise SynapseError(403, "The session that this link belongs to has ended", Codes.FORBIDDEN)
        left_s = max(0, link.expires_ms - self._clock.time_msec()) // 1000
        return Grant(link.media, {b"Cache-Control": f"private, max-age={left_s}, immutable".encode()})


class Endpoints:
    """All that this process can serve, made once: each of its listeners has the same, and counts into one limit."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._hs = hs
        self._config = config

    def register(self, http_server: HttpServer) -> None:
        """Adds them to one listener."""
        for servlet in self._servlets:
            servlet.register(http_server)

    @cached_property
    def _servlets(self) -> list[RestServlet]:
        """Made when the first listener is: while Synapse constructs its modules, there is no media repository yet."""
        hs, config = self._hs, self._config
        authenticator = Authenticator(hs)
        sessions = Sessions(hs)
        minter = Minter(hs, sessions, config)
        servlets: list[RestServlet] = [
            LinksServlet(authenticator, minter, config),
            LinkServlet(authenticator, minter),
            ThumbnailLinkServlet(authenticator, minter),
            ConfigServlet(hs, authenticator, config),
        ]
        if config.cookie:
            servlets.append(CookieServlet(hs, authenticator, sessions, config))
        if hs.config.media.can_load_media_repo:
            servlets += _media_servlets(hs, authenticator, sessions, config)
        return servlets


def _media_servlets(
    hs: HomeServer, authenticator: Authenticator, sessions: Sessions, config: MediaLinksConfig
) -> list[RestServlet]:
    """What sends media, by whichever proof."""
    delivery = Delivery(hs)
    servlets: list[RestServlet] = [
        BundleServlet(hs, authenticator, delivery, config),
        SignedServlet(hs, delivery, sessions, config),
    ]
    if config.cookie:
        tickets = Tickets(hs, sessions, config.keyring)
        servlets += [CookieMediaServlet(hs, delivery, tickets), CookiePictureServlet(tickets)]
    if config.signed_query:
        servlets.append(QueryServlet(hs, delivery, sessions, config))
    return servlets
