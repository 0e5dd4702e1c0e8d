"""Media of homeservers from before Matrix 1.11, which everybody may load who knows their URL.

https://spec.matrix.org/v1.10/client-server-api/#content-repository
"""

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverTooOld, LinksUnsupported, MediaUnsupported
from authmedia.matrix.endpoints import MEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.http import request_url
from authmedia.traffic import Traffic


async def find_open_media(homeserver: Homeserver) -> bool:
    """Returns whether everybody may load the homeserver's media, by its versions, and remembers where they are.

    :raises MediaUnsupported: if it has no media.
    :raises AuthMediaError: if it does not answer.
    """
    if homeserver.open_media_prefix:
        return True
    versions = await homeserver.request_versions()
    if versions.authenticates_media:
        return False
    if not versions.media_prefix:
        listed = ", ".join(versions.names[:20]) or "none"
        raise MediaUnsupported("The homeserver has no media that a client can load", words=f"versions: {listed}")
    homeserver.open_media_prefix = versions.media_prefix
    return True


def open_media_url(homeserver: Homeserver, path: str) -> str:
    """Returns the URL of a media that everybody may load; call `find_open_media` before.

    :param path: the path of the media from Matrix 1.11 on.
    """
    return homeserver.base_url + homeserver.open_media_prefix + path[len(MEDIA_PREFIX) :]


async def request_open_media(
    homeserver: Homeserver, path: str, traffic: Traffic, missing: AuthMediaError | None
) -> browser.Response:
    """Requests a media without a token; the body is still arriving.

    :param path: the path of the media from Matrix 1.11 on.
    :param missing: why the endpoint of Matrix 1.11 is taken to be missing.
    :raises AuthMediaError: of the class that fits what happened; ``missing`` if the homeserver should have that.
    """
    try:
        if await find_open_media(homeserver):
            traffic.requests += 1
            return await request_url(open_media_url(homeserver, path), hooks=homeserver.hooks)
        failure: AuthMediaError = missing or MediaUnsupported("The homeserver no longer has open media")
        if isinstance(missing, LinksUnsupported):
            failure = MediaUnsupported("The homeserver lacks the media of its own version", words=missing.words)
    except AuthMediaError as error:
        failure = error
    raise failure


async def explain_by_age(homeserver: Homeserver, strategy: str, error: AuthMediaError, mxc: str) -> AuthMediaError:
    """Returns the error that says that the homeserver is too old for a strategy, if it is; else the same error.

    :param error: of an endpoint that may be missing.
    """
    try:
        if not await find_open_media(homeserver):
            return error
        newest = (await homeserver.request_versions()).newest
    except MediaUnsupported as failure:
        return failure.for_media(mxc)
    except AuthMediaError:
        return error  # which says more
    words = f"this homeserver has {newest} and gives its media to everybody, by `plain` or `auto`"
    return HomeserverTooOld(f"`{strategy}` needs a homeserver from Matrix 1.11 on", mxc=mxc, words=words)
