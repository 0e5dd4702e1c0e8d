"""The page of one strategy: shows the room through it and measures each media."""

import asyncio

from authmedia import browser, strategies
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import HELD, SHOWN
from authmedia.errors import AuthMediaError, MediaUnsupported, StrategyUnsupported
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import MediaRequest
from authmedia.support.gather import gather_all
from demo import timeline
from demo.measures import Measures
from demo.page import Page
from demo.previews import PreviewControl, Previews, new_path
from demo.room import Room, read_room, request_paths
from demo.session import Session, prefetch_on_next_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from authmedia.elements.media_policy import MediaPolicy

_SEEK_TIMEOUT_S = 10.0
_TIMING_DELAY_S = 0.5
# How many messages fill the viewport before scrolling.
_FIRST_MESSAGES = 8
_FIRST_MEDIA_TIMEOUT_S = 0.3
# Strategies whose media are requested while they are still probed: the probe's last request is one for a link, and each
# media is another one.
_LOADED_WHILE_PROBED = ("delegated",)


class RoomPage(Page):
    """Shows the timeline with its media loaded by the strategy that the page is named after.

    :param name: the page's name.
    :param strategy: the strategy that shows the room; by default the one with the page's name.
    """

    optimistic = True

    def __init__(self, name: str, strategy: str = "") -> None:
        super().__init__(name, strategy)
        self._measures = Measures(self.root, self.report)
        self._chat = self.root.query("#timeline")
        self._viewer = self.root.query("#viewer")
        self._keyring = Keyring()
        self._loader: MediaLoader | None = None
        self._binder: Binder | None = None
        self._viewer_binder: Binder | None = None
        self._previews: Previews | None = None

    async def work(self, session: Session) -> None:
        """Probes the strategy, renders the room and loads its media; if unsupported, offers strategies that work."""
        if browser.query_parameter("fresh"):
            await self._forget_all(session)
        # The first media waits for the page's own strategy alone; the others are probed after it.
        trying = asyncio.create_task(self.probe_own(session))
        try:
            previews = self._previews = Previews(session.homeserver, session.room)
            room, _ = await gather_all(self.read(session), previews.read())
            previews.apply(room.join_rule)
            self._draw_first(room)
            if self.strategy in _LOADED_WHILE_PROBED:
                self._start_loading(self.strategy, session)
        finally:
            await trying  # a probe of an expired session must not finish after that of its successor
        works = self.support[self.strategy].works
        # Found out when the page's own strategy was tried.
        is_old = not works and bool(session.homeserver.open_media_prefix)
        # The words of one that works say that its links were corrected since.
        if self._binder and (not works or self.support[self.strategy].words):
            self._stop_loading()
        if (works or is_old) and not self._binder:
            self._start_loading(self.strategy if works else strategies.PLAIN, session)
        await prefetch_on_next_page(session, request_paths(session.room) + [new_path()])
        await self._wait_for_first_media()
        await self._draw_rest(room)
        self._bind_buttons(session)
        self._show_control(previews)
        if not works and not is_old:
            await self._offer_others(session)
        await self._wait_for_all_media(session)
        if not browser.query_parameter("alone"):  # a comparison counts requests, so it asks for no others
            await self.probe_others(session)
        if browser.query_parameter("measure") == "video":
            await self._measure_video()

    async def read(self, session: Session) -> Room:
        """Reads the room that the page shows, which is the session's.

        :raises AuthMediaError: of the class that fits what happened.
        """
        return await read_room(session.homeserver, session.room)

    @property
    def _policy(self) -> "MediaPolicy | None":
        return self._previews.policy if self._previews else None

    def _show_control(self, previews: Previews) -> None:
        """Shows the setting for media previews, and follows it."""
        control = PreviewControl(self.root.query("#previews"), previews)
        control.show()
        if not browser.query_parameter("alone"):  # a comparison counts requests, so it asks for no others
            self.start(control.follow())

    def _draw_first(self, room: Room) -> None:
        """Renders the messages of the first viewport, so that their media load while the rest is rendered."""
        timeline.draw_heading(room, self.root.query("#room"))
        self.root.query(".waiting").hidden = True
        self._keyring = room.keyring
        self._chat.remove_children()
        timeline.draw(room.messages[:_FIRST_MESSAGES], self._chat)

    async def _wait_for_first_media(self) -> None:
        """Waits a moment for the media of the first viewport, which rendering the rest would delay."""
        if self._binder:
            try:
                await asyncio.wait_for(self._binder.settled(), _FIRST_MEDIA_TIMEOUT_S)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
                return  # the homeserver is slow, so rendering delays nothing

    async def _draw_rest(self, room: Room) -> None:
        """Renders the remaining messages incrementally."""
        first, rest = room.messages[:_FIRST_MESSAGES], room.messages[_FIRST_MESSAGES:]
        await timeline.draw_incrementally(rest, self._chat, previous=first[-1] if first else None)
        await browser.yield_to_browser()  # lets the mutation observer see the remaining messages

    async def _forget_all(self, session: Session) -> None:
        """Deletes what earlier visits stored, as the button does; a reload then finds what this visit stored."""
        loader = open_loader(self.strategy, session.homeserver)
        try:
            await loader.forget()
        except AuthMediaError:
            pass  # a strategy that is refused says so again when it is probed
        finally:
            loader.close()
        browser.remove_query_parameter("fresh")

    async def _measure_video(self) -> None:
        """Seeks to the middle of the first video shown; reports the duration and the position reached."""
        for video in self._chat.query_all("video[data-state=shown]")[:1]:
            target = video.duration / 2
            start = browser.now_ms()
            done = await video.seek(target, _SEEK_TIMEOUT_S)
            milliseconds = browser.now_ms() - start
            # Resource timing entries of the seek's transfers appear after a delay.
            await asyncio.sleep(_TIMING_DELAY_S)
            outcome = {"seek_ms": round(milliseconds, 1), "done": done}
            outcome.update({"target": round(target, 2), "position": round(video.current_time, 2)})
            self.report.set_field("video", outcome)

    async def _load(self, strategy: str, session: Session) -> None:
        """Loads all media of the room by a strategy and waits for them."""
        self._start_loading(strategy, session)
        await self._wait_for_all_media(session)

    def _start_loading(self, strategy: str, session: Session) -> None:
        """Releases the media shown before and binds the room's media to a strategy."""
        self.release()
        self._measures.restart()
        self.report.set_field("shown_by", strategy)
        self.root.query("#measures-panel").hidden = False
        self._loader = open_loader(strategy, session.homeserver)
        # All at once, whatever their distance from the viewport: these pages measure loads.
        self._binder = bind(
            self._chat,
            self._loader,
            on_change=self._measures.changed,
            keyring=self._keyring,
            near_px=None,
            policy=self._policy,
        )

    def _stop_loading(self) -> None:
        """Releases what was loaded by a strategy that does not work, or whose links lead elsewhere since."""
        self.release()
        self.report.set_field("shown_by", "")
        self.root.query("#measures-panel").hidden = True

    async def _wait_for_all_media(self, session: Session) -> None:
        """Waits until all media are shown or failed, and writes their measurements."""
        if self._binder:  # None after a sign-out in the meantime
            await self._binder.settled()
            self._measures.write()
            self._show_choices()
            await self.show_age(session)

    def _show_choices(self) -> None:
        """Lists the choices of `auto` with their reasons, on the page that has a list for them."""
        for place in self.root.query_all("#choices"):
            place.remove_children()
            for reason, count in self._measures.reasons.items():
                item = browser.create_element("li")
                item.text = f"{count} media by {reason}"
                place.append(item)

    async def _load_again(self, session: Session, *, clear_first: bool) -> None:
        """Loads the room again.

        :param clear_first: whether to delete what is stored first, as for a first visit.
        """
        if not self._loader:
            return
        self.reset()
        strategy = self._loader.name
        self.release()
        if clear_first:
            await self._loader.forget()
        await self._load(strategy, session)
        self.set_state("done")

    async def _show_by(self, strategy: str, session: Session) -> None:
        """Shows the room by another strategy, at the user's request."""
        self.root.query("#others").hidden = True
        self.root.query("#main").focus()  # the focused button is hidden now
        self.reset()
        await self._load(strategy, session)
        self.set_state("done")

    def release(self) -> None:
        """Unbinds the room's media elements and closes the loader."""
        self._close_viewer()
        if self._binder:
            self._binder.close()
            self._binder = None
        if self._loader:
            self._loader.close()

    async def _offer_others(self, session: Session) -> None:
        """Offers the strategies that work here.

        :raises AuthMediaError: which says why the page's own does not.
        """
        support = self.support[self.strategy]
        if isinstance(support.error, MediaUnsupported):
            raise support.error  # no other strategy would help
        await self.probe_others(session)
        others = self.root.query("#others")
        # In this order, since MicroPython's dictionaries have none.
        for name in [name for name in strategies.NAMES if self.support[name].works]:
            button = browser.clone_template("other")
            button.query(".strategy").text = name
            button.listen("click", self._click(self._show_by, name, session))
            others.append(button)
        others.hidden = False
        raise StrategyUnsupported(f"The strategy {self.strategy} does not work here", words=support.words)

    def _bind_buttons(self, session: Session) -> None:
        self.root.query("#reload").listen("click", lambda: self.start(self._load_again(session, clear_first=False)))
        self.root.query("#clear").listen("click", lambda: self.start(self._load_again(session, clear_first=True)))
        for button in self._chat.query_all("button[data-file]"):
            button.listen("click", self._click(self._save, button))
        for button in self._chat.query_all("button.open-picture"):
            button.listen("click", self._click(self._view, button))
        self._viewer.listen("close", self._close_viewer)

    def _click(self, work: "Callable[..., Coroutine[Any, Any, None]]", *arguments: object) -> "Callable[[], None]":
        """Returns an event handler that starts work with these arguments as a task."""
        return lambda: self.start(work(*arguments))

    async def _save(self, button: browser.Element) -> None:
        """Loads a file and starts the browser's download of it."""
        if not self._loader:
            return
        from authmedia.elements.file_saving import save_media  # not before a user asks for a file

        button.set_attribute("data-state", "loading")
        step = button.query(".step")
        step.text = "loading"
        try:
            mxc = button.get_attribute("data-file")
            encrypted = self._keyring.find(button.get_attribute("data-encrypted"))
            request = MediaRequest(
                mxc, kind="file", content_type=button.get_attribute("data-type"), encrypted=encrypted
            )
            await save_media(self._loader, request, button.get_attribute("data-name"))
        except AuthMediaError as error:
            button.set_attribute("data-state", "failed")
            step.text = error.user_message
            return
        step.text = ""
        button.set_attribute("data-state", "shown")

    async def _view(self, button: browser.Element) -> None:
        """Shows an image at full size in the viewer dialog."""
        shown = button.query("img")
        if shown.get_attribute("data-state") == HELD and self._previews:
            self._previews.policy.choose(shown.get_attribute("data-mxc"), True)
        if not self._loader or shown.get_attribute("data-state") != SHOWN:
            return
        image = browser.create_element("img", alt=shown.get_attribute("alt"))
        for name in ("data-mxc", "data-type", "data-encrypted"):
            image.set_attribute(name, shown.get_attribute(name))
        place = self._viewer.query(".picture")
        place.remove_children()
        place.append(image)
        self._viewer.show_dialog()
        self._viewer_binder = bind(place, self._loader, keyring=self._keyring, near_px=None, policy=self._policy)
        await self._viewer_binder.settled()

    def _close_viewer(self) -> None:
        if self._viewer_binder:
            self._viewer_binder.close()
            self._viewer_binder = None
        self._viewer.query(".picture").remove_children()
