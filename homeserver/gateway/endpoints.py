"""The endpoints for links, and for the media behind them."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from media_protocol.delegation import DelegatedLink, Delegation, is_delegated, verify_delegated
from media_protocol.limits import ByteBudget, ConcurrencyLimit, LimitReached
from media_protocol.media_requests import (
    PROBE_ID,
    InvalidRequest,
    parse_batch,
    parse_flag,
    parse_thumbnail,
    received_parameters,
)
from media_protocol.ranges import RangeNotSatisfiable, parse_range
from media_protocol.signing import (
    ExpiredLink,
    InvalidLink,
    Link,
    Media,
    Thumbnail,
    bucketed_expiry_ms,
    is_server_name,
    parse_media,
)

from .bundle import BundleResponse
from .config import GatewayConfig
from .errors import LINK_EXPIRED, MatrixError
from .media_response import CORS_HEADERS, MEDIA_SERVLET_HEADERS, MediaResponse, response_key
from .media_source import MediaSource
from .metrics import Metrics
from .rate_limit import RateLimit
from .sessions import Caller, Session, Sessions

_AUTHENTICATED_HEADERS = {**CORS_HEADERS, "Cache-Control": "no-store", "Timing-Allow-Origin": "*"}
_MAX_BODY_BYTES = 1024 * 1024
_CHECK_PREFIX = b"/check"

Result = TypeVar("Result")


def now_ms() -> int:
    """Returns the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Endpoints:
    """The endpoints of this process, and what they share."""

    def __init__(self, config: GatewayConfig, sessions: Sessions, source: MediaSource, metrics: Metrics) -> None:
        self._config = config
        self._sessions = sessions
        self._source = source
        self._metrics = metrics
        self._link_rate = RateLimit(config.links_per_second, config.links_burst)
        self._key_rate = RateLimit(config.links_per_second, config.links_burst)
        self._bundle_rate = RateLimit(config.links_per_second, config.links_burst)
        self._bundles = ConcurrencyLimit(config.bundles_per_user, config.bundles_at_once)
        self._budget = ByteBudget(now_ms, config.session_bytes_per_hour)

    async def config(self, request: Request) -> Response:
        """``GET config``: the limits of this server, and the session's delegated key."""
        session = await self._authenticate(request)
        config = self._config
        body = {
            "batch_limit": config.batch_limit,
            "lifetime_ms": config.lifetime_ms,
            "bucket_ms": config.bucket_ms,
            "bind_ip": config.bind_ip,
            "bundle": {
                "limit": config.bundle_limit,
                "part_bytes": config.bundle_part_bytes,
                "bytes": config.bundle_bytes,
            },
            "baselines": {"cookie": False, "signed_query": False},
            "delegated": self._key(request, session),
        }
        return JSONResponse(body, headers=_AUTHENTICATED_HEADERS)

    async def key(self, request: Request) -> Response:
        """``POST key``: the key with which the page signs links by itself until the bucket ends."""
        session = await self._authenticate(request)
        self._key_rate.spend(session.user_id)
        return JSONResponse(self._key(request, session), headers=_AUTHENTICATED_HEADERS)

    async def links(self, request: Request) -> Response:
        """``POST links``: mints many links in one request."""
        session = await self._authenticate(request)
        body = await _json_object(request)
        batch = parse_batch(body, self._config.batch_limit)
        fresh, is_probed = parse_flag(body, "fresh"), parse_flag(body, "probe")
        # Of the user's server: it is no media, so any valid name will do.
        probes = [Media(session.user_id.partition(":")[2], PROBE_ID)] if is_probed else []
        links = self._mint(request, session, [*batch, *probes], fresh=fresh)
        answer: dict[str, Any] = {"links": links[: len(batch)]}
        if is_probed:
            answer["probe"] = links[-1]
        return JSONResponse(answer, headers=_AUTHENTICATED_HEADERS)

    async def link(self, request: Request) -> Response:
        """``GET link/{serverName}/{mediaId}``: mints one link."""
        session = await self._authenticate(request)
        return self._mint_one(request, session, _media_from_path(request))

    async def thumbnail_link(self, request: Request) -> Response:
        """``GET link/thumbnail/{serverName}/{mediaId}``: mints one link to a thumbnail."""
        session = await self._authenticate(request)
        media = replace(_media_from_path(request), thumbnail=_thumbnail_from_query(request))
        return self._mint_one(request, session, media)

    async def signed(self, request: Request) -> Response:
        """``GET signed/{serverName}/{mediaId}?…``: the media that a link grants, to any client that has the link."""
        verified, session = self._verify(request)
        link = verified.link
        if link.media.media_id == PROBE_ID:
            await self._for_session(request, session, self._sessions.prove_alive)
            return Response(status_code=204, headers={**MEDIA_SERVLET_HEADERS, "Cache-Control": "no-store"})
        opened = await self._for_session(request, session, lambda caller: self._source.open(link.media, caller))
        try:
            cache_control = _cache_control(link)
            return MediaResponse(request, verified, opened, cache_control, self._budget, session.key, self._metrics)
        except BaseException:
            await opened.close()
            raise

    async def check(self, request: Request) -> Response:
        """``GET /check/…``, with a whole link behind it: whether its media may be sent to the client.

        A reverse proxy asks this before it sends the bytes from a cache of its own. The response has the cache's key
        and the ``Cache-Control`` for the client. Any refusal is a 403. On that, the proxy passes the client's request
        on, which is answered with the cause.
        """
        try:
            verified, session = self._verify(request, _CHECK_PREFIX)
            media = verified.link.media
            if media.media_id == PROBE_ID:
                return Response(status_code=403)
            head = await self._for_session(request, session, lambda caller: self._source.check(media, caller))
            if not head.size:  # of which the proxy would request a part
                return Response(status_code=403)
            parse_range(request.headers.get("Range"), head.size)
        except (MatrixError, LimitReached, RangeNotSatisfiable):
            return Response(status_code=403)
        headers = {
            "X-Authmedia-Cache-Key": response_key(media),
            "X-Authmedia-Cache-Control": _cache_control(verified.link),
        }
        return Response(status_code=204, headers=headers)

    async def bundle(self, request: Request) -> Response:
        """``POST bundle``: many media, or thumbnails of them, in one response."""
        session = await self._authenticate(request)
        batch = parse_batch(await _json_object(request), self._config.bundle_limit)
        self._bundle_rate.spend(session.user_id)
        caller = await self._sessions.caller(session, self.client_address(request))
        return BundleResponse(self._source, caller, batch, self._config, self._bundles.admit(session.user_id))

    async def _for_session(
        self, request: Request, session: Session, action: Callable[[Caller], Awaitable[Result]]
    ) -> Result:
        """Does something with the session's newest token."""
        caller = await self._sessions.caller(session, self.client_address(request))
        try:
            return await action(caller)
        except MatrixError as error:
            newer = await self._sessions.newer_caller(session, caller) if error.status == 403 else None
            if newer is None:
                raise
        return await action(newer)

    async def _authenticate(self, request: Request) -> Session:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token or not token.isascii() or not token.isprintable():
            raise MatrixError(401, "M_MISSING_TOKEN", "An access token is required")
        return await self._sessions.of(token.strip(), self.client_address(request))

    def _mint_one(self, request: Request, session: Session, media: Media) -> Response:
        (entry,) = self._mint(request, session, [media])
        return JSONResponse(entry, headers=_AUTHENTICATED_HEADERS)

    def _mint(
        self, request: Request, session: Session, batch: list[Media | InvalidRequest], *, fresh: bool = False
    ) -> list[dict[str, Any]]:
        """Returns a link or an error for each entry of a batch, in its order."""
        self._link_rate.spend(session.user_id)
        config = self._config
        handle = session.seal(config.keyring)
        now = now_ms()
        expires = bucketed_expiry_ms(now, config.lifetime_ms, 1 if fresh else config.bucket_ms, handle)
        # The remaining time too, for clients whose clock differs from this server's.
        expiry = {"expires_ts": expires, "expires_in_ms": expires - now}
        base = self.base_url(request)
        address = self._bound_address(request)
        self._metrics.links.inc(len(batch))

        def entry(media: Media | InvalidRequest) -> dict[str, Any]:
            if isinstance(media, InvalidRequest):
                return {"errcode": media.errcode, "error": media.message}
            link = Link(config.keyring.signing_key_id, media, expires, handle)
            return {"url": base + config.keyring.sign(link, address), **expiry}

        return [entry(media) for media in batch]

    def _key(self, request: Request, session: Session) -> dict[str, Any]:
        """Returns a session's key for the current bucket, and what the page needs to write links."""
        config = self._config
        handle = session.seal(config.keyring)
        now = now_ms()
        expires = bucketed_expiry_ms(now, config.lifetime_ms, config.bucket_ms, handle)
        delegation = Delegation(config.keyring.signing_key_id, handle, expires, self._bound_address(request))
        return {
            "key": delegation.derive_key(config.keyring).hex(),
            "key_id": delegation.key_id,
            "session": handle,
            "expires_ts": expires,
            "expires_in_ms": expires - now,
            "renew_in_ms": expires - config.lifetime_ms - now,
            "now_ts": now,
            "base_url": self.base_url(request),
        }

    def _verify(self, request: Request, prefix: bytes = b"") -> tuple[DelegatedLink, Session]:
        """Verifies a link as a whole, the bytes that the client has sent, whoever has signed it.

        :param prefix: what the reverse proxy has put before it.
        """
        uri: bytes = request.scope["raw_path"].removeprefix(prefix) + b"?" + request.scope["query_string"]
        keyring = self._config.keyring
        try:
            address = self._bound_address(request)
            if is_delegated(uri):
                verified = verify_delegated(keyring, uri, now_ms(), address)
            else:
                verified = DelegatedLink(keyring.verify(uri, now_ms(), address))
            return verified, Session.unseal(keyring, verified.link.key_id, verified.link.session)
        except ExpiredLink:
            raise MatrixError(403, LINK_EXPIRED, "This link has expired; ask for a new one") from None
        except InvalidLink:
            is_probe = request.path_params.get("media_id") == PROBE_ID
            received = {"query": received_parameters(uri.decode("latin-1"))} if is_probe else {}
            raise MatrixError(403, "M_FORBIDDEN", "This is not a link that can be used here", **received) from None

    def base_url(self, request: Request) -> str:
        """Returns scheme and host of links: the configured ones, or those that the client has sent its request to."""
        host = request.headers.get("Host", "")
        if self._config.base_url:
            return self._config.base_url
        if not is_server_name(host):
            raise MatrixError(400, "M_UNKNOWN", "The request has no host name that links could lead to")
        scheme = request.headers.get("X-Forwarded-Proto", "") if self._config.x_forwarded else ""
        return f"{'https' if scheme.lower() == 'https' else 'http'}://{host}"

    def _bound_address(self, request: Request) -> str | None:
        """Returns the client's address, where links are bound to it.

        :raises MatrixError: 403 if it is unknown.
        """
        if not self._config.bind_ip:
            return None
        address = self.client_address(request)
        if not address:
            raise MatrixError(403, "M_FORBIDDEN", "Links are bound to addresses here, and yours is unknown")
        return address

    def client_address(self, request: Request) -> str:
        """Returns the client's address: by ``X-Forwarded-For`` only where ``x_forwarded`` is set.

        The last address is the reverse proxy's own word. Some add it in a line behind those of the client.
        """
        text = request.client.host if request.client else ""
        lines = request.headers.getlist("X-Forwarded-For") if self._config.x_forwarded else []
        if lines:
            text = lines[-1].rpartition(",")[2].strip()
        try:
            address = ip_address(text)
        except ValueError:
            return ""
        return str(getattr(address, "ipv4_mapped", None) or address)


