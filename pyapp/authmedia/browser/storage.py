"""Storage: ``sessionStorage`` and the origin private file system."""

import json

from authmedia.browser import primitives
from authmedia.browser.blobs import Blob, text_blob
from authmedia.browser.fetch_api import Response
from authmedia.browser.interop import BrowserError, call_and_settle, call_guarded, settle
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


async def set_session_item(name: str, text: str) -> None:
    """Stores a text for the lifetime of the tab; does nothing where the browser refuses it.

    https://developer.mozilla.org/docs/Web/API/Window/sessionStorage
    """
    try:
        storage = await _session_storage()
        await call_guarded(storage.setItem, storage, name, text)
    except BrowserError:
        return


async def get_session_item(name: str) -> str:
    """Returns the text that the tab stores under a name, empty if there is none."""
    try:
        value = (await _session_storage()).getItem(name)
    except BrowserError:
        return ""
    return "" if ffi.is_none(value) else str(value)


async def remove_session_item(name: str) -> None:
    """Removes the text that the tab stores under a name."""
    try:
        (await _session_storage()).removeItem(name)
    except BrowserError:
        return


async def _session_storage() -> "Any":
    return await call_guarded(window.Reflect.get, None, window, "sessionStorage", window)


class File(Blob):
    """A file as it was when it was read. https://developer.mozilla.org/docs/Web/API/File"""

    __slots__ = ("head", "last_modified")

    def __init__(self, js: "Any", size: int, last_modified: int, head: str) -> None:
        super().__init__(js, size)
        #: Its modification, modulo 2^31 milliseconds: for comparison with itself alone.
        self.last_modified = last_modified % 2**31  # which is what the index of earlier versions has
        #: The text before the first newline.
        self.head = head


class Directory:
    """A directory of the origin private file system.

    https://developer.mozilla.org/docs/Web/API/File_System_API/Origin_private_file_system
    """

    __slots__ = ("_js", "_writes_files")

    def __init__(self, js: "Any") -> None:
        self._js = js
        # In Safari before 26 only workers can.
        self._writes_files = bool(window.Reflect.has(window.FileSystemFileHandle.prototype, "createWritable"))

    @classmethod
    async def get(cls, name: str) -> "Directory":
        """Returns a directory below the root, which is created if missing.

        :raises BrowserError: where the browser has no such storage or refuses it.
        """
        storage: Any = getattr(window.navigator, "storage", None)
        if ffi.is_none(storage) or ffi.is_none(getattr(storage, "getDirectory", None)):
            raise BrowserError("NotSupportedError", "navigator.storage.getDirectory is missing in this window")
        root = await settle(storage.getDirectory())
        return cls(await settle(root.getDirectoryHandle(name, ffi.to_js({"create": True}))))

    async def read(self, name: str, max_head_bytes: int = 0) -> File | None:
        """Returns a file, or ``None`` if there is none.

        :param max_head_bytes: where its first line ends at the latest.
        :raises BrowserError: if the browser refuses.
        """
        try:
            js, described = await call_and_settle(primitives.read_file, self._js, name, max_head_bytes)
        except BrowserError as error:
            if error.name == "NotFoundError":
                return None
            raise
        numbers, _, head = str(described).partition("\n")
        size, last_modified = json.loads(numbers)
        return File(js, size, last_modified, head)

    async def write(
        self,
        name: str,
        head: str,
        response: Response | None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Writes a text and then a response's body into a file, which appears whole or not at all.

        :param head: the text.
        :param on_progress: called with the bytes received and the announced length, while a large body arrives.
        :raises BrowserError: ``QuotaExceededError`` where the storage is full; otherwise what the network said.
        """
        if not self._writes_files:
            await self._write_in_worker(name, head, response, on_progress)
        elif response and response.is_large:
            await self._write_in_pieces(name, head, response, on_progress)
        elif response:
            await response.write_to_file(self._js, name, head)
        else:
            await settle(primitives.write_file(self._js, name, head, None, 0, None))

    async def _write_in_worker(
        self, name: str, head: str, response: Response | None, on_progress: "Callable[[int, int], None] | None"
    ) -> None:
        body = await response.blob(on_progress) if response else text_blob("", "")
        from authmedia.browser.file_writer import write_in_worker

        await write_in_worker(str(self._js.name), name, head, body)

    async def _write_in_pieces(
        self, name: str, head: str, response: Response, on_progress: "Callable[[int, int], None] | None"
    ) -> None:
        handle = await settle(self._js.getFileHandle(name, ffi.to_js({"create": True})))
        writable: Any = None
        complete = False
        try:
            writable = await settle(handle.createWritable())
            await settle(writable.write(head))
            await response.pipe_to(writable, lambda: _copy_without_head(handle, head), on_progress)
            complete = True
        finally:
            if not complete:
                if writable is not None:  # while it is open, the file cannot be removed
                    await writable.abort().catch(window.Boolean)
                await self.remove(name)

    async def remove(self, name: str) -> bool:
        """Removes a file; returns ``False`` if it stays because another tab uses it.

        :raises BrowserError: if the browser refuses for another reason.
        """
        try:
            await settle(self._js.removeEntry(name))
        except BrowserError as error:
            if error.name == "NotFoundError":
                return True
            if error.name in ("NoModificationAllowedError", "InvalidModificationError"):
                return False
            raise
        return True

    async def file_names(self) -> list[str]:
        """Lists all files. https://developer.mozilla.org/docs/Web/API/FileSystemDirectoryHandle/keys"""
        # All at once: one call for each name would cost as much as reading the file.
        found = await settle(window.Array.fromAsync(self._js.keys()))
        return [str(found[position]) for position in range(int(found.length))]


async def _copy_without_head(handle: "Any", head: str) -> Blob:
    """Returns a copy of what follows the head of a file, for the time when the file is removed.

    It is read from a stream: Chromium 156 makes no copy of a response that is made of the file itself, and refuses to
    read it once another file of this name is there (``NotReadableError``).
    """
    file = await settle(handle.getFile())
    return Blob(await settle(window.Response.new(file.slice(len(head.encode())).stream()).blob()))
