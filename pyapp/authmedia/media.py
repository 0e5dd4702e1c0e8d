"""The values that pass through the library: a request, the media that answers it, and a strategy's support."""

from authmedia.matrix.mxc import parse_mxc
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.errors import AuthMediaError
    from authmedia.matrix.encrypted_file import EncryptedFile

#: The values of `Media.source`.
NETWORK = "network"
MEMORY = "memory"
DISK = "disk"

#: The values of `MediaRequest.cache`. https://fetch.spec.whatwg.org/#concept-request-cache-mode
CACHE_DEFAULT = "default"
RELOAD = "reload"
NO_STORE = "no-store"
ONLY_IF_CACHED = "only-if-cached"
CACHE_POLICIES = (CACHE_DEFAULT, RELOAD, NO_STORE, ONLY_IF_CACHED)

#: The content type of SVG documents. https://www.w3.org/TR/SVG2/mimereg.html
SVG_TYPE = "image/svg+xml"

# The content types that are safe to show inline, so that no untrusted body runs as a page of this origin:
# https://spec.matrix.org/latest/client-server-api/#serving-inline-content
_INLINE_TYPES = {
    "text": ("css", "plain", "csv"),
    "application": ("json", "ld+json"),
    "image": ("jpeg", "gif", "png", "apng", "webp", "avif"),
    "video": ("mp4", "webm", "ogg", "quicktime"),
    "audio": ("mp4", "webm", "aac", "mpeg", "ogg", "flac", "x-flac", "wave", "wav", "x-wav", "x-pn-wav"),
}


# Other names of these types, which senders and servers use.
_SYNONYMS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "video/x-m4v": "video/mp4",
    "application/mp4": "video/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/opus": "audio/ogg",
    "audio/vorbis": "audio/ogg",
    "audio/x-ogg": "audio/ogg",
    "application/ogg": "audio/ogg",
    "audio/vnd.wave": "audio/wav",
}
#: The content type of what nothing is known of.
UNKNOWN_TYPE = "application/octet-stream"
# The largest side of a thumbnail that the module media_links makes, and the largest number that is taken for one.
_MAX_SIDE_PX, _MAX_GIVEN_SIDE_PX = 2048, 1_000_000
# The kinds whose elements judge by the content type, in Firefox and WebKit; an image is known by its bytes everywhere.
_TYPED_KINDS = ("video", "audio")


def safe_content_type(content_type: str) -> str:
    """Returns the content type to show a body with: its own where that is safe, else ``application/octet-stream``."""
    essence = content_type.split(";")[0].strip().lower()
    essence = _SYNONYMS.get(essence, essence)
    kind, _, subtype = essence.partition("/")
    return essence if subtype in _INLINE_TYPES.get(kind, ()) else UNKNOWN_TYPE


def shown_content_type(kind: str, by_server: str, by_event: str) -> str:
    """Returns the content type to show a body with: the server's, unless the event's fits the element better.

    It is a safe one, or for an image that of SVG, whose document has to be contained.

    :param kind: that of the request.
    """
    if kind == "image" and is_svg(by_server):
        return SVG_TYPE  # whatever the event claims: no other image has this type by mistake
    known, other = safe_content_type(by_server), safe_content_type(by_event)
    kinds = _TYPED_KINDS if kind in _TYPED_KINDS else (kind,)
    better = other.split("/")[0] in kinds and known.split("/")[0] not in kinds
    shown = other if better or known == UNKNOWN_TYPE else known
    return SVG_TYPE if kind == "image" and shown == UNKNOWN_TYPE and is_svg(by_event) else shown


def needs_sniffing(kind: str, content_type: str) -> bool:
    """Returns whether an element needs a content type that nobody named."""
    return content_type == UNKNOWN_TYPE and kind in _TYPED_KINDS