def _cache_control(link: Link) -> str:
    max_age_s = max(0, link.expires_ms - now_ms()) // 1000
    return f"private, max-age={max_age_s}, immutable"


async def _json_object(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_BODY_BYTES:
            raise MatrixError(413, "M_TOO_LARGE", "The body is too large")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise MatrixError(400, "M_NOT_JSON", "The body is not JSON") from None
    if not isinstance(body, dict):
        raise MatrixError(400, "M_BAD_JSON", "The body must be an object")
    return body


def _media_from_path(request: Request) -> Media:
    media = parse_media(request.path_params["server_name"], request.path_params["media_id"])
    if media is None:
        raise MatrixError(400, "M_INVALID_PARAM", "This is not the name of a media")
    return media


def _thumbnail_from_query(request: Request) -> Thumbnail:
    query = request.query_params
    sides = {side: query.get(side, "") for side in ("width", "height")}
    animated = query.get("animated", "false")
    if not all(sides.values()):
        raise MatrixError(400, "M_MISSING_PARAM", "'width' and 'height' are required")
    if not all(text.isascii() and text.isdecimal() and len(text) < 10 for text in sides.values()):
        raise MatrixError(400, "M_INVALID_PARAM", "'width' and 'height' must be whole numbers")
    if animated not in ("true", "false"):
        raise MatrixError(400, "M_INVALID_PARAM", "'animated' must be true or false")
    return parse_thumbnail(
        {
            **{side: int(text) for side, text in sides.items()},
            "method": query.get("method", "scale"),
            "animated": animated == "true",
        }
    )
