"""Media in the browser's memory, behind object URLs."""

from authmedia import browser
from authmedia.errors import HomeserverUnreachable
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import (
    NETWORK,
    SVG_TYPE,
    UNKNOWN_TYPE,
    Media,
    MediaRequest,
    Support,
    needs_sniffing,
    shown_content_type,
)
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
    return await response_as_object_url(await request_media(homeserver, request, traffic), request, traffic, strategy)


async def response_as_object_url(
    response: browser.Response, request: MediaRequest, traffic: Traffic, strategy: str
) -> Media:
    """Returns the body of a response as an object URL, once all of it arrived; for the rest see the above.

    :raises HomeserverUnreachable: if it breaks off.
    """
    try:
        body = await complete_body(response, traffic.on_progress, request.kind)
    except browser.BrowserError as error:
        traffic.partial = response.partial
        failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
    else:
        return await object_url_media(request, body, response.header("Content-Type"), traffic, strategy)
    raise failure


async def safe_body(request: MediaRequest, body: browser.Blob, by_server: str) -> browser.Blob:
    """Returns a body in a form of which an object URL runs nothing, and which an element shows if it can.

    Its content type is a safe one: the server's, the event's, or that of the body's format if nobody named one. An SVG
    document is contained.

    :param by_server: the content type that the homeserver gives it.
    """
    content_type = shown_content_type(request.kind, by_server, request.content_type)
    if needs_sniffing(request.kind, content_type):
        from authmedia.transport.media_formats import sniff_content_type  # most media have a type

        content_type = await sniff_content_type(body, request.kind)
    elif content_type == SVG_TYPE:
        from authmedia.browser import contain_svg  # few pages have any

        contained = await contain_svg(body)
        if contained:
            return contained
        content_type = UNKNOWN_TYPE  # images of other formats are known by their bytes
    return body if body.content_type == content_type else body.slice(0, content_type)


async def object_url_media(
    request: MediaRequest, body: browser.Blob, content_type: str, traffic: Traffic, strategy: str
) -> Media:
    """Returns a body that came over the network as an object URL, which the strategy revokes.

    :param content_type: the content type that the homeserver gives it.
    :param strategy: the name of the strategy that serves it.
    """
    traffic.bytes += body.size
    shown = await safe_body(request, body, content_type)
    return Media(
        request,
        shown.create_object_url(),
        strategy=strategy,
        source=NETWORK,
        traffic=traffic,
        content_type=shown.content_type,
        size=body.size,
    )
