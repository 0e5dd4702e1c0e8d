"""Requests for media: their paths in the client-server API, and their entries in a batch."""

from authmedia import browser
from authmedia.errors import AuthMediaError, LinksUnsupported, MediaNotFound, NoThumbnail
from authmedia.matrix.endpoints import MEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def request_media(homeserver: Homeserver, request: MediaRequest, traffic: Traffic) -> browser.Response:
    """Requests a media or its thumbnail with the session's token; the body is still arriving.

    A homeserver from before Matrix 1.11 has no such endpoint, and gives its media to everybody by another.
    https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid

    :raises AuthMediaError: of the class that fits what happened.
    """
    path = media_path(request)
    missing: AuthMediaError | None = None
    try:
        if not homeserver.open_media_prefix and traffic.partial:
            from authmedia.transport.resumption import request_rest  # few transfers break off

            return await request_rest(
                lambda headers: homeserver.request("GET", path, traffic=traffic, headers=headers),
                homeserver.base_url + path,
                traffic,
            )
        if not homeserver.open_media_prefix:
            response = await homeserver.request("GET", path, traffic=traffic)
            if response.redirected_url:
                homeserver.redirects_media = True
            return response if request.max_bytes is None else _require_size(response, request)
    except AuthMediaError as error:
        missing = error
    if missing and not may_lack_endpoint(missing):
        raise missing.for_media(request.mxc)
    try:
        from authmedia.transport.open_media import request_open_media  # no modern server needs it

        return _require_size(await request_open_media(homeserver, path, traffic, missing), request)
    except AuthMediaError as error:
        failure = error
    raise failure.for_media(request.mxc)


def _require_size(response: browser.Response, request: MediaRequest) -> browser.Response:
    """Returns a response whose body is not larger than the request allows.

    :raises NoThumbnail: if it is.
    """
    size = response.content_length
    if request.max_bytes is None or size is None or size <= request.max_bytes:
        return response
    response.abort()
    raise NoThumbnail(
        "The homeserver has no thumbnail, and the media is too large to take its place", words=f"{size} bytes"
    )


def may_lack_endpoint(error: AuthMediaError) -> bool:
    """Returns whether the endpoint may be missing rather than the media; old servers and proxies do not say which."""
    return isinstance(error, LinksUnsupported) or (isinstance(error, MediaNotFound) and error.words == "HTTP 404")


def media_path(request: MediaRequest) -> str:
    """Returns the path of a media or its thumbnail, from the root of the homeserver."""
    form = "thumbnail" if request.is_thumbnail else "download"
    return f"{MEDIA_PREFIX}/{form}/{request.server_name}/{request.media_id}{request.thumbnail_query}"


def batch_entry(request: MediaRequest) -> "dict[str, Any]":
    """Returns a media as one entry of a request for links, or for a bundle."""
    entry: dict[str, Any] = {"mxc": request.mxc}
    if request.kind == "file":
        entry["download"] = True  # for another origin only the server can have a browser save it
        if request.file_name:
            entry["filename"] = request.file_name
    if request.is_thumbnail:
        entry["thumbnail"] = {
            "width": request.width,
            "height": request.height,
            "method": request.method,
            "animated": request.animated,
        }
    return entry
