"""The page `timeline.html`: a long room in a virtual list, with the loader's counters."""

import asyncio

from authmedia import browser, strategies
from authmedia.elements.binder import Binder, bind
from authmedia.errors import MediaNotFound, StrategyUnsupported
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.urls import percent_encode
from authmedia.support.gather import gather_all
from demo import timeline
from demo.page import Page
from demo.previews import PreviewControl, Previews
from demo.room import open_room
from demo.session import Session
from demo.virtual_list import VirtualList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALIAS = "archive"
_EVENTS = 2000
_EVENTS_A_REQUEST = 100
_COUNTERS = ("opened", "hits", "coalesced", "retried", "aborted", "failed", "released")
_WRITE_EVERY_S = 0.25
_POLL_S = 0.05
_FIRST_VISIBLE_TIMEOUT_MS = 2000.0


class TimelinePage(Page):
    """Shows all messages of a room, newest first, and the loader's counters."""

    def __init__(self) -> None:
        super().__init__("timeline", strategy=browser.query_parameter("strategy") or strategies.AUTO)
        self._chat = self.root.query("#timeline")
        self._long_tasks = browser.LongTasks()
        self._loader: MediaLoader | None = None
        self._binder: Binder | None = None
        self._virtual_list: VirtualList | None = None
        self._write_pending = False

    async def work(self, session: Session) -> None:
        """Opens the room and reads its whole history into the virtual list."""
        await self.probe_all(session)
        for link in self.root.query_all(f'a[data-strategy-choice="{self.strategy}"]'):
            link.set_attribute("aria-current", "true")
        support = self.support.get(self.strategy)
        if not support or not support.works:
            words = support.words if support else "it is none of those that this page knows"
            raise StrategyUnsupported(f"The strategy {self.strategy} does not work here", words=words)
        room_id = await self._room_id(session)
        previews = Previews(session.homeserver, room_id)
        room, _ = await gather_all(open_room(session.homeserver, room_id), previews.read())
        previews.apply(room.join_rule)
        control = PreviewControl(self.root.query("#previews"), previews)
        control.show()
        self.start(control.follow())
        timeline.draw_heading(room, self.root.query("#room"))
        self._loader = open_loader(self.strategy, session.homeserver)
        self._loader.counters.on_count = lambda _name, _value: self._write_soon()
        self._binder = bind(self._chat, self._loader, keyring=room.keyring, policy=previews.policy)
        self._virtual_list = VirtualList(self._chat, self._write_soon)
        self.root.query(".waiting").hidden = True
        # Newest first, so that they are rendered while older ones are being requested.
        while not room.complete and len(room.messages) < _EVENTS:
            older = await room.read_older(_EVENTS_A_REQUEST)
            self._virtual_list.add(list(reversed(older)))
            self._write_soon()
        await self._wait_for_first_visible()
        await self._binder.settled()
        await self.show_age(session)

    def release(self) -> None:
        """Closes the virtual list, the binder, the loader and the observer of long tasks."""
        for held in (self._virtual_list, self._binder, self._loader, self._long_tasks):
            if held:
                held.close()

    async def _room_id(self, session: Session) -> str:
        """Returns the demonstration's long room; on other homeservers the session's room."""
        if not session.is_demo:
            return session.room  # a user's own account joins no room unasked
        server = session.homeserver.user_id.partition(":")[2]
        alias = percent_encode(f"#{_ALIAS}:{server}")
        try:
            found = await session.homeserver.request_json("GET", f"/_matrix/client/v3/directory/room/{alias}")
            await session.homeserver.request_json("POST", f"/_matrix/client/v3/join/{alias}", {})
            return str(found["room_id"])
        except MediaNotFound:  # M_NOT_FOUND, which is also the error for an unknown alias
            return session.room

    async def _wait_for_first_visible(self) -> None:
        """Waits until the observer has reported visible elements, or a timeout: in hidden windows it reports none."""
        deadline = browser.now_ms() + _FIRST_VISIBLE_TIMEOUT_MS
        while self._binder and browser.now_ms() < deadline:
            if [binding for binding in self._binder.bindings if binding.started]:
                return
            await asyncio.sleep(_POLL_S)

    def _write_soon(self) -> None:
        if not self._write_pending:
            self._write_pending = True
            browser.create_task(self._write())

    async def _write(self) -> None:
        await asyncio.sleep(_WRITE_EVERY_S)
        self._write_pending = False
        numbers = self._numbers()
        for name, value in numbers.items():
            self.root.query(f'[data-counter="{name}"]').text = value if isinstance(value, str) else str(value)
        self.report.set_field("counters", numbers)

    def _numbers(self) -> "dict[str, Any]":
        assert self._loader
        assert self._binder
        assert self._virtual_list
        numbers: dict[str, Any] = {"events": self._virtual_list.messages, "drawn": self._virtual_list.drawn}
        numbers["bound"] = len(self._binder.bindings)
        numbers["showing"] = len([binding for binding in self._binder.bindings if binding.media])
        for name in _COUNTERS:
            numbers[name] = getattr(self._loader.counters, name)
        numbers["urls"] = browser.OBJECT_URLS.created - browser.OBJECT_URLS.revoked
        numbers["longest_task"] = (
            round(self._long_tasks.longest_ms) if self._long_tasks.supported else "not told by this browser"
        )
        return numbers
