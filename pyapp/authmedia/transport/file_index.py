"""When each stored file was last used and last changed, in one small file beside them that all tabs share.

It is only advice: a lost index costs nothing but the order in which files are thrown out, and the knowledge which of
them somebody else has written to since.
"""

import asyncio
import json

from authmedia import browser
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

NAME = "index.json"
_LOCK = "authmedia:index"
_DELAY_S = 0.5
_LONGEST = 16 * 1024 * 1024
# Of a file that is being written: what its last change will be is not known before.
_ANY = -1


class FileIndex:
    """The index of a directory.

    :param open_directory: gives the directory, on each call.
    """

    __slots__ = ("_noted", "_open", "_own", "_waiting")

    def __init__(self, open_directory: "Callable[[], Awaitable[browser.Directory]]") -> None:
        self._open = open_directory
        self._own: dict[str, tuple[float, int]] = {}
        self._noted: dict[str, tuple[float, int]] | None = None
        self._waiting = False

    @staticmethod
    def lock() -> browser.Lock:
        """Held by whoever writes the index, or removes files that others may be using."""
        return browser.Lock(_LOCK)

    def writes(self, name: str) -> None:
        """Takes note that a file is about to be written here."""
        self._own[name] = browser.epoch_ms(), _ANY

    def uses(self, name: str, file: browser.Blob) -> None:
        """Takes note of a use; the index is written once for all uses of a moment."""
        self._own[name] = browser.epoch_ms(), file.last_modified
        if not self._waiting:
            self._waiting = True
            browser.create_task(self._write_soon())

    async def is_altered(self, name: str, file: browser.Blob) -> bool:
        """Whether somebody wrote to a file who takes no note of it."""
        if self._agrees(name, file):
            return False
        async with self.lock():  # nobody can read it while somebody writes it
            # Another tab may have written the file anew since this one looked.
            if self._noted is None or not self._agrees(name, file):
                self._noted = await _read(await self._open())
        return not self._agrees(name, file)

    def _agrees(self, name: str, file: browser.Blob) -> bool:
        """Whether a file was last changed when it should have been, as far as that is known."""
        own = self._own.get(name)
        noted = self._noted.get(name) if self._noted is not None else None
        if own or noted:
            return any(note[1] in (_ANY, file.last_modified) for note in (own, noted) if note)
        return self._noted is not None  # it stands in no index

    async def by_use(self, names: "list[str]") -> "list[str]":
        """Names of files, the least recently used first."""
        used = await self._merged(await self._open())
        return sorted(names, key=lambda name: used[name][0] if name in used else 0.0)

    async def _write_soon(self) -> None:
        await asyncio.sleep(_DELAY_S)
        self._waiting = False
        try:
            async with self.lock():
                directory = await self._open()
                used = await self._merged(directory)
                present = set(await directory.file_names())
                kept = {name: note for name, note in used.items() if name in present}
                await directory.write(NAME, _as_text(kept) + "\n", None)
        except browser.BrowserError:
            return  # a full disk, or a window that is going away

    async def _merged(self, directory: browser.Directory) -> "dict[str, tuple[float, int]]":
        """What all tabs know: of each file the note that is newest."""
        used = await _read(directory)
        for name, note in self._own.items():
            if name not in used or used[name][0] <= note[0]:
                used[name] = note
        return used


async def _read(directory: browser.Directory) -> "dict[str, tuple[float, int]]":
    file = await directory.read(NAME)
    if not file:
        return {}
    try:
        notes = json_object(parse_json(await file.first_line(_LONGEST)))
        return {name: (float(note[0]), int(note[1])) for name, note in notes.items() if _is_note(note)}
    except (ValueError, OverflowError):  # of NaN, of 1e999
        return {}


def _as_text(kept: "dict[str, tuple[float, int]]") -> str:
    """As JSON. Entry by entry, since MicroPython takes for a long text with the square of its length."""
    return "{" + ",".join([json.dumps(name) + ":" + json.dumps(list(note)) for name, note in kept.items()]) + "}"


def _is_note(note: "Any") -> bool:
    return isinstance(note, list) and len(note) == 2 and all(isinstance(value, (int, float)) for value in note)
