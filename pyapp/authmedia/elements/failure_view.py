"""The failure view behind an element: a message for the user and a button to try again."""

from authmedia import browser
from authmedia.errors import AuthMediaError, FormatUnsupported, NoThumbnail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.element_options import ElementOptions

# The words of the view; an application's own are in its `Messages`.
_RETRY, _SAVE, _LOAD_ORIGINAL = "Try again", "Save file", "Show it"
_WAITING = "Waiting for the network."


class ElementView:
    """A view behind an element, with a button.

    :param element: the element that it follows.
    """

    __slots__ = ("_element", "_listener", "_view")

    def __init__(self, element: browser.Element) -> None:
        self._element = element
        self._view: browser.Element | None = None
        self._listener: browser.EventListener | None = None

    def remove(self) -> None:
        """Removes the view."""
        if self._listener:
            self._listener.close()
            self._listener = None
        if self._view:
            self._view.remove()
            self._view = None

    @property
    def has_focus(self) -> bool:
        """Whether the keyboard focus is in the view."""
        return self._view is not None and self._view.has_focus


class FailureView(ElementView):
    """The failure view of one element.

    :param element: the element that it follows.
    :param options: the application's own view or words; ``None`` for none.
    """

    __slots__ = ("_had_focus", "_options", "_save_failure")

    def __init__(self, element: browser.Element, options: "ElementOptions | None" = None) -> None:
        super().__init__(element)
        self._options = options
        # Whether the keyboard focus was in the view when it was last removed for another attempt.
        self._had_focus = False
        # What says why saving failed.
        self._save_failure: browser.Element | None = None

    def show(
        self,
        error: AuthMediaError,
        label: str,
        on_retry: "Callable[[], None]",
        on_save: "Callable[[], None]",
        waits: bool = False,
    ) -> None:
        """Shows the view.

        :param label: the element's accessible name, empty if it has none.
        :param on_retry: called when the button is pressed that loads again.
        :param on_save: called when the button is pressed that saves the file.
        :param waits: whether the element waits for the network.
        """
        options = self._options
        if options and not options.shows_failures:
            return
        # No alert: while a homeserver is down, a screen reader would read out hundreds of them.
        view = self._view = browser.create_element("span")
        messages = options.messages if options else None
        if messages:
            view.set_attribute("lang", messages.lang)
            view.set_attribute("dir", messages.dir)
        if options and not options.shows_message:
            focusable = options.render_failure(view, self._element, error, label, on_retry)
        else:
            view.set_attribute("class", "media-failed")
            if not messages:
                view.set_attribute("title", str(error))
            text = messages.text(error) if messages else error.user_message
            waiting = (messages.waiting if messages else _WAITING) if waits else ""
            view.text = f"{text} {waiting}" if waiting else text
            focusable = self._render_button(view, error, label, on_retry, on_save)
        # Behind an enclosing button or link: no keyboard reaches a button in a button.
        anchor = self._element.closest("button, a")
        anchor.after(view)
        if focusable and self._had_focus and anchor.has_focus:
            focusable.focus()  # where it was when the user pressed it

    def _render_button(
        self,
        view: browser.Element,
        error: AuthMediaError,
        label: str,
        on_retry: "Callable[[], None]",
        on_save: "Callable[[], None]",
    ) -> browser.Element | None:
        """Renders the button for what can help, and returns it; ``None`` where nothing can."""
        messages = self._options.messages if self._options else None
        saves = isinstance(error, FormatUnsupported)
        if saves:
            text = messages.save if messages else _SAVE
        elif isinstance(error, NoThumbnail):
            text = (messages.load_original or messages.retry) if messages else _LOAD_ORIGINAL
        else:
            text = "" if error.permanent else messages.retry if messages else _RETRY
        if not text:
            return None
        button = browser.create_element("button", type="button", class_="media-save" if saves else "media-retry")
        button.text = text
        if label:
            button.set_attribute("aria-label", messages.retry_label(label, text) if messages else f"{text}: {label}")
        self._listener = button.listen("click", on_save if saves else on_retry)
        view.append(button)
        return button

    def show_save_failure(self, error: AuthMediaError | None) -> None:
        """Says behind the button why the file was not saved; ``None`` removes that."""
        if self._save_failure:
            self._save_failure.remove()
            self._save_failure = None
        if error and self._view:
            messages = self._options.messages if self._options else None
            # An alert, unlike the view itself: the user has just pressed the button.
            said = self._save_failure = browser.create_element("span", class_="media-save-failed", role="alert")
            said.text = " " + (messages.text(error) if messages else error.user_message)
            self._view.append(said)

    def remove_for_retry(self) -> None:
        """Removes the view, and remembers whether it had the keyboard focus."""
        self._had_focus = self.has_focus
        self.remove()

    def move_focus_to_element(self) -> None:
        """Focuses the element, if the view had the focus: it would move to the top of the page otherwise."""
        if self._had_focus:
            move_focus_to(self._element)


def move_focus_to(element: browser.Element) -> None:
    """Focuses an element, or the button or link that it is in, in place of a view behind it that is removed."""
    anchor = element.closest("button, a")
    if anchor is element and anchor.tag == "img":
        anchor.set_attribute("tabindex", "-1")  # an image is not focusable otherwise
    anchor.focus()
