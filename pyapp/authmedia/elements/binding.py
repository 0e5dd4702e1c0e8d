"""One element and the media that it shows, from the moment that it is asked for until it is given back."""

import asyncio

from authmedia import browser
from authmedia.elements.blurhash import Blurhash
from authmedia.elements.idle_queue import Leisure
from authmedia.elements.load_scheduler import Crowd, Place
from authmedia.errors import AuthMediaError, HomeserverUnreachable, TransferBrokeOff, WrongContent
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import Media, MediaRequest
from authmedia.support import backoff
from authmedia.support.untrusted import parse_digits
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.loader import MediaLoader

LOADING = "loading"
SHOWN = "shown"
FAILED = "failed"

#: What says which media an element is to show: whoever changes one of these gets another binding.
REQUEST_ATTRIBUTES = (
    "data-mxc",
    "data-width",
    "data-height",
    "data-method",
    "data-animated",
    "data-encrypted",
)
# All that is read of an element, once.
_ATTRIBUTES = REQUEST_ATTRIBUTES + ("data-type", "data-blurhash", "width")
# The event that says there is something to see or hear.
_SHOWN_EVENT = {"img": "load", "video": "loadeddata", "audio": "loadedmetadata"}
_KIND = {"img": "image", "video": "video", "audio": "audio"}
# When a video or audio has transferred more than it had when it was first shown.
_MORE_EVENTS = ("suspend", "seeked", "ended")
# One that breaks off again within so many seconds of where it did before has not got further.
_FURTHER_S = 1.0


