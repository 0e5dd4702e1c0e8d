"""The URLs of workers' scripts, and the service worker of the baseline `service_worker`.

https://developer.mozilla.org/docs/Web/API/Service_Worker_API
"""

import asyncio

from authmedia.browser.interop import BrowserError, call_guarded, destroy_proxy, settle
from authmedia.browser.javascript import ffi, window
from authmedia.browser.page import create_task, now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

_SCOPE = "./"
_POLL_S = 0.02
#: The URLs of scripts by their names, for those that are neither in the library's folder nor beside the page.
SCRIPT_URLS: "dict[str, str]" = {}


def set_worker_script(name: str, url: str) -> None:
    """Sets the URL of a worker's script, which has to be of the page's own origin."""
    SCRIPT_URLS[name] = url


def has_service_worker() -> bool:
    """Returns whether this window has service workers at all."""
    return not ffi.is_none(getattr(window.navigator, "serviceWorker", None))


class MediaServiceWorker:
    """The service worker of this site, and this page's replies to its messages.

    :param script: the URL of its script, relative to the page.
    :param headers_for: called with the name of a session, the origin of a request, and the ``Authorization`` that the
        homeserver has just refused, which is empty at first. Returns the headers that the request carries, empty if
        there is no valid token; ``None`` where the session is unknown or of another origin.
    :param on_response: called with a URL that the worker responded to, and the length that its response announced.
    """

    __slots__ = ("_proxy", "_script")

    def __init__(
        self,
        script: str,
        headers_for: "Callable[[str, str, str], Awaitable[dict[str, str] | None]]",
        on_response: "Callable[[str, int], None]",
    ) -> None:
        async def reply(port: "Any", session: str, origin: str, refused: str) -> None:
            headers = await headers_for(session, origin, refused)
            if headers is not None:  # else it is the session of another loader on this page, which replies for itself
                port.postMessage(ffi.to_js(headers))

        def on_message(event: "Any") -> None:
            if event.ports.length:
                asked = event.data
                create_task(reply(event.ports[0], str(asked.session), str(asked.origin), str(asked.refused)))
            else:
                on_response(str(event.data.url), int(event.data.length))

        self._script = script
        self._proxy = ffi.create_proxy(on_message)
        if has_service_worker():
            window.navigator.serviceWorker.addEventListener("message", self._proxy)

    async def register(self, timeout_s: float) -> None:
        """Registers the worker and waits until it controls this page.

        :raises BrowserError: where the browser has no service workers, refuses this one, or it does not take control
            in time.
        """
        if not has_service_worker():
            raise BrowserError("NotSupportedError", "navigator.serviceWorker is missing in this window")
        container = window.navigator.serviceWorker
        own = await call_guarded(container.register, container, self._script, ffi.to_js({"scope": _SCOPE}))
        deadline = now_ms() + timeout_s * 1000
        same = getattr(window.Object, "is")
        # One that was unregistered while this page was open stays its controller, but in Firefox responds no longer.
        while ffi.is_none(own.active) or not same(own.active, container.controller):
            if now_ms() > deadline:
                raise BrowserError("NotControlled", "no service worker controls this page, as after a hard reload")
            await asyncio.sleep(_POLL_S)

    async def unregister(self) -> None:
        """Unregisters the worker, whichever page registered it; it controls open pages until they are left.

        :raises BrowserError: if the browser refuses.
        """
        if not has_service_worker():
            return
        container = window.navigator.serviceWorker
        registration = await call_guarded(container.getRegistration, container, _SCOPE)
        if not ffi.is_none(registration):
            await settle(registration.unregister())

    def close(self) -> None:
        """Stops replying."""
        if has_service_worker():
            window.navigator.serviceWorker.removeEventListener("message", self._proxy)
        destroy_proxy(self._proxy)
