"""The page's Content-Security-Policy. https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP

An element reports the same as for a damaged file, and a request the same as without a network. The document reports the
violation, of whichever request, so the same is tried again, and the violation compared with it.
"""

from authmedia.browser.dom import create_element
from authmedia.browser.interop import destroy_proxy, settle, with_resolvers
from authmedia.browser.javascript import document, ffi, window
from authmedia.browser.urls import parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The browser reports a violation in the task that follows.
_TIMEOUT_MS = 100.0
_EVENT = "securitypolicyviolation"
# The origins, and schemes, that the policy does not refuse to requests: a policy never becomes less strict.
_allowed: "set[str]" = set()


async def violated_directive(url: str, tag: str) -> str:
    """Returns the directive of the page's policy that refuses a URL to elements; empty if none does.

    The query is left out, of which no policy knows: what is not refused is requested from the server, and ended soon.

    :param tag: the elements' local name.
    """
    url = url.split("?")[0]
    element = create_element(tag)

    def load() -> None:
        element.js.src = url

    try:
        return await _reported(url, "img-src" if tag == "img" else "media-src", load)
    finally:
        element.remove_source()


async def refused_request(url: str) -> str:
    """Returns the directive of the page's policy that refuses requests to a URL; empty if none does.

    What is not refused is requested from the server, once for each origin, and aborted.
    """
    url = url.split("?")[0]
    place = _place(url)
    if place in _allowed:
        return ""
    controller = window.AbortController.new()
    options = ffi.to_js({"mode": "no-cors", "credentials": "omit", "cache": "no-store", "signal": controller.signal})

    def request() -> None:
        window.fetch(url, options).catch(window.Boolean)

    try:
        directive = await _reported(url, "connect-src", request)
    finally:
        controller.abort()
    if not directive:
        _allowed.add(place)
    return directive


async def _reported(url: str, directive: str, act: "Callable[[], None]") -> str:
    """Returns the directive if the document reports that it refuses a URL, after ``act`` has used that; else empty."""
    reported = with_resolvers()
    resolve = reported.resolve
    # Some engines name no more than the origin of another site's URL.
    names = (url, _place(url))

    def on_violation(event: "Any") -> None:
        if str(event.effectiveDirective) == directive and str(event.blockedURI).split("?")[0] in names:
            resolve(directive)

    proxy = ffi.create_proxy(on_violation)
    document.addEventListener(_EVENT, proxy)
    timer = window.setTimeout(resolve, _TIMEOUT_MS, "")
    try:
        act()
        return str(await settle(reported.promise))
    finally:
        document.removeEventListener(_EVENT, proxy)
        window.clearTimeout(timer)
        destroy_proxy(proxy)


def _place(url: str) -> str:
    """Returns the origin of a URL of the network, and the scheme of any other, as violations name it."""
    parsed = parse_url(url) if url.startswith("http") else None
    return parsed.origin if parsed else url.partition(":")[0]
