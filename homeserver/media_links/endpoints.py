"""The HTTP interface, under an unstable prefix of the client-server API.

Errors are Matrix errors (https://spec.matrix.org/v1.16/client-server-api/#standard-error-response).
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.api.ratelimiting import Ratelimiter
from synapse.http.server import HttpServer, set_corp_headers, set_cors_headers
from synapse.http.servlet import (
    RestServlet,
    parse_boolean,
    parse_integer,
    parse_json_object_from_request,
    parse_string,
)
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer

from . import pages
from .config import MediaLinksConfig
from .delivery import Delivery, clear_media_headers
from .sessions import Session, Sessions
from .signing import (
    MAX_THUMBNAIL_SIDE,
    METHODS,
    PREFIX,
    Link,
    LinkExpired,
    LinkRefused,
    Media,
    Thumbnail,
    expiry,
    parse_media,
    parse_mxc,
    valid_server_name,
)

LINK_EXPIRED = "DEV.AUTHMEDIA.LINK_EXPIRED"

_NAMES = "(?P<server_name>[^/]*)/(?P<media_id>[^/]*)"


def _path(rest: str) -> list[re.Pattern[str]]:
    return [re.compile(f"^{re.escape(PREFIX)}/{rest}$")]


class Minter:
    """Makes links for whoever asks with an access token."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._auth = hs.get_auth()
        self._clock = hs.get_clock()
        self._store = hs.get_datastores().main
        self._is_mine = hs.is_mine_server_name
        self._public_url = (hs.config.server.public_baseurl or "").rstrip("/")
        self._limit = Ratelimiter(self._store, self._clock, config.rc_links)
        self._config = config

    async def authenticate(self, request: SynapseRequest) -> Requester:
        """Who asks; and prepares the answer, which nobody may keep."""
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        return await self._auth.get_user_by_req(request, allow_guest=True)

    async def mint(
        self, request: SynapseRequest, requester: Requester, wanted: list[Media | SynapseError]
    ) -> list[JsonDict]:
        """A link, or an error, for each wish."""
        await self._limit.ratelimit(requester)
        session = Session.of(requester).seal(self._config.keyring)
        expires_ms = expiry(self._clock.time_msec(), self._config.lifetime_ms, self._config.bucket_ms, session)
        base = self._base_url(request)
        address = client_address(request) if self._config.bind_ip else None
        missing = await self._missing(wanted)
        return [self._entry(media, missing, base, expires_ms, session, address) for media in wanted]

    def _entry(
        self,
        media: Media | SynapseError,
        missing: set[str],
        base: str,
        expires_ms: int,
        session: str,
        address: str | None,
    ) -> JsonDict:
        if isinstance(media, Media) and self._is_mine(media.server_name) and media.media_id in missing:
            media = NotFoundError("There is no such media here")
        if isinstance(media, SynapseError):
            return media.error_dict(None)
        keyring = self._config.keyring
        path = keyring.sign(Link(keyring.signing_id, media, expires_ms, session), address)
        return {"url": base + path, "expires_ts": expires_ms}

    async def _missing(self, wanted: list[Media | SynapseError]) -> set[str]:
        """Those of our own media that do not exist or are quarantined; one query for all of them."""
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

    PATTERNS = _path("links")

    def __init__(self, minter: Minter, config: MediaLinksConfig) -> None:
        self._minter = minter
        self._most = config.batch_limit

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers in the order of the wishes; a bad one fails alone."""
        requester = await self._minter.authenticate(request)
        entries = parse_json_object_from_request(request).get("media")
        if not isinstance(entries, list):
            raise SynapseError(400, "'media' must be a list", Codes.BAD_JSON)
        if len(entries) > self._most:
            raise SynapseError(413, f"At most {self._most} links can be asked for at once", Codes.TOO_LARGE)
        return 200, {"links": await self._minter.mint(request, requester, [_wish(entry) for entry in entries])}


class LinkServlet(RestServlet):
    """``GET link/{serverName}/{mediaId}``: one link."""

    PATTERNS = _path("link/" + _NAMES)

    def __init__(self, minter: Minter) -> None:
        self._minter = minter

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with one link, or with the error that a batch would carry in its place."""
        requester = await self._minter.authenticate(request)
        return await self._one(request, requester, _named(server_name, media_id))

    async def _one(self, request: SynapseRequest, requester: Requester, media: Media) -> tuple[int, JsonDict]:
        (entry,) = await self._minter.mint(request, requester, [media])
        return (200 if "url" in entry else 404), entry


class ThumbnailLinkServlet(LinkServlet):
    """``GET link/thumbnail/{serverName}/{mediaId}``: one link to a thumbnail.

    The parameters are those of Matrix's own thumbnail endpoint. The path has one part more than a plain link's, so
    neither can be taken for the other, whatever a server or a media is called.
    """

    PATTERNS = _path("link/thumbnail/" + _NAMES)

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> tuple[int, JsonDict]:
        """Answers with one link, or with the error that a batch would carry in its place."""
        requester = await self._minter.authenticate(request)
        media = _named(server_name, media_id)
        thumbnail = _thumbnail(
            {
                "width": parse_integer(request, "width", required=True),
                "height": parse_integer(request, "height", required=True),
                "method": parse_string(request, "method", default="scale"),
                "animated": parse_boolean(request, "animated", default=False),
            }
        )
        return await self._one(request, requester, Media(media.server_name, media.media_id, thumbnail))


