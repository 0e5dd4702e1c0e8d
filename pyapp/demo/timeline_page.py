"""The page that scrolls through a long room: its messages are in the document only while they are near."""

import asyncio

from authmedia import browser, strategies
from authmedia.elements import Binder, bind
from authmedia.errors import MediaNotFound, StrategyUnsupported
from authmedia.homeserver import percent_encoded
from authmedia.loader import MediaLoader, open_loader
from demo import timeline
from demo.page import Page
from demo.room import open_room
from demo.session import Session
from demo.virtual_list import Chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALIAS = "archive"
_EVENTS = 2000
_EVENTS_A_REQUEST = 100
_COUNTERS = ("opened", "hits", "coalesced", "retried", "aborted", "failed", "released")
_WRITE_EVERY_S = 0.25
_LOOK_S = 0.05
_PATIENCE_MS = 2000.0


class TimelinePage(Page):
    """All of a room, the newest message first, and beside it what the loader has to do for that."""

    def __init__(self) -> None:
        super().__init__("timeline", strategy=browser.query("strategy") or strategies.AUTO)
        self._chat = self.root.find("#timeline")
        self._tasks = browser.LongTasks()
        self._loader: MediaLoader | None = None
        self._binder: Binder | None = None
        self._chunks: Chunks | None = None
        self._stale = False

    async def work(self, session: Session) -> None:
        """Finds the room, reads it, and shows what of it is near."""
        await self.try_all(session)
        for link in self.root.find_all(f'a[data-strategy-choice="{self.strategy}"]'):
            link.set("aria-current", "true")
        support = self.support.get(self.strategy)
        if not support or not support.works:
            words = support.words if support else "it is none of those that this page knows"
            raise StrategyUnsupported(f"The strategy {self.strategy} does not work here", words=words)
        room = await open_room(session.homeserver, await self._room_id(session))
        timeline.draw_heading(room, self.root.find("#room"))
        self._loader = open_loader(self.strategy, session.homeserver)
        self._loader.counters.on_count = lambda _name, _value: self._write_soon()
        self._binder = bind(self._chat, self._loader, keyring=room.keyring)
        self._chunks = Chunks(self._chat, self._write_soon)
        self.root.find(".waiting").hidden = True
        # The newest first, so that they are there while older ones are on their way.
        while not room.complete and len(room.messages) < _EVENTS:
            older = await room.read_older(_EVENTS_A_REQUEST)
            self._chunks.add(list(reversed(older)))
            self._write_soon()
        await self._first_seen()
        await self._binder.settled()

    def let_go(self) -> None:
        """Empties the room."""
        for held in (self._chunks, self._binder, self._loader, self._tasks):
            if held:
                held.close()

    async def _room_id(self, session: Session) -> str:
        """The long room that the demonstration has; another homeserver's own."""
        if not session.renewable:
            return session.room  # nobody joins a room unasked
        server = session.homeserver.user_id.partition(":")[2]
        alias = percent_encoded(f"#{_ALIAS}:{server}")
        try:
            found = await session.homeserver.call("GET", f"/_matrix/client/v3/directory/room/{alias}")
            await session.homeserver.call("POST", f"/_matrix/client/v3/join/{alias}", {})
            return str(found["room_id"])
        except MediaNotFound:  # what a homeserver says of any name that it does not know
            return session.room

    async def _first_seen(self) -> None:
        """Waits until the browser has told what is near; one whose window nobody sees tells nothing."""
        deadline = browser.now_ms() + _PATIENCE_MS
        while self._binder and browser.now_ms() < deadline:
            if [binding for binding in self._binder.bindings if binding.started]:
                return
            await asyncio.sleep(_LOOK_S)

    def _write_soon(self) -> None:
        if not self._stale:
            self._stale = True
            browser.spawn(self._write())

    async def _write(self) -> None:
        await asyncio.sleep(_WRITE_EVERY_S)
        self._stale = False
        numbers = self._numbers()
        for name, value in numbers.items():
            self.root.find(f'[data-counter="{name}"]').text = value if isinstance(value, str) else str(value)
        self.report.tell("counters", numbers)

    def _numbers(self) -> "dict[str, Any]":
        assert self._loader
        assert self._binder
        assert self._chunks
        numbers: dict[str, Any] = {"events": self._chunks.messages, "drawn": self._chunks.drawn}
        numbers["bound"] = len(self._binder.bindings)
        numbers["showing"] = len([binding for binding in self._binder.bindings if binding.media])
        for name in _COUNTERS:
            numbers[name] = getattr(self._loader.counters, name)
        numbers["urls"] = browser.OBJECT_URLS.made - browser.OBJECT_URLS.revoked
        numbers["longest_task"] = round(self._tasks.longest_ms) if self._tasks.told else "not told by this browser"
        return numbers
