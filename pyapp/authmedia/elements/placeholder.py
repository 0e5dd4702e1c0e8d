"""The placeholder of an element while it loads: reserved space, its blurhash, and the progress of a large body."""

from authmedia import browser
from authmedia.elements.blurhash_decoding import Blurhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.elements.element_options import ElementOptions


class Placeholder:
    """The placeholder of one element, in its own style and attributes.

    :param element: the element.
    :param attributes: its attributes ``data-method``, ``data-width``, ``data-height`` and ``width``, as far as set.
    """

    __slots__ = ("_decorated", "_element", "_percent", "_remove", "_reserved")

    def __init__(self, element: browser.Element, attributes: "dict[str, str]") -> None:
        self._element = element
        self._decorated = False
        self._percent = -1
        # Removes what the application rendered.
        self._remove: Callable[[], object] | None = None
        # The size of a cropped thumbnail is known, so that the layout does not shift when it arrives.
        self._reserved = attributes.get("data-method") == "crop" and "width" not in attributes
        if self._reserved:
            element.set_attribute("width", attributes.get("data-width", ""))
            element.set_attribute("height", attributes.get("data-height", ""))

    def show_blurhash(self, text: str) -> None:
        """Renders a blurhash as the element's background; an invalid one is ignored, since it is only decoration."""
        try:
            url = Blurhash(text).data_url()
        except ValueError:
            return
        self._decorated = True
        self._set_background(f"url({url})")

    def show_own(self, options: "ElementOptions") -> None:
        """Renders the application's placeholder."""
        self._decorated = True
        self._remove = options.render_placeholder(self._element)

    def show_progress(self, received: int, total: int) -> None:
        """Shows the progress in percent as ``data-progress``, and as ``--progress`` for the page's style sheet.

        :param received: in bytes.
        :param total: the announced length in bytes.
        """
        percent = received * 100 // total
        if percent == self._percent:
            return
        self._decorated = True
        self._percent = percent
        self._element.set_attribute("data-progress", str(percent))
        self._element.set_style("--progress", f"{percent}%")

    def clear(self) -> None:
        """Removes blurhash, progress, and what the application rendered."""
        if not self._decorated:
            return
        self._decorated = False
        self._percent = -1
        if self._remove:
            browser.call_hook(self._remove)
            self._remove = None
        self._element.remove_attribute("data-progress")
        self._element.set_style("--progress", "")
        self._set_background("")

    def close(self) -> None:
        """Removes everything, the reserved space included."""
        self.clear()
        if self._reserved:
            self._element.remove_attribute("width")
            self._element.remove_attribute("height")

    def _set_background(self, image: str) -> None:
        """Sets the element's background image; an empty value removes it."""
        self._element.set_style("background-size", image and "cover")
        self._element.set_style("background-image", image)