def _thumbnail_size(width: float, height: float) -> tuple[int, int]:
    """Returns the size in whole pixels of a thumbnail that every strategy and server makes; zeros for none.

    Fractions are rounded up, and what exceeds the largest side is scaled down.
    """
    if not (0 < width <= _MAX_GIVEN_SIDE_PX and 0 < height <= _MAX_GIVEN_SIDE_PX):  # not a number, too
        return 0, 0
    scale = min(1.0, _MAX_SIDE_PX / max(width, height))
    return -int(-width * scale // 1), -int(-height * scale // 1)


def is_svg(*content_types: str) -> bool:
    """Returns whether one of the content types is that of SVG, whose documents run scripts unless contained."""
    return SVG_TYPE in [content_type.split(";")[0].strip().lower() for content_type in content_types]


class MediaRequest:
    """A request for one media, whole or as a thumbnail. A value: requests with equal keys are the same.

    >>> MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop")

    :param mxc: the media's ``mxc://`` URI.
    :param width: the thumbnail's width in pixels of the image; 0 requests the media itself. A fraction is rounded up,
        and a thumbnail of more than 2048 pixels is scaled down to that.
    :param height: the thumbnail's height in pixels of the image.
    :param method: how the server fits the thumbnail: ``crop``, or ``scale`` for anything else.
    :param animated: whether the thumbnail may be animated.
    :param kind: ``image``, ``video`` or ``audio``, by the element that shows it; ``file`` for one that is saved.
    :param content_type: the event's ``mimetype``, used where the server sends none.
    :param size: the event's ``size`` in bytes.
    :param encrypted: how to decrypt an encrypted attachment. It has no thumbnails, since the server cannot read it:
        request the event's ``thumbnail_file`` instead.
    :param file_name: the name to save it with; for the kind ``file`` alone.
    :param cache: what memory and disk are used for: ``default`` reads and fills them, ``reload`` replaces what is
        there, ``no-store`` does neither, ``only-if-cached`` reads them and requests nothing.
    :raises MalformedMxc: if ``mxc`` is not an ``mxc://`` URI.
    :raises ValueError: if a thumbnail of an encrypted attachment is requested, or there is no such cache policy.
    """

    __slots__ = (
        "animated",
        "cache",
        "content_type",
        "encrypted",
        "file_name",
        "height",
        "key",
        "kind",
        "max_bytes",
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
        file_name: str = "",
        cache: str = CACHE_DEFAULT,
    ) -> None:
        self.server_name, self.media_id = parse_mxc(mxc)
        self.mxc = mxc = f"mxc://{self.server_name}/{self.media_id}"
        self.width, self.height = _thumbnail_size(width, height) if width or height else (0, 0)
        self.method = method if method == "crop" else "scale"
        self.animated = animated
        self.kind = kind
        self.content_type = content_type
        self.size = size
        self.encrypted = encrypted
        self.file_name = file_name
        self.cache = cache
        #: The size beyond which the media is not loaded; ``None`` for any size.
        self.max_bytes: int | None = None
        if cache not in CACHE_POLICIES:
            raise ValueError(f"There is no cache policy {cache!r}; there are: {', '.join(CACHE_POLICIES)}")
        if encrypted and self.is_thumbnail:
            raise ValueError("There are no thumbnails of encrypted media; ask for the event's thumbnail_file")
        #: The thumbnail's parameters as a query of the client-server API, empty for the media itself.
        self.thumbnail_query = self._thumbnail_query()
        #: Identifies the media and its form.
        self.key = mxc + self.thumbnail_query + ("#file" + file_name if kind == "file" else "")
        if encrypted:
            self.key += "#" + encrypted.fingerprint

    @property
    def load_key(self) -> str:
        """Identifies the media, its form and the cache policy: concurrent loads of the same are one."""
        return self.key if self.cache == CACHE_DEFAULT else f"{self.key}#{self.cache}"

    @property
    def is_thumbnail(self) -> bool:
        """Whether a thumbnail is requested rather than the media itself."""
        return self.width > 0 and self.height > 0

    def _thumbnail_query(self) -> str:
        if not self.is_thumbnail:
            return ""
        animated = "true" if self.animated else "false"
        return f"?width={self.width}&height={self.height}&method={self.method}&animated={animated}"

    def with_cache(self, cache: str) -> "MediaRequest":
        """Returns the same request under another cache policy."""
        same = self._copy(self.kind, self.width, self.height, cache, self.file_name)
        same.max_bytes = self.max_bytes
        return same

    def original(self, max_bytes: int | None = None) -> "MediaRequest":
        """Returns the request for the media that a thumbnail is made of.

        :param max_bytes: the size beyond which it is not loaded.
        """
        original = self._copy(self.kind, 0, 0, self.cache)
        original.max_bytes = max_bytes
        return original

    def as_file(self) -> "MediaRequest":
        """Returns the request for the same media, to save it."""
        return self._copy("file", 0, 0, self.cache)

    def named(self, file_name: str) -> "MediaRequest":
        """Returns the request for the same media, to save it as a file of this name."""
        return self._copy("file", 0, 0, self.cache, file_name)

    def _copy(self, kind: str, width: int, height: int, cache: str, file_name: str = "") -> "MediaRequest":
        return MediaRequest(
            self.mxc,
            width=width,
            height=height,
            method=self.method,
            animated=self.animated,
            kind=kind,
            content_type=self.content_type,
            size=self.size,
            encrypted=self.encrypted,
            file_name=file_name,
            cache=cache,
        )

    def ciphertext_request(self) -> "MediaRequest":
        """Returns the request for the ciphertext of an encrypted attachment."""
        return MediaRequest(self.mxc, kind=self.kind, size=self.size, cache=self.cache)

    def __repr__(self) -> str:
        return f"MediaRequest({self.key!r}, kind={self.kind!r})"


class Media:
    """A media that an element can show.

    :param request: the request that it answers.
    :param src: the element's ``src``: an object URL or a link.
    :param strategy: the name of the strategy that served it.
    :param source: where the bytes came from: ``network``, ``memory`` or ``disk``.
    :param content_type: its content type, empty where the browser transfers it by itself.
    :param size: bytes that it takes of this page's memory or disk; 0 for none.
    :param crossorigin: the element's attribute of that name, empty for none.
        https://developer.mozilla.org/docs/Web/HTML/Attributes/crossorigin
    :param reason: why `auto` chose this strategy.
    :param opening_id: a number for each time that the pipeline opened a media, set by the pipeline.
    :param valid_until_ms: until when it may be given to another element, in milliseconds since 1970 on this device's
        clock; ``None`` for as long as an element holds it.
    """

    __slots__ = (
        "content_type",
        "crossorigin",
        "opening_id",
        "reason",
        "request",
        "size",
        "source",
        "src",
        "strategy",
        "traffic",
        "valid_until_ms",
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
        valid_until_ms: float | None = None,
        opening_id: int = 0,
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
        self.valid_until_ms = valid_until_ms
        self.opening_id = opening_id

    def as_memory_hit(self) -> "Media":
        """Returns the same media for another element, which cost no further traffic."""
        return self.copy(source=MEMORY, traffic=Traffic(), reason=self.reason)

    def copy(self, *, source: str, traffic: Traffic, reason: str) -> "Media":
        """Returns the same media with another source, traffic and reason."""
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
            valid_until_ms=self.valid_until_ms,
            opening_id=self.opening_id,
        )

    def __repr__(self) -> str:
        # Without `src`: a link is a secret until it expires, and reprs end up in logs.
        return f"Media({self.request.key!r}, strategy={self.strategy!r}, source={self.source!r})"


class Support:
    """Whether a strategy works in this window and with this homeserver, after it was tried.

    :param works: whether it works.
    :param words: the browser's or the homeserver's own words where it does not.
    :param error: the error that says so, where a request has failed.
    """

    __slots__ = ("error", "words", "works")

    def __init__(self, works: bool, words: str = "", error: "AuthMediaError | None" = None) -> None:
        self.works = works
        self.error = error
        self.words = words

    def __repr__(self) -> str:
        return f"Support({self.works!r}, {self.words!r})"
