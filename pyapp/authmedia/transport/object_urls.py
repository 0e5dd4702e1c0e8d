"""Bodies in the browser's memory, behind object URLs."""

from authmedia import browser
from authmedia.errors import HomeserverUnreachable
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import NETWORK, Media, MediaRequest, Support, safe_content_type
from authmedia.traffic import Traffic
from authmedia.transport.completeness import whole_body

_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


async def try_memory() -> Support:
    """Shows a picture of one pixel through an object URL."""
    shown = await is_picture(browser.text_blob(_PROBE, "image/svg+xml"))
    return Support(shown, "" if shown else "The browser does not show a picture from an object URL")


async def is_picture(body: browser.Blob) -> bool:
    """Whether an ``<img>`` can show it."""
    url = body.create_object_url()
    try:
        return await browser.can_decode_image(url)
    finally:
        browser.revoke_object_url(url)


async def fetch_into_memory(homeserver: Homeserver, request: MediaRequest, traffic: Traffic, strategy: str) -> Media:
    """One authenticated fetch of one media, whole.

    :raises AuthMediaError: of the class that fits what happened.
    """
    response = await homeserver.fetch_media(request, traffic)
    try:
        body = await whole_body(response, traffic.on_progress)
    except browser.BrowserError as error:
        failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
    else:
        return in_memory(request, body, response.header("Content-Type"), traffic, strategy)
    raise failure


def in_memory(request: MediaRequest, body: browser.Blob, content_type: str, traffic: Traffic, strategy: str) -> Media:
    """A body that came over the network as what elements can show; whoever gets it revokes its object URL.

    :param content_type: what the homeserver says it is.
    """
    traffic.bytes += body.size
    safe = safe_content_type(content_type or request.content_type)
    shown = body if body.content_type == safe else body.slice(0, safe)
    return Media(
        request,
        shown.create_object_url(),
        strategy=strategy,
        source=NETWORK,
        traffic=traffic,
        content_type=safe,
        size=body.size,
    )
