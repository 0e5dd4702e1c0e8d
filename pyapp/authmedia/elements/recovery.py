"""What loads again after a failure: at once by the user's hand, or by itself once a network or an upload is there."""

import asyncio

from authmedia import browser
from authmedia.browser import ConnectivityEvents
from authmedia.elements.failure_log import log_failure
from authmedia.errors import AuthMediaError, HomeserverUnreachable, NoThumbnail, NotYetUploaded, ServerFailure
from authmedia.media import CACHE_DEFAULT, RELOAD, MediaRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from authmedia.elements.failure_view import FailureView
    from authmedia.loader import MediaLoader

    class Binding(Protocol):
        """The interface of the bindings that load again."""

        @property
        def kind(self) -> str:
            """See `Binding.kind`."""
            ...

        @property
        def mxc(self) -> str:
            """See `Binding.mxc`."""
            ...

        def load_again(self) -> None:
            """See `Binding.load_again`."""
            ...


# What a user reads of a media that its own homeserver does not send, or not in time.
_ELSEWHERE = "{server}, where this media is from, does not answer. It is asked again from time to time."
# What elements wait for that no server has answered.
_NETWORK = "the network"
# The first and the longest delay before an element loads again by itself; it doubles each time.
_FIRST_DELAY_MS, _MAX_DELAY_MS = 5_000.0, 60_000.0
# An element that comes into view again and again loads no more often than this.
_MIN_DELAY_MS = 1_000.0


