"""Binds links that save a file: ``<a download="walk.gpx" data-mxc="mxc://…">``."""

import asyncio

from authmedia import browser
from authmedia.elements.binding import FAILED, LOADING, READY, Binding
from authmedia.elements.file_saving import portable_name, release_later, save_source
from authmedia.errors import ActivationEnded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.elements.held_media import Presenter
    from authmedia.loader import MediaLoader
    from authmedia.media import Media, MediaRequest


class DownloadBinding(Binding):
    """Loads and saves the media of one link whenever a user follows it. For the parameters see `Binding`."""

    __slots__ = ("_activation", "_added_attributes", "_arrived")

    INITIAL_STATE = READY

    def __init__(self, element: browser.Element, loader: "MediaLoader", **options: "Any") -> None:
        # A file that arrived too late for the click that asked for it.
        self._arrived: Media | None = None
        super().__init__(element, loader, **options)
        # A link without an address is neither focusable nor a link for assistive technology.
        needed = () if element.get_attribute("href") else (("role", "link"), ("tabindex", "0"))
        self._added_attributes = [(name, value) for name, value in needed if not element.get_attribute(name)]
        for name, value in self._added_attributes:
            element.set_attribute(name, value)
        self._activation = browser.listen_for_activation(element, self._on_activation)

    @property
    def kind(self) -> str:
        """Always ``file``."""
        return "file"

    @property
    def label(self) -> str:
        """The link's name for people: its label, or the file's name."""
        get = self._element.get_attribute  # not `super().label`, of which MicroPython makes the property itself
        return get("data-label") or get("aria-label") or get("download")

    @property
    def started(self) -> bool:
        """Whether a user has followed the link."""
        return self.state != READY

    def start(self, urgent: bool = False) -> None:
        """Loads and saves, if a user has followed the link."""
        if self.state == LOADING and not self._task:
            self.started_ms = browser.now_ms()
            self._start_task()

    def set_visible(self, visible: bool) -> None:
        """Does nothing: a user waits for the file, wherever the link is."""

    def cancel(self) -> None:
        """Does nothing: a load goes on while the link is far away."""

    def close(self) -> None:
        """Cancels a load in progress, and leaves the element as it was."""
        super().close()
        self._release_arrived()
        self._activation.close()
        for name, _ in self._added_attributes:
            self._element.remove_attribute(name)

    def on_replaced(self, media: "Media") -> None:
        """Marks the file as handed to the browser, which goes on reading it when the element is gone."""
        self._held.media = None
        browser.create_task(release_later(self._loader, media))
        super().on_replaced(media)

    def _make_presenter(self) -> "Presenter":
        return DownloadPresenter(self._element, self.mxc)

    def _get_request(self) -> "MediaRequest":
        if not self._request:
            get_request = super()._get_request  # looked up first: MicroPython's `super()` has no chained calls
            self._request = get_request().named(portable_name(self._element.get_attribute("download")))
        return self._request

    def _is_visible(self) -> bool:
        return True

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ActivationEnded):
            self._arrived, self._held.media = self._held.media, None
        super()._fail(error)

    def _release_arrived(self) -> None:
        if self._arrived:
            self._loader.release(self._arrived)
            self._arrived = None

    def _save_arrived(self, media: "Media") -> None:
        """Saves what has arrived before, at the click of this moment."""
        self._arrived = None
        self._held.media = media
        try:
            save_source(media.src, portable_name(self._element.get_attribute("download")), self.mxc)
        except ActivationEnded:  # a click of a script
            self._arrived, self._held.media = media, None
            return
        if self._failure_view:
            self._failure_view.remove()
        self.failure = None
        self.on_replaced(media)

    def _on_activation(self) -> None:
        if self._arrived:
            self._save_arrived(self._arrived)
        elif self.state == FAILED:
            self.retry()
        elif self.state != LOADING:
            self._settled = asyncio.Event()
            self._enter(LOADING)
            self.start()


class DownloadPresenter:
    """Has the browser save files that the user asked for by a link.

    :param element: the link.
    :param mxc: its media.
    """

    __slots__ = ("_element", "_mxc")

    # The browser reports nothing of a file that it saves.
    media_error = ""
    has_network_error = is_deferred = False

    def __init__(self, element: browser.Element, mxc: str) -> None:
        self._element = element
        self._mxc = mxc

    @property
    def tag(self) -> str:
        """The element's local name."""
        return self._element.tag

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        """Has the browser save what is at a URL; always returns ``True``.

        :raises ActivationEnded: if the user has to press again.
        """
        save_source(src, portable_name(self._element.get_attribute("download")), self._mxc)
        return True

    def remove_source(self) -> None:
        """Does nothing: the link itself never has an address."""
