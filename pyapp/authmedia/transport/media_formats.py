"""Why an element cannot show a body that arrived: its format by its first bytes, or that there are none.

https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern
"""

from authmedia import browser
from authmedia.browser import violated_directive
from authmedia.errors import AuthMediaError, EmptyMedia, FormatUnsupported, PolicyRefused, WrongContent
from authmedia.matrix.http import request_url
from authmedia.media import UNKNOWN_TYPE, Media

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.request_hooks import RequestHooks

# All signatures are within these.
_HEAD_BYTES = 64
_IMAGE, _VIDEO, _AUDIO, _OTHER = "image", "video", "audio", "file"
_AS = {_IMAGE: "an image", _VIDEO: "a video", _AUDIO: "audio"}
# Position, signature, name and kind of formats.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG", _IMAGE),
    (0, b"\x89PNG", "PNG", _IMAGE),
    (0, b"GIF8", "GIF", _IMAGE),
    (8, b"WEBP", "WebP", _IMAGE),
    (0, b"BM", "BMP", _IMAGE),
    (0, b"\x00\x00\x01\x00", "ICO", _IMAGE),
    (0, b"II*\x00", "TIFF", _IMAGE),
    (0, b"MM\x00*", "TIFF", _IMAGE),
    (0, b"\xff\x0a", "JPEG XL", _IMAGE),
    (4, b"JXL ", "JPEG XL", _IMAGE),
    (4, b"jP  ", "JPEG 2000", _IMAGE),
    (0, b"8BPS", "PSD", _IMAGE),
    (0, b"<svg", "SVG", _IMAGE),
    (8, b"AVI ", "AVI", _VIDEO),
    (0, b"0&\xb2u", "WMV", _VIDEO),
    (0, b"FLV\x01", "FLV", _VIDEO),
    (0, b"\x00\x00\x01\xba", "MPEG", _VIDEO),
    (0, b"OggS", "Ogg", _AUDIO),
    (0, b"ID3", "MP3", _AUDIO),
    (0, b"\xff\xfb", "MP3", _AUDIO),
    (0, b"\xff\xf3", "MP3", _AUDIO),
    (0, b"\xff\xf1", "AAC", _AUDIO),
    (0, b"\xff\xf9", "AAC", _AUDIO),
    (8, b"WAVE", "WAV", _AUDIO),
    (0, b"fLaC", "FLAC", _AUDIO),
    (8, b"AIFF", "AIFF", _AUDIO),
    (0, b"caff", "CAF", _AUDIO),
    (0, b"#!AMR", "AMR", _AUDIO),
    (0, b"%PDF", "PDF", _OTHER),
    (0, b"PK\x03\x04", "ZIP", _OTHER),
)
# What all browsers show: a file of these that fails is damaged.
_COMMON = ("JPEG", "PNG", "GIF", "WebP", "BMP", "ICO", "AVIF", "MP4", "WebM", "Ogg", "MP3", "WAV", "FLAC", "M4A", "AAC")
# The brands of ISO base media files, https://mp4ra.org/registered-types/brands
_BRANDS = {
    b"avif": ("AVIF", _IMAGE),
    b"avis": ("AVIF", _IMAGE),
    b"heic": ("HEIC", _IMAGE),
    b"heix": ("HEIC", _IMAGE),
    b"hevc": ("HEIC", _IMAGE),
    b"heim": ("HEIC", _IMAGE),
    b"mif1": ("HEIF", _IMAGE),
    b"msf1": ("HEIF", _IMAGE),
    b"qt  ": ("QuickTime", _VIDEO),
    b"M4A ": ("M4A", _AUDIO),
    b"3gp4": ("3GP", _VIDEO),
    b"3gp5": ("3GP", _VIDEO),
}
# The content types of those that elements do not know by their bytes in all browsers.
_TYPES = {
    "MP4": "video/mp4",
    "QuickTime": "video/quicktime",
    "WebM": "video/webm",
    "Ogg": "audio/ogg",
    "MP3": "audio/mpeg",
    "AAC": "audio/aac",
    "WAV": "audio/wav",
    "FLAC": "audio/flac",
    "M4A": "audio/mp4",
}
# By these words, Chromium says that it lacks a decoder.
_NO_DECODER = ("NO_SUPPORTED_STREAMS", "DECODER_ERROR_NOT_SUPPORTED")


