"""The page's Content-Security-Policy. https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP"""

from authmedia.browser.dom import create_element
from authmedia.browser.interop import settle, with_resolvers
from authmedia.browser.javascript import document, window

# The browser reports a violation in the task that follows.
_TIMEOUT_MS = 100.0
_DIRECTIVES = ("img-src", "media-src")


async def violated_directive(url: str, tag: str) -> str:
    """Returns the directive of the page's policy that refuses a URL to elements; empty if none does.

    An element reports the same as for a damaged file; the document reports the violation. The query is left out, of
    which no policy knows: what is not refused is requested from the server, and ended at once.

    :param tag: the elements' local name.
    """
    reported = with_resolvers()
    resolve = reported.resolve  # looked up once: MicroPython makes a new function at each lookup, and removes no other
    document.addEventListener("securitypolicyviolation", resolve)
    timer = window.setTimeout(resolve, _TIMEOUT_MS)
    element = create_element(tag)
    try:
        element.js.src = url.split("?")[0]
        violation = await settle(reported.promise)
    finally:
        document.removeEventListener("securitypolicyviolation", resolve)
        window.clearTimeout(timer)
        element.remove_source()
    directive = str(getattr(violation, "effectiveDirective", ""))
    return directive if directive in _DIRECTIVES else ""
