"""What the endpoints read out of a request in the same way: who asks, from where, and for which media."""

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

NAMES = "(?P<server_name>[^/]*)/(?P<media_id>[^/]*)"

_THUMBNAIL_PARAMETERS = (b"width", b"height", b"method", b"animated")


def path(rest: str) -> list[re.Pattern[str]]:
    """The ``PATTERNS`` of a servlet, for a path under our prefix."""
    return [re.compile(f"^{re.escape(PREFIX)}/{rest}$")]


def named(server_name: str, media_id: str) -> Media:
    """The media that a path names.

    :raises SynapseError:
    """
    media = parse_media(server_name, media_id)
    if media is None:
        raise SynapseError(400, "This is not the name of a media", Codes.INVALID_PARAM)
    return media


def thumbnail_of(wanted: Any) -> Thumbnail:
    """Reads a thumbnail's parameters, as they stand in a batch.

    :raises SynapseError:
    """
    if not isinstance(wanted, dict):
        raise SynapseError(400, "'thumbnail' must be an object", Codes.BAD_JSON)
    sides = wanted.get("width"), wanted.get("height")
    if not all(type(side) is int and 1 <= side <= MAX_THUMBNAIL_SIDE for side in sides):
        raise SynapseError(
            400, f"'width' and 'height' must be whole numbers from 1 to {MAX_THUMBNAIL_SIDE}", Codes.INVALID_PARAM
        )
    method = wanted.get("method", "scale")
    if method not in THUMBNAIL_METHODS:
        raise SynapseError(400, "'method' must be 'crop' or 'scale'", Codes.INVALID_PARAM)
    animated = wanted.get("animated", False)
    if not isinstance(animated, bool):
        raise SynapseError(400, "'animated' must be true or false", Codes.INVALID_PARAM)
    return Thumbnail(wanted["width"], wanted["height"], method, animated)


def asked_thumbnail(request: SynapseRequest) -> Thumbnail:
    """Reads a thumbnail's parameters out of the query, named as at Matrix's own thumbnail endpoint.

    :raises SynapseError:
    """
    return thumbnail_of(
        {
            "width": parse_integer(request, "width", required=True),
            "height": parse_integer(request, "height", required=True),
            "method": parse_string(request, "method", default="scale"),
            "animated": parse_boolean(request, "animated", default=False),
        }
    )


def asked_media(request: SynapseRequest, server_name: str, media_id: str) -> Media:
    """The media that a path names, or a thumbnail of it where the query has a thumbnail's parameters.

    :raises SynapseError:
    """
    media = named(server_name, media_id)
    if not any(parameter in request.args for parameter in _THUMBNAIL_PARAMETERS):
        return media
    return Media(media.server_name, media.media_id, asked_thumbnail(request))


def wishes(body: JsonDict, most: int) -> list[Media | SynapseError]:
    """Reads the body of a batch or a bundle; of each entry what is wrong with it, if anything is.

    :raises SynapseError: if there are more than so many, or no list of them.
    """
    entries = body.get("media")
    if not isinstance(entries, list):
        raise SynapseError(400, "'media' must be a list", Codes.BAD_JSON)
    if len(entries) > most:
        raise SynapseError(413, f"At most {most} media can be asked for at once", Codes.TOO_LARGE)
    return [_wish(entry) for entry in entries]


def wants_fresh(body: JsonDict) -> bool:
    """Whether the body of a batch asks for links that no cache knows yet.

    :raises SynapseError:
    """
    fresh = body.get("fresh", False)
    if not isinstance(fresh, bool):
        raise SynapseError(400, "'fresh' must be true or false", Codes.BAD_JSON)
    return fresh


def _wish(entry: object) -> Media | SynapseError:
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
        thumbnail = None if entry.get("thumbnail") is None else thumbnail_of(entry["thumbnail"])
    except SynapseError as error:
        return error
    return replace(media, thumbnail=thumbnail, download=download)


class Authenticator:
    """Knows clients by their access tokens, as Synapse does."""

    def __init__(self, hs: HomeServer) -> None:
        self._auth = hs.get_auth()

    async def authenticate(self, request: SynapseRequest) -> Requester:
        """Who asks; and prepares the answer, which nobody may keep.

        :raises SynapseError: without a good access token.
        """
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        return await self._auth.get_user_by_req(request, allow_guest=True)


def client_address(request: SynapseRequest) -> str:
    """The client's address as Synapse sees it, which believes ``X-Forwarded-For`` only where it is told to.

    An IPv4 client of a dual-stack socket is the same client as on a plain one.

    :raises SynapseError: where nobody says it: nothing is bound to no address.
    """
    known = request.getClientAddress()
    if isinstance(known, UNIXAddress):
        words = "Links are bound to addresses here, and yours is unknown: the reverse proxy must send X-Forwarded-For"
        raise SynapseError(403, words, Codes.FORBIDDEN)
    text: str = known.host
    try:
        address = ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
