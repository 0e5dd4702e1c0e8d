"""The baseline ``cookie``: a client turns its access token into a cookie, and the browser shows that for media.

The idea is that of MSC4250 (https://github.com/matrix-org/matrix-spec-proposals/pull/4250). There the cookie is had
from ``/sync`` or ``/whoami`` and accepted by Matrix's own media endpoints; here both ends have paths of their own, so
that a homeserver can be asked for either and nothing else of it changes.

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

from .config import MediaLinksConfig
from .delivery import Delivery, Headers, header
from .pages import OTHER_SITE
from .requests import NAMES, Authenticator, asked_media, path
from .serving import Grant, MediaServlet
from .sessions import Session, Sessions, padded
from .signing import PREFIX, Keyring, LinkAltered, expiry

NAME = "media_links"
COOKIE_PATH = f"{PREFIX}/cookie"

_PURPOSE = "cookie"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[!-+\--~]{1,255}")
# What an element asks for that shows a media (https://fetch.spec.whatwg.org/#concept-request-destination).
_SHOWN = ("image", "video", "audio")
_EMBEDDED_BY = b"Cross-Origin-Resource-Policy"
_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
# A browser may send a partitioned cookie and one that is not, both of our name; more than that is somebody's mischief.
_MOST = 4


class SameSite(StrEnum):
    """From pages of which sites a browser sends the cookie; the names are those of the attribute."""

    STRICT = "Strict"
    LAX = "Lax"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What stands in a cookie, sealed: it is readable, and can be made, by this homeserver alone.

    :param origin: the page that asked for the cookie, with an access token; it may measure what it loads.
    """

    session: Session
    expires_ms: int
    same_site: SameSite
    origin: str | None

    @property
    def embedded_by(self) -> bytes:
        """Pages of which sites may show what it opens, as ``Cross-Origin-Resource-Policy`` says it."""
        return b"cross-origin" if self.same_site is SameSite.NONE else b"same-site"

    def seal(self, keyring: Keyring) -> str:
        """The cookie's value: the same each time, so that ``Vary: Cookie`` does not empty the browser's cache."""
        return keyring.seal_token(padded([self.expires_ms, self.same_site, self.origin, *self.session.parts]), _PURPOSE)

    @classmethod
    def unseal(cls, keyring: Keyring, value: str) -> "Ticket":
        """Reads a cookie's value.

        :raises LinkAltered: if it is none of ours.
        """
        try:
            expires_ms, same_site, origin, *parts = json.loads(keyring.open_token(value, _PURPOSE))
            return cls(Session.from_parts(*parts), expires_ms, SameSite(same_site), origin)
        except (TypeError, ValueError) as error:
            raise LinkAltered from error