async def sniff_content_type(body: browser.Blob, kind: str) -> str:
    """Returns the content type of a body's format, ``application/octet-stream`` for one that the element does not show.

    :param kind: that of the request.
    """
    name, own_kind = identify(await body.read_bytes(0, _HEAD_BYTES))
    return UNKNOWN_TYPE if _differ(own_kind, kind) else _TYPES.get(name, UNKNOWN_TYPE)


async def diagnose_object_url(media: Media, words: str) -> AuthMediaError:
    """Returns why an element could not show the body behind an object URL; for the parameters see `content_failure`."""
    try:
        failure = await diagnose_response(await request_url(media.src, cache="default"), media, words)
    except (AuthMediaError, browser.BrowserError):
        failure = content_failure(b"", None, media, words)  # the body is there no more, or not to be read
    return failure if isinstance(failure, EmptyMedia) else await policy_refusal(media) or failure


async def policy_refusal(media: Media) -> PolicyRefused | None:
    """Returns the error for a media that the page's own policy forbids its elements; ``None`` if it does not."""
    kind = media.request.kind
    directive = await violated_directive(media.src, kind if kind in ("video", "audio") else "img")
    if not directive:
        return None
    return PolicyRefused("The page's policy forbids its elements this media", mxc=media.request.mxc, words=directive)


async def request_head(url: str, hooks: "tuple[RequestHooks, ...]") -> bytes:
    """Returns the first bytes of the body at a URL, enough for `identify`.

    :param hooks: see the request and its response.
    :raises AuthMediaError: of the class that fits what happened; `BrowserError` if the transfer breaks off.
    """
    headers = {} if url.startswith("blob:") else {"Range": f"bytes=0-{_HEAD_BYTES - 1}"}
    return await _read_head(await request_url(url, headers=headers, hooks=hooks))


async def diagnose_response(response: browser.Response, media: Media, words: str) -> AuthMediaError:
    """Returns why an element could not show a body, of which it reads the beginning.

    :raises BrowserError: if the transfer breaks off.
    """
    return content_failure(await _read_head(response), response.content_length, media, words)


async def _read_head(response: browser.Response) -> bytes:
    size = response.content_length
    try:
        length = _HEAD_BYTES if size is None else min(_HEAD_BYTES, size)
        part = await response.reader().read_blob(length, "") if length else None
    finally:
        response.abort()
    return await part.read_bytes(0, length) if part else b""


def content_failure(head: bytes, size: int | None, media: Media, words: str) -> AuthMediaError:
    """Returns why an element could not show a body.

    :param head: its first bytes.
    :param size: its length in bytes; ``None`` where it is unknown.
    :param words: the element's own message, often empty.
    """
    mxc, kind = media.request.mxc, media.request.kind
    if size == 0:
        return EmptyMedia("The body is empty", mxc=mxc, words=words)
    name, own_kind = identify(head)
    if name in _COMMON and not _differ(own_kind, kind) and not any(phrase in words for phrase in _NO_DECODER):
        name = ""
    if not name:
        return WrongContent(f"The browser cannot show this as {kind}", mxc=mxc, words=words)
    failure = FormatUnsupported(f"The browser cannot show {name} as {kind}", mxc=mxc, words=words)
    failure.format = name
    shown_as = f" as {_AS[kind]}" if _differ(own_kind, kind) and kind in _AS else ""
    failure.user_message = f"This browser cannot show {name}{shown_as}."
    return failure


def identify(head: bytes) -> tuple[str, str]:
    """Returns name and kind of a format by the first bytes of a file; empty texts for one that is not known."""
    if head[4:8] == b"ftyp":
        return _identify_brand(head)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return ("WebM" if b"webm" in head else "MKV"), _VIDEO
    for position, signature, name, kind in _SIGNATURES:
        if head[position : position + len(signature)] == signature:
            return name, kind
    return "", ""


def _identify_brand(head: bytes) -> tuple[str, str]:
    """The major brand, or the first compatible one that is known: an AVIF may begin as any HEIF does."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = [head[start : start + 4] for start in range(16, length - 3, 4)]
    for brand in [b"avif"] * (b"avif" in compatible) + [b"heic"] * (b"heic" in compatible) + [head[8:12]]:
        if brand in _BRANDS:
            return _BRANDS[brand]
    return "MP4", _VIDEO


def _differ(format_kind: str, kind: str) -> bool:
    """Returns whether an element shows another kind of media; a video element plays audio, and the other way round."""
    return (format_kind == _IMAGE) != (kind == _IMAGE) or format_kind == _OTHER
