"""Binds the elements of a page to a loader: ``<img data-mxc="mxc://…" data-width="96" data-height="96">``.

Below a bound root every ``<img>``, ``<video>`` and ``<audio>`` with ``data-mxc`` is loaded. What became of it stands
on the element: ``data-state`` (``loading``, ``shown``, ``failed``), ``data-strategy`` and ``data-source``; where it
failed, readable words follow the element.
"""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.media import Media, MediaRequest
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.loader import MediaLoader

LOADING = "loading"
SHOWN = "shown"
FAILED = "failed"

_SELECTOR = "img[data-mxc], video[data-mxc], audio[data-mxc]"
# The event that says there is something to see or hear.
_SHOWN_EVENT = {"img": "load", "video": "loadeddata", "audio": "loadedmetadata"}
_KIND = {"img": "image", "video": "video", "audio": "audio"}
# When a video or audio has transferred more than it had when it was first shown.
_MORE_EVENTS = ("suspend", "seeked", "ended")


class Binding:
    """One element and what it shows, for as long as it is bound."""

    __slots__ = (
        "_element",
        "_listeners",
        "_loader",
        "_media",
        "_on_change",
        "_task",
        "_words",
        "failure",
        "milliseconds",
        "started_ms",
        "state",
        "traffic",
    )

    def __init__(
        self, element: browser.Element, loader: "MediaLoader", on_change: "Callable[[Binding], None] | None" = None
    ) -> None:
        self._element = element
        self._loader = loader
        self._on_change = on_change
        self._media: Media | None = None
        self._words: browser.Element | None = None
        self.state = LOADING
        #: When it was asked for, on the clock of `browser.now_ms`, and how long it took from then on.
        self.started_ms = browser.now_ms()
        self.milliseconds = 0.0
        self.failure: AuthMediaError | None = None
        #: What it cost, whether it is shown or has failed; `None` before anything was asked for.
        self.traffic: Traffic | None = None
        self._listeners: list[browser.Listener] = []
        self._task = browser.spawn(self._run())

    @property
    def mxc(self) -> str:
        """The media's address as it stands on the element, valid or not."""
        return self._element.get("data-mxc")

    @property
    def key(self) -> str:
        """What is loaded: equal for elements that show the same media in the same form."""
        try:
            return self._request().key
        except AuthMediaError:
            return self.mxc

    @property
    def strategy(self) -> str:
        """The name of the strategy that served it, or that failed to."""
        return self._media.strategy if self._media else self._loader.name

    @property
    def kind(self) -> str:
        """``image``, ``video`` or ``audio``, by the element."""
        return _KIND[self._element.tag]

    @property
    def label(self) -> str:
        """What the element is called for a person: its alternative text or its label."""
        return self._element.get("data-label") or self._element.get("alt") or self._element.get("aria-label")

    @property
    def media(self) -> Media | None:
        """What the element shows, once it does."""
        return self._media

    async def settled(self) -> None:
        """Waits until the element is shown or has failed."""
        await self._task

    def close(self) -> None:
        """Ends a load that is on its way, empties the element and gives its media back."""
        self._task.cancel()
        for listener in self._listeners:
            listener.close()
        self._element.unload()
        self._clear_words()
        self._give_back()

    async def _run(self) -> None:
        start = self.started_ms = browser.now_ms()
        self._enter(LOADING)
        try:
            media = await self._show()
            self.milliseconds = browser.now_ms() - start
            self._element.set("data-strategy", media.strategy)
            if media.reason:
                self._element.set("data-reason", media.reason)
            await self._take_stock(media)
            if self._element.tag != "img":
                self._listeners = [self._element.on(event, self._on_more) for event in _MORE_EVENTS]
        except AuthMediaError as error:
            self.milliseconds = browser.now_ms() - start
            self.traffic = self.traffic or error.traffic
            self._fail(error)

    def _on_more(self) -> None:
        if self._media:
            browser.spawn(self._take_stock(self._media))

    async def _take_stock(self, media: Media) -> None:
        """Notes what the media has cost so far and where it came from."""
        await self._loader.observe(media)
        self._element.set("data-source", media.source)
        self._enter(SHOWN)

    async def _show(self) -> Media:
        """Loads until the element shows it; what was replaced meanwhile, as a link that expired, is worth a second."""
        request = self._request()
        for last in (False, True):
            media = self._media = await self._loader.load(request)
            self.traffic = media.traffic
            if await self._element.show(media.src, _SHOWN_EVENT[self._element.tag], media.crossorigin):
                return media
            await self._loader.observe(media)
            failure = await self._loader.examine(media, self._element.media_error)
            self._give_back()
            if last or not failure.again:
                raise failure
        raise AuthMediaError("No load was tried", mxc=request.mxc)

    def _request(self) -> MediaRequest:
        element = self._element
        return MediaRequest(
            self.mxc,
            width=_pixels(element.get("data-width")),
            height=_pixels(element.get("data-height")),
            method=element.get("data-method") or "scale",
            animated=element.get("data-animated") == "true",
            kind=self.kind,
            content_type=element.get("data-type"),
        )

    def _fail(self, error: AuthMediaError) -> None:
        self.failure = error
        self._element.unload()
        self._element.set("data-strategy", self._loader.name)
        self._words = browser.create("span", class_="media-failed", role="alert", title=str(error))
        self._words.text = error.people
        self._element.after(self._words)
        self._enter(FAILED)

    def _enter(self, state: str) -> None:
        self.state = state
        self._element.set("data-state", state)
        if self._on_change:
            self._on_change(self)

    def _clear_words(self) -> None:
        if self._words:
            self._words.remove()
            self._words = None

    def _give_back(self) -> None:
        if self._media:
            self._loader.release(self._media)
            self._media = None


class Binder:
    """All bound elements below a root; `close` unbinds them."""

    __slots__ = ("bindings",)

    def __init__(self, bindings: list[Binding]) -> None:
        self.bindings = bindings

    async def settled(self) -> None:
        """Waits until every element is shown or has failed."""
        await asyncio.gather(*[binding.settled() for binding in self.bindings])

    def close(self) -> None:
        """Unbinds every element."""
        for binding in self.bindings:
            binding.close()


def bind(root: browser.Element, loader: "MediaLoader", on_change: "Callable[[Binding], None] | None" = None) -> Binder:
    """Loads every element with ``data-mxc`` below a root.

    :param root: an element of the page.
    :param loader: whose session and strategy it is.
    :param on_change: called whenever an element's state changes.
    """
    return Binder([Binding(element, loader, on_change) for element in root.find_all(_SELECTOR)])


def _pixels(text: str) -> int:
    return int(text) if text.isdigit() else 0
