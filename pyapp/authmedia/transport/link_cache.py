"""A cache of signed links, which survives a reload of the page in ``sessionStorage``."""

import asyncio
import json

from authmedia import browser
from authmedia.support.untrusted import parse_json
from authmedia.transport.links import Link

# The cache is stored whole, so not after each batch.
_STORE_INTERVAL_S = 1.0
# How many links are stored: enough for what a user sees again after a reload, and no more than a tab may store.
_MAX_STORED_LINKS = 2000


class LinkCache:
    """Caches the links of one session, by the keys of their media.

    The browser's HTTP cache knows a response by its link, so giving out the same link again saves the transfer. Where
    the browser refuses ``sessionStorage``, links are cached in memory alone.

    :param storage_name: the name in ``sessionStorage``.
    """

    __slots__ = ("_links", "_order", "_restored", "_storage_name", "_store_task", "_unsaved")

    def __init__(self, storage_name: str) -> None:
        self._storage_name = storage_name
        # Each link, and its JSON, made once: MicroPython's time for a long text grows with the square of its length.
        self._links: dict[str, tuple[Link, str]] = {}
        # The keys, the latest last: MicroPython's dictionaries are not ordered.
        self._order: list[str] = []
        self._restored = False
        self._unsaved = False
        self._store_task: asyncio.Task[None] | None = None

    def get(self, key: str) -> Link | None:
        """Returns the link of a media, if it is valid."""
        link = self._lookup(key)
        return link if link and link.is_valid else None

    def valid_until_ms(self, key: str) -> float | None:
        """Returns until when a media's link is valid; ``None`` where there is none."""
        link = self._lookup(key)
        return link.valid_until_ms if link else None

    def set(self, key: str, link: Link) -> None:
        """Caches a link, which replaces an older one."""
        self._links[key] = link, json.dumps([key, link.url, link.valid_until_ms])
        self._order.append(key)
        if len(self._order) > 2 * _MAX_STORED_LINKS:
            self._order = self._keys_to_store()

    def invalidate(self, key: str, url: str) -> bool:
        """Removes a link that failed, unless another one replaced it; returns whether it did."""
        link = self._lookup(key)
        if not link or link.url != url:
            return False
        self._links.pop(key)
        return True

    async def restore(self) -> None:
        """Adds the valid links from ``sessionStorage``, at the first call."""
        if self._restored:
            return
        self._restored = True
        try:
            for entry in parse_json(await browser.get_session_item(self._storage_name)) or []:
                key, url, valid_until_ms = entry
                link = Link(str(url), float(valid_until_ms))
                if link.is_valid and key not in self._links:
                    self.set(str(key), link)
        except (TypeError, ValueError, OverflowError):
            return  # not written by this library; the next `store_soon` replaces it

    def store_soon(self) -> None:
        """Stores the links at once, or, after a recent call, together with those that follow within a second."""
        self._unsaved = True
        if not self._store_task or self._store_task.done():
            self._store_task = browser.create_task(self._store())

    async def remove(self, key: str | None) -> None:
        """Removes the link of one media, or all, from memory and ``sessionStorage``."""
        if key is None:
            self._restored = True
            self._links, self._order = {}, []
            self.close()
            await browser.remove_session_item(self._storage_name)
            return
        await self.restore()
        if self._links.pop(key, None):
            self.store_soon()

    def close(self) -> None:
        """Cancels a pending `store_soon`."""
        if self._store_task:
            self._store_task.cancel()
            self._store_task = None

    def _lookup(self, key: str) -> Link | None:
        return self._links[key][0] if key in self._links else None

    def _keys_to_store(self) -> "list[str]":
        """Returns the keys of the latest links, the latest last, each once."""
        found: list[str] = []
        seen: set[str] = set()
        for key in reversed(self._order):
            if len(found) == _MAX_STORED_LINKS:
                break
            if key in self._links and key not in seen:
                seen.add(key)
                found.append(key)
        found.reverse()
        return found

    async def _store(self) -> None:
        while self._unsaved:
            self._unsaved = False
            texts = [self._links[key][1] for key in self._keys_to_store()]
            await browser.set_session_item(self._storage_name, "[" + ",".join(texts) + "]")
            await asyncio.sleep(_STORE_INTERVAL_S)
