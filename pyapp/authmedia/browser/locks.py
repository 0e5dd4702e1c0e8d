"""Web Locks. https://developer.mozilla.org/docs/Web/API/Web_Locks_API"""

from authmedia.browser import primitives
from authmedia.browser.interop import call_and_settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.browser.channels import Channel

# By which `primitives` tells locks apart.
_last_key = 0


class Lock:
    """A named lock that all tabs of this origin share, for ``async with``.

    :raises BrowserError: when it is entered, where the browser refuses it.
    """

    __slots__ = ("_key", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = 0

    async def __aenter__(self) -> "Lock":
        global _last_key
        _last_key += 1
        self._key = _last_key
        granted = False
        try:
            await call_and_settle(primitives.lock, self._name, self._key)
            granted = True
        finally:
            if not granted:
                primitives.unlock(self._key)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        primitives.unlock(self._key)


def open_channel(name: str, on_message: "Callable[[str], None]") -> "Channel":
    """Opens a channel to the other tabs of this origin; see `Channel`."""
    from authmedia.browser.channels import Channel  # only pages whose tabs share a session need it

    return Channel(name, on_message)
