"""A bounded store of media files in the origin private file system, shared by all tabs of one origin.

A file's name is base64url(SHA-256(account key + request key)), so that no untrusted name becomes a path and no
session reads what another one stored: the account key has the homeserver beside the user id, which any homeserver can
claim. The first line of a file says its content type and length, which distinguishes it from an empty, truncated or
foreign file. A modified file is detected by its last modification, which an index stores.

Files of the previous version, whose names contained the user id alone, are never read. They are removed when a session
first makes room for a file, and when one is forgotten.
"""

import asyncio
import hashlib

from authmedia import browser
from authmedia.media import SVG_TYPE, is_svg, safe_content_type
from authmedia.support.base64url import base64url
from authmedia.support.netstrings import netstrings
from authmedia.transport.completeness import is_complete
from authmedia.transport.file_index import FILE_NAME, FileIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIRECTORY = "authmedia"
_PROBE = "probe"
# The beginning of all file names, which distinguishes them from those of other versions.
_VERSION = "2."
# The previous version's: 16 characters for the owner, a dot, and a SHA-256 in base64url.
_OUTDATED_LENGTH = 60
_MAGIC = "authmedia/1"
_MAX_HEAD_BYTES = 512
_BUDGET_BYTES = 512 * 1024 * 1024


class StoredFile:
    """A complete file: the media in it, and its content type."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: browser.Blob, content_type: str) -> None:
        self.body = body
        self.content_type = content_type


class FileStore:
    """One account's files.

    :param owner: the account's key (`Homeserver.account_key`); files of other owners are neither read nor removed, but
        count for the budget.
    :param budget: bytes that all files together may take; the least recently used are evicted first.
    """

    __slots__ = ("_directory", "_index", "_owner", "_pinned", "_prefix", "_total", "_total_lock", "budget")

    def __init__(self, owner: str, budget: int = _BUDGET_BYTES) -> None:
        self._owner = owner
        self._prefix = _VERSION + _digest(owner)[:16] + "."
        self.budget = budget
        self._directory: browser.Directory | None = None
        self._pinned: dict[str, int] = {}
        self._index = FileIndex(self._get_directory)
        self._total: int | None = None
        self._total_lock = asyncio.Lock()

    async def probe(self) -> None:
        """Takes a lock, writes a file, reads it and removes it.

        :raises BrowserError: in the browser's own words, if any of it is refused.
        """
        directory = await self._get_directory()
        name = _PROBE + "-" + str(browser.now_ms()).replace(".", "")
        async with _write_lock(name):
            await directory.write(name, _MAGIC, None)
            found = await directory.read(name, _MAX_HEAD_BYTES)
            await directory.remove(name)
        if not found or found.head != _MAGIC:
            raise browser.BrowserError("DataError", "a file written to the private file system reads back differently")

    def write_lock(self, key: str) -> browser.Lock:
        """Returns the lock for writing the file of a key, shared by all tabs."""
        return _write_lock(self._name(key))

    async def read(self, key: str, written: bool = False) -> StoredFile | None:
        """Returns the file of a key, if it is complete and not modified; otherwise removes it and returns ``None``.

        :param written: whether all of a response was written into it just now: where it has another length than
            announced, that was of the compressed body, and is corrected.
        """
        directory = await self._get_directory()
        name = self._name(key)
        file = await directory.read(name, _MAX_HEAD_BYTES)
        if not file:
            return None
        head = file.head
        content_type, size = _parse_head(head)
        start = len(head) + 1
        left = file.size - start  # negative where the line does not end
        if written and size is not None and 0 <= left != size and await is_complete(file.slice(start, content_type)):
            self._index.record_write(name)
            body = browser.blob_response(file.slice(start, content_type))
            await directory.write(name, _head(content_type, left) + "\n", body)
            return await self.read(key)
        if left < 0 or size != left or await self._index.is_modified(name, file):
            await directory.remove(name)
            return None
        self._index.record_use(name, file)
        return StoredFile(file.slice(start, content_type), content_type)

    async def write(
        self,
        key: str,
        content_type: str,
        response: browser.Response,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Streams a response's body into the file of a key, which appears whole or not at all.

        :param response: one whose length is announced, by which `read` knows the file as complete.
        :param on_progress: see `browser.Response.blob`.
        :raises BrowserError: if storage or network refuse; nothing is left behind then.
        """
        size = response.content_length or 0
        # A server that announces more than the whole budget must not evict anything before the body is there.
        plausible = size <= self.budget
        directory = await self._get_directory()
        await self._make_room(directory, size if plausible else 0)
        name = self._name(key)
        self._index.record_write(name)
        await directory.write(name, _head(content_type, size) + "\n", response, on_progress)
        if not plausible:
            file = await directory.read(name)
            if file and self._total is not None:
                self._total += file.size

    async def remove(self, key: str | None) -> None:
        """Removes the file of one key, or all of this owner's, and waits for those that another tab is writing.

        Files of the previous version, which belong to no session any more, are removed as well.

        :raises BrowserError: if the browser refuses.
        """
        self._total = None
        directory = await self._get_directory()
        names = [self._name(key)] if key is not None else await directory.file_names()
        for name in names:
            owned = name.startswith(self._prefix) or _is_outdated(name)
            if owned and not await directory.remove(name):
                async with _write_lock(name):
                    await directory.remove(name)

    def pin(self, key: str) -> None:
        """Protects a file from eviction while an element shows it."""
        name = self._name(key)
        self._pinned[name] = self._pinned.get(name, 0) + 1

    def unpin(self, key: str) -> None:
        """Removes one pin."""
        name = self._name(key)
        left = self._pinned.get(name, 0) - 1
        if left > 0:
            self._pinned[name] = left
        else:
            self._pinned.pop(name, None)

    async def _get_directory(self) -> browser.Directory:
        if self._directory is None:
            self._directory = await browser.Directory.get(_DIRECTORY)
        return self._directory

    def _name(self, key: str) -> str:
        return self._prefix + _digest(netstrings(self._owner, key))

    async def _make_room(self, directory: browser.Directory, size: int) -> None:
        """Evicts the least recently used files until ``size`` more bytes fit."""
        async with self._total_lock:  # measured once, however many files are written concurrently
            if self._total is None:
                await _remove_outdated(directory)
                self._total = sum((await _sizes(directory)).values())
            self._total += size
            fits = self._total <= self.budget
        if fits:
            return
        async with self._index.lock():
            sizes = await _sizes(directory)  # measured again: other tabs write and remove, too
            total = sum(sizes.values()) + size
            for name in await self._index.by_last_use(list(sizes)):
                if total <= self.budget:
                    break
                if name not in self._pinned and name != FILE_NAME:
                    await directory.remove(name)
                    total -= sizes[name]
            self._total = total


