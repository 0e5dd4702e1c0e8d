"""Observers: which elements come, change, leave and are near to the viewport; and which tasks block the page."""

from authmedia.browser.dom import Element
from authmedia.browser.interop import destroy_proxy
from authmedia.browser.javascript import ffi, window
from authmedia.browser.page import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ELEMENT_NODE = 1


class ElementHandler:
    """The callbacks of an `ElementObserver`, which names elements by numbers. A subclass overrides what it needs."""

    def on_added(self, number: int, element: Element) -> None:
        """Called when an element is below the root and matches."""

    def on_attributes_changed(self, number: int) -> None:
        """Called when an observed attribute of an element changed."""

    def on_removed(self, number: int) -> None:
        """Called when an element is no longer below the root, or no longer matches."""

    def on_near(self, number: int, near: bool) -> None:
        """Called when an element comes near to the viewport, or is far from it again."""

    def on_visible(self, number: int, visible: bool) -> None:
        """Called when an element enters or leaves the viewport."""


class ElementObserver:
    """Reports the elements below a root that match a selector, to an `ElementHandler`.

    https://developer.mozilla.org/docs/Web/API/MutationObserver and
    https://developer.mozilla.org/docs/Web/API/IntersectionObserver

    :param root: the element below which it looks; the elements already there are reported at once.
    :param selector: which elements are reported.
    :param attributes: whose changes are reported, those in the selector among them.
    :param handler: what is called.
    :param near_px: how far outside of the viewport an element is near, in CSS pixels; ``None`` observes no positions.
    """

    __slots__ = (
        "_elements",
        "_handler",
        "_last",
        "_mutations",
        "_near",
        "_numbers",
        "_proxies",
        "_root",
        "_selector",
        "_visible",
    )

    def __init__(
        self,
        root: Element,
        selector: str,
        attributes: "tuple[str, ...]",
        handler: ElementHandler,
        near_px: int | None,
    ) -> None:
        self._root = root._js
        self._selector = selector
        self._handler = handler
        self._last = 0
        self._numbers = window.WeakMap.new()
        self._elements: dict[int, Any] = {}
        self._proxies = [ffi.create_proxy(self._on_mutations)]
        self._near = self._visible = None
        if near_px is not None:
            self._near = self._intersection_observer(self._on_near, near_px)
            self._visible = self._intersection_observer(self._on_visible, 0)
        self._mutations = window.MutationObserver.new(self._proxies[0])
        options = {"childList": True, "subtree": True, "attributes": True, "attributeFilter": list(attributes)}
        self._mutations.observe(self._root, ffi.to_js(options))
        self._update_subtree(self._root, set())

    def close(self) -> None:
        """Stops observing; `ElementHandler.on_removed` is not called for what is there."""
        for observer in (self._mutations, self._near, self._visible):
            if observer is not None:
                observer.disconnect()
        for proxy in self._proxies:
            destroy_proxy(proxy)
        self._elements.clear()

    def _intersection_observer(self, handler: "Callable[..., None]", margin_px: int) -> "Any":
        self._proxies.append(ffi.create_proxy(handler))
        margin = f"{margin_px}px"
        options = {"rootMargin": margin, "scrollMargin": margin}  # the latter for nested scroll containers
        return window.IntersectionObserver.new(self._proxies[-1], ffi.to_js(options))

    def _on_mutations(self, records: "Any", *_observer: object) -> None:
        reported: set[int] = set()
        for position in range(int(records.length)):
            record = records[position]
            if str(record.type) == "attributes":
                js = record.target
                matches = self._root.contains(js) and js.matches(self._selector)
                self._update(js, bool(matches), reported, changed=True)
                continue
            for nodes in (record.removedNodes, record.addedNodes):
                for index in range(int(nodes.length)):
                    node = nodes[index]
                    if int(node.nodeType) == _ELEMENT_NODE:
                        self._update_subtree(node, reported)

    def _update_subtree(self, node: "Any", reported: "set[int]") -> None:
        below_root = bool(self._root.contains(node))  # and so are all descendants
        if node.matches(self._selector):
            self._update(node, below_root, reported)
        found = node.querySelectorAll(self._selector)
        for index in range(int(found.length)):
            self._update(found[index], below_root, reported)

    def _update(self, js: "Any", matches: bool, reported: "set[int]", changed: bool = False) -> None:
        """Reports how an element differs from what was last reported, once a batch of mutations.

        :param matches: whether it is below the root, and matches.
        :param reported: the elements that were reported in this batch.
        """
        number = self._number(js)
        if number in reported:
            return
        known = number in self._elements
        if matches and not known:
            self._elements[number] = js
            self._handler.on_added(number, Element(js))
            if self._near is not None:
                self._near.observe(js)
        elif matches and changed:
            self._handler.on_attributes_changed(number)
        elif known and not matches:
            self._elements.pop(number)
            for observer in (self._near, self._visible):
                if observer is not None:
                    observer.unobserve(js)
            self._handler.on_removed(number)
        else:
            return
        reported.add(number)

    def _number(self, js: "Any") -> int:
        if self._numbers.has(js):
            return int(self._numbers.get(js))
        self._last += 1
        self._numbers.set(js, self._last)
        return self._last

    def _on_near(self, entries: "Any", *_observer: object) -> None:
        for number, js, near in self._latest(entries):
            if near and self._visible is not None:
                self._visible.observe(js)
            elif self._visible is not None:
                self._visible.unobserve(js)
            self._handler.on_near(number, near)

    def _on_visible(self, entries: "Any", *_observer: object) -> None:
        for number, _js, visible in self._latest(entries):
            self._handler.on_visible(number, visible)

    def _latest(self, entries: "Any") -> "list[tuple[int, Any, bool]]":
        """Returns the last entry of each element that is still observed."""
        latest: dict[int, tuple[int, Any, bool]] = {}
        for position in range(int(entries.length)):
            entry = entries[position]
            number = self._number(entry.target)
            if number in self._elements:
                latest[number] = (number, entry.target, bool(entry.isIntersecting))
        return list(latest.values())


class LongTasks:
    """Counts the tasks that block the page for more than 50 ms from now on.

    https://developer.mozilla.org/docs/Web/API/PerformanceLongTaskTiming
    """

    __slots__ = ("_observer", "_proxy", "_since_ms", "count", "longest_ms", "supported")

    def __init__(self) -> None:
        self.count = 0
        self.longest_ms = 0.0
        self._since_ms = now_ms()
        #: Whether this browser reports them.
        self.supported = bool(window.PerformanceObserver.supportedEntryTypes.includes("longtask"))
        self._proxy = ffi.create_proxy(self._on_entries)
        self._observer = window.PerformanceObserver.new(self._proxy)
        if self.supported:
            self._observer.observe(ffi.to_js({"type": "longtask"}))

    def close(self) -> None:
        """Stops counting."""
        self._observer.disconnect()
        destroy_proxy(self._proxy)

    def _on_entries(self, entries: "Any", *_observer: object) -> None:
        listed = entries.getEntries()
        for position in range(int(listed.length)):
            if float(listed[position].startTime) >= self._since_ms:  # not the one in which Python itself started
                self.count += 1
                self.longest_ms = max(self.longest_ms, float(listed[position].duration))
