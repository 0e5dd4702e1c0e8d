"""Frames with another page of this site. https://developer.mozilla.org/docs/Web/HTML/Element/iframe"""

import asyncio

from authmedia.browser.dom import Element
from authmedia.browser.interop import BrowserError
from authmedia.browser.javascript import ffi
from authmedia.browser.page import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How often a frame's state is polled: seldom enough not to disturb what is measured in it.
_POLL_S = 0.1


class Frame:
    """An ``<iframe>`` with another page of this site, whose progress stands in its ``<html data-state>``.

    :param element: the ``<iframe>``, in the page or about to be.
    """

    __slots__ = ("_closed", "_element", "_js")

    def __init__(self, element: Element) -> None:
        self._element = element
        self._js = element._js
        self._closed = False

    def navigate(self, url: str) -> None:
        """Navigates the frame to a page."""
        self._js.src = url

    def reload(self) -> None:
        """Reloads the page in the frame, as the browser's own button does.

        :raises BrowserError: if the frame contains no page of this site, but the browser's error page.
        """
        html = self._html()
        if html is None:
            raise BrowserError("NotFoundError", "the frame shows no page of this site")
        html.removeAttribute("data-state")  # so that the old page is not mistaken for the new one
        # Not by `call_guarded`, whose additional argument makes Firefox bypass caches and workers.
        self._js.contentWindow.location.reload()

    async def wait_for_state(self, states: "tuple[str, ...]", timeout_s: float) -> str:
        """Waits until the page is in one of some states, and returns it; empty on timeout or once it is closed."""
        deadline = now_ms() + timeout_s * 1000
        while not self._closed and now_ms() < deadline:
            if self.state in states:
                return self.state
            await asyncio.sleep(_POLL_S)
        return ""

    @property
    def state(self) -> str:
        """The page's ``<html data-state>``, empty while there is no page of this site."""
        html = self._html()
        value = None if html is None else html.getAttribute("data-state")
        return "" if ffi.is_none(value) else str(value)

    def text(self, selector: str) -> str:
        """Returns the text of the first element that matches, empty if there is none."""
        html = self._html()
        found: Any = None if html is None else html.querySelector(selector)
        return "" if ffi.is_none(found) else str(found.textContent)

    @property
    def is_open(self) -> bool:
        """Whether the frame was not closed yet."""
        return not self._closed

    def close(self) -> None:
        """Removes the frame, which ends everything that its page does."""
        self._closed = True
        self._element.remove()

    def _html(self) -> "Any":
        document = self._js.contentDocument
        html = None if ffi.is_none(document) else document.documentElement
        return None if ffi.is_none(html) else html
