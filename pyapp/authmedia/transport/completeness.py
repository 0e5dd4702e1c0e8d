"""Whether a body is complete where no header announces its length: by the fields of its file format.

A response over HTTP/1.1 without a length counts as complete wherever its connection ends
(https://www.rfc-editor.org/rfc/rfc9112#section-6.3). But most images and videos say themselves where they end: by a
trailer, or by the sizes of their parts. Only those are read into Python; the content stays in the browser.
"""

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

# All signatures end within these.
_SIGNATURE_BYTES = 8
# A file with more parts than this is not walked to its end.
_MAX_PARTS = 20_000
# Some encoders write a little behind the trailer of a GIF.
_GIF_TAIL_BYTES = 64
# https://www.rfc-editor.org/rfc/rfc8794#section-11.2 and https://www.rfc-editor.org/rfc/rfc9559#section-5.1
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


async def complete_body(
    response: browser.Response,
    on_progress: "Callable[[int, int], None] | None" = None,
    kind: str = "",
) -> browser.Blob:
    """Returns the whole body of a response.

    :param on_progress: see `browser.Response.blob`.
    :param kind: that of the request: a file, unlike what an element shows, may be empty.
    :raises BrowserError: if the transfer broke off, whether the browser noticed it or not.
    """
    body = await response.blob(on_progress)
    is_empty_file = kind == "file" and body.size == 0
    if response.content_length is None and not is_empty_file and not await is_complete(body):
        raise browser.BrowserError("NetworkError", "The body ends before the media does")
    return body


async def is_complete(body: browser.Blob) -> bool:
    """Returns whether the format says that this is all of the file, or says nothing about it."""
    head = await body.read_bytes(0, _SIGNATURE_BYTES)
    for position, signature, is_format_complete in _FORMATS:
        start = head[position : position + len(signature)]
        if start == signature:
            return await is_format_complete(body)
        if len(head) < position + len(signature) and signature[: len(start)] == start:
            return False  # it may be this format, and ends within its signature
    return True


async def _reaches(body: browser.Blob, size: int) -> bool:
    """Returns whether a body has at least ``size`` bytes, whose number may wrap on its way into MicroPython."""
    return len(await body.read_bytes(size - 1, 1)) == 1


async def _is_png_complete(body: browser.Blob) -> bool:
    """A sequence of chunks up to ``IEND``. https://www.w3.org/TR/png-3/#5Chunk-layout"""
    if (await body.read_bytes(max(0, body.size - 8), 4)) == b"IEND":
        return True
    start = 8
    for _ in range(_MAX_PARTS):
        chunk = await body.read_bytes(start, 8)
        if len(chunk) < 8:
            return False
        start += 12 + int.from_bytes(chunk[:4], "big")
        if chunk[4:] == b"IEND":
            return await _reaches(body, start)
    return True


async def _is_gif_complete(body: browser.Blob) -> bool:
    """The end of a block, then the trailer. https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    return b"\x00;" in await body.read_bytes(max(0, body.size - _GIF_TAIL_BYTES), _GIF_TAIL_BYTES)


async def _is_riff_complete(body: browser.Blob) -> bool:
    """WebP and WAVE begin with their size, except for what was recorded into a pipe.

    https://developers.google.com/speed/webp/docs/riff_container
    """
    size = await body.read_bytes(4, 4)
    return size == b"\xff\xff\xff\xff" or await _reaches(body, 8 + int.from_bytes(size, "little"))


async def _is_jpeg_complete(body: browser.Blob) -> bool:
    """An EOI behind the scan, since a thumbnail before it has one, too. https://www.w3.org/Graphics/JPEG/itu-t81.pdf"""
    start = 2
    for _ in range(_MAX_PARTS):
        segment = await body.read_bytes(start, 4)
        if len(segment) < 4:
            return False
        if segment[0] != 0xFF:
            return True  # malformed, so nothing can be said
        if segment[1] == 0xDA:
            # Phones append a video or further images behind the EOI.
            last = await body.read_bytes(body.size - 2, 2)
            return last == b"\xff\xd9" or await body.contains_pair(b"\xff\xd9", start)
        is_fill = segment[1] == 0xFF
        start += 1 if is_fill else 2 + int.from_bytes(segment[2:4], "big")
    return True


async def _are_boxes_complete(body: browser.Blob) -> bool:
    """MP4, QuickTime, AVIF and HEIF are sequences of boxes; a cut between two of them is not noticed.

    https://www.w3.org/TR/mse-byte-stream-format-isobmff/
    """
    start = 0
    for _ in range(_MAX_PARTS):
        box = await body.read_bytes(start, 16)
        if len(box) < 8:
            return await _reaches(body, start)
        is_large = box[:4] == b"\x00\x00\x00\x01"
        size = int.from_bytes(box[8:] if is_large else box[:4], "big")
        if is_large and len(box) < 16:
            return False
        if size < 8:
            return True  # the last box may extend to the end of the file; others are malformed
        start += size
    return True


async def _is_matroska_complete(body: browser.Blob) -> bool:
    """WebM and Matroska say the size of their segment, unless they were recorded live."""
    end = 0
    for identifier in (_EBML, _SEGMENT):
        head = await body.read_bytes(end, 12)
        if len(head) < 12:
            return False
        if head[:4] != identifier or not head[4]:
            return True  # malformed
        width = 1
        while not head[4] & (0x80 >> (width - 1)):
            width += 1
        unknown = (1 << (7 * width)) - 1
        size = int.from_bytes(head[4 : 4 + width], "big") & unknown
        if size == unknown:
            return True
        end += 4 + width + size
    return await _reaches(body, end)


# The position of each format's signature, the signature, and the check.
_FORMATS: "list[tuple[int, bytes, Callable[[browser.Blob], Coroutine[Any, Any, bool]]]]" = [
    (0, b"\x89PNG\r\n\x1a\n", _is_png_complete),
    (0, b"\xff\xd8\xff", _is_jpeg_complete),
    (0, b"RIFF", _is_riff_complete),
    (0, b"GIF8", _is_gif_complete),
    (4, b"ftyp", _are_boxes_complete),
    (0, _EBML, _is_matroska_complete),
]
