"""The media itself in the place of a thumbnail that the homeserver does not have, as of SVG, AVIF and HEIC images."""

from authmedia.errors import NoThumbnail
from authmedia.media import MediaRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.errors import RequestRefused
    from authmedia.support.limits import Limits

# The default of `Limits.original_bytes`.
_ORIGINAL_BYTES = 8 * 1024 * 1024


class ThumbnailFallback:
    """The thumbnails that a homeserver refused, each of which is requested once.

    :param limits: those of the loader.
    """

    __slots__ = ("_max_bytes", "_refused")

    def __init__(self, limits: "Limits | None") -> None:
        self._max_bytes = limits.original_bytes if limits else _ORIGINAL_BYTES
        # The keys of the refused thumbnails.
        self._refused: set[str] = set()

    def available(self, request: MediaRequest) -> MediaRequest:
        """Returns the request for the media itself if its thumbnail was refused, else the same request."""
        return request.original(self._max_bytes) if request.key in self._refused else request

    def add(self, request: MediaRequest, refusal: "RequestRefused") -> MediaRequest:
        """Records a refused thumbnail; returns the request for the media itself.

        :raises NoThumbnail: if that is larger than the limit, as far as its size is known.
        """
        if not self._max_bytes or (request.size or 0) > self._max_bytes:
            raise NoThumbnail("The homeserver has no thumbnail of this media", mxc=request.mxc, words=refusal.words)
        self._refused.add(request.key)
        return request.original(self._max_bytes)
