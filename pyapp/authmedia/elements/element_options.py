"""What an application changes about its elements: placeholder, failure view, words, cache policy, media policy."""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.media import CACHE_POLICIES
from authmedia.support.options import require, require_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.media_policy import MediaPolicy
    from authmedia.elements.messages import Messages
    from authmedia.media import Media

    Remove = Callable[[], object]
    RenderPlaceholder = Callable[[browser.Element], Remove | None]
    RenderFailure = Callable[[browser.Element, "Failure"], object]
    # Called with an element, its new state, and its media or error.
    StateHandler = Callable[[browser.Element, str, Media | AuthMediaError | None], object]

# The values by which `bind` names the placeholder and the failure view of this library.
_BLURHASH, _MESSAGE = "blurhash", "message"
# What is in a view that can have the keyboard focus.
_FOCUSABLE = "button, a[href], input, [tabindex]"


class Failure:
    """An element that failed, for an application's own failure view.

    :param element: the element.
    :param error: what happened; its ``mxc`` names the media, ``str(error)`` is for developers.
    :param message: a sentence for the user, in the language of the binder's `Messages`.
    :param label: the element's name for people, empty if it has none.
    :param retry: loads the element again.
    """

    __slots__ = ("element", "error", "label", "message", "retry")

    def __init__(
        self,
        element: browser.Element,
        error: AuthMediaError,
        *,
        message: str,
        label: str,
        retry: "Callable[[], None]",
    ) -> None:
        self.element = element
        self.error = error
        self.message = message
        self.label = label
        self.retry = retry


class ElementOptions:
    """The options of one binder that are not the defaults.

    :param placeholder: ``blurhash`` for the one in ``data-blurhash``, ``None`` for nothing; or a function that renders
        into the element it is called with, and returns a function that removes that again, or ``None``.
    :param failure_view: ``message`` for a sentence and a button, ``None`` for nothing; or a function that is called
        with an empty ``<span>`` behind the element, to render into, and with a `Failure`.
    :param messages: all words in another language; `None` for English.
    :param cache: the cache policy of all elements, see `MediaRequest`.
    :param on_state_change: called with an element and its new state whenever that changes: ``loading``, ``shown`` and
        its media, ``failed`` and its error; an empty text when the element is bound no longer.
    :param policy: which media are held back until the user asks for them; ``None`` for none.
    :raises ValueError: if one is not allowed.
    """

    __slots__ = (
        "_failure_view",
        "_on_state_change",
        "_placeholder",
        "cache",
        "messages",
        "policy",
        "shows_blurhash",
        "shows_failures",
        "shows_message",
    )

    def __init__(
        self,
        placeholder: "RenderPlaceholder | str | None",
        failure_view: "RenderFailure | str | None",
        messages: "Messages | None",
        cache: str,
        on_state_change: "StateHandler | None",
        policy: "MediaPolicy | None",
    ) -> None:
        _require_view("placeholder", placeholder, _BLURHASH)
        _require_view("failure_view", failure_view, _MESSAGE)
        require_kind("bind", "messages", messages, "Messages")
        require(cache in CACHE_POLICIES, "bind", "cache", cache, "one of " + ", ".join(CACHE_POLICIES))
        self.cache = cache
        is_function = on_state_change is None or callable(on_state_change)
        require(is_function, "bind", "on_state_change", on_state_change, "a function or None")
        require_kind("bind", "policy", policy, "MediaPolicy")
        lacks_words = policy and policy.button and messages and not messages.has_show_texts
        require(not lacks_words, "bind", "messages", "without `show`", "Messages(show=…), since there is a policy")
        self.policy = policy
        self._on_state_change = on_state_change
        self._placeholder = None if isinstance(placeholder, str) else placeholder
        self._failure_view = None if isinstance(failure_view, str) else failure_view
        self.messages = messages
        #: Whether elements show the placeholder of this library.
        self.shows_blurhash = placeholder == _BLURHASH
        #: Whether failed elements have a view at all, and whether it is that of this library.
        self.shows_failures = failure_view is not None
        self.shows_message = failure_view == _MESSAGE

    def report_state(self, element: browser.Element, state: str, outcome: "Media | AuthMediaError | None") -> None:
        """Calls the application's function for a new state, if it has one."""
        if self._on_state_change:
            browser.call_hook(self._on_state_change, element, state, outcome)

    def has_placeholder(self, attributes: "dict[str, str]") -> bool:
        """Returns whether an element with these attributes has a placeholder."""
        return bool(self._placeholder) or (self.shows_blurhash and "data-blurhash" in attributes)

    def render_placeholder(self, element: browser.Element) -> "Remove | None":
        """Renders the application's placeholder; returns what removes it, if the application gave that."""
        assert self._placeholder
        remove: Remove | None = browser.call_hook(self._placeholder, element)
        return remove

    def render_failure(
        self,
        view: browser.Element,
        element: browser.Element,
        error: AuthMediaError,
        label: str,
        retry: "Callable[[], None]",
    ) -> browser.Element | None:
        """Renders the application's failure view; returns what in it can have the keyboard focus."""
        assert self._failure_view
        message = self.messages.text(error) if self.messages else error.user_message
        browser.call_hook(self._failure_view, view, Failure(element, error, message=message, label=label, retry=retry))
        found = view.query_all(_FOCUSABLE)
        return found[0] if found else None


def _require_view(name: str, value: object, own: str) -> None:
    require(value is None or value == own or callable(value), "bind", name, value, f"{own!r}, None or a function")
