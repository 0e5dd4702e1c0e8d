"""Continues a body whose transfer broke off, by a request for the rest of it.

https://www.rfc-editor.org/rfc/rfc9110#section-14.2
"""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.traffic import PartialBody, Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_OK, _PARTIAL_CONTENT = 200, 206


async def request_rest(
    send: "Callable[[dict[str, str]], Awaitable[browser.Response]]", url: str, traffic: Traffic
) -> browser.Response:
    """Requests the rest of ``traffic.partial``, and the whole where the server has no such rest any more.

    :param send: sends the request with additional headers.
    :param url: the URL that it sends the request to.
    :returns: a response whose body is the whole one.
    :raises AuthMediaError: of the class that fits what happened.
    """
    partial = traffic.partial
    assert partial
    try:
        response = await send(_range_headers(partial, url))
    except AuthMediaError as error:
        if error.temporary:
            raise  # the next attempt continues, too
        response = None
    traffic.partial = None
    if response and response.status == _OK:
        return response
    if response and _continues(response, partial):
        response.resume(partial.body)
        return response
    if response:
        response.abort()
    return await send({})


def _range_headers(partial: PartialBody, url: str) -> dict[str, str]:
    """Returns the headers of the request.

    To other origins ``If-Range`` needs a preflight (https://fetch.spec.whatwg.org/#cors-safelisted-request-header),
    which only the endpoints of our module are known to allow. The response's tag says the same, at a request more
    where the media has changed.
    """
    headers = {"Range": f"bytes={partial.body.size}-"}
    target = browser.parse_url(url)
    if AUTHMEDIA_PREFIX in url or (target and target.origin == browser.page_origin()):
        headers["If-Range"] = partial.etag
    return headers


def _continues(response: browser.Response, partial: PartialBody) -> bool:
    """Returns whether a response is the rest of the same body. https://www.rfc-editor.org/rfc/rfc9110#section-14.4"""
    expected = f"bytes {partial.body.size}-{partial.total - 1}/{partial.total}"
    same = response.header("ETag") == partial.etag and response.header("Content-Range") == expected
    return same and response.status == _PARTIAL_CONTENT
