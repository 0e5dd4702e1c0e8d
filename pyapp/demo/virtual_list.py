"""Virtualizes a long timeline: only chunks near the viewport are in the DOM, the others are gaps of the same height."""

from authmedia import browser
from authmedia.elements.idle_queue import IdleQueue
from demo import timeline
from demo.room import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# How many messages are rendered and removed together.
_MESSAGES_PER_CHUNK = 15
# Distance from the viewport at which a chunk is rendered, in CSS pixels: larger than the margin for loading media.
_NEAR_MARGIN_PX = 2000
_ESTIMATED_MESSAGE_PX = 180


class Chunk:
    """A run of consecutive messages that is rendered or removed as a whole.

    :param before: user id of the sender of the preceding message, empty for none.
    """

    __slots__ = ("_before", "drawn", "element", "messages", "near")

    def __init__(self, messages: "list[Message]", before: str) -> None:
        self.messages = messages
        self._before = before
        self.near = False
        self.drawn = False
        self.element = browser.create_element("ol", class_="chunk")
        self.element.set_style("min-height", f"{_ESTIMATED_MESSAGE_PX * len(messages)}px")

    def draw(self) -> None:
        """Renders the messages."""
        previous = self._before
        for message in self.messages:
            self.element.append(timeline.message_item(message, follows=message.sender.user_id == previous))
            previous = message.sender.user_id
        self.element.set_style("min-height", "")
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

    def _update(self, chunk: Chunk) -> None:
        """Renders or removes a chunk, unless its state changed back in the meantime."""
        if chunk.near == chunk.drawn:
            return
        if chunk.near:
            chunk.draw()
        else:
            chunk.clear()
        self.drawn += len(chunk.messages) if chunk.drawn else -len(chunk.messages)
        self._on_change()
