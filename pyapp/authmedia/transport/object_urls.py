"""Media in the browser's memory, behind object URLs."""

from authmedia import browser
from authmedia.errors import HomeserverUnreachable
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import NETWORK, Media, MediaRequest, Support, is_svg, safe_content_type
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
        return await object_url_media(request, body, response.header("Content-Type"), traffic, strategy)
    raise failure


async def safe_body(request: MediaRequest, body: browser.Blob, content_type: str) -> browser.Blob:
    """Returns a body in a form of which an object URL is no page that runs: its content type is safe, or it is an SVG
    document that is contained.

    :param content_type: what the body claims to be.
    """
    if is_svg(content_type) and request.kind == "image":
        from authmedia.browser import contain_svg  # here, since few pages have any

        contained = await contain_svg(body)
        if contained:
            return contained
    safe = safe_content_type(content_type)
    return body if body.content_type == safe else body.slice(0, safe)


async def object_url_media(
    request: MediaRequest, body: browser.Blob, content_type: str, traffic: Traffic, strategy: str
) -> Media:
    """Returns a body that came over the network as an object URL, which the strategy revokes.

    :param content_type: the content type that the homeserver gives it.
    :param strategy: the name of the strategy that serves it.
    """
    traffic.bytes += body.size
    shown = await safe_body(request, body, content_type or request.content_type)
    return Media(
        request,
        shown.create_object_url(),
        strategy=strategy,
        source=NETWORK,
        traffic=traffic,
        content_type=shown.content_type,
        size=body.size,
    )
