"""Links that are at hand: kept for as long as they are good, and by the tab over a reload of the page."""

import asyncio
import json

from authmedia import browser
from authmedia.support.untrusted import parse_json

# Not at every batch, since it is written whole.
_REMEMBER_EVERY_S = 1.0
# So many are kept over a reload of the page: what a person sees again, and no more than a tab may keep.
_REMEMBERED_LINKS = 2000


class Link:
    """A link and, on this device's clock, until when it is worth being given to an element."""

    __slots__ = ("good_until_ms", "url")

    def __init__(self, url: str, good_until_ms: float) -> None:
        self.url = url
        self.good_until_ms = good_until_ms

    @property
    def is_good(self) -> bool:
        """Whether enough of its life is left."""
        return self.good_until_ms > browser.epoch_ms()


class KeptLinks:
    """The links of one session, by the keys of what they lead to.

    The same link again is what the browser's own cache knows an answer to. Where the tab may store nothing, they are
    kept in memory alone.

    :param name: under which the tab remembers them.
    """

    __slots__ = ("_links", "_name", "_order", "_recalled", "_remembering", "_unsaved")

    def __init__(self, name: str) -> None:
        self._name = name
        # Each link, and its JSON, made once: MicroPython takes for a long text of it with the square of its length.
        self._links: dict[str, tuple[Link, str]] = {}
        # The keys, the latest last: MicroPython's dictionaries have no order.
        self._order: list[str] = []
        self._recalled = False
        self._unsaved = False
        self._remembering: asyncio.Task[None] | None = None

    def at_hand(self, key: str) -> Link | None:
        """The link of a media, if enough of its life is left."""
        known = self._known(key)
        return known if known and known.is_good else None

    def ends_ms(self, key: str) -> float | None:
        """Until when a media's link is good; nothing where there is none."""
        known = self._known(key)
        return known.good_until_ms if known else None

    def put(self, key: str, link: Link) -> None:
        """Keeps a link, in the place of an older one."""
        self._links[key] = link, json.dumps([key, link.url, link.good_until_ms])
        self._order.append(key)
        if len(self._order) > 2 * _REMEMBERED_LINKS:
            self._order = self._latest()

    def drop(self, key: str, url: str) -> bool:
        """Drops a link that turned out to be no good, unless another one has taken its place; gives whether it did."""
        known = self._known(key)
        if not known or known.url != url:
            return False
        self._links.pop(key)
        return True

    async def recall(self) -> None:
        """Takes in what the tab remembers, once."""
        if self._recalled:
            return
        self._recalled = True
        try:
            for entry in parse_json(await browser.get_session_item(self._name)) or []:
                key, url, good_until_ms = entry
                link = Link(str(url), float(good_until_ms))
                if link.is_good and key not in self._links:
                    self.put(str(key), link)
        except (TypeError, ValueError, OverflowError):
            return  # not ours; what is remembered next takes its place

    def remember_soon(self) -> None:
        """Has the tab remember what is kept: at once, and then once for all that come within a while."""
        self._unsaved = True
        if not self._remembering or self._remembering.done():
            self._remembering = browser.create_task(self._remember())

    async def forget(self, key: str | None) -> None:
        """Drops one link, or all, and has the tab do so, too."""
        if key is None:
            self._recalled = True
            self._links, self._order = {}, []
            self.close()
            await browser.remove_session_item(self._name)
            return
        await self.recall()
        if self._links.pop(key, None):
            self.remember_soon()

    def close(self) -> None:
        """Has the tab remember no more."""
        if self._remembering:
            self._remembering.cancel()
            self._remembering = None

    def _known(self, key: str) -> Link | None:
        return self._links[key][0] if key in self._links else None

    def _latest(self) -> "list[str]":
        """The keys of those that the tab is to remember, the latest last, each once."""
        found: list[str] = []
        seen: set[str] = set()
        for key in reversed(self._order):
            if len(found) == _REMEMBERED_LINKS:
                break
            if key in self._links and key not in seen:
                seen.add(key)
                found.append(key)
        found.reverse()
        return found

    async def _remember(self) -> None:
        while self._unsaved:
            self._unsaved = False
            texts = [self._links[key][1] for key in self._latest()]
            await browser.set_session_item(self._name, "[" + ",".join(texts) + "]")
            await asyncio.sleep(_REMEMBER_EVERY_S)
