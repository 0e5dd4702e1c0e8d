"""Elements that are held back by a `MediaPolicy`: a placeholder, and a button that shows the media."""

from authmedia import browser
from authmedia.browser import format_bytes
from authmedia.elements.binding import HELD, Binding
from authmedia.elements.element_request import KIND_OF_TAG
from authmedia.elements.failure_view import ElementView, move_focus_to
from authmedia.support.untrusted import parse_digits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.elements.media_policy import MediaPolicy
    from authmedia.elements.messages import Messages
    from authmedia.loader import MediaLoader

_CONTROLS = "controls"
_TEXTS = {"image": "Show picture", "video": "Show video", "audio": "Play sound"}


class HeldBinding(Binding):
    """One element that loads nothing. For the parameters see `Binding`.

    When the user asks for the media, the binder puts a binding in its place that does.
    """

    __slots__ = ("_had_controls", "_view")

    INITIAL_STATE = HELD

    def __init__(self, element: browser.Element, loader: "MediaLoader", **options: "Any") -> None:
        self._view: HeldView | None = None
        # Without a media, the controls of a video or audio do nothing, and lie below the button.
        self._had_controls = element.has_attribute(_CONTROLS)
        if self._had_controls:
            element.remove_attribute(_CONTROLS)
        super().__init__(element, loader, **options)
        self._settled.set()

    @property
    def kind(self) -> str:
        """``image``, ``video`` or ``audio``, by the element; any other element has a background."""
        return KIND_OF_TAG.get(self._element.tag, "image")

    @property
    def mxc(self) -> str:
        """The element's ``data-mxc`` or ``data-mxc-background``, valid or not."""
        return self._attributes.get("data-mxc") or self._element.get_attribute("data-mxc-background")

    @property
    def started(self) -> bool:
        """Whether the button was rendered."""
        return self._view is not None

    def start(self, urgent: bool = False) -> None:
        """Renders placeholder and button."""
        if self._view or not self._options or not self._options.policy:
            return
        if self._has_placeholder:
            self._idle_queue.add(self._show_placeholder)
        self._view = HeldView(self._element, self.mxc, self._options.policy)
        if self._options.policy.button:
            self._view.show(self.kind, self.label, self._options.messages)

    def set_visible(self, visible: bool) -> None:
        """Does nothing: there is no load to move before others."""
        self.visible = visible

    def cancel(self) -> None:
        """Does nothing: there is no load."""

    def close(self) -> None:
        """Removes the button."""
        if self._view:
            self._view.remove()
        if self._had_controls:
            self._element.set_attribute(_CONTROLS, "")
        super().close()

    @property
    def _awaits_media(self) -> bool:
        return self.state == HELD


class HeldView(ElementView):
    """The button behind an element that is held back.

    :param element: the element that it follows.
    :param mxc: its media.
    :param policy: learns that the user wants to see it.
    """

    __slots__ = ("_mxc", "_policy")

    def __init__(self, element: browser.Element, mxc: str, policy: "MediaPolicy") -> None:
        super().__init__(element)
        self._mxc = mxc
        self._policy = policy

    def show(self, kind: str, label: str, messages: "Messages | None") -> None:
        """Renders the button behind the element.

        :param label: the element's accessible name, empty if it has none.
        :param messages: the application's words; ``None`` for English.
        """
        view = self._view = browser.create_element("span", class_="media-held")
        button = browser.create_element("button", type="button", class_="media-show")
        size = parse_digits(self._element.get_attribute("data-size"))
        if messages:
            view.set_attribute("lang", messages.lang)
            view.set_attribute("dir", messages.dir)
            button.text = messages.show_text(kind, size)
        else:
            button.text = _TEXTS[kind] + (f", {format_bytes('en', size)}" if size else "")
        if label:
            button.set_attribute("aria-label", f"{button.text}: {label}")
        self._listener = button.listen("click", self._on_press)
        view.append(button)
        # Behind an enclosing button or link: no keyboard reaches a button in a button.
        self._element.closest("button, a").after(view)

    def _on_press(self) -> None:
        had_focus = self.has_focus
        self._policy.choose(self._mxc, True)
        if had_focus:
            move_focus_to(self._element)