def stored_content_type(content_type: str) -> str:
    """Returns the content type under which a body is stored: a safe one, or that of SVG, which is contained later."""
    return SVG_TYPE if is_svg(content_type) else safe_content_type(content_type)


def _write_lock(name: str) -> browser.Lock:
    return browser.Lock("authmedia:" + name)


def _is_outdated(name: str) -> bool:
    return len(name) == _OUTDATED_LENGTH and name[16] == "."


async def _remove_outdated(directory: browser.Directory) -> None:
    """Removes the files of the previous version; those that a tab of that version is writing stay for now."""
    for name in await directory.file_names():
        if _is_outdated(name):
            await directory.remove(name)


def _digest(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


def _head(content_type: str, size: int) -> str:
    return f"{_MAGIC} {content_type} {size}"


def _parse_head(head: str) -> "tuple[str, int | None]":
    """Returns content type and size of a file; no size unless its first line is exactly as `_head` writes it."""
    parts = head.split(" ")
    if len(parts) == 3:
        try:
            content_type, size = stored_content_type(parts[1]), int(parts[2])
        except ValueError:
            return "", None
        if head == _head(content_type, size):
            return content_type, size
    return "", None


async def _sizes(directory: browser.Directory) -> dict[str, int]:
    sizes = {}
    for name in await directory.file_names():
        file = await directory.read(name)
        if file:
            sizes[name] = file.size
    return sizes
