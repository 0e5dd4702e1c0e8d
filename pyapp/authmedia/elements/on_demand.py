"""Videos and audios that load when they are played: ``<video preload="none" controls data-mxc="mxc://…">``.

Before that, nothing is requested but a poster, by any strategy; without one, a video has its blurhash as its poster.
The element has a blank source meanwhile, for which browsers show their controls. It is a valid one: Chromium 156 loads
object URLs in spite of ``preload="none"``.
"""

from authmedia import browser
from authmedia.browser import blank_media  # by its name, so that archives have its module
from authmedia.elements.binding import LOADING, READY
from authmedia.elements.blurhash_decoding import Blurhash
from authmedia.elements.poster import PosterBinding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.elements.held_media import Presenter
    from authmedia.loader import MediaLoader


class OnDemandBinding(PosterBinding):
    """Loads the media of one element when its playback is started. For the parameters see `Binding`."""

    __slots__ = ("_blank", "_blurhash", "_listener")

    INITIAL_STATE = READY

    def __init__(self, element: browser.Element, loader: "MediaLoader", **options: "Any") -> None:
        self._listener: browser.EventListener | None = None
        # The object URL of the blank source.
        self._blank = ""
        # The URL of the blurhash that is the poster.
        self._blurhash = ""
        super().__init__(element, loader, **options)

    @property
    def started(self) -> bool:
        """Whether its playback was started."""
        # Not by `super().started`, of which MicroPython makes the property itself.
        return self.state != READY and (self.state != LOADING or self._task is not None or self._slot is not None)

    def start(self, urgent: bool = False) -> None:
        """Loads the media if its playback was started; else waits for that."""
        if self.state != READY:
            super().start(urgent)
        elif not self._listener:
            self.start_poster()
            if self._has_placeholder and not (self._options and not self._options.shows_blurhash):
                self._idle_queue.add(self._show_blurhash_poster)
            self._wait_for_play()

    def cancel(self) -> None:
        """Cancels a load in progress; the element then waits for its playback again."""
        if self.started and self.state == LOADING:
            super().cancel()
            self._enter(READY)

    def on_suspended(self) -> None:
        """Empties the element, which waits for its playback again."""
        super().on_suspended()
        self._enter(READY)
        self._wait_for_play()

    def close(self) -> None:
        """Empties the element and releases its media."""
        self._end_waiting()
        if self._blurhash and self._element.get_attribute("poster") == self._blurhash:
            self._element.remove_attribute("poster")
        super().close()

    def _make_presenter(self) -> "Presenter":
        return PlayingPresenter(self._element)

    def _wait_for_play(self) -> None:
        self._blank = blank_media(self._element).create_object_url()
        self._element.set_attribute("src", self._blank)
        self._listener = self._element.listen("play", self._on_play)

    def _show_blurhash_poster(self) -> None:
        """The poster rather than the background, which the frame of a video covers; an invalid blurhash is ignored."""
        element = self._element
        if self.state != READY or element.tag != "video" or element.get_attribute("poster"):
            return
        try:
            self._blurhash = Blurhash(self._attributes["data-blurhash"]).data_url()
        except ValueError:
            return
        element.set_attribute("poster", self._blurhash)

    def _end_waiting(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
            browser.revoke_object_url(self._blank)

    def _on_play(self) -> None:
        self._end_waiting()
        self._element.remove_source()  # before the blank one ends
        self._enter(LOADING)
        self.start(urgent=True)


class PlayingPresenter:
    """Shows a video or audio and starts its playback.

    :param element: the ``<video>`` or ``<audio>``.
    """

    __slots__ = ("_element",)

    # It transfers at once, unlike other videos and audios.
    is_deferred = False

    def __init__(self, element: browser.Element) -> None:
        self._element = element

    @property
    def tag(self) -> str:
        """The element's local name."""
        return self._element.tag

    @property
    def media_error(self) -> str:
        """See `browser.Element.media_error`."""
        return self._element.media_error

    @property
    def has_network_error(self) -> bool:
        """See `browser.Element.has_network_error`."""
        return self._element.has_network_error

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        """Sets the element's source and starts its playback; for the parameters see `browser.Element.show`."""
        return await self._element.show(src, success_event, crossorigin, True)

    def remove_source(self) -> None:
        """See `browser.Element.remove_source`."""
        self._element.remove_source()
