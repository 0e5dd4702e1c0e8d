"""The attempts of one load, until the element shows its media."""

import asyncio

from authmedia import browser
from authmedia.elements.held_media import HeldMedia
from authmedia.errors import AuthMediaError, HomeserverUnreachable, StrategyReplaced, TransferInterrupted, WrongContent
from authmedia.media import Media, MediaRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.element_options import ElementOptions
    from authmedia.elements.held_media import Presenter
    from authmedia.elements.slow_loads import SlowLoad

# As many strategies may refuse one media.
_MAX_STRATEGIES = 4
# The event after which there is something to hear or see, by the element's tag; for all others it is `load`.
_SHOWN_EVENT = {"video": "loadeddata", "audio": "loadedmetadata"}


class LoadAttempts:
    """Loads a media until the element shows it, or until another attempt makes no sense. For one load.

    :param presenter: what shows it.
    :param held: holds the media.
    :param element: says which homeserver it waits for.
    :param options: the application's words; ``None`` for English.
    """

    __slots__ = ("_cause", "_element", "_failed", "_held", "_options", "_presenter", "_repeated_transfer", "_replaced")

    def __init__(
        self, presenter: "Presenter", held: HeldMedia, element: browser.Element, options: "ElementOptions | None"
    ) -> None:
        self._presenter = presenter
        self._held = held
        self._element = element
        self._options = options
        # How many attempts failed; those that follow at once do not count.
        self._failed = 0
        self._repeated_transfer = False
        # The errors that were followed by an attempt at once.
        self._replaced: list[type[AuthMediaError]] = []
        # What is raised when there are no more attempts.
        self._cause: AuthMediaError | None = None

    async def run(
        self, request: MediaRequest, is_visible: "Callable[[], bool]", on_progress: "Callable[[int, int], None]"
    ) -> Media:
        """Returns the media that the element shows; the parameters are those of `MediaLoader.load`.

        :raises AuthMediaError: of the class that fits what happened.
        """
        if request.server_name == self._held.loader.user_id.partition(":")[2]:
            return await self._run(request, is_visible, on_progress)
        slow = self._watch(request, is_visible)

        def report_progress(received: int, total: int) -> None:
            slow.end()
            on_progress(received, total)

        try:
            return await self._run(request, is_visible, report_progress)
        finally:
            slow.end()

    def _watch(self, request: MediaRequest, is_visible: "Callable[[], bool]") -> "SlowLoad":
        from authmedia.elements.slow_loads import SLOW_LOADS  # many rooms have media of one homeserver alone

        return SLOW_LOADS.watch(self._element, self._options, is_visible, request.server_name)

    async def _run(
        self, request: MediaRequest, is_visible: "Callable[[], bool]", on_progress: "Callable[[int, int], None]"
    ) -> Media:
        while True:
            media = await self._held.hold(request, is_visible, on_progress)
            shown = await self._show(media)
            if await self._held.loader.observe(media) and shown:
                return media
            failure = await self._held.examine(media)
            self._held.drop()
            await self._prepare_next(failure)

    async def _show(self, media: Media) -> bool:
        """Sets the element's source; returns whether it shows it."""
        shown_event = _SHOWN_EVENT.get(self._presenter.tag, "load")
        try:
            return await self._presenter.show(media.src, shown_event, media.crossorigin)
        except browser.BrowserError as error:
            failure = error
        mxc, words = media.request.mxc, failure.words
        if failure.name == "TimeoutError":
            raise HomeserverUnreachable("The transfer came to a standstill", mxc=mxc, words=words)
        raise WrongContent("The browser cannot show it", mxc=mxc, words=words)

    async def _prepare_next(self, failure: AuthMediaError) -> None:
        """Waits before the next attempt.

        :raises AuthMediaError: the cause, if there is none.
        """
        interrupted = isinstance(failure, TransferInterrupted)
        # If failures are random, `examine` may succeed: then the cause is what an earlier attempt reported.
        if not (self._cause and self._cause.temporary and interrupted):
            self._cause = failure
        # Each once, and at once: a transfer that succeeded meanwhile, whose response may be in the browser's cache by
        # now, and a media whose link or file was replaced.
        if not self._repeated_transfer and (interrupted or self._may_be_interrupted(failure)):
            self._repeated_transfer = True
        elif failure.retry_at_once and self._replaced.count(type(failure)) < self._limit_of(failure):
            self._replaced.append(type(failure))
        else:
            self._failed += 1
            delay_s = self._held.loader.next_delay_s(failure, self._failed)
            if delay_s is None:
                raise self._cause
            await asyncio.sleep(delay_s)

    def _limit_of(self, failure: AuthMediaError) -> int:
        """Returns how often an error is followed by an attempt at once: for several strategies, one after the other."""
        return _MAX_STRATEGIES if isinstance(failure, StrategyReplaced) else 1

    def _may_be_interrupted(self, failure: AuthMediaError) -> bool:
        """Before a video or audio has begun, it reports the same for a damaged file as for an interrupted transfer."""
        return isinstance(failure, WrongContent) and self._presenter.tag in _SHOWN_EVENT
