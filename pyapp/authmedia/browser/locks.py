"""Web Locks. https://developer.mozilla.org/docs/Web/API/Web_Locks_API"""

from authmedia.browser.interop import BrowserError, destroy_proxy, settle, with_resolvers
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from authmedia.browser.channels import Channel


class Lock:
    """A named lock that all tabs of this origin share, for ``async with``.

    :raises BrowserError: when it is entered, where the browser refuses it.
    """

    __slots__ = ("_abort", "_granted", "_name", "_proxy", "_release", "_released")

    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> "Lock":
        locks: Any = getattr(window.navigator, "locks", None)
        if ffi.is_none(locks):
            raise BrowserError("NotSupportedError", "navigator.locks is missing in this window")
        self._granted = with_resolvers()
        released = with_resolvers()
        self._release = released.resolve
        # In an attribute, because MicroPython up to 1.28 may free what a callback returns before the browser has it.
        self._released = released.promise
        self._abort = window.AbortController.new()
        self._proxy = ffi.create_proxy(self._on_granted)
        # The request is rejected where the browser refuses it, and where it is aborted here.
        request = locks.request(self._name, ffi.to_js({"signal": self._abort.signal}), self._proxy)
        request.catch(self._granted.reject)
        granted = False
        try:
            await settle(self._granted.promise)
            granted = True
        finally:
            if not granted:
                self._end()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._end()

    def _on_granted(self, *_lock: object) -> "Any":
        self._granted.resolve(True)
        return self._released

    def _end(self) -> None:
        self._release(True)
        self._abort.abort()
        destroy_proxy(self._proxy)


def open_channel(name: str, on_message: "Callable[[str], None]") -> "Channel":
    """Opens a channel to the other tabs of this origin; see `Channel`."""
    from authmedia.browser.channels import Channel  # only pages whose tabs share a session need it

    return Channel(name, on_message)
