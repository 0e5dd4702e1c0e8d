"""The baseline ``cookie``: a client exchanges its access token for a cookie, which the browser sends for media.

The idea is that of MSC4250 (https://github.com/matrix-org/matrix-spec-proposals/pull/4250). There ``/sync`` or
``/whoami`` sets the cookie, and Matrix's own media endpoints accept it. Here both have paths of their own, because a
module cannot change those endpoints.

Cookies: https://datatracker.ietf.org/doc/draft-ietf-httpbis-rfc6265bis/, ``Partitioned``:
https://developer.mozilla.org/en-US/docs/Web/Privacy/Guides/Privacy_sandbox/Partitioned_cookies
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from synapse.api.errors import Codes, InvalidClientTokenError, MissingClientTokenError, SynapseError
from synapse.api.ratelimiting import Ratelimiter
from synapse.http.server import finish_request
from synapse.http.servlet import RestServlet, parse_json_object_from_request
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict
from synapse.server import HomeServer

from media_protocol.error_page import OTHER_SITE
from media_protocol.signing import PREFIX, InvalidSignature, Keyring, bucketed_expiry_ms

from .config import MediaLinksConfig
from .media_response import HeaderChanges, MediaResponder
from .media_servlet import Grant, MediaServlet
from .request_parsing import MEDIA_PATH, Authenticator, header, media_from_query, path_pattern
from .sessions import Session, Sessions, padded

COOKIE_NAME = "media_links"
COOKIE_PATH = f"{PREFIX}/cookie"

_PURPOSE = "cookie"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[!-+\--~]{1,255}")
# The request destinations of media elements (https://fetch.spec.whatwg.org/#concept-request-destination).
_MEDIA_DESTINATIONS = ("image", "video", "audio")
_RESOURCE_POLICY = b"Cross-Origin-Resource-Policy"
_PROBE_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
# A browser has at most two cookies of this name from here, one of them partitioned. Other hosts of the domain can set
# more, so the number of values that are decrypted is bounded.
_MAX_COOKIES = 4


class SameSite(StrEnum):
    """The values of a cookie's attribute ``SameSite``: for pages of which sites the browser sends it."""

    STRICT = "Strict"
    LAX = "Lax"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class CookiePayload:
    """The content of a cookie. It is sealed, so that only this homeserver can read and create it.

    :param expires_ms: in milliseconds since 1970.
    :param origin: of the page that requested the cookie, which may read the timing of the media that it loads.
    """

    session: Session
    expires_ms: int
    same_site: SameSite
    origin: str | None

    @property
    def resource_policy(self) -> bytes:
        """The ``Cross-Origin-Resource-Policy`` of media: pages of which sites may embed them."""
        return b"cross-origin" if self.same_site is SameSite.NONE else b"same-site"

    def seal(self, keyring: Keyring) -> str:
        """Returns the cookie's value, which is deterministic.

        With ``Vary: Cookie`` the browser's cache has no response for another value.
        """
        return keyring.seal_token(padded([self.expires_ms, self.same_site, self.origin, *self.session.parts]), _PURPOSE)

    @classmethod
    def unseal(cls, keyring: Keyring, value: str) -> "CookiePayload":
        """Decrypts and parses a cookie's value.

        :raises InvalidSignature: if ``seal`` has not returned this value.
        """
        try:
            expires_ms, same_site, origin, *parts = json.loads(keyring.open_token(value, _PURPOSE))
            return cls(Session.from_parts(*parts), expires_ms, SameSite(same_site), origin)
        except (TypeError, ValueError) as error:
            raise InvalidSignature from error


