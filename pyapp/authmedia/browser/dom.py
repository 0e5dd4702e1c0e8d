"""Elements of the document. https://developer.mozilla.org/docs/Web/API/Document_Object_Model"""

import asyncio
import json

from authmedia.browser import primitives, timeouts
from authmedia.browser.interop import BrowserError, await_callback, destroy_proxy, settle
from authmedia.browser.javascript import document, ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# https://developer.mozilla.org/docs/Web/API/MediaError/code
_MEDIA_ERR_NETWORK = 2
# What `primitives.show` reports in place of an event: the second of a player that loads no further before it plays.
_TIMED_OUT, _WAITS_FOR_PLAY = "timeout", "pause"


class EventListener:
    """A registered event listener; `close` removes it.

    :param target: the browser's ``EventTarget``.
    :param event: the event's type.
    :param handler: called at each event.
    """

    __slots__ = ("_event", "_proxy", "_target")

    def __init__(self, target: "Any", event: str, handler: "Callable[[], object]") -> None:
        def handle(happened: "Any") -> None:
            if event == "submit":  # else the browser would leave the page
                happened.preventDefault()
            handler()

        self._target = target
        self._event = event
        self._proxy = ffi.create_proxy(handle)
        target.addEventListener(event, self._proxy)

    def close(self) -> None:
        """Removes the listener and destroys its proxy."""
        self._target.removeEventListener(self._event, self._proxy)
        destroy_proxy(self._proxy)


