"""Virtualizes a long timeline: only chunks near the viewport are in the DOM, the others are gaps of the same height."""

from authmedia import browser
from authmedia.elements.idle_queue import IdleQueue
from demo import timeline
from demo.room import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# How many messages are inserted and removed together.
_MESSAGES_PER_CHUNK = 15
# How many of them are made at a time: between, the browser paints and handles input.
_MESSAGES_PER_STEP = 3
# Distance from the viewport at which a chunk is rendered, in CSS pixels: larger than the margin for loading media.
_NEAR_MARGIN_PX = 2000
_ESTIMATED_MESSAGE_PX = 180


class Chunk:
    """A run of consecutive messages that is rendered or removed as a whole.

    :param before: user id of the sender of the preceding message, empty for none.
    """

    __slots__ = ("_before", "_made", "drawn", "element", "messages", "near")

    def __init__(self, messages: "list[Message]", before: str) -> None:
        self.messages = messages
        self._before = before
        # Rendered messages that are not in the document yet.
        self._made: list[browser.Element] = []
        self.near = False
        self.drawn = False
        self.element = browser.create_element("ol", class_="chunk")
        self.element.set_style("min-height", f"{_ESTIMATED_MESSAGE_PX * len(messages)}px")

    def make(self) -> bool:
        """Renders the next messages, outside of the document; returns whether there were any left."""
        first = len(self._made)
        for position in range(first, min(first + _MESSAGES_PER_STEP, len(self.messages))):
            message = self.messages[position]
            previous = self.messages[position - 1].sender.user_id if position else self._before
            self._made.append(timeline.message_item(message, follows=message.sender.user_id == previous))
        return len(self._made) > first

    def forget(self) -> None:
        """Drops the messages that were rendered and not inserted."""
        self._made = []

    def draw(self) -> None:
        """Inserts the messages."""
        self.element.append(*self._made)
        self.element.set_style("min-height", "")
        self.forget()
        self.drawn = True

    def clear(self) -> None:
        """Removes the messages and keeps their height."""
        self.element.set_style("min-height", f"{self.element.height}px")
        self.element.remove_children()
        self.drawn = False


class VirtualList(browser.ElementHandler):
    """A list of chunks that renders those near the viewport.

    :param root: the element that holds the chunks.
    :param on_change: called after a chunk was rendered or removed.
    """

    def __init__(self, root: browser.Element, on_change: "Callable[[], None]") -> None:
        self._root = root
        self._on_change = on_change
        self._added: list[Chunk] = []
        self._known: dict[int, Chunk] = {}
        self._last_sender = ""
        self._idle_queue = IdleQueue()
        self._observer = browser.ElementObserver(root, ".chunk", ("class",), self, _NEAR_MARGIN_PX)
        #: Number of messages in the list, and of those in the DOM.
        self.messages = 0
        self.drawn = 0

    def add(self, messages: "list[Message]") -> None:
        """Appends messages, split into chunks."""
        for start in range(0, len(messages), _MESSAGES_PER_CHUNK):
            chunk = Chunk(messages[start : start + _MESSAGES_PER_CHUNK], self._last_sender)
            self._last_sender = chunk.messages[-1].sender.user_id
            self._added.append(chunk)
            self._root.append(chunk.element)
        self.messages += len(messages)

    def close(self) -> None:
        """Stops observing and removes all chunks."""
        self._observer.close()
        self._idle_queue.close()
        self._root.remove_children()

    # --- callbacks of the observer -----------------------------------------------------------------------------------

    def on_added(self, number: int, element: browser.Element) -> None:
        """Assigns the observer's number to the oldest unassigned chunk: chunks are observed in document order."""
        self._known[number] = self._added.pop(0)

    def on_near(self, number: int, near: bool) -> None:
        """Queues the rendering or removal of a chunk whose distance from the viewport changed."""
        chunk = self._known[number]
        chunk.near = near
        self._idle_queue.add(lambda: self._update(chunk))

    def _update(self, chunk: Chunk) -> bool:
        """Renders a part of a chunk, or removes it, unless its state changed back in the meantime.

        :returns: whether there is more to do for it.
        """
        if chunk.near == chunk.drawn:
            chunk.forget()
            return False
        if chunk.near and chunk.make():
            return True
        if chunk.near:
            chunk.draw()
        else:
            chunk.clear()
        self.drawn += len(chunk.messages) if chunk.drawn else -len(chunk.messages)
        self._on_change()
        return False