class CookieServlet(RestServlet):
    """``POST cookie`` and ``DELETE cookie``: sets the cookie, and expires it."""

    PATTERNS = path_pattern("cookie")

    def __init__(
        self, hs: HomeServer, authenticator: Authenticator, sessions: Sessions, config: MediaLinksConfig
    ) -> None:
        self._clock = hs.get_clock()
        self._authenticator = authenticator
        self._sessions = sessions
        self._config = config
        self._rate_limit = Ratelimiter(hs.get_datastores().main, self._clock, config.rc_links)

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Sets a cookie for the session of the access token. The page sends this with ``credentials: "include"``."""
        requester = await self._authenticator.authenticate(request)
        same_site, partitioned = _parse_attributes(parse_json_object_from_request(request, allow_empty_body=True))
        await self._rate_limit.ratelimit(requester)
        open_session = await self._sessions.of(requester)
        session, keyring = open_session.session, self._config.keyring
        now_ms = self._clock.time_msec()
        uncapped_ms = bucketed_expiry_ms(
            now_ms, self._config.lifetime_ms, self._config.bucket_ms, session.seal(keyring)
        )
        expires_ms = open_session.cap(uncapped_ms)
        value = CookiePayload(session, expires_ms, same_site, _origin(request)).seal(keyring)
        # Browsers reject SameSite=None and Partitioned without Secure.
        secure = same_site is SameSite.NONE or partitioned or request.isSecure()
        remaining_ms = expires_ms - now_ms
        self._set_cookie(request, value, remaining_ms // 1000, same_site, secure=secure, partitioned=partitioned)
        return 200, {"expires_in_ms": remaining_ms}

    async def on_DELETE(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Makes the browser delete the cookie. A copy of it is valid until it expires or its session ends."""
        await self._authenticator.authenticate(request)
        # The browser does not send the cookie here, because the cookie's path is below this one. So all combinations of
        # attributes are expired; the browser ignores those that it cannot accept, such as Secure over plain HTTP.
        self._set_cookie(request, "", 0, SameSite.LAX, secure=False, partitioned=False)
        self._set_cookie(request, "", 0, SameSite.NONE, secure=True, partitioned=False)
        self._set_cookie(request, "", 0, SameSite.NONE, secure=True, partitioned=True)
        return 200, {}

    def _set_cookie(
        self,
        request: SynapseRequest,
        value: str,
        max_age_s: int,
        same_site: SameSite,
        *,
        secure: bool,
        partitioned: bool,
    ) -> None:
        """Adds a ``Set-Cookie`` header. Twisted's ``addCookie`` does not support ``Partitioned``."""
        parts = [
            f"{COOKIE_NAME}={value}",
            f"Path={self._config.base_path}{COOKIE_PATH}/",
            f"Max-Age={max_age_s}",
            "HttpOnly",
            f"SameSite={same_site}",
        ]
        parts += ["Secure"] * secure + ["Partitioned"] * partitioned
        request.responseHeaders.addRawHeader(b"Set-Cookie", "; ".join(parts).encode("ascii"))


class CookieReader:
    """Reads and validates the cookies of requests."""

    def __init__(self, hs: HomeServer, sessions: Sessions, keyring: Keyring) -> None:
        self._clock = hs.get_clock()
        self._sessions = sessions
        self._keyring = keyring

    async def read(self, request: SynapseRequest) -> CookiePayload:
        """Returns the payload of the first valid cookie; expired ones may precede it.

        :raises SynapseError: 401 without a valid cookie, 403 if the page may not use it.
        """
        values = list(_cookie_values(request))
        if not values:
            raise MissingClientTokenError("There is no cookie for media; ask for one")
        for value in values[:_MAX_COOKIES]:
            try:
                payload = CookiePayload.unseal(self._keyring, value)
            except InvalidSignature:
                continue
            if self.remaining_ms(payload) and await self._sessions.is_alive(payload.session):
                _check_fetch_site(request, payload)
                return payload
        raise InvalidClientTokenError("This cookie has expired, or its session has ended; ask for a new one")

    def remaining_ms(self, payload: CookiePayload) -> int:
        """Returns for how many milliseconds a cookie is still valid; 0 if it has expired."""
        return max(0, payload.expires_ms - self._clock.time_msec())


