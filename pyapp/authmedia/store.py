"""A bounded store of media files in the origin private file system, shared by all tabs of one origin.

A file's name is base64url(SHA-256(user id + request key)), so no name from outside becomes a path and one account never
reads what another stored. Its first line says what it is, so an empty, cut or foreign file is told from a whole one.
Which file was used when stands in one small index; it is only advice, and a lost one costs nothing but the order.
"""

import asyncio
import hashlib
import json

from authmedia import browser
from authmedia.base64url import base64url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DIRECTORY = "authmedia"
_INDEX = "index.json"
_PROBE = "probe"
_MAGIC = "authmedia/1"
_INDEX_LOCK = "authmedia:index"
_INDEX_DELAY_S = 0.5
_LONGEST_INDEX = 16 * 1024 * 1024
_LONGEST_HEAD = 512
_BUDGET_BYTES = 512 * 1024 * 1024


class Stored:
    """A whole file: the media in it, and the content type it came with."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: browser.Blob, content_type: str) -> None:
        self.body = body
        self.content_type = content_type


class FileStore:
    """One account's files.

    :param owner: the user id; files of other owners are neither read nor removed, but count for the budget.
    :param budget: bytes that all files together may take; the least recently used go first.
    """

    __slots__ = ("_budget", "_directory", "_measuring", "_owner", "_pinned", "_total", "_touching", "_used")

    def __init__(self, owner: str, budget: int = _BUDGET_BYTES) -> None:
        self._owner = owner
        self._budget = budget
        self._directory: browser.Directory | None = None
        self._pinned: dict[str, int] = {}
        self._used: dict[str, float] = {}
        self._touching = False
        self._total: int | None = None
        self._measuring = asyncio.Lock()

    async def probe(self) -> None:
        """Writes a file, reads it and removes it.

        :raises BrowserError: in the browser's own words, if any of it is refused.
        """
        directory = await self._open()
        name = _PROBE + "-" + str(browser.now_ms()).replace(".", "")
        await directory.write(name, _MAGIC, None)
        found = await directory.read(name)
        read_back = await found.first_line(_LONGEST_HEAD) if found else ""
        await directory.remove(name)
        if read_back != _MAGIC:
            raise browser.BrowserError("DataError", "a file written to the private file system reads back differently")

    def writing(self, key: str) -> browser.Lock:
        """The lock that whoever writes this key holds, over all tabs."""
        return browser.Lock("authmedia:" + self._name(key))

    async def read(self, key: str) -> Stored | None:
        """The file of a key if it is there and whole; one that is neither is removed."""
        directory = await self._open()
        name = self._name(key)
        file = await directory.read(name)
        if not file:
            return None
        head = await file.first_line(_LONGEST_HEAD)
        content_type, size = _parse_head(head)
        start = len(head) + 1
        if size is None or (size >= 0 and file.size - start != size):
            await directory.remove(name)
            return None
        self._touch(name)
        return Stored(file.slice(start, content_type), content_type)

    async def write(
        self,
        key: str,
        content_type: str,
        response: browser.Response,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Streams a response's body into the file of a key, which appears whole or not at all.

        :raises BrowserError: if storage or network refused; nothing is left behind then.
        """
        length = response.header("Content-Length")
        size = int(length) if length.isdigit() else -1
        directory = await self._open()
        await self._make_room(directory, max(size, 0))
        await directory.write(self._name(key), f"{_MAGIC} {content_type} {size}\n", response, on_progress)

    async def remove(self, key: str | None) -> None:
        """Removes the file of one key, or all of this owner's."""
        self._total = None
        directory = await self._open()
        if key is not None:
            await directory.remove(self._name(key))
            return
        prefix = self._prefix()
        for name in await directory.names():
            if name.startswith(prefix):
                await directory.remove(name)

    def pin(self, key: str) -> None:
        """Keeps a file from being thrown out while an element shows it."""
        name = self._name(key)
        self._pinned[name] = self._pinned.get(name, 0) + 1

    def unpin(self, key: str) -> None:
        """Takes one pin back."""
        name = self._name(key)
        left = self._pinned.get(name, 0) - 1
        if left > 0:
            self._pinned[name] = left
        else:
            self._pinned.pop(name, None)

    async def _open(self) -> browser.Directory:
        if self._directory is None:
            self._directory = await browser.Directory.open(_DIRECTORY)
        return self._directory

    def _prefix(self) -> str:
        return _digest(self._owner)[:16] + "."

    def _name(self, key: str) -> str:
        return self._prefix() + _digest(self._owner + "\n" + key)

    def _touch(self, name: str) -> None:
        """Remembers a use; the index is written once for all uses of a moment."""
        self._used[name] = browser.clock_ms()
        if not self._touching:
            self._touching = True
            browser.spawn(self._write_index())

    async def _write_index(self) -> None:
        await asyncio.sleep(_INDEX_DELAY_S)
        self._touching = False
        try:
            async with browser.Lock(_INDEX_LOCK):
                await self._merge_index()
        except browser.BrowserError:
            return  # a full disk, or a window that is going away: the order of use is only advice

    async def _merge_index(self) -> None:
        directory = await self._open()
        used = await _read_index(directory)
        used.update(self._used)
        self._used = {}
        present = await directory.names()
        kept = {name: when for name, when in used.items() if name in present}
        await directory.write(_INDEX, json.dumps(kept) + "\n", None)

    async def _make_room(self, directory: browser.Directory, size: int) -> None:
        """Throws out the least recently used files until ``size`` more bytes fit."""
        async with self._measuring:  # once, however many write at the same time
            if self._total is None:
                self._total = sum((await _sizes(directory)).values())
            self._total += size
            fits = self._total <= self._budget
        if fits:
            return
        async with browser.Lock(_INDEX_LOCK):
            sizes = await _sizes(directory)  # measured afresh: other tabs write and remove, too
            total = sum(sizes.values()) + size
            used = await _read_index(directory)
            used.update(self._used)
            for name in sorted(sizes, key=lambda name: used.get(name, 0.0)):
                if total <= self._budget:
                    break
                if name not in self._pinned and name != _INDEX:
                    await directory.remove(name)
                    total -= sizes[name]
            self._total = total


def _digest(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


def _parse_head(head: str) -> tuple[str, int | None]:
    """Content type and size (-1 where it was not announced) of a file; no size where it is not one of ours."""
    parts = head.split(" ")
    if len(parts) != 3 or parts[0] != _MAGIC:
        return "", None
    try:
        return parts[1], int(parts[2])
    except ValueError:
        return "", None


async def _sizes(directory: browser.Directory) -> dict[str, int]:
    found = {}
    for name in await directory.names():
        file = await directory.read(name)
        if file:
            found[name] = file.size
    return found


async def _read_index(directory: browser.Directory) -> "dict[str, Any]":
    file = await directory.read(_INDEX)
    if not file:
        return {}
    try:
        used = json.loads(await file.first_line(_LONGEST_INDEX))
    except ValueError:
        return {}
    return used if isinstance(used, dict) else {}
