"""Prefetching: media that will be shown soon, loaded when nothing that is visible loads."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, LoadCancelled, SessionExpired
from authmedia.matrix.http import request_url
from authmedia.media import Media, MediaRequest
from authmedia.support.options import is_whole, reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

    from authmedia.loader import MediaLoader

#: The values of `Prefetch.state`.
RUNNING, PAUSED, CANCELLED, DONE = "running", "paused", "cancelled", "done"


class Prefetch:
    """Loads a list of media into the caches of a loader's strategy, below all visible loads in priority.

    >>> prefetch = Prefetch(loader, [MediaRequest(event["url"], kind="image") for event in next_page])
    >>> prefetch.pause()
    >>> prefetch.resume()
    >>> await prefetch.done()
    >>> print(prefetch.loaded, prefetch.failures)

    It starts at once. Before each media it waits until no visible element waits for one. `opfs` has the media on disk
    then, `link` in the browser's HTTP cache, `blob` and `bundle` in memory, as far as `Limits.idle_bytes` allows.

    :param loader: where they are loaded.
    :param requests: in this order.
    :param transfers: how many are loaded at a time.
    :raises ValueError: if one is not allowed.
    """

    __slots__ = ("_finished", "_loader", "_resumed", "_running", "_tasks", "_waiting", "failures", "loaded", "state")

    def __init__(
        self, loader: "MediaLoader", requests: "list[MediaRequest]", *, transfers: int = 2, **unknown: "Never"
    ) -> None:
        reject_unknown("Prefetch", unknown, ("transfers",))
        require(is_whole(transfers, 1), "Prefetch", "transfers", transfers, "a whole number, at least 1")
        self._loader = loader
        self._waiting = list(requests)
        known = all(isinstance(request, MediaRequest) for request in self._waiting)
        require(known, "Prefetch", "requests", requests, "a list of MediaRequest")
        self._resumed, self._finished = asyncio.Event(), asyncio.Event()
        self._resumed.set()
        #: ``running``, ``paused``, ``cancelled`` or ``done``.
        self.state = RUNNING
        #: How many were loaded.
        self.loaded = 0
        #: What failed, by the requests' keys.
        self.failures: dict[str, AuthMediaError] = {}
        # In one task for each transfer, and one at least, which ends the prefetch.
        self._tasks = [browser.create_task(self._run()) for _ in range(max(1, min(transfers, len(self._waiting))))]
        self._running = len(self._tasks)

    @property
    def left(self) -> int:
        """How many were not started yet."""
        return len(self._waiting)

    def pause(self) -> None:
        """Starts no further media; those in progress complete."""
        if self.state == RUNNING:
            self.state = PAUSED
            self._resumed.clear()

    def resume(self) -> None:
        """Goes on after `pause`."""
        if self.state == PAUSED:
            self.state = RUNNING
            self._resumed.set()

    def cancel(self) -> None:
        """Drops what was not started, and aborts what is in progress; what was loaded stays cached."""
        if self.state in (RUNNING, PAUSED):
            self._end(CANCELLED)
            for task in self._tasks:
                task.cancel()

    async def done(self) -> None:
        """Waits until all media were loaded or have failed, or the prefetch was cancelled."""
        await self._finished.wait()

    def _end(self, state: str) -> None:
        self.state = state
        self._waiting = []
        self._finished.set()

    async def _run(self) -> None:
        while self._waiting:
            await self._resumed.wait()
            await self._loader.wait_for_visible()
            if self._waiting and self._resumed.is_set():  # it may have been paused meanwhile
                await self._load(self._waiting.pop(0))
        self._running -= 1
        if not self._running and self.state not in (CANCELLED, DONE):
            self._end(DONE)

    async def _load(self, request: MediaRequest) -> None:
        try:
            media = await self._loader.load(request, _is_visible)
            try:
                await self._transfer(media)
            finally:
                self._loader.release(media)
            self.loaded += 1
        except (SessionExpired, LoadCancelled) as error:
            self.failures[request.key] = error
            self._end(CANCELLED)  # the others would fail alike
        except AuthMediaError as error:
            self.failures[request.key] = error

    async def _transfer(self, media: Media) -> None:
        """Transfers into the HTTP cache what an element would transfer by itself.

        :raises AuthMediaError: of the class that fits what happened.
        """
        if media.src.startswith("blob:"):
            await self._loader.observe(media)  # all of it is there, so elements have it from memory
            return
        # By the credentials of an element with crossorigin="anonymous": Firefox partitions its cache by them.
        response = await request_url(
            media.src, credentials="same-origin", cache="default", priority="low", hooks=self._loader.hooks
        )
        try:
            await response.blob()
        except browser.BrowserError as error:
            failure = HomeserverUnreachable("The transfer broke off", mxc=media.request.mxc, words=error.words)
        else:
            return
        raise failure


def _is_visible() -> bool:
    return False