class Recovery:
    """The failed elements of a page that load again by themselves.

    Those that failed for want of a network do so when the browser is online or its page visible again, when another
    load succeeds, or when they come into view. What waits for an upload does so from time to time; so does one of those
    that wait for the network, and one of those that wait for the same other homeserver, and the rest when it is shown.
    """

    __slots__ = ("_events", "_failed", "_task", "_waiting")

    def __init__(self) -> None:
        # By the binding's identity, each that waits.
        self._waiting: dict[int, _Waiting] = {}
        # How often each binding failed without a success.
        self._failed: dict[int, int] = {}
        self._events: ConnectivityEvents | None = None
        self._task: asyncio.Task[None] | None = None

    def record(self, error: Exception, user_id: str) -> AuthMediaError:
        """Returns the failure of an element, and writes it to the console.

        :param user_id: of the session: a media of another homeserver than its own fails where that one does not answer.
        """
        # Of an unexpected error only the class is shown: its message may quote a link.
        name = type(error).__name__
        failure = error if isinstance(error, AuthMediaError) else AuthMediaError(f"The load ended in a {name}")
        log_failure(failure)
        server = _server_name(failure.mxc)
        if type(failure) is ServerFailure and server and server != user_id.partition(":")[2]:
            failure.user_message = _ELSEWHERE.replace("{server}", server)
        return failure

    def retry_request(
        self, get_request: "Callable[[], MediaRequest]", failure: AuthMediaError | None
    ) -> MediaRequest | None:
        """Returns what a user asks for by pressing an element's button: the same media, and from the network.

        In the place of a thumbnail that the homeserver does not have, it is the media itself, of any size.

        :param get_request: returns the element's request.
        """
        try:
            request = get_request()
        except AuthMediaError:
            return None  # an invalid request, which fails again
        if isinstance(failure, NoThumbnail):
            request = request.original()
        return request.with_cache(RELOAD) if request.cache == CACHE_DEFAULT else request

    def saver(
        self, loader: "MediaLoader", get_request: "Callable[[], MediaRequest]", name: str, view: "FailureView"
    ) -> "Callable[[], None]":
        """Returns a function that has the browser save an element's media as a file.

        :param get_request: returns the element's request.
        :param view: the element's failure view, which says why saving fails.
        """

        async def run() -> None:
            from authmedia.elements.file_saving import save_media

            view.show_save_failure(None)
            try:
                await save_media(loader, get_request().as_file(), name)
            except Exception as error:
                view.show_save_failure(self.record(error, loader.user_id))

        def save() -> None:
            browser.create_task(run())

        return save

    def add(self, binding: "Binding", failure: AuthMediaError) -> bool:
        """Has an element load again by itself, if its failure may pass; returns whether it waits for the network."""
        for_network = type(failure) is HomeserverUnreachable
        elsewhere = failure.user_message != type(failure).user_message and type(failure) is ServerFailure
        if binding.kind == "file" or not (for_network or elsewhere or isinstance(failure, NotYetUploaded)):
            return False
        place = _NETWORK if for_network else _server_name(failure.mxc) if elsewhere else ""
        key = id(binding)
        failed = self._failed[key] = self._failed.get(key, 0) + 1
        now_ms = browser.now_ms()
        delay_ms = min(_FIRST_DELAY_MS * 2 ** min(failed - 1, 8), _MAX_DELAY_MS)
        self._waiting[key] = _Waiting(binding, place, now_ms, now_ms + delay_ms)
        if not self._events:
            self._events = ConnectivityEvents(self.retry_all)
        if not self._task:
            self._task = browser.create_task(self._run())
        return for_network

    def remove(self, binding: "Binding", forget: bool = True) -> None:
        """Ends the wait of an element.

        :param forget: whether its failures no longer count, because it is shown or gone.
        """
        if forget:
            self._failed.pop(id(binding), None)
        if self._waiting.pop(id(binding), None) and not self._waiting:
            self._stop()

    def retry_all(self) -> None:
        """Loads all that wait, since the network may be back."""
        for waiting in list(self._waiting.values()):
            self._retry(waiting)

    def on_success(self, binding: "Binding") -> None:
        """Loads what waits for the network, or for the homeserver of an element that has just been shown."""
        self.remove(binding)
        if not self._waiting:
            return
        there = (_NETWORK, _server_name(binding.mxc))
        now_ms = browser.now_ms()
        for waiting in list(self._waiting.values()):
            # The first failure waits for the next success; what fails nevertheless waits for longer.
            first = self._failed.get(id(waiting.binding)) == 1
            if waiting.place in there and (first or waiting.due_ms <= now_ms):
                self._retry(waiting)

    def on_visible(self, binding: "Binding") -> None:
        """Loads an element that waits, since it has come into view."""
        waiting = self._waiting.get(id(binding))
        if waiting and browser.now_ms() - waiting.since_ms >= _MIN_DELAY_MS:
            self._retry(waiting)

    def _retry(self, waiting: "_Waiting") -> None:
        self.remove(waiting.binding, forget=False)
        waiting.binding.load_again()

    async def _run(self) -> None:
        """Loads from time to time what waits for an upload, and one element for each place that does not answer."""
        try:
            await self._retry_what_is_due()
        finally:
            self._task = None  # also where a function of the application raised: the next failure starts another

    async def _retry_what_is_due(self) -> None:
        while self._waiting:
            now_ms = browser.now_ms()
            next_ms = min([waiting.due_ms for waiting in self._waiting.values()])
            if next_ms > now_ms:
                # No longer than the first delay, since others are added meanwhile.
                await asyncio.sleep(min(next_ms - now_ms, _FIRST_DELAY_MS) / 1000)
                continue
            for waiting in list(self._waiting.values()):
                if waiting.due_ms <= now_ms and self._waiting.get(id(waiting.binding)) is waiting:
                    # One is enough to see whether the place answers; the others follow it, or are due much later.
                    for other in self._with(waiting.place):
                        other.due_ms = max(other.due_ms, now_ms + _MAX_DELAY_MS)
                    self._retry(waiting)

    def _with(self, place: str) -> "list[_Waiting]":
        """Returns the elements that wait for a place."""
        return [waiting for waiting in self._waiting.values() if place and waiting.place == place]

    def _stop(self) -> None:
        """Releases what was needed while elements waited."""
        if self._events:
            self._events.close()
            self._events = None


class _Waiting:
    """One element that waits.

    :param place: what it waits for: the network, or another homeserver by its name; empty for an upload.
    :param since_ms: when it failed, on the clock of `browser.now_ms`.
    :param due_ms: when it loads again in any case.
    """

    __slots__ = ("binding", "due_ms", "place", "since_ms")

    def __init__(self, binding: "Binding", place: str, since_ms: float, due_ms: float) -> None:
        self.binding = binding
        self.place = place
        self.since_ms = since_ms
        self.due_ms = due_ms


def _server_name(mxc: str) -> str:
    """Returns the homeserver that a media is from, empty for what is no ``mxc://`` URI."""
    return mxc[6:].partition("/")[0] if mxc.startswith("mxc://") else ""


#: The one of this page.
RECOVERY = Recovery()
