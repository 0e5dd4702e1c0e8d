"""The media that one element holds."""

from authmedia.errors import AuthMediaError, TransferInterrupted, WrongContent
from authmedia.media import Media, MediaRequest
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from authmedia.loader import MediaLoader

    class Presenter(Protocol):
        """What shows a media: a `browser.Element`, or what does the same with another kind of element."""

        @property
        def tag(self) -> str:
            """See `browser.Element.tag`."""
            ...

        @property
        def is_deferred(self) -> bool:
            """See `browser.Element.is_deferred`."""
            ...

        @property
        def media_error(self) -> str:
            """See `browser.Element.media_error`."""
            ...

        @property
        def has_network_error(self) -> bool:
            """See `browser.Element.has_network_error`."""
            ...

        async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
            """See `browser.Element.show`."""
            ...

        def remove_source(self) -> None:
            """See `browser.Element.remove_source`."""
            ...


class HeldMedia:
    """Holds at most one media of a loader for an element, and knows what it cost.

    :param presenter: what shows it.
    :param loader: where it is loaded and released.
    """

    __slots__ = ("_presenter", "loader", "media", "traffic")

    def __init__(self, presenter: "Presenter", loader: "MediaLoader") -> None:
        self._presenter = presenter
        self.loader = loader
        self.media: Media | None = None
        #: The cost of the last load, successful or not; ``None`` before there was one.
        self.traffic: Traffic | None = None

    async def hold(
        self,
        request: MediaRequest,
        is_visible: "Callable[[], bool]",
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> Media:
        """Loads a media and holds it; the parameters are those of `MediaLoader.load`."""
        media = self.media = await self.loader.load(request, is_visible, on_progress)
        self.traffic = media.traffic
        return media

    def drop(self) -> None:
        """Releases the media, if one is held."""
        if self.media:
            self.loader.release(self.media)
            self.media = None

    async def examine(self, media: Media) -> AuthMediaError:
        """Returns why the element does not show a media, or not any more.

        An element that reports a network error is believed, although the same request succeeds by now.
        """
        network_error, words = self._presenter.has_network_error, self._presenter.media_error
        failure = await self.loader.examine(media, words)
        if network_error and isinstance(failure, WrongContent):
            return TransferInterrupted("The transfer broke off", mxc=failure.mxc, words=words)
        return failure
