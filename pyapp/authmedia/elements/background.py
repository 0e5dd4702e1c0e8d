"""Binds elements with ``data-mxc-background``: the media is their CSS background.

>>> <header data-mxc-background="mxc://example.org/abc" data-width="640" data-height="240"></header>
"""

from authmedia import browser
from authmedia.elements.binding import Binding
from authmedia.elements.placeholder import Placeholder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.elements.held_media import Presenter

_ATTRIBUTE = "data-mxc-background"


class BackgroundBinding(Binding):
    """Loads a media and shows it as the background image of one element. For the parameters see `Binding`."""

    __slots__ = ("_background",)

    @property
    def kind(self) -> str:
        """Always ``image``."""
        return "image"

    def _make_placeholder(self) -> Placeholder:
        self._attributes["data-mxc"] = self._attributes[_ATTRIBUTE] = self._element.get_attribute(_ATTRIBUTE)
        self._background = Background(self._element)
        return self._background

    def _make_presenter(self) -> "Presenter":
        return self._background


class Background(Placeholder):
    """The background of one element: a blurhash while the media loads, then the media.

    It reserves no space, and leaves ``background-size`` to the page: the element has a size without its background.

    :param element: the element.
    """

    __slots__ = ("_image", "_shown")

    # A background image has no errors of its own, and no browser defers its transfer.
    media_error = ""
    has_network_error = is_deferred = False

    def __init__(self, element: browser.Element) -> None:
        super().__init__(element, {})
        # Transfers and decodes the media, of which style sheets report neither success nor failure.
        self._image: browser.Element | None = None
        self._shown = False

    @property
    def tag(self) -> str:
        """The element's local name."""
        return self._element.tag

    async def show(self, src: str, success_event: str, crossorigin: str = "", play: bool = False) -> bool:
        """Loads an image, and sets it as the background if that succeeds; for the parameters see `Element.show`.

        The request is without CORS, whatever ``crossorigin`` says, as a style sheet's is: Firefox 153 caches the
        answers to both kinds separately, and would transfer it twice.
        """
        self._image = browser.create_element("img")
        self._shown = await self._image.show(src, success_event)
        if self._shown:
            self._element.set_style("background-image", css_url(src))  # which the browser has in its cache
        return self._shown

    def remove_source(self) -> None:
        """Removes the background, and aborts a transfer."""
        if self._image:
            self._image.remove_source()
            self._image = None
        if self._shown:
            self._shown = False
            self._set_background("")

    def _set_background(self, image: str) -> None:
        if not self._shown:  # else it is the media's, which the placeholder does not touch
            self._element.set_style("background-image", image)


def css_url(url: str) -> str:
    """Returns a URL as a value in a style sheet. https://drafts.csswg.org/cssom/#serialize-a-url"""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\a "), ("\r", "\\d "), ("\f", "\\c ")):
        url = url.replace(character, escaped)
    return f'url("{url}")'
