"""The binding of one element to its media, from its first load until the media is released."""

import asyncio

from authmedia import browser
from authmedia.elements.element_request import ATTRIBUTES, KIND_OF_TAG, request_from_attributes
from authmedia.elements.failure_view import FailureView
from authmedia.elements.held_media import HeldMedia
from authmedia.elements.idle_queue import IdleQueue
from authmedia.elements.load_attempts import LoadAttempts
from authmedia.elements.load_scheduler import LoadScheduler, Slot
from authmedia.elements.placeholder import Placeholder
from authmedia.elements.playback import Playback, PlaybackHandler
from authmedia.errors import AuthMediaError
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import CACHE_DEFAULT, Media, MediaRequest
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.element_options import ElementOptions
    from authmedia.elements.held_media import Presenter
    from authmedia.elements.recovery import Recovery
    from authmedia.loader import MediaLoader

#: The values of `Binding.state` and ``data-state``; `NONE` stands for an element that is bound no longer.
NONE = ""
LOADING = "loading"
SHOWN = "shown"
FAILED = "failed"
#: An element waits for its user: a `MediaPolicy` holds it back; a video is to be played, a link to be followed.
HELD, READY = "held", "ready"

# The attributes that a binding sets.
_OWN_ATTRIBUTES = ("data-state", "data-strategy", "data-source", "data-reason")

# What has failed and may load again by itself, once an element has failed.
_recovery: "Recovery | None" = None


