"""Parses what the endpoints' requests have in common: access token, client address, media and thumbnail parameters."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from synapse.api.errors import Codes, SynapseError
from synapse.http.servlet import parse_boolean, parse_integer, parse_string
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer
from twisted.internet.address import UNIXAddress

from media_protocol import media_requests
from media_protocol.media_requests import InvalidRequest
from media_protocol.signing import PREFIX, Media, Thumbnail, parse_media

MEDIA_PATH = "(?P<server_name>[^/]*)/(?P<media_id>[^/]*)"

_THUMBNAIL_PARAMETERS = (b"width", b"height", b"method", b"animated")


def path_pattern(suffix: str) -> list[re.Pattern[str]]:
    """Returns a servlet's ``PATTERNS`` for one path.

    :param suffix: the path behind the prefix of this interface, as a regular expression.
    """
    return [re.compile(f"^{re.escape(PREFIX)}/{suffix}$")]


def header(request: SynapseRequest, name: str) -> str | None:
    """Returns a request header, decoded as ISO 8859-1. Twisted decodes as UTF-8, which fails for other bytes."""
    value: bytes | None = request.getHeader(name.encode("ascii"))
    return None if value is None else value.decode("latin-1")


def media_from_path(server_name: str, media_id: str) -> Media:
    """Returns the media that a path names.

    :raises SynapseError: 400 if a name is malformed.
    """
    media = parse_media(server_name, media_id)
    if media is None:
        raise SynapseError(400, "This is not the name of a media", Codes.INVALID_PARAM)
    return media


def thumbnail_from_query(request: SynapseRequest) -> Thumbnail:
    """Parses a thumbnail's parameters from the query, with the names of Matrix's own thumbnail endpoint.

    :raises SynapseError: 400 if a parameter is missing or out of range.
    """
    parameters = {
        "width": parse_integer(request, "width", required=True),
        "height": parse_integer(request, "height", required=True),
        "method": parse_string(request, "method", default="scale"),
        "animated": parse_boolean(request, "animated", default=False),
    }
    with _synapse_errors():
        return media_requests.parse_thumbnail(parameters)


def media_from_query(request: SynapseRequest, server_name: str, media_id: str) -> Media:
    """Returns the media that a path names, or a thumbnail of it if the query has a thumbnail's parameters.

    :raises SynapseError: 400 if a name or a parameter is malformed.
    """
    media = media_from_path(server_name, media_id)
    if not any(parameter in request.args for parameter in _THUMBNAIL_PARAMETERS):
        return media
    return Media(media.server_name, media.media_id, thumbnail_from_query(request))


def parse_batch(body: JsonDict, limit: int) -> list[Media | SynapseError]:
    """Parses the ``media`` of a request for links or for a bundle.

    :param limit: the maximum number of entries.
    :returns: for each entry its media, or the error that the response has in its place.
    :raises SynapseError: 400 if ``media`` is no list, 413 if it is longer than the limit.
    """
    with _synapse_errors():
        batch = media_requests.parse_batch(body, limit)
    return [_synapse_error(entry) if isinstance(entry, InvalidRequest) else entry for entry in batch]


def parse_flag(body: JsonDict, name: str) -> bool:
    """Returns a boolean of a request for links, which is false where it is missing.

    :raises SynapseError: 400 if it is no boolean.
    """
    with _synapse_errors():
        return media_requests.parse_flag(body, name)


@contextmanager
def _synapse_errors() -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise _synapse_error(error) from None


def _synapse_error(error: InvalidRequest) -> SynapseError:
    return SynapseError(error.status, error.message, error.errcode)


class Authenticator:
    """Authenticates clients by their access tokens, as Synapse does."""

    def __init__(self, hs: HomeServer) -> None:
        self._auth = hs.get_auth()

    async def authenticate(self, request: SynapseRequest) -> Requester:
        """Returns the requester, and forbids caches to store the response.

        :raises SynapseError: 401 without a valid access token.
        """
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        return await self._auth.get_user_by_req(request, allow_guest=True)


def client_address(request: SynapseRequest) -> str:
    """Returns the client's address as Synapse determines it: by ``X-Forwarded-For`` only where ``x_forwarded`` is set.

    An IPv4-mapped IPv6 address (https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2) is returned as IPv4.

    :raises SynapseError: 403 if the address is unknown, which it is behind a Unix socket without that header.
    """
    peer = request.getClientAddress()
    if isinstance(peer, UNIXAddress):
        message = "Links are bound to addresses here, and yours is unknown: the reverse proxy must send X-Forwarded-For"
        raise SynapseError(403, message, Codes.FORBIDDEN)
    text: str = peer.host
    try:
        address = ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
