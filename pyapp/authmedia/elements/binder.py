"""Binds the elements of a page to a loader: ``<img data-mxc="mxc://…" data-width="96" data-height="96">``.

Below a bound root every ``<img>``, ``<video>`` and ``<audio>`` with ``data-mxc`` is loaded when it comes near to the
viewport, loaded anew when its ``data-mxc`` changes, and released when it leaves the document. The outcome stands on the
element: ``data-state`` (``loading``, ``shown``, ``failed``), ``data-strategy`` and ``data-source``. A message and a
button to try again follow an element that failed. So it is with any element that has ``data-mxc-background``; an
``<a download>`` with ``data-mxc`` loads when a user follows it. A `MediaPolicy` holds elements back (``held``).
"""

import asyncio

from authmedia import browser
from authmedia.elements.binding import SHOWN, Binding
from authmedia.elements.element_request import ATTRIBUTES, KIND_OF_TAG, REQUEST_ATTRIBUTES
from authmedia.elements.idle_queue import IdleQueue
from authmedia.elements.load_scheduler import LoadScheduler
from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import CACHE_DEFAULT
from authmedia.support import gc_tuning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never

    from authmedia.elements.element_options import ElementOptions, RenderFailure, RenderPlaceholder, StateHandler
    from authmedia.elements.media_policy import MediaPolicy
    from authmedia.elements.messages import Messages
    from authmedia.loader import MediaLoader

_SELECTOR = (
    "img[data-mxc], video[data-mxc], audio[data-mxc], a[data-mxc][download], "
    "[data-mxc-background]:not(html, img, video, audio, a[data-mxc])"
)
_USER_ID = "data-user-id"
# The attributes whose change is another request, or another account's.
_IDENTIFYING_ATTRIBUTES = REQUEST_ATTRIBUTES + ("data-mxc-background", _USER_ID, "data-homeserver")
# Those that are observed, the selector's among them.
_OBSERVED_ATTRIBUTES = _IDENTIFYING_ATTRIBUTES + ("download",)
# Those that are read of each element; the others where they matter.
_READ_ATTRIBUTES = ATTRIBUTES + (_USER_ID,)
# The module and the class for elements other than images, and most videos and audios. It is imported by the first of
# them, so that pages without them neither import nor transfer it.
_BACKGROUND = ("authmedia.elements.background", "BackgroundBinding")
_PREVIEW = ("authmedia.elements.preview", "PreviewBinding")
_DOWNLOAD = ("authmedia.elements.download", "DownloadBinding")
_ON_DEMAND = ("authmedia.elements.on_demand", "OnDemandBinding")
_POSTER = ("authmedia.elements.poster", "PosterBinding")
# The same for elements of which a policy decides.
_HELD = ("authmedia.elements.held_back", "HeldBinding")
_STILL = ("authmedia.elements.still", "StillBinding")
# How many elements load at a time: more than any browser transfers at once; each of the others is only an entry in a
# list. Links are requested by the hundred, so the others start when as many loads have ended.
_MAX_LOADS, _BATCH_SIZE = 200, 100
#: How far outside of the viewport elements are loaded, in CSS pixels.
NEAR_PX = 600
# The placeholder and failure view of this library, as `bind` names them.
_BLURHASH, _MESSAGE = "blurhash", "message"
_DEFAULTS = (_BLURHASH, _MESSAGE, None, CACHE_DEFAULT, None, None)


