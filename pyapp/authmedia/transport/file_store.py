"""A bounded store of media files in the origin private file system, shared by all tabs of one origin.

A file's name is base64url(SHA-256(user id + request key)), so no name from outside becomes a path and one account never
reads what another stored. Its first line says what it is, so an empty, cut or foreign file is told from a whole one;
one that was altered since is told by the time of its last change, which an index beside the files has.
"""

import asyncio
import hashlib

from authmedia import browser
from authmedia.media import safe_content_type
from authmedia.support.base64url import base64url
from authmedia.transport.file_index import NAME, FileIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIRECTORY = "authmedia"
_PROBE = "probe"
_MAGIC = "authmedia/1"
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

    __slots__ = ("_budget", "_directory", "_index", "_measuring", "_owner", "_pinned", "_total")

    def __init__(self, owner: str, budget: int = _BUDGET_BYTES) -> None:
        self._owner = owner
        self._budget = budget
        self._directory: browser.Directory | None = None
        self._pinned: dict[str, int] = {}
        self._index = FileIndex(self._open)
        self._total: int | None = None
        self._measuring = asyncio.Lock()

    async def probe(self) -> None:
        """Takes a lock, writes a file, reads it and removes it.

        :raises BrowserError: in the browser's own words, if any of it is refused.
        """
        directory = await self._open()
        name = _PROBE + "-" + str(browser.now_ms()).replace(".", "")
        async with _writing(name):
            await directory.write(name, _MAGIC, None)
            found = await directory.read(name)
            read_back = await found.first_line(_LONGEST_HEAD) if found else ""
            await directory.remove(name)
        if read_back != _MAGIC:
            raise browser.BrowserError("DataError", "a file written to the private file system reads back differently")

    def writing(self, key: str) -> browser.Lock:
        """The lock that whoever writes this key holds, over all tabs."""
        return _writing(self._name(key))

    async def read(self, key: str) -> Stored | None:
        """The file of a key if it is there, whole and as it was written; one that is not is removed."""
        directory = await self._open()
        name = self._name(key)
        file = await directory.read(name)
        if not file:
            return None
        head = await file.first_line(_LONGEST_HEAD)
        content_type, size = _parse_head(head)
        start = len(head) + 1
        left = file.size - start  # less than nothing where the line does not end
        if left < 0 or size != left or await self._index.is_altered(name, file):
            await directory.remove(name)
            return None
        self._index.uses(name, file)
        return Stored(file.slice(start, content_type), content_type)

    async def write(
        self,
        key: str,
        content_type: str,
        response: browser.Response,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Streams a response's body into the file of a key, which appears whole or not at all.

        :param response: one that says how long it is, by which the file is known as whole later.
        :raises BrowserError: if storage or network refused; nothing is left behind then.
        """
        size = response.content_length or 0
        # Whoever promises more than there may be of all files throws none of them out before it is there.
        believed = size <= self._budget
        directory = await self._open()
        await self._make_room(directory, size if believed else 0)
        name = self._name(key)
        self._index.writes(name)
        await directory.write(name, _head(content_type, size) + "\n", response, on_progress)
        if not believed:
            file = await directory.read(name)
            if file and self._total is not None:
                self._total += file.size

    async def remove(self, key: str | None) -> None:
        """Removes the file of one key, or all of this owner's; what another tab is writing, once it is written."""
        self._total = None
        directory = await self._open()
        names = [self._name(key)] if key is not None else await directory.file_names()
        for name in names:
            if name.startswith(self._prefix()) and not await directory.remove(name):
                async with _writing(name):
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
            self._directory = await browser.Directory.get(_DIRECTORY)
        return self._directory

    def _prefix(self) -> str:
        return _digest(self._owner)[:16] + "."

    def _name(self, key: str) -> str:
        return self._prefix() + _digest(self._owner + "\n" + key)

    async def _make_room(self, directory: browser.Directory, size: int) -> None:
        """Throws out the least recently used files until ``size`` more bytes fit."""
        async with self._measuring:  # once, however many write at the same time
            if self._total is None:
                self._total = sum((await _sizes(directory)).values())
            self._total += size
            fits = self._total <= self._budget
        if fits:
            return
        async with self._index.lock():
            sizes = await _sizes(directory)  # measured afresh: other tabs write and remove, too
            total = sum(sizes.values()) + size
            for name in await self._index.by_use(list(sizes)):
                if total <= self._budget:
                    break
                if name not in self._pinned and name != NAME:
                    await directory.remove(name)
                    total -= sizes[name]
            self._total = total


def _writing(name: str) -> browser.Lock:
    return browser.Lock("authmedia:" + name)


def _digest(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


def _head(content_type: str, size: int) -> str:
    return f"{_MAGIC} {content_type} {size}"


def _parse_head(head: str) -> "tuple[str, int | None]":
    """Content type and size of a file; no size where its first line is not as we would have written it."""
    parts = head.split(" ")
    if len(parts) == 3:
        try:
            content_type, size = safe_content_type(parts[1]), int(parts[2])
        except ValueError:
            return "", None
        if head == _head(content_type, size):
            return content_type, size
    return "", None


async def _sizes(directory: browser.Directory) -> dict[str, int]:
    found = {}
    for name in await directory.file_names():
        file = await directory.read(name)
        if file:
            found[name] = file.size
    return found
