"""Events after which the network may be back."""

from authmedia.browser.dom import EventListener
from authmedia.browser.javascript import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class ConnectivityEvents:
    """Calls a function when the browser is online again, and when its page is visible again; `close` ends that.

    https://developer.mozilla.org/docs/Web/API/Window/online_event

    :param handler: is called.
    """

    __slots__ = ("_handler", "_listeners")

    def __init__(self, handler: "Callable[[], object]") -> None:
        self._handler = handler
        self._listeners = [
            # Not `window`, which is a module on MicroPython: the browser would say "Illegal invocation".
            EventListener(document.defaultView, "online", handler),
            EventListener(document, "visibilitychange", self._on_visibility),
        ]

    def close(self) -> None:
        """Removes the listeners."""
        for listener in self._listeners:
            listener.close()

    def _on_visibility(self) -> None:
        if str(document.visibilityState) == "visible":
            self._handler()
