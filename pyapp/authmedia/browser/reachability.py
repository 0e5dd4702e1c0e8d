"""What a page learns of answers that it may not read: whether there is one, and whether it is a redirect."""

from authmedia.browser import timeouts
from authmedia.browser.interop import BrowserError
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def is_reachable(url: str) -> bool:
    """Returns whether any response arrives from a URL, which may lack the headers of CORS.

    A failed request tells a page nothing; one without CORS, whose response is opaque, succeeds wherever a server is.
    https://fetch.spec.whatwg.org/#concept-filtered-response-opaque
    """
    controller = window.AbortController.new()
    options = {"mode": "no-cors", "cache": "no-store", "credentials": "omit", "referrerPolicy": "no-referrer"}
    options["signal"] = controller.signal
    promise = window.fetch(url, ffi.to_js(options))
    try:
        await timeouts.settle_within(promise, controller, timeouts.RESPONSE_TIMEOUT_S)
    except BrowserError:
        return False
    controller.abort()  # nobody reads the body
    return True


async def is_redirected(url: str, headers: dict[str, str]) -> bool:
    """Returns whether a server answers with a redirect, which is not followed.

    https://fetch.spec.whatwg.org/#concept-filtered-response-opaque-redirect

    :raises BrowserError: if no response arrives.
    """
    controller = window.AbortController.new()
    options: dict[str, Any] = {"redirect": "manual", "cache": "no-store", "credentials": "omit", "headers": headers}
    options["signal"] = controller.signal
    promise = window.fetch(url, ffi.to_js(options))
    response = await timeouts.settle_within(promise, controller, timeouts.RESPONSE_TIMEOUT_S)
    controller.abort()
    return str(response.type) == "opaqueredirect"
