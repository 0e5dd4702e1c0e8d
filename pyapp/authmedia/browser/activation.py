"""Activation of links without an address. https://html.spec.whatwg.org/multipage/interaction.html#activation"""

from authmedia.browser.dom import Element
from authmedia.browser.interop import destroy_proxy
from authmedia.browser.javascript import document, ffi, window

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


def open_tab(url: str) -> bool:
    """Opens a URL in a new tab, which has no reference to this page; returns whether the browser did.

    It needs a gesture of the user in the last seconds: Chromium 156 and Firefox 153 block the tab after five seconds.
    WebKitGTK 2.50 blocks it after any request, one of 18 ms included, while `UserActivation.isActive` is true: there
    it opens in the task of the gesture alone, when the link is cached.
    """
    opened = document.defaultView.open(url, "_blank")
    if ffi.is_none(opened):
        return False
    # As `noopener` does, with which nothing would tell whether the tab was blocked. Not by an assignment in Python, of
    # whose `None` Pyodide makes no null.
    window.Object.assign(opened, window.JSON.parse('{"opener": null}'))
    return True


def listen_for_activation(element: Element, handler: "Callable[[], object]") -> ActivationListener:
    """Calls ``handler`` when a user clicks an element or presses Enter on it, in place of what the browser would do."""
    return ActivationListener(element._js, handler)
