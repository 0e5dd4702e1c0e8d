"""What the user asked for: which media load by themselves, and whether pictures move."""

from authmedia import browser
from authmedia.browser import Preferences
from authmedia.media import SVG_TYPE
from authmedia.support.options import reject_unknown, require
from authmedia.support.untrusted import parse_digits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never, Protocol

    class Observer(Protocol):
        """The interface of what shows elements by a policy: a `Binder`."""

        def apply_policy(self, mxc: str = "") -> None:
            """See `Binder.apply_policy`."""
            ...


_SETTINGS = ("previews", "invite_avatars", "save_data", "reduced_motion")
_OPTIONS = _SETTINGS + ("button", "choices", "on_choice")
# The values of `data-preview`: what an element shows, where it is no media of a room.
_AVATAR, _INVITE_AVATAR = "avatar", "invite-avatar"
# What costs less than asking for it would.
_LIGHT_BYTES = 100_000
# Pictures of other types do not move, unless the type is wrong. Senders say `image/png` of APNG, too.
_MOVING_TYPES = ("image/gif", "image/webp", "image/apng", "image/png", "image/avif", SVG_TYPE)


class MediaPolicy:
    """Which media of binders load by themselves, and which are held back until the user asks for them.

    >>> config = MediaPreviewConfig(account_data, room_account_data)
    >>> policy = MediaPolicy(previews=config.allows_previews(join_rule))
    >>> binder = bind(document_element(), loader, policy=policy)
    >>> policy.update(previews=False)  # the user has changed the setting

    An element that is held back shows its placeholder, and behind it a button: "Show picture, 2 MB". Links that save
    files load on demand in any case.

    :param previews: whether media load by themselves; avatars, which say so in ``data-preview``, always do.
    :param invite_avatars: whether avatars of invitations do, ``data-preview="invite-avatar"``.
    :param save_data: whether only thumbnails and what is small load by themselves; ``None`` for as the browser says.
    :param reduced_motion: whether animated pictures stand still until they are hovered, focused or pressed; ``None``
        for as the browser says.
    :param button: whether the button is rendered; else the application calls `choose`.
    :param choices: by ``mxc://`` URI, whether the user wants to see a media: earlier answers, which `choose` adds to.
    :param on_choice: called with each answer: its URI, and whether it is shown from now on.
    :raises ValueError: if one is not allowed.
    """

    OPTION = "policy"
    __slots__ = ("_observers", "_on_choice", "_preferences", "button", "choices") + _SETTINGS

    def __init__(
        self,
        *,
        previews: bool = True,
        invite_avatars: bool = True,
        save_data: bool | None = None,
        reduced_motion: bool | None = None,
        button: bool = True,
        choices: "dict[str, bool] | None" = None,
        on_choice: "Callable[[str, bool], object] | None" = None,
        **unknown: "Never",
    ) -> None:
        reject_unknown("MediaPolicy", unknown, _OPTIONS)
        require(isinstance(button, bool), "MediaPolicy", "button", button, "True or False")
        is_dictionary = choices is None or isinstance(choices, dict)
        require(is_dictionary, "MediaPolicy", "choices", choices, "a dictionary by mxc:// URI")
        is_function = on_choice is None or callable(on_choice)
        require(is_function, "MediaPolicy", "on_choice", on_choice, "a function or None")
        self.button = button
        self._on_choice = on_choice
        self.choices = {} if choices is None else choices
        self._observers: list[Observer] = []
        self._preferences: Preferences | None = None
        self.previews = self.invite_avatars = True
        self.save_data: bool | None = None
        self.reduced_motion: bool | None = None
        self.update(
            previews=previews, invite_avatars=invite_avatars, save_data=save_data, reduced_motion=reduced_motion
        )

    def update(self, **settings: "bool | None") -> None:
        """Changes settings by their names, and applies them to all elements.

        :raises TypeError: if there is none of a name; `ValueError` if a value is not allowed.
        """
        unknown = {name: value for name, value in settings.items() if name not in _SETTINGS}
        reject_unknown("MediaPolicy.update", unknown, _SETTINGS)
        for name, value in settings.items():
            allowed = "True, False or None" if name in ("save_data", "reduced_motion") else "True or False"
            is_allowed = isinstance(value, bool) or (value is None and allowed.endswith("None"))
            require(is_allowed, "MediaPolicy", name, value, allowed)
        for name, value in settings.items():
            setattr(self, name, value)
        self._apply()

    def choose(self, mxc: str, shown: bool) -> None:
        """Shows a media whatever the settings are, or hides it, because the user wants that.

        :param mxc: the media's ``mxc://`` URI.
        """
        self.choices[mxc] = shown
        if self._on_choice:
            browser.call_hook(self._on_choice, mxc, shown)
        for binder in list(self._observers):
            binder.apply_policy(mxc)

    # --- what binders call -------------------------------------------------------------------------------------------

    def attach(self, binder: "Observer") -> None:
        """Applies changes to a binder's elements from now on."""
        self._observers.append(binder)
        if not self._preferences:
            self._preferences = Preferences(self._apply)

    def detach(self, binder: "Observer") -> None:
        """Ends what `attach` began."""
        self._observers.remove(binder)
        if self._preferences and not self._observers:
            self._preferences.close()
            self._preferences = None

    def holds_back(self, element: browser.Element, attributes: "dict[str, str]", is_shown: bool = False) -> bool:
        """Returns whether an element waits until the user asks for its media; a subclass may decide by other rules.

        :param attributes: those that `bind` reads.
        :param is_shown: whether it shows its media already, so that holding it back would save nothing.
        """
        if element.tag == "a":
            return False
        choice = self.choices.get(attributes.get("data-mxc") or element.get_attribute("data-mxc-background"))
        if choice is not None:
            return not choice
        shows = element.get_attribute("data-preview")
        allowed = shows == _AVATAR or (self.invite_avatars if shows == _INVITE_AVATAR else self.previews)
        return not allowed or (not is_shown and self._saves_data and not _is_light(element, attributes))

    def stills(self, element: browser.Element, attributes: "dict[str, str]") -> bool:
        """Returns whether an element shows a picture that may move, and has to stand still if it does.

        :param attributes: those that `bind` reads.
        """
        may_move = attributes.get("data-animated") == "true" or not _is_thumbnail(attributes)
        return self._reduces_motion and element.tag == "img" and may_move

    @property
    def _saves_data(self) -> bool:
        chosen = self.save_data
        return chosen if chosen is not None else self._preferences is not None and self._preferences.save_data

    @property
    def _reduces_motion(self) -> bool:
        chosen = self.reduced_motion
        return chosen if chosen is not None else self._preferences is not None and self._preferences.reduced_motion

    def _apply(self) -> None:
        for binder in list(self._observers):
            binder.apply_policy()


def _is_light(element: browser.Element, attributes: "dict[str, str]") -> bool:
    """Returns whether a media is a thumbnail, or known to be small."""
    size = parse_digits(element.get_attribute("data-size"))
    return _is_thumbnail(attributes) or (size is not None and size <= _LIGHT_BYTES)


def _is_thumbnail(attributes: "dict[str, str]") -> bool:
    return "data-width" in attributes and "data-height" in attributes and "data-encrypted" not in attributes


def is_said_to_move(attributes: "dict[str, str]") -> bool:
    """Returns whether a picture may be animated by what the event says of it, which may be wrong."""
    is_animated = attributes.get("data-animated") == "true"
    return is_animated or attributes.get("data-type", _MOVING_TYPES[0]) in _MOVING_TYPES