class Element:
    """An element of the page, with the few attributes and methods that bindings and pages need.

    https://developer.mozilla.org/docs/Web/API/HTMLElement
    """

    __slots__ = ("_js", "_tag")

    def __init__(self, js: "Any") -> None:
        self._js = js
        self._tag = ""

    @property
    def js(self) -> "Any":
        """The browser's own element, as PyScript's ``document`` has it."""
        return self._js

    @property
    def tag(self) -> str:
        """The element's local name, in lower case."""
        self._tag = self._tag or str(self._js.localName)
        return self._tag

    @property
    def text(self) -> str:
        """The element's ``textContent``; setting it never parses markup."""
        return str(self._js.textContent)

    @text.setter
    def text(self, text: str) -> None:
        self._js.textContent = text

    @property
    def value(self) -> str:
        """The value of a form field."""
        return str(self._js.value)

    @value.setter
    def value(self, text: str) -> None:
        self._js.value = text

    @property
    def hidden(self) -> bool:
        """Whether the element is hidden from view and from the accessibility tree."""
        return bool(self._js.hidden)

    @hidden.setter
    def hidden(self, hidden: bool) -> None:
        self._js.hidden = hidden

    @property
    def height(self) -> float:
        """The rendered height in CSS pixels."""
        return float(self._js.getBoundingClientRect().height)

    def get_attribute(self, name: str) -> str:
        """Returns an attribute's value, empty where it is missing."""
        value = self._js.getAttribute(name)
        return "" if ffi.is_none(value) else str(value)

    def has_attribute(self, name: str) -> bool:
        """Returns whether an attribute is present, empty or not."""
        return bool(self._js.hasAttribute(name))

    def get_attributes(self, names: "tuple[str, ...]") -> "dict[str, str]":
        """Returns those of the named attributes that are present and not empty."""
        found: dict[str, str] = json.loads(str(primitives.read_attributes(self._js, ",".join(names))))
        return found

    def set_attribute(self, name: str, value: str) -> None:
        """Sets an attribute."""
        primitives.set_attributes(self._js, name, value)

    def set_attributes(self, attributes: "dict[str, str]") -> None:
        """Sets several attributes."""
        pairs = []
        for name, value in attributes.items():
            pairs += [name, value]
        primitives.set_attributes(self._js, *pairs)

    def remove_attribute(self, name: str) -> None:
        """Removes an attribute."""
        primitives.remove_attributes(self._js, name)

    def remove_attributes(self, names: "tuple[str, ...]") -> None:
        """Removes several attributes."""
        primitives.remove_attributes(self._js, *names)

    def query(self, selector: str) -> "Element":
        """Returns the first descendant that matches.

        :raises BrowserError: if there is none.
        """
        found = self._js.querySelector(selector)
        if ffi.is_none(found):
            raise BrowserError("NotFoundError", f"no element matches {selector}")
        return Element(found)

    def query_all(self, selector: str) -> "list[Element]":
        """Returns all descendants that match."""
        found = self._js.querySelectorAll(selector)
        return [Element(found[position]) for position in range(int(found.length))]

    def closest(self, selector: str) -> "Element":
        """Returns the nearest ancestor that matches, or the element itself where none does."""
        found = self._js.closest(selector)
        return self if ffi.is_none(found) else Element(found)

    def append(self, *children: "Element | str") -> None:
        """Appends child elements, and texts, which are never parsed."""
        for child in children:
            self._js.append(child if isinstance(child, str) else child._js)

    def after(self, sibling: "Element") -> None:
        """Inserts an element after this one."""
        self._js.after(sibling._js)

    def remove_children(self) -> None:
        """Removes all that the element contains."""
        self._js.replaceChildren()

    def remove(self) -> None:
        """Removes the element from the document."""
        self._js.remove()

    def click(self) -> None:
        """Activates the element as a click does."""
        self._js.click()

    def focus(self) -> None:
        """Moves the keyboard focus to the element."""
        self._js.focus()

    @property
    def has_focus(self) -> bool:
        """Whether the keyboard focus is on the element or inside it."""
        return bool(self._js.matches(":focus-within"))

    def select(self) -> None:
        """Selects the text of a form field."""
        self._js.select()

    def set_style(self, name: str, value: str) -> None:
        """Sets a property of the element's inline style; an empty value removes it."""
        if value:
            self._js.style.setProperty(name, value)
        else:
            self._js.style.removeProperty(name)

    def listen(self, event: str, handler: "Callable[[], object]") -> EventListener:
        """Calls ``handler`` at each event of a type, until the returned listener is closed."""
        return EventListener(self._js, event, handler)

    def show_dialog(self) -> None:
        """Opens a ``<dialog>`` as a modal. https://developer.mozilla.org/docs/Web/API/HTMLDialogElement/showModal"""
        self._js.showModal()

    # --- images, video and audio -------------------------------------------------------------------------------------

    @property
    def media_error(self) -> str:
        """The message of a video's or audio's error, empty if there is none."""
        error: Any = getattr(self._js, "error", None)
        return "" if ffi.is_none(error) else str(error.message)

    @property
    def has_network_error(self) -> bool:
        """Whether the transfer of a video or audio broke off after it had begun."""
        error: Any = getattr(self._js, "error", None)
        return not ffi.is_none(error) and int(error.code) == _MEDIA_ERR_NETWORK

    @property
    def duration(self) -> float:
        """The duration of a video or audio in seconds; NaN while it is unknown."""
        return float(self._js.duration)

    @property
    def current_time(self) -> float:
        """The playback position of a video or audio in seconds."""
        return float(self._js.currentTime)

    @current_time.setter
    def current_time(self, seconds: float) -> None:
        self._js.currentTime = seconds

    @property
    def is_playing(self) -> bool:
        """Whether a video or audio is playing, or waiting for data to do so."""
        return not self._js.paused and not self._js.ended

    async def play(self) -> None:
        """Starts playback; does nothing where the browser requires a user's gesture.

        https://developer.mozilla.org/docs/Web/API/HTMLMediaElement/play
        """
        try:
            await settle(self._js.play())
        except BrowserError:
            return

    async def seek(self, seconds: float, timeout_s: float) -> bool:
        """Seeks a video or audio and waits for the frame there; returns whether that succeeded in time.

        https://developer.mozilla.org/docs/Web/API/HTMLMediaElement/seeked_event
        """
        fired = asyncio.Event()
        listeners = [self.listen("seeked", fired.set), self.listen("error", fired.set)]
        try:
            self._js.currentTime = seconds
            await asyncio.wait_for(fired.wait(), timeout_s)
            return not self.media_error
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
            return False
        finally:
            for listener in listeners:
                listener.close()

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        """Sets the element's source and waits; returns whether ``success_event`` fired rather than ``error``.

        :param crossorigin: the attribute of that name, which must be set before the source is; empty for none.
        :param play: whether a video or audio starts playing at once: one with ``preload="none"`` transfers nothing
            otherwise.
        :raises BrowserError: if an image does not arrive in time.
        """
        # Of images, since no browser reports one that stalls; players have their own, and lazy images none.
        from_network = self.tag == "img" and not src.startswith("blob:")
        timeout_s = timeouts.body_timeout_s(None) if from_network else 0.0
        arguments = (self._js, src, success_event, crossorigin, play, timeout_s * 1000)
        (outcome,) = await await_callback(primitives.show, *arguments, cancel=primitives.stop_showing)
        if outcome == _TIMED_OUT:
            raise BrowserError("TimeoutError", f"no whole picture came within {timeout_s:.0f} seconds")
        return outcome in (success_event, _WAITS_FOR_PLAY)

    @property
    def is_deferred(self) -> bool:
        """Whether the browser decides when to transfer: ``loading="lazy"``, or a video or audio until it plays."""
        return self.tag != "img" or str(self._js.loading) == "lazy"

    def remove_source(self) -> None:
        """Removes the source and aborts the transfer of a video or audio.

        https://html.spec.whatwg.org/multipage/media.html#best-practices-for-authors-using-media-elements
        """
        self._js.removeAttribute("src")
        if self.tag in ("video", "audio"):
            self._js.load()


def document_element() -> Element:
    """Returns the page's ``<html>``."""
    return Element(document.documentElement)


def create_element(tag: str, **attributes: str) -> Element:
    """Creates an HTML element; ``class_`` and ``data_mxc`` stand for ``class`` and ``data-mxc``."""
    return with_attributes(document.createElement(tag), attributes)


def with_attributes(js: "Any", attributes: "dict[str, str]") -> Element:
    """Returns an element with these attributes, see `create_element`."""
    element = Element(js)
    if attributes:
        element.set_attributes({name.strip("_").replace("_", "-"): value for name, value in attributes.items()})
    return element


async def can_decode_image(url: str) -> bool:
    """Returns whether an ``<img>`` can show the image at a URL.

    :raises BrowserError: if it does not arrive in time.
    """
    return await create_element("img").show(url, "load")
