"""Finds the homeserver of a user id, a domain or a URL. https://spec.matrix.org/latest/client-server-api/#server-discovery"""

from authmedia import browser
from authmedia.browser import is_reachable
from authmedia.errors import (
    AuthMediaError,
    HomeserverHidden,
    HomeserverNotFound,
    HomeserverUnreachable,
    MalformedAddress,
    MalformedWellKnown,
    NoHomeserver,
    PolicyRefused,
    ServerFailure,
)
from authmedia.matrix.http import read_text
from authmedia.matrix.mxc import printable
from authmedia.matrix.server_versions import VERSIONS_PATH, request_versions
from authmedia.matrix.urls import BaseUrl
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.server_versions import ServerVersions

WELL_KNOWN_PATH = "/.well-known/matrix/client"
# Names of this machine, where a development server has no certificate.
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# The states of a domain's `.well-known`.
_MISSING, _UNREADABLE, _FOUND = "missing", "unreadable", "found"


class DiscoveredServer:
    """A homeserver that has answered.

    :param base_url: its base URL, for `Homeserver`.
    :param versions: what it says of itself.
    :param media_base_url: the base URL of a gateway for media that its domain names, for `Homeserver`; else empty.
    """

    __slots__ = ("base_url", "media_base_url", "versions")

    def __init__(self, base_url: str, versions: "ServerVersions", media_base_url: str = "") -> None:
        self.base_url = base_url
        self.versions = versions
        self.media_base_url = media_base_url

    def __repr__(self) -> str:
        return f"DiscoveredServer({self.base_url!r})"


async def discover_homeserver(name: str) -> DiscoveredServer:
    """Finds the homeserver of a user id, a domain or a URL, and asks it for its versions.

    >>> server = await discover_homeserver("@ana:example.org")
    >>> login = await log_in(server.base_url, "@ana:example.org", password)

    A URL may be the homeserver's own, or that of a website whose domain has a homeserver.

    :raises MalformedAddress: if it is none of the three.
    :raises HomeserverNotFound: if no server answers there.
    :raises HomeserverHidden: if a server answers, whose answers this page may not read.
    :raises NoHomeserver: if what answers is something else, such as a website.
    :raises MalformedWellKnown: if the domain names its homeserver in a way that leads nowhere.
    :raises AuthMediaError: of the class that fits what happened.
    """
    name = name.strip()
    if "://" in name:
        return await _discover_url(BaseUrl(name))
    return await _discover_domain(_domain_url(name), is_domain=True)


async def _discover_url(url: BaseUrl) -> DiscoveredServer:
    """Takes the URL for the homeserver's own, and if it is not, for a website's."""
    try:
        return await _discover_base(url)
    except (NoHomeserver, HomeserverHidden) as error:
        failure: AuthMediaError = error
    try:
        return await _discover_domain(BaseUrl(url.origin), is_domain=False)
    except (NoHomeserver, HomeserverNotFound):
        pass
    raise failure  # of what the person entered


async def _discover_domain(url: BaseUrl, *, is_domain: bool) -> DiscoveredServer:
    state, base_url, media_base_url = await _request_well_known(url)
    if state == _FOUND:
        server = await _discover_named(url, base_url)
        server.media_base_url = media_base_url
        return server
    if not is_domain:
        raise NoHomeserver(f"{url.href} names no homeserver")
    try:
        return await _discover_base(url)
    except NoHomeserver as error:
        if state == _MISSING:
            raise
        failure: AuthMediaError = error
    # A website: it may name its homeserver in a file that it does not let pages of other sites read.
    raise HomeserverHidden(f"{url.href} does not let this page read which homeserver it has", words=failure.words)


async def _discover_named(url: BaseUrl, base_url: str) -> DiscoveredServer:
    """Asks the homeserver that a domain names."""
    try:
        return await _discover_base(BaseUrl(base_url))
    except MalformedAddress:
        failure = MalformedWellKnown(f"{url.href} names a homeserver whose address is malformed: {printable(base_url)}")
    except NoHomeserver as error:
        failure = MalformedWellKnown(
            f"{url.href} names {printable(base_url)}, which is no homeserver", words=error.words
        )
    raise failure


async def _request_well_known(url: BaseUrl) -> "tuple[str, str, str]":
    """Returns whether a domain names its homeserver, and the base URLs of that and of a gateway for media.

    :raises MalformedWellKnown: if there is something else than a document that names one.
    """
    place = url.origin + WELL_KNOWN_PATH
    try:
        response = await browser.fetch(place)
        if response.status == 404:
            response.abort()
            return _MISSING, "", ""
        if response.status != 200:
            response.abort()
            raise MalformedWellKnown(f"{place} answers with HTTP {response.status}")
        text = await read_text(response)
    except (browser.BrowserError, HomeserverUnreachable):
        return _UNREADABLE, "", ""
    body = parse_json(text)
    if not isinstance(body, dict):
        if "<html" in text[:2000].lower():  # a website that has the same page for every path
            return _MISSING, "", ""
        raise MalformedWellKnown(f"{place} is not JSON")
    base_url = json_object(body.get("m.homeserver")).get("base_url")
    if not isinstance(base_url, str) or not base_url:
        raise MalformedWellKnown(f"{place} names no base_url of an m.homeserver")
    media_base_url = json_object(body.get("dev.authmedia.media")).get("base_url")
    return _FOUND, base_url, media_base_url if isinstance(media_base_url, str) else ""


async def _discover_base(url: BaseUrl) -> DiscoveredServer:
    """Asks what should be a homeserver for its versions."""
    failure: AuthMediaError
    try:
        return DiscoveredServer(url.href, await request_versions(url.href))
    except HomeserverUnreachable as error:
        failure = error
    except ServerFailure as error:
        # A proxy answers so for a homeserver that is down, which is not the same as a website.
        if error.words.startswith("HTTP 5"):
            raise
        failure = error
    except AuthMediaError as error:
        if error.temporary or isinstance(error, PolicyRefused):
            raise
        failure = error
    if isinstance(failure, HomeserverUnreachable):
        raise await _unreachable(url, failure.words)
    raise NoHomeserver(f"{url.href} is no homeserver", words=failure.words or failure.summary)


async def _unreachable(url: BaseUrl, words: str) -> AuthMediaError:
    """Returns why a request failed, as far as a page can tell."""
    is_mixed = browser.page_origin().startswith("https:") and url.origin.startswith("http:")
    if is_mixed and url.hostname not in _LOOPBACK:
        return HomeserverNotFound(f"A page of https cannot reach {url.origin}, which is not", words=words)
    if await is_reachable(url.href + VERSIONS_PATH):
        return HomeserverHidden(f"{url.href} answers, and sends no headers of CORS", words=words)
    return HomeserverNotFound(f"No server answers at {url.origin}", words=words)


def _domain_url(name: str) -> BaseUrl:
    """Returns where the homeserver of a user id or a domain is looked for.

    :raises MalformedAddress: if it is neither.
    """
    domain = name.partition(":")[2] if name.startswith("@") else name
    url = browser.parse_url("https://" + domain)
    # What ends the host in a URL is not part of a server name.
    if not url or not domain or any(mark in domain for mark in "/\\@?#% \t\n"):
        raise MalformedAddress(f"{printable(name)} is no user id, domain or address of a homeserver")
    return BaseUrl(("http://" if url.hostname in _LOOPBACK else "https://") + domain)