class Binding(PlaybackHandler):
    """Loads and shows the media of one element, once it is started.

    :param element: an ``<img>``, ``<video>`` or ``<audio>`` with ``data-mxc``.
    :param loader: the session and the strategy.
    :param keyring: the encrypted files that ``data-encrypted`` names.
    :param on_change: called whenever the state changes.
    :param options: what the application changes about elements; ``None`` for nothing.
    :param idle_queue: renders blurhashes.
    :param scheduler: limits how many elements load at a time; loads that the browser defers do not count.
    :param css_pixels: whether ``data-width`` and ``data-height`` are in CSS pixels.
    :param attributes: those of `ATTRIBUTES` that are set, if they were read already.
    """

    __slots__ = (
        "_again",
        "_attributes",
        "_css_pixels",
        "_element",
        "_failure_view",
        "_held",
        "_idle_queue",
        "_keyring",
        "_loader",
        "_on_change",
        "_options",
        "_placeholder",
        "_playback",
        "_presenter",
        "_request",
        "_scheduler",
        "_settled",
        "_slot",
        "_task",
        "failure",
        "milliseconds",
        "started_ms",
        "state",
        "visible",
    )

    #: The state before it is started.
    INITIAL_STATE = LOADING

    def __init__(
        self,
        element: browser.Element,
        loader: "MediaLoader",
        *,
        keyring: Keyring | None = None,
        on_change: "Callable[[Binding], None] | None" = None,
        options: "ElementOptions | None" = None,
        idle_queue: IdleQueue | None = None,
        scheduler: LoadScheduler | None = None,
        css_pixels: bool = False,
        attributes: "dict[str, str] | None" = None,
    ) -> None:
        self._element = element = element if isinstance(element, browser.Element) else browser.as_element(element)
        self._attributes = attributes or element.get_attributes(ATTRIBUTES)
        self._css_pixels = css_pixels
        self._request: MediaRequest | None = None
        self._again: MediaRequest | None = None
        self._loader, self._keyring = loader, keyring or Keyring()
        self._on_change, self._options = on_change, options
        self._idle_queue = idle_queue or IdleQueue()
        self._scheduler = scheduler
        self._slot: Slot | None = None
        self._placeholder = self._make_placeholder()
        self._presenter = self._make_presenter()
        self._held = HeldMedia(self._presenter, loader)
        self._playback: Playback | None = None
        self._failure_view: FailureView | None = None
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self.state = NONE
        #: Whether the element is visible: then its load goes first.
        self.visible = False
        #: When the load was wanted, on the clock of `browser.now_ms`.
        self.started_ms = browser.now_ms()
        #: How long it took from then on.
        self.milliseconds = 0.0
        self.failure: AuthMediaError | None = None
        self._enter(self.INITIAL_STATE)

    @property
    def attributes(self) -> "dict[str, str]":
        """Those of `ATTRIBUTES` that were set when the element was bound."""
        return self._attributes

    @property
    def element(self) -> browser.Element:
        """The element."""
        return self._element

    @property
    def mxc(self) -> str:
        """The element's ``data-mxc``, valid or not."""
        return self._attributes.get("data-mxc", "")

    @property
    def key(self) -> str:
        """The request's key, equal for elements that show the same media in the same form."""
        try:
            return self._get_request().key
        except AuthMediaError:
            return self.mxc

    @property
    def strategy(self) -> str:
        """The name of the strategy that served the media, or that failed to."""
        return self._held.media.strategy if self._held.media else self._loader.name

    @property
    def kind(self) -> str:
        """``image``, ``video`` or ``audio``, by the element."""
        return KIND_OF_TAG[self._element.tag]

    @property
    def label(self) -> str:
        """The element's name for people: its label or alternative text."""
        get = self._element.get_attribute
        return get("data-label") or get("alt") or get("aria-label")

    @property
    def media(self) -> Media | None:
        """The media that the element holds."""
        return self._held.media

    @property
    def traffic(self) -> Traffic | None:
        """The cost of the media, whether it is shown or has failed; ``None`` before it was loaded."""
        return self._held.traffic

    @property
    def started(self) -> bool:
        """Whether the load was started, or waits for its turn."""
        return self.state != LOADING or self._task is not None or self._slot is not None

    def start(self, urgent: bool = False) -> None:
        """Loads when its turn comes, unless it was started already.

        :param urgent: whether its turn is now, as it is for a visible element.
        """
        if self.started:
            return
        if self._settled.is_set():
            self._settled = asyncio.Event()
        self.started_ms = browser.now_ms()
        if self._has_placeholder:
            self._idle_queue.add(self._show_placeholder)
        if self._scheduler and not self._presenter.is_deferred:
            self._slot = self._scheduler.add(self._start_task, urgent or self.visible)
        else:
            self._start_task()

    def set_visible(self, visible: bool) -> None:
        """Sets whether the element is visible; a load whose element becomes visible goes first."""
        self.visible = visible
        if not visible or self.state != LOADING:
            if visible and _recovery:
                _recovery.on_visible(self)
            return
        self.start(urgent=True)  # if it was suspended
        if self._slot:
            self._slot.start_now()
        try:
            self._loader.prioritize(self._get_request())
        except AuthMediaError:
            return  # an invalid request, which the load itself reports

    def cancel(self) -> None:
        """Cancels a load in progress; `start` starts it anew."""
        if self.started and self.state == LOADING:
            self._stop()
            self._presenter.remove_source()
            self._placeholder.clear()
            self._held.drop()
            self._settled.set()

    def retry(self) -> None:
        """Loads again what has failed, from the network."""
        if self.state == FAILED and _recovery:
            self._again = _recovery.retry_request(self._get_request, self.failure)
            self.load_again(urgent=True)

    def load_again(self, urgent: bool = False) -> None:
        """Loads again what has failed: when its turn comes, or now if that is urgent."""
        if self.state != FAILED or not self._failure_view or not _recovery:
            return
        _recovery.remove(self, forget=urgent)
        self._stop()
        self._failure_view.remove_for_retry()
        self.failure = self._held.traffic = None
        if self._playback:
            self._playback.reset()
        self._settled = asyncio.Event()
        self._enter(LOADING)
        self._failure_view.move_focus_to_element()
        self.start(urgent)

    async def settled(self) -> None:
        """Waits until the element is shown or has failed, or the load was cancelled."""
        await self._settled.wait()

    def close(self) -> None:
        """Cancels a load in progress, empties the element and releases its media."""
        self._stop()
        if self._playback:
            self._playback.close()
        self._presenter.remove_source()
        self._placeholder.close()
        self._element.remove_attributes(_OWN_ATTRIBUTES)
        if self._failure_view:
            self._failure_view.remove()
        self._held.drop()
        if _recovery:
            _recovery.remove(self)
        self._settled.set()
        self._report_state(NONE)

    def _make_placeholder(self) -> Placeholder:
        """Returns the placeholder of the element."""
        return Placeholder(self._element, self._attributes)

    def _make_presenter(self) -> "Presenter":
        """Returns what shows a media; an ``<img>``, ``<video>`` or ``<audio>`` does so by itself."""
        return self._element

    def _start_task(self) -> None:
        self._task = browser.create_task(self._run())

    def _stop(self) -> None:
        """Cancels what is in progress."""
        if self._task:
            self._task.cancel()
        if self._slot:
            self._slot.end()
        self._task = self._slot = None
        if self._playback:
            self._playback.stop()

    async def _run(self) -> None:
        slot, settled = self._slot, self._settled  # another load may have been started when this one ends
        try:
            await self._show()
        finally:
            settled.set()
            if slot:
                slot.end()

    async def _show(self) -> None:
        try:
            attempts = LoadAttempts(self._presenter, self._held, self._element, self._options)
            request, self._again = self._again or self._get_request(), None
            media = await attempts.run(request, self._is_visible, self._placeholder.show_progress)
            self.milliseconds = browser.now_ms() - self.started_ms
            self.on_replaced(media)
        except Exception as error:
            self.milliseconds = browser.now_ms() - self.started_ms
            self._fail(error)
        self._placeholder.clear()

    def _get_request(self) -> MediaRequest:
        """Returns the element's request.

        :raises AuthMediaError: if its attributes are invalid.
        """
        if not self._request:
            self._request = self._make_request(self._attributes)
        return self._request

    def _make_request(self, attributes: "dict[str, str]") -> MediaRequest:
        ratio = browser.device_pixel_ratio() if self._css_pixels else 1.0
        cache = self._options.cache if self._options else CACHE_DEFAULT
        return request_from_attributes(self.kind, attributes, self._keyring, ratio, cache)

    def _is_visible(self) -> bool:
        return self.visible

    def on_replaced(self, media: Media) -> None:
        """Marks the element as shown, and follows the playback of a video or audio."""
        self._task = None  # so that `on_change` may close the binding
        if self._element.tag in ("video", "audio"):
            if not self._playback:
                request = self._get_request()
                self._playback = Playback(self._element, self._held, request, self._is_visible, self)
            self._playback.follow()
        if _recovery:
            _recovery.on_success(self)
        self.on_source_changed(media)

    def on_source_changed(self, media: Media) -> None:
        """Sets the element's strategy, source and state."""
        attributes = {"data-strategy": media.strategy, "data-source": media.source}
        if media.reason and not (self._options and self._options.messages):  # the reason is in English
            attributes["data-reason"] = media.reason
        self._enter(SHOWN, attributes)

    def on_suspended(self) -> None:
        """Empties the element; `start` loads its media again."""
        self._stop()
        self._presenter.remove_source()
        self._held.drop()
        self._enter(LOADING)

    def on_replacement_failed(self, error: Exception) -> None:
        """Marks the element as failed."""
        self._fail(error)

    def _enter(self, state: str, attributes: "dict[str, str] | None" = None) -> None:
        attributes = attributes or {}
        attributes["data-state"] = state
        self._element.set_attributes(attributes)
        self._report_state(state)
        if self._on_change:
            self._on_change(self)

    def _report_state(self, state: str) -> None:
        changed, self.state = state != self.state, state
        if changed and self._options:
            outcome = self._held.media if state == SHOWN else self.failure if state == FAILED else None
            self._options.report_state(self._element, state, outcome)

    @property
    def _awaits_media(self) -> bool:
        return self.state == LOADING and not self._settled.is_set()

    @property
    def _has_placeholder(self) -> bool:
        if self._options:
            return self._options.has_placeholder(self._attributes)
        return "data-blurhash" in self._attributes

    def _show_placeholder(self) -> None:
        if not self._awaits_media:  # the media was faster, or the load was cancelled
            return
        if self._options and not self._options.shows_blurhash:
            self._placeholder.show_own(self._options)
        else:
            self._placeholder.show_blurhash(self._attributes["data-blurhash"])

    def _fail(self, error: Exception) -> None:
        """Releases the media, and shows the failure after the element."""
        self._task = None  # so that `on_change` may close the binding, or retry
        self._held.drop()
        global _recovery
        from authmedia.elements.recovery import RECOVERY  # here, since most pages never need it

        _recovery = RECOVERY
        self.failure = failure = RECOVERY.record(error, self._loader.user_id)
        self._held.traffic = self._held.traffic or failure.traffic
        self._presenter.remove_source()
        if not self._failure_view:
            self._failure_view = FailureView(self._element, self._options)
        on_save = RECOVERY.saver(self._loader, self._get_request, self.label, self._failure_view)
        self._failure_view.show(failure, self.label, self.retry, on_save, RECOVERY.add(self, failure))
        self._enter(FAILED, {"data-strategy": self._loader.name})
