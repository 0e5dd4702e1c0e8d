"""Activation of links without an address. https://html.spec.whatwg.org/multipage/interaction.html#activation"""

from authmedia.browser.dom import Element
from authmedia.browser.interop import destroy_proxy
from authmedia.browser.javascript import ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_EVENTS = ("click", "keydown")


class ActivationListener:
    """A registered listener for clicks and the Enter key; `close` removes it."""

    __slots__ = ("_proxy", "_target")

    def __init__(self, target: "Any", handler: "Callable[[], object]") -> None:
        def handle(event: "Any") -> None:
            if str(event.type) == "keydown" and (str(event.key) != "Enter" or event.repeat):
                return
            event.preventDefault()  # of the key, too: a link with an address would be clicked as well
            handler()

        self._target = target
        self._proxy = ffi.create_proxy(handle)
        for event in _EVENTS:
            target.addEventListener(event, self._proxy)

    def close(self) -> None:
        """Removes the listener and destroys its proxy."""
        for event in _EVENTS:
            self._target.removeEventListener(event, self._proxy)
        destroy_proxy(self._proxy)


def listen_for_activation(element: Element, handler: "Callable[[], object]") -> ActivationListener:
    """Calls ``handler`` when a user clicks an element or presses Enter on it, in place of what the browser would do."""
    return ActivationListener(element._js, handler)
