"""Whether a server answers at all, where a page may not read its answers."""

from authmedia.browser import timeouts
from authmedia.browser.interop import BrowserError
from authmedia.browser.javascript import ffi, window


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