class Binding:
    """One element and what it shows. It loads once it is started.

    :param element: an ``<img>``, ``<video>`` or ``<audio>`` with ``data-mxc``.
    :param loader: whose session and strategy it is.
    :param keyring: where the key is, if the media is encrypted.
    :param on_change: called whenever the state changes.
    :param leisure: does what is only for the eye.
    :param crowd: those that load beside it; what the browser itself puts off is none of them.
    """

    __slots__ = (
        "_attributes",
        "_breaks",
        "_broke_at",
        "_crowd",
        "_element",
        "_given_focus",
        "_keyring",
        "_leisure",
        "_listeners",
        "_loader",
        "_media",
        "_on_change",
        "_ornamented",
        "_percent",
        "_place",
        "_playing",
        "_reserved",
        "_settled",
        "_task",
        "_wanted",
        "_words",
        "failure",
        "milliseconds",
        "started_ms",
        "state",
        "traffic",
        "visible",
    )

    def __init__(
        self,
        element: browser.Element,
        loader: "MediaLoader",
        *,
        keyring: Keyring | None = None,
        on_change: "Callable[[Binding], None] | None" = None,
        leisure: Leisure | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self._element = element
        self._attributes = element.get_attributes(_ATTRIBUTES)
        self._wanted: MediaRequest | None = None
        self._loader = loader
        self._keyring = keyring or Keyring()
        self._on_change = on_change
        self._leisure = leisure or Leisure()
        self._crowd = crowd
        self._place: Place | None = None
        self._media: Media | None = None
        self._words: browser.Element | None = None
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._listeners: list[browser.EventListener] = []
        self._playing = False
        #: Where a video or audio broke off last, in seconds, and how often it has without getting on.
        self._broke_at, self._breaks = 0.0, 0
        self._ornamented = self._reserved = self._given_focus = False
        self._percent = -1  # of a large body, as far as it is there
        self.state = LOADING
        #: Whether people see the element's place: then it goes first.
        self.visible = False
        #: When it was asked for, on the clock of `browser.now_ms`, and how long it took from then on.
        self.started_ms = browser.now_ms()
        self.milliseconds = 0.0
        self.failure: AuthMediaError | None = None
        #: What it cost, whether it is shown or has failed; `None` before anything was asked for.
        self.traffic: Traffic | None = None
        self._reserve_space()
        self._enter(LOADING)

    @property
    def mxc(self) -> str:
        """The media's address as it stands on the element, valid or not."""
        return self._attributes.get("data-mxc", "")

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
        return (
            self._element.get_attribute("data-label")
            or self._element.get_attribute("alt")
            or self._element.get_attribute("aria-label")
        )

    @property
    def media(self) -> Media | None:
        """What the element shows, once it does."""
        return self._media

    @property
    def started(self) -> bool:
        """Whether it loads, did, or waits for its turn to."""
        return self.state != LOADING or self._task is not None or self._place is not None

    def start(self, urgent: bool = False) -> None:
        """Loads once its turn has come, unless it does or did already.

        :param urgent: whether that is now, as it is where people see the element's place.
        """
        if self.started:
            return
        if self._settled.is_set():
            self._settled = asyncio.Event()
        self.started_ms = browser.now_ms()
        if self._attributes.get("data-blurhash"):
            self._leisure.add(self._show_blurhash)
        if self._crowd and not self._element.is_deferred:
            self._place = self._crowd.join(self._begin, urgent or self.visible)
        else:
            self._begin()

    def see(self, visible: bool) -> None:
        """Takes note of whether people see the element's place; what comes into sight goes before what does not."""
        self.visible = visible
        if not visible or self.state != LOADING:
            return
        if self._place:
            self._place.hurry()
        try:
            self._loader.hurry(self._request())
        except AuthMediaError:
            return  # of no media; that is told where it is loaded

    def give_up(self) -> None:
        """Ends a load that is on its way; `start` begins anew."""
        if self.started and self.state == LOADING:
            self._end()
            self._element.remove_source()
            self._take_ornaments_off()
            self._give_back()
            self._settled.set()

    def retry(self) -> None:
        """Loads again what has failed."""
        if self.state == FAILED:
            self._end()
            self._drop_listeners()
            self._given_focus = self._words is not None and self._words.has_focus
            self._clear_words()
            self.failure = self.traffic = None
            self._broke_at, self._breaks = 0.0, 0
            self._settled = asyncio.Event()
            self._enter(LOADING)
            if self._given_focus:
                self._take_focus()
            self.start(urgent=True)

    async def settled(self) -> None:
        """Waits until the element is shown or has failed, or nobody wants it any more."""
        await self._settled.wait()

    def close(self) -> None:
        """Ends a load that is on its way, empties the element and gives its media back."""
        self._end()
        self._drop_listeners()
        self._element.remove_source()
        self._take_ornaments_off()
        reserved = ("width", "height") if self._reserved else ()
        for name in ("data-state", "data-strategy", "data-source", "data-reason") + reserved:
            self._element.remove_attribute(name)
        self._clear_words()
        self._give_back()
        self._settled.set()

    # --- loading -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._task = browser.create_task(self._run())

    def _end(self) -> None:
        """Has nothing on its way any more."""
        if self._task:
            self._task.cancel()
        if self._place:
            self._place.leave()
        self._task = self._place = None

    async def _run(self) -> None:
        place, settled = self._place, self._settled  # when this ends, it may have begun anew
        try:
            await self._load()
        finally:
            settled.set()
            if place:
                place.leave()

    async def _load(self) -> None:
        try:
            media = await self._show()
            self.milliseconds = browser.now_ms() - self.started_ms
            self._tell_of(media)
        except Exception as error:
            self.milliseconds = browser.now_ms() - self.started_ms
            self._fail(_as_ours(error))
        self._take_ornaments_off()

    async def _show(self) -> Media:
        """Loads until the element shows it, or until that makes no more sense."""
        request = self._request()
        attempt, replaced, came = 0, False, False
        why: AuthMediaError | None = None
        while True:
            media = self._media = await self._loader.load(request, self._is_visible, self._on_progress)
            self.traffic = media.traffic
            shown = await self._shows(media)
            if await self._loader.observe(media) and shown:
                return media
            failure = await self._examine(media)
            self._give_back()
            broke_off = isinstance(failure, TransferBrokeOff)
            # Where it is a matter of chance, whoever asks why may get the picture: then why is what was told before.
            if not (why and why.temporary and broke_off):
                why = failure
            # Each once, at once: what was replaced meanwhile, and what came by now and may be in the browser's cache.
            if not came and (broke_off or self._may_have_broken_off(failure)):
                came = True
            elif failure.again and not replaced:
                replaced = True
            else:
                attempt += 1
                if attempt == backoff.MAX_ATTEMPTS or not failure.temporary:
                    raise why
                await asyncio.sleep(backoff.retry_delay_s(attempt - 1, failure.retry_after_s))

    async def _examine(self, media: Media) -> AuthMediaError:
        """Why the element does not show a media, or no longer.

        One that tells of its network is believed, where asking for the same brings an answer by now.
        """
        broke_off, words = self._element.has_network_error, self._element.media_error
        failure = await self._loader.examine(media, words)
        if broke_off and isinstance(failure, WrongContent):
            return TransferBrokeOff("The transfer broke off", mxc=failure.mxc, words=words)
        return failure

    def _may_have_broken_off(self, failure: AuthMediaError) -> bool:
        """Before it has begun, a video or audio says the same of a bad file as of a transfer that broke off."""
        return isinstance(failure, WrongContent) and self._element.tag != "img"

    async def _shows(self, media: Media) -> bool:
        """Whether the element shows what was loaded for it."""
        try:
            return await self._element.show(media.src, _SHOWN_EVENT[self._element.tag], media.crossorigin)
        except browser.BrowserError as error:
            words = error.words
        raise HomeserverUnreachable("The transfer came to a standstill", mxc=media.request.mxc, words=words)

    def _request(self) -> MediaRequest:
        """What the element asks for.

        :raises AuthMediaError: if that is no media.
        """
        if not self._wanted:
            self._wanted = self._read_request()
        return self._wanted

    def _read_request(self) -> MediaRequest:
        given = self._attributes
        encrypted = self._keyring.find(given.get("data-encrypted", ""))
        return MediaRequest(
            given.get("data-mxc", ""),
            width=0 if encrypted else parse_digits(given.get("data-width", "")) or 0,
            height=0 if encrypted else parse_digits(given.get("data-height", "")) or 0,
            method=given.get("data-method") or "scale",
            animated=given.get("data-animated") == "true",
            kind=self.kind,
            content_type=given.get("data-type", ""),
            encrypted=encrypted,
        )

    def _is_visible(self) -> bool:
        return self.visible

    def _on_progress(self, received: int, total: int) -> None:
        percent = received * 100 // total
        if percent == self._percent:
            return
        self._ornamented = True
        self._percent = percent
        self._element.set_attribute("data-progress", str(percent))
        self._element.set_style("--progress", f"{percent}%")  # for the styles of the page

    # --- while it is on show -----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """A video or audio transfers more later, or breaks off."""
        if self._element.tag == "img":
            return
        self._listeners = [self._element.listen(event, self._on_more) for event in _MORE_EVENTS]
        self._listeners.append(self._element.listen("play", self._on_play))
        self._listeners.append(self._element.listen("pause", self._on_pause))
        self._listeners.append(self._element.listen("error", self._on_broken))

    def _on_more(self) -> None:
        if self._media:
            browser.create_task(self._take_stock(self._media))

    def _on_play(self) -> None:
        self._playing = True

    def _on_pause(self) -> None:
        self._playing = False

    def _on_broken(self) -> None:
        # Where it is, and whether it plays, is asked now. Chromium has it paused by then, but says so only afterwards.
        if self._media:
            playing = self._playing or self._element.is_playing
            self._task = browser.create_task(self._replace(self._media, self._element.current_time, playing))

    def _tell_of(self, media: Media) -> None:
        """Says on the element what it shows now, and listens to what it has to say later."""
        self._task = None  # nothing is on its way any more: whoever is told may close it
        self._element.set_attribute("data-strategy", media.strategy)
        if media.reason:
            self._element.set_attribute("data-reason", media.reason)
        self._listen()
        self._tell_source(media)

    def _tell_source(self, media: Media) -> None:
        self._element.set_attribute("data-source", media.source)
        self._enter(SHOWN)

    async def _take_stock(self, media: Media) -> None:
        """Notes what the media has cost so far and where it came from."""
        await self._loader.observe(media)
        if self._media is media:  # else it was given back meanwhile
            self._tell_source(media)

    async def _replace(self, media: Media, position: float, playing: bool) -> None:
        """Takes the place of what ended under a video or audio, a link or a connection; it goes on where it was."""
        element = self._element
        self._drop_listeners()
        try:
            media, position = await self._resume(media, position, playing)
        except Exception as error:
            self._fail(_as_ours(error))
            return
        if element.current_time < min(position, _FURTHER_S):  # else somebody has been quicker
            element.current_time = position
        if playing:
            await element.play()
        self._tell_of(media)

    async def _resume(self, media: Media, position: float, playing: bool) -> "tuple[Media, float]":
        """Loads again until the element has it, or until that makes no more sense; gives where it is to go on, too."""
        element, replaced = self._element, False
        while True:
            failure = await self._examine(media)
            self._give_back()
            if failure.temporary:
                await self._hold_on(failure, position)
            elif failure.again and not replaced:
                replaced = True
            else:
                raise failure
            media = self._media = await self._loader.load(self._request(), self._is_visible)
            media.traffic.add(self.traffic)  # what the element had cost before
            self.traffic = media.traffic
            position = element.current_time or position  # where somebody wanted to be meanwhile
            if await element.show(media.src, "loadedmetadata", media.crossorigin, playing):
                await self._loader.observe(media)
                return media, position

    async def _hold_on(self, failure: AuthMediaError, position: float) -> None:
        """Waits before the next try.

        :raises AuthMediaError: the failure, where several tries have brought it no further.
        """
        further = abs(position - self._broke_at) >= _FURTHER_S
        self._breaks = 1 if further else self._breaks + 1
        self._broke_at = position
        if self._breaks >= backoff.MAX_ATTEMPTS:
            raise failure
        await asyncio.sleep(backoff.retry_delay_s(self._breaks - 1, failure.retry_after_s))

    # --- what the element says ---------------------------------------------------------------------------------------

    def _enter(self, state: str) -> None:
        self.state = state
        self._element.set_attribute("data-state", state)
        if self._on_change:
            self._on_change(self)

    def _reserve_space(self) -> None:
        """Gives the element the size of the thumbnail that fills it, so that nothing jumps when it comes."""
        element, given = self._element, self._attributes
        if given.get("data-method") == "crop" and "width" not in given:
            self._reserved = True
            element.set_attribute("width", given.get("data-width", ""))
            element.set_attribute("height", given.get("data-height", ""))

    def _show_blurhash(self) -> None:
        if self.state != LOADING or self._settled.is_set():
            return  # the media itself was quicker, or nobody wants it any more
        try:
            url = Blurhash(self._attributes["data-blurhash"]).data_url()
        except ValueError:
            return  # a stranger's word, and only an ornament
        self._ornamented = True
        self._element.set_style("background-size", "cover")
        self._element.set_style("background-image", f"url({url})")

    def _take_ornaments_off(self) -> None:
        """Leaves nothing on the element of what stood there while it was loading."""
        if not self._ornamented:
            return
        self._ornamented = False
        self._percent = -1
        self._element.remove_attribute("data-progress")
        for name in ("--progress", "background-image", "background-size"):
            self._element.set_style(name, "")

    def _fail(self, error: AuthMediaError) -> None:
        """Gives back what there was, and says in the element's place why there is nothing."""
        self._task = None  # nothing is on its way any more: whoever is told may close it, or try again
        self._give_back()
        self.failure = error
        self.traffic = self.traffic or error.traffic
        self._element.remove_source()
        self._element.set_attribute("data-strategy", self._loader.name)
        # Not as an alert: where a homeserver is down, hundreds would be read out one over the other.
        self._words = browser.create_element("span", class_="media-failed", title=str(error))
        self._words.text = error.people
        button = browser.create_element("button", type="button", class_="media-retry")
        button.text = "Try again"
        if self.label:
            button.set_attribute("aria-label", f"Try again: {self.label}")
        self._listeners.append(button.listen("click", self.retry))
        self._words.append(button)
        # Not inside what is itself pressed: a button in a button can be reached by nobody.
        place = self._element.closest("button, a")
        place.after(self._words)
        if self._given_focus and place.has_focus:
            button.focus()  # where it was when somebody pressed it
        self._enter(FAILED)

    def _drop_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def _take_focus(self) -> None:
        """Has the keyboard where the words and their button were, instead of at the top of the page."""
        place = self._element.closest("button, a")
        if place is self._element and place.tag == "img":
            place.set_attribute("tabindex", "-1")  # else it could not be there
        place.focus()

    def _clear_words(self) -> None:
        if self._words:
            self._words.remove()
            self._words = None

    def _give_back(self) -> None:
        if self._media:
            self._loader.release(self._media)
            self._media = None


def _as_ours(error: Exception) -> AuthMediaError:
    """Whatever went wrong, as an error of ours. Of others only the kind is told: their words may quote a link."""
    return error if isinstance(error, AuthMediaError) else AuthMediaError(f"The load ended in a {type(error).__name__}")
