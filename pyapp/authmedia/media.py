"""The values that travel: what is wanted, what the DOM gets, and whether a strategy works here."""

from authmedia.matrix.mxc import parse_mxc
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.encrypted_file import EncryptedFile

NETWORK = "network"
MEMORY = "memory"
DISK = "disk"

# What the Matrix specification lists as safe to show inline, so that no body of a stranger runs as a page of ours:
# https://spec.matrix.org/latest/client-server-api/#serving-inline-content
_INLINE_TYPES = {
    "text": ("css", "plain", "csv"),
    "application": ("json", "ld+json"),
    "image": ("jpeg", "gif", "png", "apng", "webp", "avif"),
    "video": ("mp4", "webm", "ogg", "quicktime"),
    "audio": ("mp4", "webm", "aac", "mpeg", "ogg", "flac", "x-flac", "wave", "wav", "x-wav", "x-pn-wav"),
}


def safe_content_type(content_type: str) -> str:
    """The type a body may be shown with: its own where that is harmless, else ``application/octet-stream``."""
    essence = content_type.split(";")[0].strip().lower()
    kind, _, subtype = essence.partition("/")
    return essence if subtype in _INLINE_TYPES.get(kind, ()) else "application/octet-stream"


class MediaRequest:
    """What is wanted: one media, whole or as a thumbnail. A value: equal keys are the same media.

    :param mxc: the media's ``mxc://`` URI.
    :param width: the thumbnail's width in pixels of the picture; 0 asks for the media itself.
    :param height: the thumbnail's height in pixels of the picture.
    :param method: how the server fits the thumbnail, ``scale`` or ``crop``.
    :param animated: whether an animated thumbnail is welcome.
    :param kind: ``image``, ``video`` or ``audio``: what will show it; ``file``: it will be saved.
    :param content_type: a hint from the event, used where the server names none.
    :param size: a hint from the event, in bytes.
    :param encrypted: how to decrypt it, where it is an encrypted attachment; of one there are no thumbnails, since
        the server cannot read it: ask for the event's ``thumbnail_file`` instead.
    :raises MalformedMxc: if ``mxc`` is not an ``mxc://`` URI.
    :raises ValueError: if a thumbnail is asked for of what is encrypted.
    """

    __slots__ = (
        "animated",
        "content_type",
        "encrypted",
        "height",
        "key",
        "kind",
        "media_id",
        "method",
        "mxc",
        "server_name",
        "size",
        "thumbnail_query",
        "width",
    )

    def __init__(
        self,
        mxc: str,
        *,
        width: int = 0,
        height: int = 0,
        method: str = "scale",
        animated: bool = False,
        kind: str = "image",
        content_type: str = "",
        size: int | None = None,
        encrypted: "EncryptedFile | None" = None,
    ) -> None:
        self.server_name, self.media_id = parse_mxc(mxc)
        self.mxc = mxc
        self.width = width
        self.height = height
        self.method = method
        self.animated = animated
        self.kind = kind
        self.content_type = content_type
        self.size = size
        self.encrypted = encrypted
        if encrypted and self.is_thumbnail:
            raise ValueError("There are no thumbnails of encrypted media; ask for the event's thumbnail_file")
        #: The thumbnail's parameters as the client-server API takes them, empty for the media itself.
        self.thumbnail_query = self._thumbnail_query()
        self.key = mxc + self.thumbnail_query + ("#file" if kind == "file" else "")
        if encrypted:
            self.key += "#" + encrypted.fingerprint

    @property
    def is_thumbnail(self) -> bool:
        """Whether a scaled picture is asked for rather than the media itself."""
        return self.width > 0 and self.height > 0

    def _thumbnail_query(self) -> str:
        if not self.is_thumbnail:
            return ""
        animated = "true" if self.animated else "false"
        return f"?width={self.width}&height={self.height}&method={self.method}&animated={animated}"

    def of_ciphertext(self) -> "MediaRequest":
        """The request for what is on the server, of a media that is encrypted."""
        return MediaRequest(self.mxc, kind=self.kind, size=self.size)

    def __repr__(self) -> str:
        return f"MediaRequest({self.key!r}, kind={self.kind!r})"


class Media:
    """What the DOM gets.

    :param request: what was asked for.
    :param src: a URL that an element can take as it is: an object URL or a link.
    :param strategy: the name of the strategy that served it.
    :param source: where the bytes came from: ``network``, ``memory`` or ``disk``.
    :param content_type: the type it is shown with, empty where only the browser will know.
    :param size: bytes that the media keeps of this page's memory or disk; 0 where it keeps none.
    :param crossorigin: the element's attribute of that name, empty for none.
        https://developer.mozilla.org/docs/Web/HTML/Attributes/crossorigin
    :param reason: why this strategy and no other, where there was a choice.
    :param opening: which opening of the pipeline's it belongs to, told by the pipeline itself.
    :param good_until_ms: until when it may be given to another element, in milliseconds since 1970 on this device's
        clock; ``None`` for as long as it is held.
    """

    __slots__ = (
        "content_type",
        "crossorigin",
        "good_until_ms",
        "opening",
        "reason",
        "request",
        "size",
        "source",
        "src",
        "strategy",
        "traffic",
    )

    def __init__(
        self,
        request: MediaRequest,
        src: str,
        *,
        strategy: str,
        source: str,
        traffic: Traffic,
        content_type: str = "",
        size: int = 0,
        crossorigin: str = "",
        reason: str = "",
        good_until_ms: float | None = None,
        opening: int = 0,
    ) -> None:
        self.request = request
        self.src = src
        self.strategy = strategy
        self.source = source
        self.traffic = traffic
        self.content_type = content_type
        self.size = size
        self.crossorigin = crossorigin
        self.reason = reason
        self.good_until_ms = good_until_ms
        self.opening = opening

    def from_memory(self) -> "Media":
        """The same media for another element: nothing more was asked of the network."""
        return self.copy(source=MEMORY, traffic=Traffic(), reason=self.reason)

    def copy(self, *, source: str, traffic: Traffic, reason: str) -> "Media":
        """The same media, with another account of how it came to be here."""
        return Media(
            self.request,
            self.src,
            strategy=self.strategy,
            source=source,
            traffic=traffic,
            content_type=self.content_type,
            size=self.size,
            crossorigin=self.crossorigin,
            reason=reason,
            good_until_ms=self.good_until_ms,
            opening=self.opening,
        )

    def __repr__(self) -> str:
        # Without `src`: a link is a secret for as long as it lives, and reprs end up in logs.
        return f"Media({self.request.key!r}, strategy={self.strategy!r}, source={self.source!r})"


class Support:
    """Whether a strategy works here, after trying.

    :param works: whether it does.
    :param words: the browser's or the homeserver's own words where it does not.
    """

    __slots__ = ("words", "works")

    def __init__(self, works: bool, words: str = "") -> None:
        self.works = works
        self.words = words

    def __repr__(self) -> str:
        return f"Support({self.works!r}, {self.words!r})"
