"""Persistent storage. https://developer.mozilla.org/docs/Web/API/StorageManager/persist"""

from authmedia.browser.interop import BrowserError, call_guarded
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def persist_storage() -> bool:
    """Asks the browser not to evict this origin's storage when the disk is full; returns whether it agrees.

    Chromium decides by itself, Firefox asks the user.

    :raises BrowserError: where the browser cannot be asked, or refuses to answer.
    """
    storage: Any = getattr(window.navigator, "storage", None)
    if ffi.is_none(storage) or ffi.is_none(getattr(storage, "persist", None)):
        raise BrowserError("NotSupportedError", "navigator.storage.persist is missing in this window")
    return bool(await call_guarded(storage.persist, storage))
