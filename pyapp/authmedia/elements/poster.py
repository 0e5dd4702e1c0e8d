"""Posters of videos: ``<video data-mxc="…" data-poster="mxc://…">``, an event's ``thumbnail_url``.

That of an encrypted video, ``thumbnail_file``, has its handle in ``data-poster-encrypted``, and its content type in
``data-poster-type``.
"""

import asyncio

from authmedia import browser
from authmedia.elements.binding import Binding
from authmedia.elements.element_request import request_from_attributes
from authmedia.errors import AuthMediaError
from authmedia.media import CACHE_DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.media import Media

# The attributes of a poster, and those of an image that mean the same.
_ATTRIBUTES = {
    "data-poster": "data-mxc",
    "data-poster-encrypted": "data-encrypted",
    "data-poster-type": "data-type",
}


class PosterBinding(Binding):
    """Loads the poster of a video before the video itself. For the parameters see `Binding`."""

    __slots__ = ("_poster", "_poster_task")

    _poster: "Media | None"
    _poster_task: "asyncio.Task[None] | None"

    def start(self, urgent: bool = False) -> None:
        """Loads the poster and the media when their turn comes."""
        self.start_poster()
        super().start(urgent)

    def start_poster(self) -> None:
        """Loads the poster, unless that was started already."""
        if getattr(self, "_poster_task", None) is None and self._element.get_attribute("data-poster"):
            self._poster = None
            self._poster_task = browser.create_task(self._load_poster())

    def close(self) -> None:
        """Removes and releases the poster, too."""
        super().close()
        task = getattr(self, "_poster_task", None)
        if task:
            task.cancel()
            self._element.remove_attribute("poster")
            if self._poster:
                self._loader.release(self._poster)
                self._poster = None

    async def _load_poster(self) -> None:
        """A poster that fails is left out: the video itself says what is wrong."""
        given = self._element.get_attributes(tuple(_ATTRIBUTES))
        try:
            attributes = {_ATTRIBUTES[name]: value for name, value in given.items()}
            cache = self._options.cache if self._options else CACHE_DEFAULT
            request = request_from_attributes("image", attributes, self._keyring, cache=cache)
            media = self._poster = await self._loader.load(request, self._is_visible)
        except AuthMediaError:
            return
        self._element.set_attribute("poster", media.src)
