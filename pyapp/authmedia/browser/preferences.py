"""What the user asked the browser for: to save data, and to move less."""

from authmedia.browser.dom import EventListener
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Preferences:
    """The user's preferences, read whenever they are asked for; `close` ends listening.

    :param on_change: called when one of them may have changed.
    """

    __slots__ = ("_connection", "_data", "_listeners", "_motion")

    def __init__(self, on_change: "Callable[[], None]") -> None:
        # https://developer.mozilla.org/docs/Web/CSS/@media/prefers-reduced-motion
        self._motion = window.matchMedia("(prefers-reduced-motion: reduce)")
        # No engine implements it yet; one that does not know it matches nothing.
        # https://developer.mozilla.org/docs/Web/CSS/@media/prefers-reduced-data
        self._data = window.matchMedia("(prefers-reduced-data: reduce)")
        # Chromium alone has it. https://developer.mozilla.org/docs/Web/API/NetworkInformation/saveData
        self._connection: Any = getattr(window.navigator, "connection", None)
        targets = [self._motion, self._data]
        if not ffi.is_none(self._connection):
            targets.append(self._connection)
        self._listeners = [EventListener(target, "change", on_change) for target in targets]

    @property
    def reduced_motion(self) -> bool:
        """Whether the user wants things to move as little as possible."""
        return bool(self._motion.matches)

    @property
    def save_data(self) -> bool:
        """Whether the user wants pages to transfer as little as possible."""
        has_setting = not ffi.is_none(self._connection) and self._connection.saveData
        return bool(self._data.matches or has_setting)

    def close(self) -> None:
        """Removes the listeners."""
        for listener in self._listeners:
            listener.close()
