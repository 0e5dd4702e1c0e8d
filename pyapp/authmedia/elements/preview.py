"""Small before large: ``<img data-mxc="mxc://…" data-thumbnail="mxc://…">``, an event's ``thumbnail_url``.

That of an encrypted image, ``thumbnail_file``, has its handle in ``data-thumbnail-encrypted``, and its content type in
``data-thumbnail-type``.
"""

import asyncio

from authmedia import browser
from authmedia.elements.background import css_url
from authmedia.elements.binding import LOADING, Binding
from authmedia.elements.element_request import request_from_attributes
from authmedia.errors import AuthMediaError
from authmedia.media import CACHE_DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.media import Media

# The attributes of a thumbnail, and those of an image that mean the same.
_ATTRIBUTES = {
    "data-thumbnail": "data-mxc",
    "data-thumbnail-encrypted": "data-encrypted",
    "data-thumbnail-type": "data-type",
}


class PreviewBinding(Binding):
    """Shows the thumbnail of an image behind it until the image itself is there. For the parameters see `Binding`."""

    __slots__ = ("_preview", "_preview_task")

    _preview: "Media | None"
    _preview_task: "asyncio.Task[None] | None"

    def start(self, urgent: bool = False) -> None:
        """Loads the thumbnail, and the image when its turn comes."""
        if not self.started and not getattr(self, "_preview_task", None):
            self._preview = None
            self._preview_task = browser.create_task(self._load_preview())
        super().start(urgent)

    def cancel(self) -> None:
        """Cancels loads in progress; `start` starts them anew."""
        if self.state == LOADING:
            self._remove_preview()
        super().cancel()

    def close(self) -> None:
        """Removes and releases the thumbnail, too."""
        self._remove_preview()
        super().close()

    def on_source_changed(self, media: "Media") -> None:
        """Removes the thumbnail: the image is there."""
        self._remove_preview()
        super().on_source_changed(media)

    def _show_placeholder(self) -> None:
        if not getattr(self, "_preview", None):  # which is better than a blurhash
            super()._show_placeholder()

    def _fail(self, error: Exception) -> None:
        self._remove_preview()
        super()._fail(error)

    async def _load_preview(self) -> None:
        """A thumbnail that fails is left out: the image itself says what is wrong."""
        given = self._element.get_attributes(tuple(_ATTRIBUTES))
        try:
            attributes = {_ATTRIBUTES[name]: value for name, value in given.items()}
            cache = self._options.cache if self._options else CACHE_DEFAULT
            request = request_from_attributes("image", attributes, self._keyring, cache=cache)
            media = self._preview = await self._loader.load(request, self._is_visible)
        except AuthMediaError:
            return
        self._element.set_style("background-size", "cover")
        self._element.set_style("background-image", css_url(media.src))

    def _remove_preview(self) -> None:
        task, preview = getattr(self, "_preview_task", None), getattr(self, "_preview", None)
        self._preview_task = self._preview = None
        if task:
            task.cancel()
        if preview:
            self._element.set_style("background-image", "")
            self._element.set_style("background-size", "")
            self._loader.release(preview)
