"""Observers: which elements come, change, leave and are near to the viewport; and which tasks block the page."""

import json

from authmedia.browser import primitives
from authmedia.browser.dom import Element
from authmedia.browser.interop import destroy_proxy
from authmedia.browser.javascript import ffi, window
from authmedia.browser.page import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from authmedia.browser.shadow_roots import Roots

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
    """Reports the elements below its roots that match a selector, to an `ElementHandler`.

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
        "_js_roots",
        "_more_roots",
        "_mutations",
        "_near",
        "_options",
        "_proxies",
        "_roots",
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
        self._set_roots([root._js])
        # What decides on the roots but the first; `None` where there is the first alone.
        self._more_roots: Roots | None = None
        self._selector = selector
        self._handler = handler
        self._elements: dict[int, Any] = {}
        self._proxies = [ffi.create_proxy(self._on_mutations)]
        self._near = self._visible = None
        if near_px is not None:
            self._near = self._intersection_observer(self._on_near, near_px)
            self._visible = self._intersection_observer(self._on_visible, 0)
        self._mutations = window.MutationObserver.new(self._proxies[0])
        options = {"childList": True, "subtree": True, "attributes": True, "attributeFilter": list(attributes)}
        self._options = ffi.to_js(options)
        self._mutations.observe(root._js, self._options)
        self._update_below(root._js)

    @property
    def roots(self) -> "list[Any]":
        """The browser's nodes below which it looks."""
        return self._roots

    def add_root(self, root: Element) -> None:
        """Looks below another root, too, such as a shadow root, which no observer sees from outside."""
        self._make_more_roots().add(root._js)

    def remove_root(self, root: Element) -> None:
        """Reports all elements below a root of `add_root` as removed, and looks below it no longer."""
        self._make_more_roots().remove(root._js)

    def search_shadow_roots(self) -> None:
        """Looks below the open shadow roots of all custom elements, too, of those that come later as well."""
        self._make_more_roots().search_from_now_on()

    def close(self) -> None:
        """Stops observing; `ElementHandler.on_removed` is not called for what is there."""
        for observer in (self._mutations, self._near, self._visible):
            if observer is not None:
                observer.disconnect()
        if self._more_roots:
            self._more_roots.close()
        for proxy in self._proxies:
            destroy_proxy(proxy)
        self._elements.clear()

    def _intersection_observer(self, handler: "Callable[..., None]", margin_px: int) -> "Any":
        self._proxies.append(ffi.create_proxy(handler))
        margin = f"{margin_px}px"
        options = {"rootMargin": margin, "scrollMargin": margin}  # the latter for nested scroll containers
        return window.IntersectionObserver.new(self._proxies[-1], ffi.to_js(options))

    def _on_mutations(self, records: "Any", *_observer: object) -> None:
        self._update(primitives.changed_elements(records, self._selector, self._js_roots))
        if self._more_roots:
            for position in range(int(records.length)):
                self._search_added(records[position].addedNodes)
            self._more_roots.update()

    def _search_added(self, nodes: "Any") -> None:
        """Looks for custom elements among nodes that were added."""
        for position in range(int(nodes.length)):
            node = nodes[position]
            if int(node.nodeType) == _ELEMENT_NODE and self._more_roots and self.is_below_root(node):
                self._more_roots.search(node)

    def _update_below(self, node: "Any") -> None:
        self._update(primitives.matching_elements(node, self._selector, self._js_roots))

    def _update(self, described: "Any") -> None:
        """Reports how elements differ from what was last reported.

        :param described: what `primitives.changed_elements` returns.
        """
        elements = described[0]
        for position, (number, matches, changed) in enumerate(json.loads(str(described[1]))):
            known = number in self._elements
            if matches and not known:
                self._add(number, elements[position])
            elif matches and changed:
                self._handler.on_attributes_changed(number)
            elif known and not matches:
                self._remove(number)

    def _add(self, number: int, js: "Any") -> None:
        self._elements[number] = js
        self._handler.on_added(number, Element(js))
        if self._near is not None:
            self._near.observe(js)

    def _remove(self, number: int) -> None:
        js = self._elements.pop(number)
        for observer in (self._near, self._visible):
            if observer is not None:
                observer.unobserve(js)
        self._handler.on_removed(number)

    def is_below_root(self, js: "Any") -> bool:
        """Returns whether a node of the browser is one of the roots, or in the same tree below one."""
        return any(root.contains(js) for root in self._roots)

    def _set_roots(self, roots: "list[Any]") -> None:
        self._roots = roots
        self._js_roots = ffi.to_js(roots)  # for `primitives`

    def start_root(self, js: "Any") -> None:
        """Starts to look below a root, for `Roots`."""
        self._set_roots(self._roots + [js])
        self._mutations.observe(js, self._options)
        self._update_below(js)

    def stop_root(self, js: "Any") -> None:
        """Ends looking below a root, for `Roots`. A `MutationObserver` stops only as a whole."""
        self._set_roots([root for root in self._roots if not root.isSameNode(js)])
        waiting = self._mutations.takeRecords()
        self._mutations.disconnect()
        for root in self._roots:
            self._mutations.observe(root, self._options)
        for number, known in list(self._elements.items()):
            if not self.is_below_root(known):
                self._remove(number)
        self._on_mutations(waiting)

    def _make_more_roots(self) -> "Roots":
        if not self._more_roots:
            # Not by an import statement: the build would pack the module for each page, and few have more roots.
            module = __import__("authmedia.browser.shadow_roots", None, None, ("Roots",))
            self._more_roots = module.Roots(self)
        return self._more_roots

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
            number = int(primitives.number_of(entry.target))
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