class Binder(browser.ElementHandler):
    """The bindings of all elements below a root, which `bind` returns; `close` unbinds them.

    Elements that name another user in ``data-user-id`` are left to that account's loader, so that several accounts can
    share a page. Where two homeservers may name the same user, ``data-homeserver`` tells them apart, spelled as
    `Homeserver.base_url` is.
    """

    def __init__(
        self,
        root: "browser.Element | Any",
        loader: "MediaLoader",
        on_change: "Callable[[Binding], None] | None" = None,
        keyring: Keyring | None = None,
        near_px: int | None = NEAR_PX,
        css_pixels: bool = False,
        shadow_roots: bool = False,
        options: "ElementOptions | None" = None,
    ) -> None:
        self._loader = loader
        self._on_change = on_change
        self._options = options
        self._policy = options.policy if options else None
        # How often the policy was applied to all elements.
        self._policies_applied = 0
        self._keyring = keyring or Keyring()
        self._css_pixels = css_pixels
        self._idle_queue = IdleQueue()
        self._scheduler = LoadScheduler(_MAX_LOADS, _BATCH_SIZE)
        self._starts_all = near_px is None
        self._elements: dict[int, browser.Element] = {}
        self._bindings: dict[int, Binding] = {}
        self._near: set[int] = set()
        self._visible: set[int] = set()
        root_element = _element(root)
        if self._policy:
            self._policy.attach(self)
        self._observer = browser.ElementObserver(root_element, _SELECTOR, _OBSERVED_ATTRIBUTES, self, near_px)
        if shadow_roots:
            self._observer.search_shadow_roots()

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

    def add_root(self, root: "browser.Element | Any") -> None:
        """Binds the elements below another root, too: a shadow root, for as long as its host is in the document.

        >>> binder.add_root(host.attachShadow(mode="closed"))

        :param root: see `bind`.
        """
        self._observer.add_root(_element(root))

    def remove_root(self, root: "browser.Element | Any") -> None:
        """Unbinds the elements below a root of `add_root`."""
        self._observer.remove_root(_element(root))

    def apply_policy(self, mxc: str = "") -> None:
        """Binds those elements anew for which the `MediaPolicy` decides otherwise by now.

        :param mxc: the media whose elements are looked at; empty for all.
        """
        self._policies_applied += 1
        for number, binding in list(self._bindings.items()):
            # Functions of the application, which are called meanwhile, may have changed policy or document.
            if mxc in ("", binding.mxc) and self._bindings.get(number) is binding:
                self._apply_policy_to(number, binding)

    def _apply_policy_to(self, number: int, binding: Binding) -> None:
        attributes = self._elements[number].get_attributes(_READ_ATTRIBUTES)
        if type(binding) is not self._class_of(number, attributes, binding.state == SHOWN):
            self._bindings.pop(number).close()
            if number in self._elements and number not in self._bindings:
                self._bind(number)

    def close(self) -> None:
        """Unbinds all elements, and ends the search for others."""
        if self._policy:
            self._policy.detach(self)
            self._policy = None
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
        """Binds an element anew, unless its attributes have their old values again: it may be playing."""
        before = self._bindings.get(number)
        if before:
            if _is_same(before.attributes, self._elements[number].get_attributes(_IDENTIFYING_ATTRIBUTES)):
                return
            self._bindings.pop(number).close()
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

    def _is_of_this_account(self, element: browser.Element, attributes: "dict[str, str]") -> bool:
        user_id = attributes.get(_USER_ID)
        if not user_id:
            return True
        base_url = attributes["data-homeserver"] = element.get_attribute("data-homeserver")
        return user_id == self._loader.user_id and base_url in ("", self._loader.base_url)

    def _class_of(self, number: int, attributes: "dict[str, str]", is_shown: bool = False) -> "type[Binding]":
        """Returns the class of an element's binding."""
        element = self._elements[number]
        if self._policy and self._policy.holds_back(element, attributes, is_shown):
            return _import(_HELD)
        if self._policy and self._policy.stills(element, attributes):
            return _import(_STILL)
        return _binding_class(element, attributes)

    def _bind(self, number: int) -> None:
        element = self._elements[number]
        attributes = element.get_attributes(_READ_ATTRIBUTES)
        if not self._is_of_this_account(element, attributes):
            return
        before = self._policies_applied
        binding = self._class_of(number, attributes)(
            element,
            self._loader,
            keyring=self._keyring,
            on_change=self._on_change,
            options=self._options,
            idle_queue=self._idle_queue,
            scheduler=self._scheduler,
            css_pixels=self._css_pixels,
            attributes=attributes,
        )
        self._bindings[number] = binding
        if self._policies_applied != before:  # by a function of the application that was told of this binding
            self._apply_policy_to(number, binding)
            binding = self._bindings.get(number, binding)
        binding.set_visible(number in self._visible)
        if self._starts_all or number in self._near:
            binding.start()


