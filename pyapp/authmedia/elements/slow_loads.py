"""What an element says while its homeserver waits for another one, which media of other homeservers come from."""

import asyncio

from authmedia import browser
from authmedia.elements.failure_view import ElementView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.element_options import ElementOptions

_WAITING_FOR = "Waiting for {server}, where this media is from."
_SERVER = "{server}"
_ATTRIBUTE = "data-waiting-for"
# A load says so after this time without progress. How often that is looked at.
_SLOW_MS = 4_000.0
_INTERVAL_S = 1.0


class SlowLoads:
    """The loads of a page that may wait for another homeserver."""

    __slots__ = ("_loads", "_task")

    def __init__(self) -> None:
        self._loads: list[SlowLoad] = []
        self._task: asyncio.Task[None] | None = None

    def watch(
        self,
        element: browser.Element,
        options: "ElementOptions | None",
        is_visible: "Callable[[], bool]",
        server_name: str,
    ) -> "SlowLoad":
        """Has an element say which homeserver it waits for, once that takes long; the caller ends that.

        :param options: the application's own words; ``None`` for English.
        :param is_visible: returns whether the element is visible: others may be waiting for their turn.
        :param server_name: the homeserver where the media is from.
        """
        load = SlowLoad(self._loads, element, options, is_visible, server_name)
        self._loads.append(load)
        if not self._task:
            self._task = browser.create_task(self._run())
        return load

    async def _run(self) -> None:
        try:
            while self._loads:
                await asyncio.sleep(_INTERVAL_S)
                for load in list(self._loads):
                    load.show_if_slow()
        finally:
            self._task = None


class SlowLoad(ElementView):
    """One load, and the words behind its element; see `SlowLoads.watch`.

    :param loads: contains it as long as it is watched.
    """

    __slots__ = ("_is_visible", "_loads", "_options", "_server_name", "_since_ms")

    def __init__(
        self,
        loads: "list[SlowLoad]",
        element: browser.Element,
        options: "ElementOptions | None",
        is_visible: "Callable[[], bool]",
        server_name: str,
    ) -> None:
        super().__init__(element)
        self._loads = loads
        self._options = options
        self._is_visible = is_visible
        self._server_name = server_name
        self._since_ms = browser.now_ms()

    def show_if_slow(self) -> None:
        """Shows the words, if the load takes long."""
        if self._view or not self._is_visible() or browser.now_ms() - self._since_ms < _SLOW_MS:
            return
        self._element.set_attribute(_ATTRIBUTE, self._server_name)
        options = self._options
        messages = options.messages if options else None
        text = messages.waiting_for if messages else _WAITING_FOR
        if not text or (options and not options.shows_message):
            return  # the application's style sheet has the attribute
        # No live region: a screen reader would read out one for each media of that homeserver.
        view = self._view = browser.create_element("span", class_="media-waiting")
        if messages:
            view.set_attribute("lang", messages.lang)
            view.set_attribute("dir", messages.dir)
        view.text = text.replace(_SERVER, self._server_name)
        self._element.closest("button, a").after(view)

    def end(self) -> None:
        """Removes the words: the load has ended, or its body arrives."""
        if self in self._loads:
            self._loads.remove(self)
        self._element.remove_attribute(_ATTRIBUTE)
        self.remove()


#: Those of this page.
SLOW_LOADS = SlowLoads()
