"""A page that shows the room through one strategy, with its measures beside it."""

import asyncio

from authmedia import browser, strategies
from authmedia.elements.binder import Binder, bind
from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import MediaRequest
from demo import timeline
from demo.measures import Measures
from demo.page import Page
from demo.room import Room, paths_read, read_room
from demo.session import Session, begin_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


_SEEK_PATIENCE_S = 10.0
_LISTED_AFTER_S = 0.5
# So many messages fill a window before anybody scrolls.
_SEEN_FIRST = 8
_FIRST_PATIENCE_S = 0.3


class RoomPage(Page):
    """The timeline, its media loaded by the strategy that the page is named after.

    :param name: the strategy's name.
    """

    hasty = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._measures = Measures(self.root, self.report)
        self._chat = self.root.query("#timeline")
        self._viewer = self.root.query("#viewer")
        self._keyring = Keyring()
        self._loader: MediaLoader | None = None
        self._binder: Binder | None = None
        self._viewed: Binder | None = None

    async def work(self, session: Session) -> None:
        """Tries the strategies, draws the room and shows its media, or says why not and offers what works."""
        if browser.query_parameter("fresh"):
            await self._forget_all(session)
        # What comes first is what the first media waits for; the other strategies are tried behind it.
        trying = asyncio.create_task(self.try_own(session))
        try:
            room = await read_room(session.homeserver, session.room)
            self._draw_first(room)
        finally:
            await trying  # what it found out of a session that has ended is not to come later than what is true
        works = self.support[self.name].works
        if works:
            self._begin_to_load(self.name, session)
        await begin_with(session, paths_read(session.room))
        await self._first_settled()
        await self._draw_rest(room)
        self._mind_buttons(session)
        if not works:
            await self.try_others(session)
            self._offer_others(session)
            words = self.support[self.name].words
            raise StrategyUnsupported(f"The strategy {self.name} does not work here", words=words)
        await self._all_shown()
        if not browser.query_parameter("alone"):  # where what it costs is counted, nothing else is asked for
            await self.try_others(session)
        if browser.query_parameter("measure") == "video":
            await self._measure_video()

    def _draw_first(self, room: Room) -> None:
        """Draws of the room what people see first, so that its media load while the rest is drawn."""
        timeline.draw_heading(room, self.root.query("#room"))
        self.root.query(".waiting").hidden = True
        self._keyring = room.keyring
        self._chat.remove_children()
        timeline.draw(room.messages[:_SEEN_FIRST], self._chat)

    async def _first_settled(self) -> None:
        """Waits for the media that people see first: drawing what they do not see yet would only hold them up."""
        if self._binder:
            try:
                await asyncio.wait_for(self._binder.settled(), _FIRST_PATIENCE_S)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
                return  # far away as they are, there is time enough to draw in

    async def _draw_rest(self, room: Room) -> None:
        """Draws all other messages, a few at a time."""
        first, rest = room.messages[:_SEEN_FIRST], room.messages[_SEEN_FIRST:]
        await timeline.draw_gently(rest, self._chat, behind=first[-1] if first else None)
        await browser.yield_to_browser()  # by then whoever watches the room knows of the rest

    async def _forget_all(self, session: Session) -> None:
        """Drops what an earlier visit kept, as the button does; a reload then finds what this visit keeps."""
        loader = open_loader(self.name, session.homeserver)
        try:
            await loader.forget()
        except AuthMediaError:
            pass  # whoever refuses will say so again when it is tried
        finally:
            loader.close()
        browser.remove_query_parameter("fresh")

    async def _measure_video(self) -> None:
        """Seeks to the middle of the first video on show, and reports how long that took and where it led."""
        for video in self._chat.query_all("video[data-state=shown]")[:1]:
            target = video.duration / 2
            start = browser.now_ms()
            done = await video.seek(target, _SEEK_PATIENCE_S)
            milliseconds = browser.now_ms() - start
            # What the seek transferred is listed a moment after it.
            await asyncio.sleep(_LISTED_AFTER_S)
            outcome = {"seek_ms": round(milliseconds, 1), "done": done}
            outcome.update({"target": round(target, 2), "position": round(video.current_time, 2)})
            self.report.tell("video", outcome)

    async def _load(self, strategy: str, session: Session) -> None:
        """Shows all media of the room by one strategy."""
        self._begin_to_load(strategy, session)
        await self._all_shown()

    def _begin_to_load(self, strategy: str, session: Session) -> None:
        """Binds the room's media to a strategy; whatever was shown before is let go first."""
        self.let_go()
        self._measures.restart()
        self.report.tell("shown_by", strategy)
        self.root.query("#measures-panel").hidden = False
        self._loader = open_loader(strategy, session.homeserver)
        # All at once, near or far: these pages are there to be measured.
        self._binder = bind(
            self._chat, self._loader, on_change=self._measures.changed, keyring=self._keyring, near_px=None
        )

    async def _all_shown(self) -> None:
        """Waits until all media are shown or have failed, and writes what they cost."""
        if self._binder:  # else somebody has signed out meanwhile
            await self._binder.settled()
            self._measures.write()
            self._show_choices()

    def _show_choices(self) -> None:
        """Lists what `auto` chose, and why, where the page has a place for it."""
        for place in self.root.query_all("#choices"):
            place.remove_children()
            for reason, count in self._measures.reasons.items():
                item = browser.create_element("li")
                item.text = f"{count} media by {reason}"
                place.append(item)

    async def _again(self, session: Session, *, cleared: bool) -> None:
        """Loads the room again, as after a reload of the page or as for the first time."""
        if not self._loader:
            return
        self.begin_anew()
        strategy = self._loader.name
        self.let_go()
        if cleared:
            await self._loader.forget()
        await self._load(strategy, session)
        self.enter("done")

    async def _show_through(self, strategy: str, session: Session) -> None:
        """Shows the room by another strategy, because somebody asked for it."""
        self.root.query("#others").hidden = True
        self.root.query("#main").focus()  # the button that was pressed is gone
        self.begin_anew()
        await self._load(strategy, session)
        self.enter("done")

    def let_go(self) -> None:
        """Empties the room's media elements, and gives back what they showed."""
        self._close_viewer()
        if self._binder:
            self._binder.close()
            self._binder = None
        if self._loader:
            self._loader.close()

    def _offer_others(self, session: Session) -> None:
        others = self.root.query("#others")
        # In this order, since MicroPython's dictionaries have none.
        for name in [name for name in strategies.NAMES if self.support[name].works]:
            button = browser.clone_template("other")
            button.query(".strategy").text = name
            button.listen("click", self._click(self._show_through, name, session))
            others.append(button)
        others.hidden = False

    def _mind_buttons(self, session: Session) -> None:
        self.root.query("#reload").listen("click", lambda: self.start(self._again(session, cleared=False)))
        self.root.query("#clear").listen("click", lambda: self.start(self._again(session, cleared=True)))
        for button in self._chat.query_all("button[data-file]"):
            button.listen("click", self._click(self._save, button))
        for button in self._chat.query_all("button.open-picture"):
            button.listen("click", self._click(self._view, button))
        self._viewer.listen("close", self._close_viewer)

    def _click(self, work: "Callable[..., Coroutine[Any, Any, None]]", *arguments: object) -> "Callable[[], None]":
        """A handler that does some work with some arguments, as a task."""
        return lambda: self.start(work(*arguments))

    async def _save(self, button: browser.Element) -> None:
        """Loads a file and hands it to the browser to save."""
        if not self._loader:
            return
        button.set_attribute("data-state", "loading")
        step = button.query(".step")
        step.text = "loading"
        try:
            mxc = button.get_attribute("data-file")
            encrypted = self._keyring.find(button.get_attribute("data-encrypted"))
            request = MediaRequest(
                mxc, kind="file", content_type=button.get_attribute("data-type"), encrypted=encrypted
            )
            media = await self._loader.load(request)
        except AuthMediaError as error:
            button.set_attribute("data-state", "failed")
            step.text = error.user_message
            return
        step.text = ""
        save = browser.create_element("a", href=media.src, download=button.get_attribute("data-name"))
        if not media.src.startswith("blob:"):
            save.set_attribute(
                "target", "_blank"
            )  # so that whatever the homeserver answers never takes the place of this page
            save.set_attribute("rel", "noopener")
        save.click()
        button.set_attribute("data-state", "shown")
        self._loader.release(media)  # it stays within the loader's idle budget while the browser saves it

    async def _view(self, button: browser.Element) -> None:
        """Shows a picture whole, above the page."""
        shown = button.query("img")
        if not self._loader or shown.get_attribute("data-state") != "shown":
            return
        image = browser.create_element("img", alt=shown.get_attribute("alt"))
        for name in ("data-mxc", "data-type", "data-encrypted"):
            image.set_attribute(name, shown.get_attribute(name))
        place = self._viewer.query(".picture")
        place.remove_children()
        place.append(image)
        self._viewer.show_dialog()
        self._viewed = bind(place, self._loader, keyring=self._keyring, near_px=None)
        await self._viewed.settled()

    def _close_viewer(self) -> None:
        if self._viewed:
            self._viewed.close()
            self._viewed = None
        self._viewer.query(".picture").remove_children()