class CookieMediaServlet(MediaServlet):
    """``GET cookie/{serverName}/{mediaId}``: a media, or a thumbnail of it, for a request with the cookie.

    The browser sends the cookie for every page. So no page may *read* media here: there is no
    ``Access-Control-Allow-Origin``, and pages of other sites cannot embed media
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Cross-Origin-Resource-Policy) unless the client
    has requested ``SameSite=None``, because it is such a page.
    """

    PATTERNS = path_pattern("cookie/" + MEDIA_PATH)

    def __init__(self, hs: HomeServer, responder: MediaResponder, reader: CookieReader) -> None:
        super().__init__(hs, responder)
        self._reader = reader

    def _set_common_headers(self, request: SynapseRequest) -> None:
        super()._set_common_headers(request)
        _set_protective_headers(request)
        request.responseHeaders.removeHeader(b"Timing-Allow-Origin")

    async def _authorize(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        payload = await self._reader.read(request)
        remaining_ms = self._reader.remaining_ms(payload)
        media = media_from_query(request, server_name, media_id)
        return Grant(media, payload.session, self._headers(payload, remaining_ms), remaining_ms)

    def _headers(self, payload: CookiePayload, remaining_ms: int) -> HeaderChanges:
        return {
            b"Access-Control-Allow-Origin": None,
            b"Cache-Control": f"private, max-age={remaining_ms // 1000}".encode(),
            _RESOURCE_POLICY: payload.resource_policy,
            b"Timing-Allow-Origin": payload.origin.encode() if payload.origin else None,
        }


class CookieProbeServlet(RestServlet):
    """``GET cookie/picture``: an image of one pixel, sent if media would be.

    By loading it, a page detects whether the browser sends the cookie.
    """

    PATTERNS = path_pattern("cookie/picture")

    def __init__(self, reader: CookieReader) -> None:
        self._reader = reader

    async def on_GET(self, request: SynapseRequest) -> None:
        """Sends the image. It is not cached, because the browser may not send the cookie the next time."""
        _set_protective_headers(request)
        request.setHeader(b"Cache-Control", b"no-store")
        payload = await self._reader.read(request)
        request.setHeader(_RESOURCE_POLICY, payload.resource_policy)
        request.setHeader(b"Content-Type", b"image/svg+xml")
        request.setHeader(b"Content-Length", str(len(_PROBE_SVG)).encode())
        request.write(_PROBE_SVG)
        finish_request(request)


def allow_credentials(request: SynapseRequest) -> None:
    """Allows pages of any origin to send and receive cookies: https://fetch.spec.whatwg.org/#cors-protocol-and-credentials

    For the path that sets the cookie. It requires an access token, which browsers do not add by themselves, so cookies
    alone give a page no access.
    """
    request.setHeader(b"Vary", b"Origin")
    origin = request.getHeader(b"Origin")
    if origin:
        request.setHeader(b"Access-Control-Allow-Origin", origin)
        request.setHeader(b"Access-Control-Allow-Credentials", b"true")


def _set_protective_headers(request: SynapseRequest) -> None:
    """Sets the headers of every response to a request with a cookie, errors included."""
    request.setHeader(b"Vary", b"Cookie")
    request.setHeader(_RESOURCE_POLICY, b"same-site")


def _parse_attributes(body: JsonDict) -> tuple[SameSite, bool]:
    same_site = body.get("same_site", SameSite.LAX)
    if same_site not in list(SameSite):
        raise SynapseError(400, "'same_site' must be 'Strict', 'Lax' or 'None'", Codes.INVALID_PARAM)
    partitioned = body.get("partitioned", False)
    if not isinstance(partitioned, bool):
        raise SynapseError(400, "'partitioned' must be true or false", Codes.BAD_JSON)
    return SameSite(same_site), partitioned


def _cookie_values(request: SynapseRequest) -> Iterator[str]:
    """Yields the values of all cookies of this name. Twisted's ``getCookie`` returns one of them."""
    for line in request.requestHeaders.getRawHeaders(b"Cookie") or []:
        for pair in line.decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE_NAME:
                yield value


def _origin(request: SynapseRequest) -> str | None:
    """Returns the origin of the page; ``None`` for an opaque origin, such as that of a sandboxed frame."""
    origin = header(request, "Origin")
    return origin if origin and _ORIGIN.fullmatch(origin) else None


def _check_fetch_site(request: SynapseRequest, payload: CookiePayload) -> None:
    """Refuses requests of pages of other sites, except for the media elements of a client that is on another site.

    A browser may send the cookie with such a request: with SameSite=Lax for a link that the user follows, with None for
    all. It names the site (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site).

    :raises SynapseError: 403
    """
    if header(request, "Sec-Fetch-Site") != "cross-site":
        return
    if payload.same_site is not SameSite.NONE or header(request, "Sec-Fetch-Dest") not in _MEDIA_DESTINATIONS:
        raise SynapseError(403, "This cookie is not for pages of other sites", OTHER_SITE)
