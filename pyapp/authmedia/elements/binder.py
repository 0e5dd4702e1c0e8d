"""Binds the elements of a page to a loader: ``<img data-mxc="mxc://…" data-width="96" data-height="96">``.

Below a bound root every ``<img>``, ``<video>`` and ``<audio>`` with ``data-mxc`` is loaded when it comes near to what
people see, loaded anew when its ``data-mxc`` changes, and let go when it leaves the document. What became of it stands
on the element: ``data-state`` (``loading``, ``shown``, ``failed``), ``data-strategy`` and ``data-source``; where it
failed, readable words and a button to try again follow the element.
"""

import asyncio

from authmedia import browser
from authmedia.elements.binding import FAILED, LOADING, REQUEST_ATTRIBUTES, SHOWN, Binding
from authmedia.elements.idle_queue import Leisure
from authmedia.elements.load_scheduler import Crowd
from authmedia.matrix.encrypted_file import Keyring
from authmedia.support import gc_tuning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.loader import MediaLoader

__all__ = ("FAILED", "LOADING", "SHOWN", "Binder", "Binding", "bind")

_SELECTOR = "img[data-mxc], video[data-mxc], audio[data-mxc]"
# What makes another request of an element's, or another account's.
_ATTRIBUTES = REQUEST_ATTRIBUTES + ("data-user-id",)
# So many elements load at a time, more than any browser transfers at once; each of the others is no more than an entry
# in a list meanwhile. Links are asked for by the hundred, so that places are given on when there are as many.
_AT_A_TIME, _TOGETHER = 200, 100
#: How far outside of what is visible media are loaded, in CSS pixels.
NEAR_PX = 600


class Binder(browser.ElementHandler):
    """The bound elements below a root, whichever they are at the moment; `close` unbinds them.

    Elements that name somebody in ``data-user-id`` are left to that account's loader, so that several accounts can
    share a page.
    """

    def __init__(
        self,
        root: browser.Element,
        loader: "MediaLoader",
        *,
        on_change: "Callable[[Binding], None] | None" = None,
        keyring: Keyring | None = None,
        near_px: int | None = NEAR_PX,
    ) -> None:
        self._loader = loader
        self._on_change = on_change
        self._keyring = keyring or Keyring()
        self._leisure = Leisure()
        self._crowd = Crowd(_AT_A_TIME, _TOGETHER)
        self._at_once = near_px is None
        self._elements: dict[int, browser.Element] = {}
        self._bound: dict[int, Binding] = {}
        self._near: set[int] = set()
        self._visible: set[int] = set()
        self._watch = browser.ElementObserver(root, _SELECTOR, _ATTRIBUTES, self, near_px)

    @property
    def bindings(self) -> list[Binding]:
        """What is bound now."""
        return list(self._bound.values())

    async def settled(self) -> None:
        """Waits until every element that was asked to load by now is shown or has failed."""
        await asyncio.gather(*[binding.settled() for binding in self.bindings if binding.started])

    def close(self) -> None:
        """Unbinds every element, and looks for no more."""
        self._watch.close()
        self._leisure.close()
        self._crowd.close()
        for binding in self.bindings:
            binding.close()
        self._bound.clear()
        self._elements.clear()

    # --- what the watch tells ----------------------------------------------------------------------------------------

    def on_added(self, number: int, element: browser.Element) -> None:
        """Binds an element."""
        self._elements[number] = element
        gc_tuning.scale_threshold(len(self._elements))
        self._bind(number)

    def on_attributes_changed(self, number: int) -> None:
        """Whatever it shows or waits for is no longer wanted."""
        before = self._bound.pop(number, None)
        if before:
            before.close()
        self._bind(number)

    def on_removed(self, number: int) -> None:
        """Gives back what it had."""
        self._elements.pop(number)
        self._near.discard(number)
        self._visible.discard(number)
        bound = self._bound.pop(number, None)
        if bound:
            bound.close()

    def on_near(self, number: int, near: bool) -> None:
        """Loads what comes near; gives up what went away before it was there."""
        _keep(self._near, number, near)
        bound = self._bound.get(number)
        if bound and near:
            bound.start()
        elif not near:
            self.on_visible(number, False)
            if bound:
                bound.give_up()

    def on_visible(self, number: int, visible: bool) -> None:
        """Has what is visible loaded before what is not."""
        _keep(self._visible, number, visible)
        bound = self._bound.get(number)
        if bound:
            bound.see(visible)

    def _bind(self, number: int) -> None:
        element = self._elements[number]
        owner = element.get_attribute("data-user-id")
        if owner and owner != self._loader.user_id:
            return
        binding = Binding(
            element,
            self._loader,
            keyring=self._keyring,
            on_change=self._on_change,
            leisure=self._leisure,
            crowd=self._crowd,
        )
        self._bound[number] = binding
        binding.see(number in self._visible)
        if self._at_once or number in self._near:
            binding.start()


def bind(
    root: browser.Element,
    loader: "MediaLoader",
    *,
    on_change: "Callable[[Binding], None] | None" = None,
    keyring: Keyring | None = None,
    near_px: int | None = NEAR_PX,
) -> Binder:
    """Loads every element with ``data-mxc`` below a root, now and later.

    :param root: an element of the page.
    :param loader: whose session and strategy it is.
    :param on_change: called whenever an element's state changes.
    :param keyring: where the keys of encrypted media are.
    :param near_px: how far outside of what is visible media are loaded, in CSS pixels; ``None`` loads all at once.
    """
    return Binder(root, loader, on_change=on_change, keyring=keyring, near_px=near_px)


def _keep(numbers: "set[int]", number: int, wanted: bool) -> None:
    if wanted:
        numbers.add(number)
    else:
        numbers.discard(number)
