"""Animated pictures that stand still, for users who prefer reduced motion, until they are hovered or focused."""

from authmedia import browser
from authmedia.browser import draw_still
from authmedia.elements.binding import Binding
from authmedia.elements.media_policy import is_said_to_move
from authmedia.errors import AuthMediaError
from authmedia.media import SVG_TYPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.held_media import Presenter
    from authmedia.matrix.request_hooks import RequestHooks
    from authmedia.media import MediaRequest

_PLAY_EVENTS, _STOP_EVENTS = ("pointerenter", "focusin"), ("pointerleave", "pointercancel", "focusout")
_MOTION, _TAB = "data-motion", "tabindex"
# The formats of which pictures may move.
_VECTOR = "SVG"
_MOVING_FORMATS = ("GIF", "PNG", "WebP", "AVIF", _VECTOR)
# What may stand before the markup of an SVG document: a byte order mark, and space.
_BEFORE_MARKUP = b"\xef\xbb\xbf \t\r\n"
# The error of a canvas whose pixels the page may not read.
_UNREADABLE = "SecurityError"
# A thumbnail as large as any that servers must make.
_THUMBNAIL_PX = ("800", "600")


class StillBinding(Binding):
    """Loads a picture and shows its first frame. For the parameters see `Binding`.

    The frame is drawn by the page, whichever strategy has transferred the picture. Those without CORS let no page read
    what they transfer; by them it is the server's thumbnail, which does not move.
    """

    __slots__ = ()

    def _make_presenter(self) -> "Presenter":
        if not self._can_be_read:
            return self._element
        declared = ""
        if is_said_to_move(self._attributes):
            declared = _VECTOR if self._attributes.get("data-type") == SVG_TYPE else _MOVING_FORMATS[0]
        return StillPicture(self._element, declared, self._loader.hooks)

    def _make_request(self, attributes: "dict[str, str]") -> "MediaRequest":
        make_request = super()._make_request  # looked up first: MicroPython's `super()` has no chained calls
        if self._can_be_read or not is_said_to_move(attributes):
            return make_request(attributes)
        attributes = attributes.copy()
        attributes.pop("data-animated", None)
        attributes["data-width"] = attributes.get("data-width") or _THUMBNAIL_PX[0]
        attributes["data-height"] = attributes.get("data-height") or _THUMBNAIL_PX[1]
        return make_request(attributes)

    @property
    def _can_be_read(self) -> bool:
        return self._loader.name != "cookie" or "data-encrypted" in self._attributes


class StillPicture:
    """Shows the first frame of an image, and the image itself while the user points at it or has focused it.

    An image of a format that does not move is shown as it is.

    :param element: the ``<img>``.
    :param declared: one of the formats that move, by the event; empty if it says of none, and the image's first bytes
        decide.
    :param hooks: see the request for these bytes.
    """

    __slots__ = ("_active", "_added_tab", "_anchor", "_declared", "_element", "_hooks", "_listeners", "_src", "_still")

    # The image that is drawn reports its errors by itself.
    media_error = ""
    has_network_error = is_deferred = False

    def __init__(self, element: browser.Element, declared: str, hooks: "tuple[RequestHooks, ...]") -> None:
        self._element = element
        self._declared = declared
        self._hooks = hooks
        # What can have the keyboard focus.
        self._anchor = element.closest("button, a")
        self._src = self._still = ""
        # Which of pointer and focus are on it.
        self._active: set[str] = set()
        self._listeners: list[browser.EventListener] = []
        self._added_tab = False

    @property
    def tag(self) -> str:
        """The element's local name."""
        return self._element.tag

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        """Draws the first frame of the image and shows it; for the parameters see `Element.show`."""
        self.remove_source()
        moving_format = self._declared or await self._moving_format(src)
        if not moving_format:
            return await self._element.show(src, success_event, crossorigin)
        try:
            self._still = await draw_still(src, crossorigin)
        except browser.BrowserError as error:
            if moving_format != _VECTOR or error.name != _UNREADABLE:
                raise
            # Chromium 156 and WebKitGTK 2.50 let no page read an SVG document with a `foreignObject`: it moves.
            return await self._element.show(src, success_event, crossorigin)
        if not self._still or not await self._element.show(self._still, success_event, crossorigin):
            return False
        self._src = src
        self._element.set_attribute(_MOTION, "still")
        self._listen()
        return True

    def remove_source(self) -> None:
        """Removes the picture, and frees the frame."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        self._active.clear()
        self._element.remove_source()
        self._element.remove_attribute(_MOTION)
        if self._added_tab:
            self._element.remove_attribute(_TAB)
            self._added_tab = False
        if self._still:
            browser.revoke_object_url(self._still)
        self._src = self._still = ""

    async def _moving_format(self, src: str) -> str:
        """Returns the format of an image if it is one that may move, whatever its content type is; else an empty text.

        Of markup, an image can be an SVG document alone.
        """
        from authmedia.transport.media_formats import identify, request_head  # few users ask for less motion

        try:
            head = await request_head(src, self._hooks)
        except (AuthMediaError, browser.BrowserError):
            return ""  # the element finds out the same
        name = _VECTOR if head.lstrip(_BEFORE_MARKUP)[:1] == b"<" else identify(head)[0]
        return name if name in _MOVING_FORMATS else ""

    def _listen(self) -> None:
        if self._anchor is self._element and not self._element.get_attribute(_TAB):
            self._element.set_attribute(_TAB, "0")
            self._added_tab = True
        for event in _PLAY_EVENTS:
            self._listeners.append(self._anchor.listen(event, self._handler(event, True)))
        for event in _STOP_EVENTS:
            self._listeners.append(self._anchor.listen(event, self._handler(event, False)))

    def _handler(self, event: str, active: bool) -> "Callable[[], None]":
        """Returns what is called when pointer or focus, which the event is of, comes or leaves."""
        source = "focus" if event.startswith("focus") else "pointer"
        return lambda: self._set_active(source, active)

    def _set_active(self, source: str, active: bool) -> None:
        was_active = bool(self._active)
        if active:
            self._active.add(source)
        else:
            self._active.discard(source)
        if was_active != bool(self._active):
            self._element.set_attribute("src", self._src if self._active else self._still)
            self._element.set_attribute(_MOTION, "playing" if self._active else "still")
