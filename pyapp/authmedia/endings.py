"""Whether a body has its end, where nobody told how long it is.

An answer over HTTP/1.1 that has no length is whole wherever its connection ends
(https://www.rfc-editor.org/rfc/rfc9112#section-6.3). But most pictures and films say themselves how far they go: in a
mark at their end, or in the sizes of their parts. Those alone are looked at here; the content stays in the browser.
"""

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_HEAD_BYTES = 12
# Whoever has more parts than this means nothing by them.
_MOST_PARTS = 5000
# A GIF may have a few bytes after its end.
_GIF_TAIL_BYTES = 16
# https://www.rfc-editor.org/rfc/rfc8794#section-11.2 and https://www.rfc-editor.org/rfc/rfc9559#section-5.1
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


async def is_cut_short(response: browser.Response, body: browser.Blob) -> bool:
    """Whether a body that arrived is not all of it; false where neither the answer nor the format tells."""
    return response.announced is None and not await has_its_end(body)


async def has_its_end(body: browser.Blob) -> bool:
    """Whether the format says that this is all of it, or says nothing about that."""
    head = await body.peek(0, _HEAD_BYTES)
    for position, mark, ends in _FORMATS:
        if head[position : position + len(mark)] == mark:
            return await ends(body)
    return True


async def _png_ends(body: browser.Blob) -> bool:
    """The last chunk, with its checksum. https://www.w3.org/TR/png-3/#11IEND"""
    return await body.has("IEND[^]{4}", 0)


async def _gif_ends(body: browser.Blob) -> bool:
    """The end of a block, and the trailer. https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    return await body.has("\\x00;", max(0, body.size - _GIF_TAIL_BYTES))


async def _riff_ends(body: browser.Blob) -> bool:
    """WebP and WAVE tell their size. https://developers.google.com/speed/webp/docs/riff_container"""
    return body.size >= 8 + int.from_bytes(await body.peek(4, 4), "little")


async def _jpeg_ends(body: browser.Blob) -> bool:
    """An EOI behind the scan, since a thumbnail before it has one of its own. https://www.w3.org/Graphics/JPEG/itu-t81.pdf"""
    start = 2
    for _ in range(_MOST_PARTS):
        segment = await body.peek(start, 4)
        if len(segment) < 4:
            return False
        if segment[0] != 0xFF:
            return True  # an odd one, of which no more can be said
        if segment[1] == 0xDA:
            return await body.has("\\xff\\xd9", start)
        is_fill = segment[1] == 0xFF
        start += 1 if is_fill else 2 + int.from_bytes(segment[2:4], "big")
    return True


async def _boxes_end(body: browser.Blob) -> bool:
    """MP4, QuickTime, AVIF and HEIF are rows of boxes; where one ends, a cut goes unseen.

    https://www.w3.org/TR/mse-byte-stream-format-isobmff/
    """
    start = 0
    for _ in range(_MOST_PARTS):
        if start >= body.size:
            return start == body.size
        box = await body.peek(start, 16)
        is_large = box[:4] == b"\x00\x00\x00\x01"
        if len(box) < (16 if is_large else 8):
            return False
        size = int.from_bytes(box[8:] if is_large else box[:4], "big")
        if size < 8:
            return True  # the last one may be as long as the file is; others are odd
        start += size
    return True


async def _matroska_ends(body: browser.Blob) -> bool:
    """WebM and Matroska tell the size of their segment, unless they were recorded live."""
    start, size = await _element(body, 0, _EBML)
    start, size = await _element(body, start + size, _SEGMENT)
    return start + size <= body.size


async def _element(body: browser.Blob, start: int, identifier: bytes) -> "tuple[int, int]":
    """Where an element's content starts, and how long it is; nothing, from the start on, of whatever else is there."""
    head = await body.peek(start, 12)
    if head[:4] != identifier or len(head) < 5 or not head[4]:
        return 0, 0
    width = 1
    while not head[4] & (0x80 >> (width - 1)):
        width += 1
    unknown = (1 << (7 * width)) - 1
    size = int.from_bytes(head[4 : 4 + width], "big") & unknown
    return start + 4 + width, 0 if size == unknown else size


# Where each format has which mark, and what finds its end.
_FORMATS: "list[tuple[int, bytes, Callable[[browser.Blob], Coroutine[Any, Any, bool]]]]" = [
    (0, b"\x89PNG\r\n\x1a\n", _png_ends),
    (0, b"\xff\xd8\xff", _jpeg_ends),
    (0, b"RIFF", _riff_ends),
    (0, b"GIF8", _gif_ends),
    (4, b"ftyp", _boxes_end),
    (0, _EBML, _matroska_ends),
]