class CookieServlet(RestServlet):
    """``POST cookie`` and ``DELETE cookie``: gives the browser its cookie, and takes it back."""

    PATTERNS = path("cookie")

    def __init__(
        self, hs: HomeServer, authenticator: Authenticator, sessions: Sessions, config: MediaLinksConfig
    ) -> None:
        self._clock = hs.get_clock()
        self._authenticator = authenticator
        self._sessions = sessions
        self._config = config
        self._limit = Ratelimiter(hs.get_datastores().main, self._clock, config.rc_links)

    async def on_POST(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Sets a cookie for the session of the access token; the page sends this with ``credentials: "include"``."""
        requester = await self._authenticator.authenticate(request)
        same_site, partitioned = _kind(parse_json_object_from_request(request, allow_empty_body=True))
        await self._limit.ratelimit(requester)
        open_session = await self._sessions.of(requester)
        session, keyring = open_session.session, self._config.keyring
        now_ms = self._clock.time_msec()
        uncapped_ms = expiry(now_ms, self._config.lifetime_ms, self._config.bucket_ms, session.seal(keyring))
        expires_ms = open_session.cap(uncapped_ms)
        value = Ticket(session, expires_ms, same_site, _origin(request)).seal(keyring)
        # Browsers take SameSite=None and Partitioned from nobody who does not say Secure too.
        secure = same_site is SameSite.NONE or partitioned or request.isSecure()
        left_ms = expires_ms - now_ms
        _set_cookie(request, value, left_ms // 1000, same_site, secure=secure, partitioned=partitioned)
        return 200, {"expires_in_ms": left_ms}

    async def on_DELETE(self, request: SynapseRequest) -> tuple[int, JsonDict]:
        """Has the browser forget the cookie; it would work until it expires or its session ends."""
        await self._authenticator.authenticate(request)
        # Which kind it has we are not told, for the cookie's path lies below this one; what a browser cannot take here
        # (Secure over plain HTTP, SameSite=Lax from another site) it leaves out.
        _set_cookie(request, "", 0, SameSite.LAX, secure=False, partitioned=False)
        _set_cookie(request, "", 0, SameSite.NONE, secure=True, partitioned=False)
        _set_cookie(request, "", 0, SameSite.NONE, secure=True, partitioned=True)
        return 200, {}


class Tickets:
    """Reads what a cookie says that came along with a request."""

    def __init__(self, hs: HomeServer, sessions: Sessions, keyring: Keyring) -> None:
        self._clock = hs.get_clock()
        self._sessions = sessions
        self._keyring = keyring

    async def read(self, request: SynapseRequest) -> Ticket:
        """The ticket of the first cookie that is good: an old one may stand beside it.

        :raises SynapseError: if none is, or it is not for the page that asks.
        """
        values = list(_cookies(request))
        if not values:
            raise MissingClientTokenError("There is no cookie for media; ask for one")
        for value in values[:_MOST]:
            try:
                ticket = Ticket.unseal(self._keyring, value)
            except LinkAltered:
                continue
            if self.left_ms(ticket) and await self._sessions.is_alive(ticket.session):
                _refuse_other_sites(request, ticket)
                return ticket
        raise InvalidClientTokenError("This cookie has expired, or its session has ended; ask for a new one")

    def left_ms(self, ticket: Ticket) -> int:
        """For how many milliseconds it is good; 0 if it is no longer."""
        return max(0, ticket.expires_ms - self._clock.time_msec())


class CookieMediaServlet(MediaServlet):
    """``GET cookie/{serverName}/{mediaId}``: a media, or a thumbnail of it, for a browser that shows the cookie.

    A cookie comes along whichever page asks. So nothing is answered here that lets a page *read* a media: there is no
    ``Access-Control-Allow-Origin``, and pages of other sites can do nothing with the answer
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Cross-Origin-Resource-Policy) unless the
    client itself is one, which it says by ``SameSite=None``.
    """

    PATTERNS = path("cookie/" + NAMES)

    def __init__(self, hs: HomeServer, delivery: Delivery, tickets: Tickets) -> None:
        super().__init__(hs, delivery)
        self._tickets = tickets

    def _prepare(self, request: SynapseRequest) -> None:
        super()._prepare(request)
        _set_guards(request)
        request.responseHeaders.removeHeader(b"Timing-Allow-Origin")

    async def _admit(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        ticket = await self._tickets.read(request)
        return Grant(asked_media(request, server_name, media_id), self._headers(ticket))

    def _headers(self, ticket: Ticket) -> Headers:
        return {
            b"Access-Control-Allow-Origin": None,
            b"Cache-Control": f"private, max-age={self._tickets.left_ms(ticket) // 1000}".encode(),
            _EMBEDDED_BY: ticket.embedded_by,
            b"Timing-Allow-Origin": ticket.origin.encode() if ticket.origin else None,
        }


class CookiePictureServlet(RestServlet):
    """``GET cookie/picture``: a picture of one pixel, to whom a media would be sent.

    No page is told whether the browser sends its cookie along; one that shows this picture knows.
    """

    PATTERNS = path("cookie/picture")

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def on_GET(self, request: SynapseRequest) -> None:
        """Never out of a cache: a cookie that came along once may not do so again."""
        _set_guards(request)
        request.setHeader(b"Cache-Control", b"no-store")
        ticket = await self._tickets.read(request)
        request.setHeader(_EMBEDDED_BY, ticket.embedded_by)
        request.setHeader(b"Content-Type", b"image/svg+xml")
        request.setHeader(b"Content-Length", str(len(_PICTURE)).encode())
        request.write(_PICTURE)
        finish_request(request)


def allow_credentials(request: SynapseRequest) -> None:
    """Lets a page of any origin send, and be given, cookies: https://fetch.spec.whatwg.org/#cors-protocol-and-credentials

    For the one path that gives out the cookie. It does nothing without an access token, which no browser adds by
    itself, so a page gets nothing there by its visitor's cookies.
    """
    request.setHeader(b"Vary", b"Origin")
    origin = request.getHeader(b"Origin")
    if origin:
        request.setHeader(b"Access-Control-Allow-Origin", origin)
        request.setHeader(b"Access-Control-Allow-Credentials", b"true")


def _set_guards(request: SynapseRequest) -> None:
    """The headers of whatever is answered to a cookie, errors included."""
    request.setHeader(b"Vary", b"Cookie")
    request.setHeader(_EMBEDDED_BY, b"same-site")


def _kind(body: JsonDict) -> tuple[SameSite, bool]:
    same_site = body.get("same_site", SameSite.LAX)
    if same_site not in list(SameSite):
        raise SynapseError(400, "'same_site' must be 'Strict', 'Lax' or 'None'", Codes.INVALID_PARAM)
    partitioned = body.get("partitioned", False)
    if not isinstance(partitioned, bool):
        raise SynapseError(400, "'partitioned' must be true or false", Codes.BAD_JSON)
    return SameSite(same_site), partitioned


def _set_cookie(
    request: SynapseRequest, value: str, max_age_s: int, same_site: SameSite, *, secure: bool, partitioned: bool
) -> None:
    """Adds a ``Set-Cookie``; Twisted's own way to do so does not know ``Partitioned``."""
    parts = [f"{NAME}={value}", f"Path={COOKIE_PATH}/", f"Max-Age={max_age_s}", "HttpOnly", f"SameSite={same_site}"]
    parts += ["Secure"] * secure + ["Partitioned"] * partitioned
    request.responseHeaders.addRawHeader(b"Set-Cookie", "; ".join(parts).encode("ascii"))


def _cookies(request: SynapseRequest) -> Iterator[str]:
    """The values of all cookies of our name; Twisted keeps but one of them."""
    for line in request.requestHeaders.getRawHeaders(b"Cookie") or []:
        for pair in line.decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == NAME:
                yield value


def _origin(request: SynapseRequest) -> str | None:
    """The page that asks, where it has an origin to be named by (a sandboxed one has not)."""
    origin = header(request, "Origin")
    return origin if origin and _ORIGIN.fullmatch(origin) else None


def _refuse_other_sites(request: SynapseRequest, ticket: Ticket) -> None:
    """Pages of other sites have no business here, but for a client that is one; and that shows media and no more.

    Browsers say where a request comes from (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site)
    even where they send a cookie: with SameSite=Lax to whoever follows a link from elsewhere, with None to every page.
    """
    if header(request, "Sec-Fetch-Site") != "cross-site":
        return
    if ticket.same_site is not SameSite.NONE or header(request, "Sec-Fetch-Dest") not in _SHOWN:
        raise SynapseError(403, "This cookie is not for pages of other sites", OTHER_SITE)
