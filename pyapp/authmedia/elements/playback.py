"""Playback of a video or audio: what it transfers while it plays, and a new source when its transfer breaks off."""

import asyncio

from authmedia import browser
from authmedia.elements.held_media import HeldMedia
from authmedia.errors import AuthMediaError
from authmedia.media import Media, MediaRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.players import StillPicture

# The events after which a video or audio has transferred more than when it was first shown.
_TRANSFER_EVENTS = ("suspend", "seeked", "ended")
# So many videos and audios have a player at a time, unless more are visible or play.
_MAX_PLAYERS = 40
# Those that have one, in all documents of the page, the oldest first.
_PLAYERS: "list[Playback]" = []
# A transfer that breaks off again within so many seconds of playback has made no progress.
_PROGRESS_S = 1.0


class PlaybackHandler:
    """The callbacks of a `Playback`. A subclass overrides them."""

    __slots__ = ()

    def on_source_changed(self, media: Media) -> None:
        """Called when ``media.source`` and ``media.traffic`` are known better."""

    def on_replaced(self, media: Media) -> None:
        """Called when a new source has taken the place of one that broke off."""

    def on_suspended(self) -> None:
        """Called when the element has to give its player back, because there are too many."""

    def on_replacement_failed(self, error: Exception) -> None:
        """Called when there is no new source."""


class Playback:
    """Follows a video or audio that is shown.

    :param element: the ``<video>`` or ``<audio>``.
    :param held: holds its media.
    :param request: the media's request.
    :param is_visible: returns whether the element is visible.
    :param handler: what is called.
    """

    __slots__ = (
        "_element",
        "_handler",
        "_held",
        "_interrupted_at",
        "_interruptions",
        "_is_visible",
        "_listeners",
        "_playing",
        "_request",
        "_still_picture",
        "_task",
    )

    def __init__(
        self,
        element: browser.Element,
        held: HeldMedia,
        request: MediaRequest,
        is_visible: "Callable[[], bool]",
        handler: PlaybackHandler,
    ) -> None:
        self._element = element
        self._held = held
        self._request = request
        self._is_visible = is_visible
        self._handler = handler
        self._listeners: list[browser.EventListener] = []
        self._task: asyncio.Task[None] | None = None
        self._playing = False
        self._still_picture: StillPicture | None = None
        self.reset()

    @property
    def element(self) -> browser.Element:
        """The element."""
        return self._element

    @property
    def media(self) -> Media | None:
        """The media that the element holds."""
        return self._held.media

    @property
    def is_idle(self) -> bool:
        """Whether nobody sees or hears the element, and nothing is in progress."""
        return not (self._task or self._is_visible() or self._element.is_playing)

    def reset(self) -> None:
        """Forgets earlier interruptions."""
        # Where playback was interrupted last, in seconds, and how often without progress.
        self._interrupted_at, self._interruptions = 0.0, 0

    def follow(self) -> None:
        """Starts following the element."""
        listen = self._element.listen
        self._listeners = [listen(event, self._on_transfer) for event in _TRANSFER_EVENTS]
        self._listeners.append(listen("play", self._on_play))
        self._listeners.append(listen("pause", self._on_pause))
        self._listeners.append(listen("error", self._on_error))
        if self._still_picture:
            self._element.current_time = self._still_picture.position_s
            self._remove_still_picture()
        if self not in _PLAYERS:
            _PLAYERS.append(self)
        if len(_PLAYERS) > _MAX_PLAYERS:
            from authmedia.elements.players import release_players  # few pages have so many

            release_players(_PLAYERS, _MAX_PLAYERS)

    def suspend(self, picture: "StillPicture") -> None:
        """Gives the player back.

        :param picture: what the element shows until `follow` is called again.
        """
        self._still_picture = picture
        self._handler.on_suspended()

    def close(self) -> None:
        """Stops following the element, and removes what it has shown since it was suspended."""
        self.stop()
        self._remove_still_picture()

    def stop(self) -> None:
        """Stops following the element, and cancels a replacement in progress."""
        if self._task:
            self._task.cancel()
            self._task = None
        self._remove_listeners()
        if self in _PLAYERS:
            _PLAYERS.remove(self)

    def _remove_still_picture(self) -> None:
        if self._still_picture:
            self._still_picture.remove()
            self._still_picture = None

    def _remove_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def _on_transfer(self) -> None:
        if self._held.media:
            browser.create_task(self._observe(self._held.media))

    def _on_play(self) -> None:
        self._playing = True

    def _on_pause(self) -> None:
        self._playing = False

    def _on_error(self) -> None:
        # Position and state are read now. Chromium has paused it by then, but fires `pause` only afterwards.
        if self._held.media:
            playing = self._playing or self._element.is_playing
            position_s = self._element.current_time
            self._task = browser.create_task(self._replace(self._held.media, position_s, playing))

    async def _observe(self, media: Media) -> None:
        """Completes what the media has cost so far and where it came from."""
        await self._held.loader.observe(media)
        if self._held.media is media:  # else it was dropped meanwhile
            self._handler.on_source_changed(media)

    async def _replace(self, media: Media, position_s: float, playing: bool) -> None:
        """Replaces an expired link or a broken connection; playback continues where it was."""
        element = self._element
        self._remove_listeners()
        try:
            media, position_s = await self._resume(media, position_s, playing)
        except Exception as error:
            self._task = None  # so that the handler may call `stop`
            self._handler.on_replacement_failed(error)
            return
        if element.current_time < min(position_s, _PROGRESS_S):  # else the user has sought elsewhere
            element.current_time = position_s
        if playing:
            await element.play()
        self._task = None
        self._handler.on_replaced(media)

    async def _resume(self, media: Media, position_s: float, playing: bool) -> "tuple[Media, float]":
        """Loads again until the element has it; returns the media, and the position to continue at in seconds.

        :raises AuthMediaError: if another attempt makes no sense.
        """
        element, replaced = self._element, False
        while True:
            failure = await self._held.examine(media)
            self._held.drop()
            if failure.retry_at_once and not replaced:
                replaced = True
            else:
                await self._wait(failure, position_s)
            before = self._held.traffic
            media = await self._held.hold(self._request, self._is_visible)
            if before:
                media.traffic.add(before)
            position_s = element.current_time or position_s  # the user may have sought meanwhile
            if await element.show(media.src, "loadedmetadata", media.crossorigin, playing):
                await self._held.loader.observe(media)
                return media, position_s

    async def _wait(self, failure: AuthMediaError, position_s: float) -> None:
        """Waits before the next attempt.

        :raises AuthMediaError: the failure, if there is none, or several made no progress.
        """
        has_progress = abs(position_s - self._interrupted_at) >= _PROGRESS_S
        self._interruptions = 1 if has_progress else self._interruptions + 1
        self._interrupted_at = position_s
        delay_s = self._held.loader.next_delay_s(failure, self._interruptions)
        if delay_s is None:
            raise failure
        await asyncio.sleep(delay_s)