class ConfigServlet(RestServlet):
    """``GET config``: what this server offers."""

    PATTERNS = _path("config")

    def __init__(self, minter: Minter, config: MediaLinksConfig) -> None:
        self._minter = minter
        self._offer: JsonDict = {
            "batch_limit": config.batch_limit,
            "lifetime_ms": config.lifetime_ms,
            "bucket_ms": config.bucket_ms,
            "bind_ip": config.bind_ip,
            "baselines": {"cookie": False, "signed_query": False},
        }

    async def on_GET(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Answers to any signed-in client."""
        await self._minter.authenticate(request)
        return 200, self._offer


class SignedServlet(RestServlet):
    """``GET signed/{serverName}/{mediaId}?…``: the media behind a link, for whoever holds the link."""

    PATTERNS = _path("signed/" + _NAMES)

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._clock = hs.get_clock()
        self._sessions = Sessions(hs)
        self._delivery = Delivery(hs)
        self._server_name = hs.hostname
        self._keyring = config.keyring
        self._bind_ip = config.bind_ip

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> None:
        """Answers GET and HEAD; a failure is a Matrix error, or a page where a person is looking."""
        set_cors_headers(request)
        set_corp_headers(request)
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        try:
            link = await self._admit(request)
            await self._delivery.serve(request, link.media, self._cache_control(link))
        except Exception as error:
            if request.startedWriting:
                raise
            clear_media_headers(request)
            if not isinstance(error, SynapseError) or not pages.wants_page(request):
                raise
            pages.show(request, error.code, error.errcode, self._server_name)

    async def _admit(self, request: SynapseRequest) -> Link:
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
        return link

    def _cache_control(self, link: Link) -> str:
        left_s = max(0, link.expires_ms - self._clock.time_msec()) // 1000
        return f"private, max-age={left_s}, immutable"


def register(hs: HomeServer, config: MediaLinksConfig, http_server: HttpServer) -> None:
    """Adds the endpoints that this process can serve."""
    minter = Minter(hs, config)
    LinksServlet(minter, config).register(http_server)
    LinkServlet(minter).register(http_server)
    ThumbnailLinkServlet(minter).register(http_server)
    ConfigServlet(minter, config).register(http_server)
    if hs.config.media.can_load_media_repo:
        SignedServlet(hs, config).register(http_server)


def client_address(request: SynapseRequest) -> str:
    """The client's address as Synapse sees it, which believes ``X-Forwarded-For`` only where it is told to.

    An IPv4 client of a dual-stack socket is the same client as on a plain one.
    """
    text: str = request.getClientAddress().host
    try:
        address = ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _wish(entry: object) -> Media | SynapseError:
    """Reads one entry of a batch."""
    if not isinstance(entry, dict):
        return SynapseError(400, "An entry of 'media' must be an object", Codes.BAD_JSON)
    mxc = entry.get("mxc")
    if not isinstance(mxc, str):
        return SynapseError(400, "'mxc' must be a string", Codes.BAD_JSON)
    media = parse_mxc(mxc)
    if media is None:
        return SynapseError(400, "'mxc' must look like mxc://serverName/mediaId", Codes.INVALID_PARAM)
    download = entry.get("download", False)
    if not isinstance(download, bool):
        return SynapseError(400, "'download' must be true or false", Codes.BAD_JSON)
    try:
        thumbnail = None if entry.get("thumbnail") is None else _thumbnail(entry["thumbnail"])
    except SynapseError as error:
        return error
    return replace(media, thumbnail=thumbnail, download=download)


def _named(server_name: str, media_id: str) -> Media:
    media = parse_media(server_name, media_id)
    if media is None:
        raise SynapseError(400, "This is not the name of a media", Codes.INVALID_PARAM)
    return media


def _thumbnail(wanted: Any) -> Thumbnail:
    if not isinstance(wanted, dict):
        raise SynapseError(400, "'thumbnail' must be an object", Codes.BAD_JSON)
    sides = wanted.get("width"), wanted.get("height")
    if not all(type(side) is int and 1 <= side <= MAX_THUMBNAIL_SIDE for side in sides):
        raise SynapseError(
            400, f"'width' and 'height' must be whole numbers from 1 to {MAX_THUMBNAIL_SIDE}", Codes.INVALID_PARAM
        )
    method = wanted.get("method", "scale")
    if method not in METHODS:
        raise SynapseError(400, "'method' must be 'crop' or 'scale'", Codes.INVALID_PARAM)
    animated = wanted.get("animated", False)
    if not isinstance(animated, bool):
        raise SynapseError(400, "'animated' must be true or false", Codes.INVALID_PARAM)
    return Thumbnail(wanted["width"], wanted["height"], method, animated)
