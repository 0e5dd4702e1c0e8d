"""The document of the fake browser."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.unit.fake_state import STATE


class EventListener:
    def __init__(self, element: "Element", event: str, handler: Callable[[], object]) -> None:
        self.element, self.event, self.handler = element, event, handler

    def close(self) -> None:
        self.element.listeners.remove(self)


class Element:
    """As much of an element as a binding touches."""

    def __init__(self, tag: str, **attributes: str) -> None:
        self.tag = tag
        self.given = {name.replace("_", "-"): value for name, value in attributes.items()}
        self.text = ""
        self.media_error = ""
        self.has_network_error = self.has_focus = False
        self.siblings: list[Element] = []
        self.children: list[Element] = []
        self.styles: dict[str, str] = {}
        self.current_time = 0.0
        self.playing = False
        self.src = ""
        self.crossorigin = ""
        self.listeners: list[EventListener] = []
        self.removed = False
        self.shows: Callable[[str], Awaitable[bool]] | None = None

    def get_attribute(self, name: str) -> str:
        return self.given.get(name, "")

    def has_attribute(self, name: str) -> bool:
        return name in self.given

    def get_attributes(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: self.given[name] for name in names if self.given.get(name)}

    def set_attribute(self, name: str, value: str) -> None:
        self.given[name] = value
        if name == "src":
            self.src = value

    def remove_attribute(self, name: str) -> None:
        self.given.pop(name, None)

    def set_attributes(self, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            self.set_attribute(name, value)

    def remove_attributes(self, names: tuple[str, ...]) -> None:
        for name in names:
            self.remove_attribute(name)

    def closest(self, selector: str) -> "Element":
        return self

    def query_all(self, selector: str) -> "list[Element]":
        return [child for child in self.children if child.tag in selector.split(", ")]

    def focus(self) -> None:
        STATE.focused = self

    def click(self) -> None:
        STATE.clicked.append(self)

    def append(self, *children: "Element | str") -> None:
        self.children += [_text(child) if isinstance(child, str) else child for child in children]

    def set_style(self, name: str, value: str) -> None:
        if value:
            self.styles[name] = value
        else:
            self.styles.pop(name, None)

    @property
    def is_deferred(self) -> bool:
        return self.tag != "img" or self.get_attribute("loading") == "lazy"

    @property
    def is_playing(self) -> bool:
        return self.playing

    async def play(self) -> None:
        self.playing = True

    def after(self, sibling: "Element") -> None:
        self.siblings.append(sibling)

    def remove(self) -> None:
        self.removed = True

    def listen(self, event: str, handler: Callable[[], object]) -> "EventListener":
        self.listeners.append(EventListener(self, event, handler))
        return self.listeners[-1]

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        self.src = src
        self.crossorigin = crossorigin
        self.current_time = 0.0
        self.playing = self.playing or play
        await asyncio.sleep(0)
        return await self.shows(src) if self.shows else src not in STATE.undecodable

    def remove_source(self) -> None:
        self.src = ""

    def fire(self, event: str) -> None:
        """As the browser does when something has happened."""
        for listener in [listener for listener in self.listeners if listener.event == event]:
            listener.handler()


def _text(text: str) -> Element:
    element = Element("#text")
    element.text = text
    return element


def document_element() -> Element:
    return Element("html")


def as_element(given: object) -> Element:
    raise TypeError(f"{type(given).__name__} is no element")


def listen_for_activation(element: Element, handler: Callable[[], object]) -> EventListener:
    return element.listen("click", handler)


def create_element(tag: str, **attributes: str) -> Element:
    return Element(tag, **{name.strip("_"): value for name, value in attributes.items()})


class ElementObserver:
    """Told by a test what the browser would tell."""

    def __init__(
        self, root: Element, selector: str, attributes: tuple[str, ...], handler: "ElementHandler", near_px: int | None
    ) -> None:
        self.handler = handler
        self.closed = False
        STATE.watches.append(self)
        for number, child in enumerate(root.children):
            handler.on_added(number, child)

    def close(self) -> None:
        self.closed = True


class ElementHandler:
    def on_added(self, number: int, element: Element) -> None: ...

    def on_attributes_changed(self, number: int) -> None: ...

    def on_removed(self, number: int) -> None: ...

    def on_near(self, number: int, near: bool) -> None: ...

    def on_visible(self, number: int, visible: bool) -> None: ...
