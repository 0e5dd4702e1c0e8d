"""Parses what the endpoints' requests have in common: access token, client address, media and thumbnail parameters."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from synapse.api.errors import Codes, SynapseError
from synapse.http.servlet import parse_boolean, parse_integer, parse_string
from synapse.http.site import SynapseRequest
from synapse.module_api import JsonDict, Requester
from synapse.server import HomeServer
from twisted.internet.address import UNIXAddress

from media_protocol.signing import (
    MAX_THUMBNAIL_SIDE,
    PREFIX,
    THUMBNAIL_METHODS,
    Media,
    Thumbnail,
    parse_media,
    parse_mxc,
)

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


def parse_thumbnail(parameters: Any) -> Thumbnail:
    """Parses the ``thumbnail`` of a batch entry.

    :raises SynapseError: 400 if a parameter is missing or out of range.
    """
    if not isinstance(parameters, dict):
        raise SynapseError(400, "'thumbnail' must be an object", Codes.BAD_JSON)
    sides = parameters.get("width"), parameters.get("height")
    if not all(type(side) is int and 1 <= side <= MAX_THUMBNAIL_SIDE for side in sides):
        raise SynapseError(
            400, f"'width' and 'height' must be whole numbers from 1 to {MAX_THUMBNAIL_SIDE}", Codes.INVALID_PARAM
        )
    method = parameters.get("method", "scale")
    if method not in THUMBNAIL_METHODS:
        raise SynapseError(400, "'method' must be 'crop' or 'scale'", Codes.INVALID_PARAM)
    animated = parameters.get("animated", False)
    if not isinstance(animated, bool):
        raise SynapseError(400, "'animated' must be true or false", Codes.INVALID_PARAM)
    return Thumbnail(parameters["width"], parameters["height"], method, animated)


def thumbnail_from_query(request: SynapseRequest) -> Thumbnail:
    """Parses a thumbnail's parameters from the query, with the names of Matrix's own thumbnail endpoint.

    :raises SynapseError: 400 if a parameter is missing or out of range.
    """
    return parse_thumbnail(
        {
            "width": parse_integer(request, "width", required=True),
            "height": parse_integer(request, "height", required=True),
            "method": parse_string(request, "method", default="scale"),
            "animated": parse_boolean(request, "animated", default=False),
        }
    )


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
    entries = body.get("media")
    if not isinstance(entries, list):
        raise SynapseError(400, "'media' must be a list", Codes.BAD_JSON)
    if len(entries) > limit:
        raise SynapseError(413, f"At most {limit} media can be asked for at once", Codes.TOO_LARGE)
    return [_parse_entry(entry) for entry in entries]


def parse_flag(body: JsonDict, name: str) -> bool:
    """Returns a boolean of a request for links, which is false where it is missing.

    :raises SynapseError: 400 if it is no boolean.
    """
    flag = body.get(name, False)
    if not isinstance(flag, bool):
        raise SynapseError(400, f"'{name}' must be true or false", Codes.BAD_JSON)
    return flag


def _parse_entry(entry: object) -> Media | SynapseError:
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
        thumbnail = None if entry.get("thumbnail") is None else parse_thumbnail(entry["thumbnail"])
    except SynapseError as error:
        return error
    return replace(media, thumbnail=thumbnail, download=download)


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
