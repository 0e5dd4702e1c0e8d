"""What a page learns of answers that it may not read: whether there is one, and whether it is a redirect."""

from authmedia.browser.fetch_api import send_request
from authmedia.browser.interop import BrowserError


async def is_reachable(url: str) -> bool:
    """Returns whether any response arrives from a URL, which may lack the headers of CORS.

    A failed request tells a page nothing; one without CORS, whose response is opaque, succeeds wherever a server is.
    https://fetch.spec.whatwg.org/#concept-filtered-response-opaque
    """
    options = {"mode": "no-cors", "cache": "no-store", "credentials": "omit", "referrerPolicy": "no-referrer"}
    try:
        _, controller = await send_request(url, options)
    except BrowserError:
        return False
    controller.abort()  # the body is not read
    return True


async def is_redirected(url: str, headers: dict[str, str]) -> bool:
    """Returns whether a server answers with a redirect, which is not followed.

    https://fetch.spec.whatwg.org/#concept-filtered-response-opaque-redirect

    :raises BrowserError: if no response arrives.
    """
    options = {"redirect": "manual", "cache": "no-store", "credentials": "omit", "headers": headers}
    response, controller = await send_request(url, options)
    controller.abort()
    return str(response.type) == "opaqueredirect"
