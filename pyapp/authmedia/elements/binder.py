"""Binds the elements of a page to a loader: ``<img data-mxc="mxc://…" data-width="96" data-height="96">``.

Below a bound root every ``<img>``, ``<video>`` and ``<audio>`` with ``data-mxc`` is loaded when it comes near to the
viewport, loaded anew when its ``data-mxc`` changes, and released when it leaves the document. The outcome stands on the
element: ``data-state`` (``loading``, ``shown``, ``failed``), ``data-strategy`` and ``data-source``. A message and a
button to try again follow an element that failed.
"""

import asyncio

from authmedia import browser
from authmedia.elements.binding import Binding
from authmedia.elements.element_request import REQUEST_ATTRIBUTES
from authmedia.elements.idle_queue import IdleQueue
from authmedia.elements.load_scheduler import LoadScheduler
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import CACHE_DEFAULT
from authmedia.support import gc_tuning
from authmedia.support.options import is_whole, reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never

    from authmedia.elements.element_options import ElementOptions, RenderFailure, RenderPlaceholder, StateHandler
    from authmedia.elements.messages import Messages
    from authmedia.loader import MediaLoader

_SELECTOR = "img[data-mxc], video[data-mxc], audio[data-mxc]"
# The attributes whose change is another request, or another account's.
_ATTRIBUTES = REQUEST_ATTRIBUTES + ("data-user-id", "data-homeserver")
# How many elements load at a time: more than any browser transfers at once; each of the others is only an entry in a
# list. Links are requested by the hundred, so the others start when as many loads have ended.
_MAX_LOADS, _BATCH_SIZE = 200, 100
#: How far outside of the viewport elements are loaded, in CSS pixels.
NEAR_PX = 600
# The placeholder and failure view of this library, as `bind` names them.
_BLURHASH, _MESSAGE = "blurhash", "message"
_DEFAULTS = (_BLURHASH, _MESSAGE, None, CACHE_DEFAULT, None)
_OPTIONS = ("on_change", "on_state_change", "keyring", "near_px", "placeholder", "failure_view", "messages", "cache")


class Binder(browser.ElementHandler):
    """The bindings of all elements below a root; `close` unbinds them. For the parameters see `bind`."""

    def __init__(
        self,
        root: browser.Element,
        loader: "MediaLoader",
        *,
        on_change: "Callable[[Binding], None] | None" = None,
        keyring: Keyring | None = None,
        near_px: int | None = NEAR_PX,
        options: "ElementOptions | None" = None,
    ) -> None:
        require(near_px is None or is_whole(near_px, 0), "bind", "near_px", near_px, "None, or a whole number from 0")
        self._loader = loader
        self._on_change = on_change
        self._options = options
        self._keyring = keyring or Keyring()
        self._idle_queue = IdleQueue()
        self._scheduler = LoadScheduler(_MAX_LOADS, _BATCH_SIZE)
        self._starts_all = near_px is None
        self._elements: dict[int, browser.Element] = {}
        self._bindings: dict[int, Binding] = {}
        self._near: set[int] = set()
        self._visible: set[int] = set()
        self._observer = browser.ElementObserver(root, _SELECTOR, _ATTRIBUTES, self, near_px)

    @property
    def bindings(self) -> list[Binding]:
        """The current bindings."""
        return list(self._bindings.values())

    async def settled(self) -> None:
        """Waits until every element whose load was started by now is shown or has failed."""
        await asyncio.gather(*[binding.settled() for binding in self.bindings if binding.started])

    def retry(self, element: browser.Element) -> None:
        """Loads an element that has failed again; does nothing for any other.

        :param element: the object that ``on_state_change`` was called with.
        """
        for binding in self.bindings:
            if binding.element is element:
                binding.retry()

    def close(self) -> None:
        """Unbinds all elements, and ends the search for others."""
        self._observer.close()
        self._idle_queue.close()
        self._scheduler.close()
        for binding in self.bindings:
            binding.close()
        self._bindings.clear()
        self._elements.clear()

    # --- callbacks of the observer -----------------------------------------------------------------------------------

    def on_added(self, number: int, element: browser.Element) -> None:
        """Binds an element."""
        self._elements[number] = element
        gc_tuning.scale_threshold(len(self._elements))
        self._bind(number)

    def on_attributes_changed(self, number: int) -> None:
        """Binds an element anew."""
        before = self._bindings.pop(number, None)
        if before:
            before.close()
        self._bind(number)

    def on_removed(self, number: int) -> None:
        """Unbinds an element."""
        self._elements.pop(number)
        self._near.discard(number)
        self._visible.discard(number)
        binding = self._bindings.pop(number, None)
        if binding:
            binding.close()

    def on_near(self, number: int, near: bool) -> None:
        """Starts the load of an element that comes near; cancels it if the element leaves before it is shown."""
        _toggle(self._near, number, near)
        binding = self._bindings.get(number)
        if binding and near:
            binding.start()
        elif not near:
            self.on_visible(number, False)
            if binding:
                binding.cancel()

    def on_visible(self, number: int, visible: bool) -> None:
        """Gives visible elements priority."""
        _toggle(self._visible, number, visible)
        binding = self._bindings.get(number)
        if binding:
            binding.set_visible(visible)

    def _is_of_this_account(self, element: browser.Element) -> bool:
        user_id = element.get_attribute("data-user-id")
        if not user_id:
            return True
        return user_id == self._loader.user_id and element.get_attribute("data-homeserver") in (
            "",
            self._loader.base_url,
        )

    def _bind(self, number: int) -> None:
        element = self._elements[number]
        if not self._is_of_this_account(element):
            return
        binding = Binding(
            element,
            self._loader,
            keyring=self._keyring,
            on_change=self._on_change,
            options=self._options,
            idle_queue=self._idle_queue,
            scheduler=self._scheduler,
        )
        self._bindings[number] = binding
        binding.set_visible(number in self._visible)
        if self._starts_all or number in self._near:
            binding.start()


