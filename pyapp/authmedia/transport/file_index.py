"""An index of stored files: when each was last used and last modified, in one small file that all tabs share.

It is advisory: without it, only the order of eviction is lost, and the detection of files that were modified by others.
"""

import asyncio
import json

from authmedia import browser
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    # When a file was last used, in milliseconds since 1970, and its last modification.
    Entry = tuple[float, int]

FILE_NAME = "index.json"
_LOCK = "authmedia:index"
_WRITE_DELAY_S = 0.5
_MAX_BYTES = 16 * 1024 * 1024
# The modification of a file that is being written, which is not known before it is closed.
_BEING_WRITTEN = -1


class FileIndex:
    """The index of a directory.

    :param get_directory: returns the directory, at each call.
    """

    __slots__ = ("_get_directory", "_own", "_stored", "_write_pending")

    def __init__(self, get_directory: "Callable[[], Awaitable[browser.Directory]]") -> None:
        self._get_directory = get_directory
        self._own: dict[str, Entry] = {}
        self._stored: dict[str, Entry] | None = None
        self._write_pending = False

    @staticmethod
    def lock() -> browser.Lock:
        """Returns the lock for writing the index, and for removing files that others may be using."""
        return browser.Lock(_LOCK)

    def record_write(self, name: str) -> None:
        """Records that this tab is about to write a file."""
        self._own[name] = browser.epoch_ms(), _BEING_WRITTEN

    def record_use(self, name: str, file: browser.File) -> None:
        """Records that a file is used; the index is written once for all uses within half a second."""
        self._own[name] = browser.epoch_ms(), file.last_modified
        if not self._write_pending:
            self._write_pending = True
            browser.create_task(self._write_soon())

    async def is_modified(self, name: str, file: browser.File) -> bool:
        """Returns whether a file was modified without a record in the index."""
        if self._agrees(name, file):
            return False
        async with self.lock():  # it cannot be read while another tab writes it
            # Another tab may have written the file anew since the index was read.
            if self._stored is None or not self._agrees(name, file):
                self._stored = await _read(await self._get_directory())
        return not self._agrees(name, file)

    def _agrees(self, name: str, file: browser.File) -> bool:
        """Returns whether a file's last modification is the recorded one, as far as the index is known."""
        own = self._own.get(name)
        stored = self._stored.get(name) if self._stored is not None else None
        if own or stored:
            return any(entry[1] in (_BEING_WRITTEN, file.last_modified) for entry in (own, stored) if entry)
        return self._stored is not None  # no index has it

    async def by_last_use(self, names: "list[str]") -> "list[str]":
        """Sorts the names of files, the least recently used first."""
        used = await self._merged(await self._get_directory())
        return sorted(names, key=lambda name: used[name][0] if name in used else 0.0)

    async def _write_soon(self) -> None:
        await asyncio.sleep(_WRITE_DELAY_S)
        self._write_pending = False
        try:
            async with self.lock():
                directory = await self._get_directory()
                used = await self._merged(directory)
                present = set(await directory.file_names())
                entries = {name: entry for name, entry in used.items() if name in present}
                await directory.write(FILE_NAME, _as_json(entries) + "\n", None)
        except browser.BrowserError:
            return  # the disk is full, or the window is closing

    async def _merged(self, directory: browser.Directory) -> "dict[str, Entry]":
        """Returns the newest entry of each file, out of the stored index and this tab's own."""
        used = await _read(directory)
        for name, entry in self._own.items():
            if name not in used or used[name][0] <= entry[0]:
                used[name] = entry
        return used


async def _read(directory: browser.Directory) -> "dict[str, Entry]":
    file = await directory.read(FILE_NAME, _MAX_BYTES)
    if not file:
        return {}
    try:
        entries = json_object(parse_json(file.head))
        return {name: (float(entry[0]), int(entry[1])) for name, entry in entries.items() if _is_entry(entry)}
    except (ValueError, OverflowError):  # of NaN, of 1e999
        return {}


def _as_json(entries: "dict[str, Entry]") -> str:
    """Serializes entry by entry: MicroPython's time for a long text grows with the square of its length."""
    return "{" + ",".join([json.dumps(name) + ":" + json.dumps(list(entry)) for name, entry in entries.items()]) + "}"


def _is_entry(value: "Any") -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(field, (int, float)) for field in value)
