"""URLs that a homeserver redirects authenticated requests for media to, which need no token of their own."""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.http import request_url
from authmedia.matrix.http_dates import days_since_1970, seconds_until
from authmedia.support.untrusted import parse_digits
from authmedia.traffic import Traffic
from authmedia.transport.links import Link, usable_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# How long a URL is used again of which neither response nor query say it.
_DEFAULT_LIFETIME_S = 60.0
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
# https://cloud.google.com/storage/docs/authentication/signatures
_SIGNING_PREFIXES = ("X-Amz-", "X-Goog-")


class RedirectCache:
    """Keeps the URLs that one session was redirected to, in memory alone, and no longer than their own terms say."""

    __slots__ = ("_homeserver", "_links", "_origins")

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._links: dict[str, Link] = {}
        # By the origin of the first request's target, whether its URLs are given out without a token.
        self._origins: dict[str, bool] = {}

    def get(self, key: str) -> Link | None:
        """Returns the URL of a media, if it is valid."""
        link = self._links.get(key)
        return link if link and link.is_valid else None

    async def add(self, key: str, response: browser.Response, requested_ms: float, traffic: Traffic) -> Link | None:
        """Keeps and returns the URL that a response was redirected to; ``None`` if it was not, or a token is needed.

        The browser sends no ``Authorization`` to another origin than the first one's, and drops it on the way. Within
        one origin, and in browsers from before 2023, it goes along: so the first URL of each origin is tried without.

        :param requested_ms: when the media was requested, in milliseconds since 1970 on this device's clock.
        """
        url = response.redirected_url
        parsed = browser.parse_url(url) if url else None
        if not parsed:
            return None
        if parsed.origin not in self._origins:
            traffic.requests += 1
            self._origins[parsed.origin] = await self._is_open(url)
        if not self._origins[parsed.origin]:
            return None
        link = Link(url, requested_ms + usable_ms(1000 * lifetime_s(url, response.header)))
        self._links[key] = link
        return link

    def invalidate(self, key: str, url: str) -> None:
        """Removes a URL that failed, unless another one replaced it."""
        if key in self._links and self._links[key].url == url:
            self._links.pop(key)

    def remove(self, key: str | None) -> None:
        """Removes the URL of one media, or all."""
        if key is None:
            self._links = {}
            self._origins = {}
        else:
            self._links.pop(key, None)

    async def _is_open(self, url: str) -> bool:
        try:
            response = await request_url(url, hooks=self._homeserver.hooks)
        except AuthMediaError:
            return False
        response.abort()
        return True


def lifetime_s(url: str, header: "Callable[[str], str]") -> float:
    """Returns for how many seconds a URL may be used: what its signature and its response's headers allow, at most.

    :param url: the presigned URL.
    :param header: returns a header of its response, empty where it is missing.
    """
    limits = [limit for limit in (_signed_lifetime_s(url), _cached_lifetime_s(header)) if limit is not None]
    return max(0.0, min(limits)) if limits else _DEFAULT_LIFETIME_S


def _signed_lifetime_s(url: str) -> float | None:
    """Returns what is left of the life of a presigned URL; ``None`` if it names no end."""
    query: dict[str, str] = {}
    for part in url.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        query[name] = value
    now_s = browser.epoch_ms() / 1000
    for prefix in _SIGNING_PREFIXES:
        duration_s = parse_digits(query.get(prefix + "Expires", ""))
        if duration_s is not None:
            signed_s = _parse_basic_date(query.get(prefix + "Date", ""))
            # A device whose clock is behind must not take it for a longer one.
            return duration_s if signed_s is None else min(duration_s, signed_s + duration_s - now_s)
    expires_s = parse_digits(query.get("Expires", ""))  # the older signature of S3, and CloudFront's
    return None if expires_s is None else expires_s - now_s


def _cached_lifetime_s(header: "Callable[[str], str]") -> float | None:
    """Returns for how long a response may be cached; ``None`` if it does not say so.

    https://www.rfc-editor.org/rfc/rfc9111#section-5
    """
    directives = [directive.strip().lower() for directive in header("Cache-Control").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    for directive in directives:
        if directive.startswith("max-age="):
            age_s = parse_digits(directive[len("max-age=") :])
            return 0.0 if age_s is None else float(age_s)
    expires = header("Expires")
    return seconds_until(expires) or 0.0 if expires else None


def _parse_basic_date(text: str) -> int | None:
    """Parses a date such as ``20261129T021110Z`` into seconds since 1970; returns ``None`` for any other text."""
    day, separator, time = text.partition("T")
    if len(day) != 8 or not separator or len(time) != 7 or time[6] != "Z":
        return None
    numbers = [parse_digits(part) for part in (day[:4], day[4:6], day[6:], time[:2], time[2:4], time[4:6])]
    if None in numbers:
        return None
    year, month, date, hour, minute, second = [number or 0 for number in numbers]
    return ((days_since_1970(year, month, date) * 24 + hour) * 60 + minute) * 60 + second