def bind(
    root: browser.Element,
    loader: "MediaLoader",
    *,
    on_change: "Callable[[Binding], None] | None" = None,
    on_state_change: "StateHandler | None" = None,
    keyring: Keyring | None = None,
    near_px: int | None = NEAR_PX,
    placeholder: "RenderPlaceholder | str | None" = _BLURHASH,
    failure_view: "RenderFailure | str | None" = _MESSAGE,
    messages: "Messages | None" = None,
    cache: str = CACHE_DEFAULT,
    **unknown: "Never",
) -> Binder:
    """Loads every element with ``data-mxc`` below a root, now and later. The guide for applications has all options.

    Elements that name another user in ``data-user-id`` are left to that account's loader, so that several accounts can
    share a page. Where two homeservers may name the same user, ``data-homeserver`` tells them apart, spelled as
    `Homeserver.base_url` is.

    >>> binder = bind(document_element(), open_loader("auto", homeserver))

    :param root: an element of the page.
    :param loader: the session and the strategy.
    :param on_change: called whenever a binding changes, its source included.
    :param on_state_change: called with an element, its new state, and its `Media` or `AuthMediaError`.
    :param keyring: the encrypted files that elements name in ``data-encrypted``.
    :param near_px: how far outside of the viewport elements are loaded, in CSS pixels; ``None`` loads all at once.
    :param placeholder: a function that renders into an element while it loads; ``None`` for none.
    :param failure_view: a function that renders what follows an element that failed; ``None`` for none.
    :param messages: all words in another language.
    :param cache: the cache policy of all elements, see `MediaRequest`.
    :raises ValueError: if an option has a wrong value, `TypeError` if there is none of a name.
    """
    reject_unknown("bind", unknown, _OPTIONS)
    options = _element_options(placeholder, failure_view, messages, cache, on_state_change)
    return Binder(root, loader, on_change=on_change, keyring=keyring, near_px=near_px, options=options)


def _element_options(*options: "Any") -> "ElementOptions | None":
    """Returns the options of elements; ``None``, without the module that has them, where all are the defaults."""
    if options == _DEFAULTS:
        return None
    from authmedia.elements.element_options import ElementOptions

    return ElementOptions(*options)


def _toggle(numbers: "set[int]", number: int, present: bool) -> None:
    if present:
        numbers.add(number)
    else:
        numbers.discard(number)