def bind(
    root: "browser.Element | Any",
    loader: "MediaLoader",
    *,
    on_change: "Callable[[Binding], None] | None" = None,
    on_state_change: "StateHandler | None" = None,
    keyring: Keyring | None = None,
    near_px: int | None = NEAR_PX,
    css_pixels: bool = False,
    shadow_roots: bool = False,
    placeholder: "RenderPlaceholder | str | None" = _BLURHASH,
    failure_view: "RenderFailure | str | None" = _MESSAGE,
    messages: "Messages | None" = None,
    cache: str = CACHE_DEFAULT,
    policy: "MediaPolicy | None" = None,
    **unknown: "Never",
) -> Binder:
    """Loads every element with ``data-mxc`` or ``data-mxc-background`` below a root, now and later.

    >>> binder = bind(document_element(), open_loader("auto", homeserver))

    :param root: an element of this library, of `pyscript.web` or of the browser; or a document or shadow root.
    :param loader: the session and the strategy.
    :param on_change: called whenever a binding changes, its source included.
    :param on_state_change: called with an element, its new state, and its `Media` or `AuthMediaError`.
    :param keyring: the encrypted files that elements name in ``data-encrypted``.
    :param near_px: how far outside of the viewport elements are loaded, in CSS pixels; ``None`` loads all at once.
    :param css_pixels: whether ``data-width`` and ``data-height`` are CSS pixels, rather than pixels of the image.
    :param shadow_roots: whether to look into open shadow roots, too; `Binder.add_root` takes closed ones.
    :param placeholder: renders into an element while it loads; ``None`` for no placeholder.
    :param failure_view: renders what follows an element that failed; ``None`` for no such view.
    :param messages: all words in another language.
    :param cache: the cache policy of all elements, see `MediaRequest`.
    :param policy: what the user asked for: which media wait until they are asked for, and whether pictures move.
    :raises ValueError: if an option has a wrong value; `TypeError` if there is none of a name, or ``root`` is wrong.
    """
    if unknown or near_px not in (NEAR_PX, None):
        _check(near_px, unknown)
    own = _element_options(placeholder, failure_view, messages, cache, on_state_change, policy)
    return Binder(root, loader, on_change, keyring, near_px, css_pixels, shadow_roots, own)


def _check(near_px: int | None, unknown: "dict[str, Any]") -> None:
    from authmedia.support.options import check_bind_options  # few pages set these options

    check_bind_options(near_px, unknown)


def _element_options(*options: "Any") -> "ElementOptions | None":
    """Returns the options of elements; ``None``, without the module that has them, where all are the defaults."""
    if options == _DEFAULTS:
        return None
    from authmedia.elements.element_options import ElementOptions

    return ElementOptions(*options)


def _element(root: "browser.Element | Any") -> browser.Element:
    return root if isinstance(root, browser.Element) else browser.as_element(root)


def _binding_class(element: browser.Element, attributes: "dict[str, str]") -> "type[Binding]":
    """Returns the class of an element's binding without a policy."""
    if element.tag in ("video", "audio") and element.get_attribute("preload") == "none":
        return _import(_ON_DEMAND)
    if element.tag == "video" and element.get_attribute("data-poster"):
        return _import(_POSTER)
    if element.tag == "img" and "data-width" not in attributes and element.get_attribute("data-thumbnail"):
        return _import(_PREVIEW)
    if element.tag in KIND_OF_TAG:
        return Binding
    return _import(_DOWNLOAD if attributes.get("data-mxc") else _BACKGROUND)


def _import(place: "tuple[str, str]") -> "type[Binding]":
    """Returns a class of bindings, by its module and its name."""
    module, name = place
    found: type[Binding] = getattr(__import__(module, None, None, (name,)), name)
    return found


def _is_same(before: "dict[str, str]", now: "dict[str, str]") -> bool:
    """Returns whether an element's attributes make up the same request of the same account as when it was bound."""
    now["data-mxc"] = now.get("data-mxc") or now.get("data-mxc-background", "")
    return all(before.get(name, "") == now.get(name, "") for name in _IDENTIFYING_ATTRIBUTES)


def _toggle(numbers: "set[int]", number: int, present: bool) -> None:
    if present:
        numbers.add(number)
    else:
        numbers.discard(number)
