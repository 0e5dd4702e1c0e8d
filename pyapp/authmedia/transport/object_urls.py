"""Media in the browser's memory, behind object URLs."""

from authmedia import browser
from authmedia.errors import HomeserverUnreachable
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import NETWORK, Media, MediaRequest, Support, needs_sniffing, shown_content_type
from authmedia.traffic import Traffic
from authmedia.transport.completeness import complete_body
from authmedia.transport.media_requests import request_media

_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


async def probe_object_urls() -> Support:
    """Shows an image of one pixel through an object URL, and returns whether the browser does."""
    shown = await is_decodable_image(browser.text_blob(_PROBE, "image/svg+xml"))
    return Support(shown, "" if shown else "The browser does not show a picture from an object URL")


async def is_decodable_image(body: browser.Blob) -> bool:
    """Returns whether an ``<img>`` can show a blob."""
    url = body.create_object_url()
    try:
        return await browser.can_decode_image(url)
    finally:
        browser.revoke_object_url(url)


async def request_as_object_url(
    homeserver: Homeserver, request: MediaRequest, traffic: Traffic, strategy: str
) -> Media:
    """Requests one media and returns it as an object URL, once all of it arrived.

    :param strategy: the name of the strategy that serves it.
    :raises AuthMediaError: of the class that fits what happened.
    """
    response = await request_media(homeserver, request, traffic)
    try:
        body = await complete_body(response, traffic.on_progress)
    except browser.BrowserError as error:
        traffic.partial = response.partial
        failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
    else:
        return await sniffed_media(request, body, response.header("Content-Type"), traffic, strategy)
    raise failure


async def sniffed_media(
    request: MediaRequest, body: browser.Blob, content_type: str, traffic: Traffic, strategy: str
) -> Media:
    """Returns what `object_url_media` does, with the content type of the body's format if nobody named one."""
    if needs_sniffing(request.kind, shown_content_type(request.kind, content_type, request.content_type)):
        from authmedia.transport.media_formats import sniff_content_type  # most media have a type

        content_type = await sniff_content_type(body, request.kind)
    return object_url_media(request, body, content_type, traffic, strategy)


def object_url_media(
    request: MediaRequest, body: browser.Blob, content_type: str, traffic: Traffic, strategy: str
) -> Media:
    """Returns a body that came over the network as an object URL, which the strategy revokes.

    :param content_type: the content type that the homeserver gives it.
    :param strategy: the name of the strategy that serves it.
    """
    traffic.bytes += body.size
    safe = shown_content_type(request.kind, content_type, request.content_type)
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
