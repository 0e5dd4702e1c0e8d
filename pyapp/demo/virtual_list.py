"""The messages of a long room, a few at a time: in the document while they are near, else a gap of the same height."""

from authmedia import browser
from authmedia.leisure import Leisure
from demo import timeline
from demo.room import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# So many messages come into the document, and leave it, together.
_MESSAGES_A_CHUNK = 15
# How far outside of what is visible they do, in CSS pixels: farther than what media are loaded for.
_NEAR_PX = 2000
_GUESSED_PX = 180


class Chunk:
    """A few messages that follow each other.

    :param before: who sent the one before them.
    """

    __slots__ = ("_before", "drawn", "element", "messages", "near")

    def __init__(self, messages: "list[Message]", before: str) -> None:
        self.messages = messages
        self._before = before
        self.near = False
        self.drawn = False
        self.element = browser.create("ol", class_="chunk")
        self.element.style("min-height", f"{_GUESSED_PX * len(messages)}px")

    def draw(self) -> None:
        """Puts the messages into the document."""
        previous = self._before
        for message in self.messages:
            self.element.append(timeline.item(message, follows=message.sender.user_id == previous))
            previous = message.sender.user_id
        self.element.style("min-height", "")
        self.drawn = True

    def clear(self) -> None:
        """Takes them out, and keeps their place."""
        self.element.style("min-height", f"{self.element.height}px")
        self.element.clear()
        self.drawn = False


class Chunks(browser.Audience):
    """All chunks of a room.

    :param root: where they stand.
    :param on_change: called when one was drawn or cleared.
    """

    def __init__(self, root: browser.Element, on_change: "Callable[[], None]") -> None:
        self._root = root
        self._on_change = on_change
        self._added: list[Chunk] = []
        self._known: dict[int, Chunk] = {}
        self._last_sender = ""
        self._leisure = Leisure()
        self._watch = browser.Watch(root, ".chunk", ("class",), self, _NEAR_PX)
        #: How many messages there are, and how many of them are in the document.
        self.messages = 0
        self.drawn = 0

    def add(self, messages: "list[Message]") -> None:
        """Adds messages at the end."""
        for start in range(0, len(messages), _MESSAGES_A_CHUNK):
            chunk = Chunk(messages[start : start + _MESSAGES_A_CHUNK], self._last_sender)
            self._last_sender = chunk.messages[-1].sender.user_id
            self._added.append(chunk)
            self._root.append(chunk.element)
        self.messages += len(messages)

    def close(self) -> None:
        """Empties the room."""
        self._watch.close()
        self._leisure.close()
        self._root.clear()

    # --- what the watch tells ----------------------------------------------------------------------------------------

    def came(self, number: int, element: browser.Element) -> None:
        """The next of those that were added; the browser tells of them in order."""
        self._known[number] = self._added.pop(0)

    def near(self, number: int, near: bool) -> None:
        """Has drawn what comes near, and cleared what went away."""
        chunk = self._known[number]
        chunk.near = near
        self._leisure.add(lambda: self._settle(chunk))

    def _settle(self, chunk: Chunk) -> None:
        """Draws or clears a chunk, unless it came or went again meanwhile."""
        if chunk.near == chunk.drawn:
            return
        if chunk.near:
            chunk.draw()
        else:
            chunk.clear()
        self.drawn += len(chunk.messages) if chunk.drawn else -len(chunk.messages)
        self._on_change()
