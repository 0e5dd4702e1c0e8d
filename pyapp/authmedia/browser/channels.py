"""Messages between tabs. https://developer.mozilla.org/docs/Web/API/BroadcastChannel"""

from authmedia.browser.interop import destroy_proxy
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Channel:
    """A named channel to the other tabs of this origin; it reaches none where the browser has no channels.

    :param name: a page that knows it receives all messages.
    :param on_message: called with the text of each message from another tab.
    """

    __slots__ = ("_js", "_proxy")

    def __init__(self, name: str, on_message: "Callable[[str], None]") -> None:
        def on_event(event: "Any") -> None:
            on_message(str(event.data))

        self._js: Any = None
        self._proxy = ffi.create_proxy(on_event)
        if not ffi.is_none(getattr(window, "BroadcastChannel", None)):
            self._js = window.BroadcastChannel.new(name)
            self._js.addEventListener("message", self._proxy)

    def post(self, text: str) -> None:
        """Sends a message to all other tabs that have opened the channel."""
        if self._js:
            self._js.postMessage(text)

    def close(self) -> None:
        """Stops receiving."""
        if self._js:
            self._js.close()
            self._js = None
            destroy_proxy(self._proxy)
