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

# No mark ends behind this.
_HEAD_BYTES = 8
# Whoever has more parts than this is not looked through.
_MOST_PARTS = 20_000
# Some put a little behind the end of a GIF.
_GIF_TAIL_BYTES = 64
# https://www.rfc-editor.org/rfc/rfc8794#section-11.2 and https://www.rfc-editor.org/rfc/rfc9559#section-5.1
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


async def whole_body(
    response: browser.Response, on_progress: "Callable[[int, int], None] | None" = None
) -> browser.Blob:
    """All of an answer's body.

    :param on_progress: see `browser.Response.blob`.
    :raises BrowserError: if the transfer broke off, whether the browser has noticed that or not.
    """
    body = await response.blob(on_progress)
    if response.content_length is None and not await has_its_end(body):
        raise browser.BrowserError("NetworkError", "The body ends before the media does")
    return body


async def has_its_end(body: browser.Blob) -> bool:
    """Whether the format says that this is all of it, or says nothing about that."""
    head = await body.read_bytes(0, _HEAD_BYTES)
    for position, mark, ends in _FORMATS:
        begin = head[position : position + len(mark)]
        if begin == mark:
            return await ends(body)
        if len(head) < position + len(mark) and mark[: len(begin)] == begin:
            return False  # it may be one of these, and not even its mark is there
    return True


async def _reaches(body: browser.Blob, size: int) -> bool:
    """Whether it has so many bytes. Asked like this, because sizes wrap on their way into MicroPython."""
    return len(await body.read_bytes(size - 1, 1)) == 1


async def _png_ends(body: browser.Blob) -> bool:
    """A row of chunks, of which the last is known by its name. https://www.w3.org/TR/png-3/#5Chunk-layout"""
    if (await body.read_bytes(max(0, body.size - 8), 4)) == b"IEND":
        return True
    start = 8
    for _ in range(_MOST_PARTS):
        chunk = await body.read_bytes(start, 8)
        if len(chunk) < 8:
            return False
        start += 12 + int.from_bytes(chunk[:4], "big")
        if chunk[4:] == b"IEND":
            return await _reaches(body, start)
    return True


async def _gif_ends(body: browser.Blob) -> bool:
    """The end of a block, and the trailer. https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    return b"\x00;" in await body.read_bytes(max(0, body.size - _GIF_TAIL_BYTES), _GIF_TAIL_BYTES)


async def _riff_ends(body: browser.Blob) -> bool:
    """WebP and WAVE tell their size, but for what was recorded into a pipe.

    https://developers.google.com/speed/webp/docs/riff_container
    """
    size = await body.read_bytes(4, 4)
    return size == b"\xff\xff\xff\xff" or await _reaches(body, 8 + int.from_bytes(size, "little"))


async def _jpeg_ends(body: browser.Blob) -> bool:
    """An EOI behind the scan, since a thumbnail before it has one of its own. https://www.w3.org/Graphics/JPEG/itu-t81.pdf"""
    start = 2
    for _ in range(_MOST_PARTS):
        segment = await body.read_bytes(start, 4)
        if len(segment) < 4:
            return False
        if segment[0] != 0xFF:
            return True  # an odd one, of which no more can be said
        if segment[1] == 0xDA:
            # Behind it, phones put a film, or further pictures.
            return await body.read_bytes(body.size - 2, 2) == b"\xff\xd9" or await body.contains_pair(
                b"\xff\xd9", start
            )
        is_fill = segment[1] == 0xFF
        start += 1 if is_fill else 2 + int.from_bytes(segment[2:4], "big")
    return True


async def _boxes_end(body: browser.Blob) -> bool:
    """MP4, QuickTime, AVIF and HEIF are rows of boxes; between two of them, a cut goes unseen.

    https://www.w3.org/TR/mse-byte-stream-format-isobmff/
    """
    start = 0
    for _ in range(_MOST_PARTS):
        box = await body.read_bytes(start, 16)
        if len(box) < 8:
            return await _reaches(body, start)
        is_large = box[:4] == b"\x00\x00\x00\x01"
        size = int.from_bytes(box[8:] if is_large else box[:4], "big")
        if is_large and len(box) < 16:
            return False
        if size < 8:
            return True  # the last one may be as long as the file is; others are odd
        start += size
    return True


async def _matroska_ends(body: browser.Blob) -> bool:
    """WebM and Matroska tell the size of their segment, unless they were recorded live."""
    end = 0
    for identifier in (_EBML, _SEGMENT):
        head = await body.read_bytes(end, 12)
        if len(head) < 12:
            return False
        if head[:4] != identifier or not head[4]:
            return True  # an odd one
        width = 1
        while not head[4] & (0x80 >> (width - 1)):
            width += 1
        unknown = (1 << (7 * width)) - 1
        size = int.from_bytes(head[4 : 4 + width], "big") & unknown
        if size == unknown:
            return True
        end += 4 + width + size
    return await _reaches(body, end)


# Where each format has which mark, and what finds its end.
_FORMATS: "list[tuple[int, bytes, Callable[[browser.Blob], Coroutine[Any, Any, bool]]]]" = [
    (0, b"\x89PNG\r\n\x1a\n", _png_ends),
    (0, b"\xff\xd8\xff", _jpeg_ends),
    (0, b"RIFF", _riff_ends),
    (0, b"GIF8", _gif_ends),
    (4, b"ftyp", _boxes_end),
    (0, _EBML, _matroska_ends),
]
