"""Shadow roots, below which no observer of the document sees. https://developer.mozilla.org/docs/Web/API/ShadowRoot"""

import asyncio

from authmedia.browser.interop import BrowserError, settle
from authmedia.browser.javascript import document, ffi, window
from authmedia.browser.page import create_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Observer(Protocol):
        """What `Roots` needs of an `ElementObserver`."""

        @property
        def roots(self) -> list[Any]:
            """See `ElementObserver.roots`."""
            ...

        def is_below_root(self, js: Any) -> bool:
            """See `ElementObserver.is_below_root`."""
            ...

        def start_root(self, js: Any) -> None:
            """See `ElementObserver.start_root`."""
            ...

        def stop_root(self, js: Any) -> None:
            """See `ElementObserver.stop_root`."""
            ...


# The elements that may be custom ones, which the browser finds in one call; no selector does.
# https://html.spec.whatwg.org/multipage/custom-elements.html#valid-custom-element-name
_CUSTOM_ELEMENTS = "descendant-or-self::*[contains(local-name(), '-')]"
# https://developer.mozilla.org/docs/Web/API/Node/nodeType
_ELEMENT_NODE = 1
# https://developer.mozilla.org/docs/Web/API/XPathResult
_ORDERED_NODE_SNAPSHOT_TYPE = 7


class _Root:
    """One root and whether the observer looks below it.

    :param added: whether the application added it; else it was found.
    """

    __slots__ = ("added", "js", "observed")

    def __init__(self, js: "Any", added: bool) -> None:
        self.js = js
        self.added = added
        self.observed = False


class Roots:
    """The roots of an `ElementObserver` but its first: those added to it, and the shadow roots that it finds.

    A shadow root counts for as long as its host is in the document.

    :param observer: is told where to look.
    """

    __slots__ = ("_awaited", "_observer", "_roots", "_searches")

    def __init__(self, observer: "Observer") -> None:
        self._observer = observer
        self._roots: list[_Root] = []
        self._searches = False
        # The task that waits for the definition of a custom element, by its name.
        self._awaited: dict[str, asyncio.Task[None]] = {}

    def add(self, js: "Any", added: bool = True) -> None:
        """Adds a root, unless it is there already."""
        for root in self._roots:
            if root.js.isSameNode(js):
                root.added = root.added or added
                return
        self._roots.append(_Root(js, added))
        self.update()

    def remove(self, js: "Any") -> None:
        """Removes a root."""
        for root in self._roots:
            if root.js.isSameNode(js):
                root.added = False
                self._stop(root)
                return

    def search_from_now_on(self) -> None:
        """Finds the open shadow roots below the observer's roots, and below all nodes of later calls of `search`."""
        self._searches = True
        self._search_roots()

    def search(self, node: "Any") -> None:
        """Finds the open shadow roots of an element and its descendants, where that was asked for."""
        if not self._searches:
            return
        found = document.evaluate(_CUSTOM_ELEMENTS, node, None, _ORDERED_NODE_SNAPSHOT_TYPE, None)
        for position in range(int(found.snapshotLength)):
            host = found.snapshotItem(position)
            if not ffi.is_none(host.shadowRoot):
                self.add(host.shadowRoot, added=False)
            elif not host.matches(":defined"):
                self._await_definition(str(host.localName))

    def update(self) -> None:
        """Starts and stops to look below roots, after hosts came or left."""
        for root in list(self._roots):  # outer ones first, since nested ones depend on them
            present = self._is_present(root)
            if present and not root.observed:
                root.observed = True
                self._observer.start_root(root.js)
                if self._searches:
                    self._search_root(root.js)
            elif root.observed and not present:
                self._stop(root)

    def close(self) -> None:
        """Ends waiting for definitions."""
        for task in self._awaited.values():
            task.cancel()
        self._awaited = {}

    def _is_present(self, root: _Root) -> bool:
        host: Any = getattr(root.js, "host", None)
        if root.added:
            return ffi.is_none(host) or bool(host.isConnected)
        return self._observer.is_below_root(host)

    def _stop(self, root: _Root) -> None:
        if not root.added and root in self._roots:  # else it counts again when its host is back
            self._roots.remove(root)
        if root.observed:
            root.observed = False
            self._observer.stop_root(root.js)

    def _search_roots(self) -> None:
        for root in list(self._observer.roots):
            self._search_root(root)

    def _search_root(self, root: "Any") -> None:
        if int(root.nodeType) == _ELEMENT_NODE:
            self.search(root)
            return
        children = root.children  # XPath cannot start from a document fragment, such as a shadow root
        for position in range(int(children.length)):
            self.search(children[position])

    def _await_definition(self, name: str) -> None:
        if name not in self._awaited:
            self._awaited[name] = create_task(self._search_when_defined(name))

    async def _search_when_defined(self, name: str) -> None:
        """https://developer.mozilla.org/docs/Web/API/CustomElementRegistry/whenDefined"""
        try:
            await settle(window.customElements.whenDefined(name))
        except BrowserError:
            return  # no name of a custom element, such as `font-face`
        self._search_roots()
