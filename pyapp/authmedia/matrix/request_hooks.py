"""Hooks that see the requests of a session and their responses: for metrics and tracing, without secrets."""

import asyncio

from authmedia import browser
from authmedia.support.options import reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Never

    Fetch = Callable[..., Awaitable[browser.Response]]

_OPTIONS = ("on_request", "on_response")
# The parameters of a thumbnail. All others are left out of a URL: they may be a link's signature, or a token.
_KEPT_PARAMETERS = ("width", "height", "method", "animated")


class Exchange:
    """One request and its response. https://www.rfc-editor.org/rfc/rfc9110#name-request-response-exchange

    :param method: the HTTP method.
    :param url: without its secrets: of the query, only the parameters of a thumbnail.
    :param initiator: ``fetch`` for a request of this library, ``element`` for one of an ``<img>``, ``<video>`` or
        ``<audio>``, whose status and duration browsers do not report.
    """

    __slots__ = ("bytes", "error", "initiator", "method", "ms", "status", "url")

    def __init__(self, method: str, url: str, initiator: str = "fetch") -> None:
        self.method = method
        self.url = url
        self.initiator = initiator
        #: The HTTP status; ``None`` while there is no response.
        self.status: int | None = None
        #: Milliseconds from the request to the head of the response, or to the failure.
        self.ms: float | None = None
        #: The announced length of the body, or what an element transferred; ``None`` where it is unknown.
        self.bytes: int | None = None
        #: The name of the browser's error if no response arrived: ``AbortError`` for a request that was cancelled.
        self.error = ""

    def __repr__(self) -> str:
        return f"Exchange({self.method} {self.url} {self.status or self.error})"


class RequestHooks:
    """Functions that are called with each `Exchange` of a loader's session.

    >>> def log(exchange):
    ...     print(exchange.method, exchange.url, exchange.status, exchange.ms, exchange.bytes)
    >>>
    >>> loader = open_loader("auto", homeserver, hooks=RequestHooks(on_response=log))

    An access token is in no header, URL or body that they are given. An exception that one raises is reported as
    unhandled, and changes nothing.

    :param on_request: called before each request, whose response is not known yet.
    :param on_response: called with the same object once its response or failure is known; of a request by an element,
        this is the only call.
    :raises ValueError: if one cannot be called.
    """

    OPTION = "hooks"
    __slots__ = ("_on_request", "_on_response")

    def __init__(
        self,
        *,
        on_request: "Callable[[Exchange], object] | None" = None,
        on_response: "Callable[[Exchange], object] | None" = None,
        **unknown: "Never",
    ) -> None:
        reject_unknown("RequestHooks", unknown, _OPTIONS)
        for name, hook in (("on_request", on_request), ("on_response", on_response)):
            require(hook is None or callable(hook), "RequestHooks", name, hook, "a function or None")
        self._on_request = on_request
        self._on_response = on_response

    def observing(self, fetch: "Fetch") -> "Fetch":
        """Returns a function like `browser.fetch` that calls the hooks around another one."""

        async def observed(url: str, **options: "Any") -> browser.Response:
            if not url.startswith("http"):
                return await fetch(url, **options)  # an object URL, which sends no request
            exchange = Exchange(options.get("method", "GET"), without_secrets(url))
            _call(self._on_request, exchange)
            started_ms = browser.now_ms()
            try:
                response = await fetch(url, **options)
                exchange.status, exchange.bytes = response.status, response.content_length
                return response
            except browser.BrowserError as error:
                exchange.error = error.name
                raise
            except asyncio.CancelledError:
                exchange.error = "AbortError"
                raise
            finally:
                exchange.ms = browser.now_ms() - started_ms
                _call(self._on_response, exchange)

        return observed

    def report_element(self, url: str, transferred: int) -> None:
        """Calls the hook for a request that an element has sent by itself.

        :param transferred: the bytes of the body that came over the network.
        """
        exchange = Exchange("GET", without_secrets(url), "element")
        exchange.bytes = transferred
        _call(self._on_response, exchange)


def without_secrets(url: str) -> str:
    """Returns a URL without user, fragment, and all of its query that is no parameter of a thumbnail."""
    parsed = browser.parse_url(url)
    if not parsed:
        return ""
    parameters = url.partition("#")[0].partition("?")[2].split("&")
    kept = [parameter for parameter in parameters if parameter.partition("=")[0] in _KEPT_PARAMETERS]
    return parsed.origin + parsed.path + ("?" + "&".join(kept) if kept else "")


def _call(hook: "Callable[[Exchange], object] | None", exchange: Exchange) -> None:
    if hook:
        browser.call_hook(hook, exchange)
