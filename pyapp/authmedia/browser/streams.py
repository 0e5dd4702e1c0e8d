"""Response bodies as streams. https://developer.mozilla.org/docs/Web/API/Streams_API"""

from authmedia.browser import primitives, timeouts
from authmedia.browser.blobs import Blob, new_blob
from authmedia.browser.interop import BrowserError, call_guarded, settle
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# So many bytes of a large body are in the page's buffers at a time.
_BUFFERS_BYTES = 720_896


class BodyReader:
    """Cuts a body into lines and blobs while it arrives; the blobs stay in the browser.

    https://developer.mozilla.org/docs/Web/API/ReadableStreamDefaultReader

    :param body: the response's ``ReadableStream``.
    :param controller: the ``AbortController`` of its request.
    """

    __slots__ = ("_blob_options", "_chunk", "_controller", "_decoder", "_end", "_reader", "_start")

    def __init__(self, body: "Any", controller: "Any") -> None:
        self._controller = controller
        self._reader = body.getReader()
        self._decoder = window.TextDecoder.new()
        # The options of `Blob`, by content type.
        self._blob_options: dict[str, Any] = {}
        self._chunk = window.Uint8Array.new(0)
        # The part of the chunk that was not yet read, in bytes.
        self._start = self._end = 0

    async def read_line(self, max_characters: int) -> str:
        """Returns the text before the next newline and skips both; empty where the body ends before a newline.

        :raises BrowserError: if the transfer breaks off, or the line is longer than ``max_characters``.
        """
        end, _, text = str(primitives.line_at(self._chunk, self._start)).partition("\n")
        if end and len(text) <= max_characters:  # as most lines are, all of it is in the chunk
            self._start = int(end) + 1
            return text
        text = ""
        while True:
            newline = int(self._chunk.indexOf(10, self._start))
            text += str(self._decoder.decode(self._cut(newline if newline >= 0 else self._end)))
            if len(text) > max_characters:
                break
            if newline >= 0:
                self._start += 1
                return text
            if not await self._read_chunk():
                return ""
        raise BrowserError("SyntaxError", f"a line of more than {max_characters} characters")

    async def read_blob(self, length: int, content_type: str) -> Blob | None:
        """Returns the next ``length`` bytes as a blob; ``None`` where the body ends before.

        :raises BrowserError: if the transfer breaks off.
        """
        if 0 < length <= self._end - self._start:  # as most parts are, all of it is in the chunk
            start, self._start = self._start, self._start + length
            return Blob(primitives.cut_blob(self._chunk, start, self._start, content_type), length)
        parts = window.Array.new()
        while length > 0:
            available = min(length, self._end - self._start)
            if available:
                parts.push(self._cut(self._start + available))
                length -= available
            elif not await self._read_chunk():
                return None
        if content_type not in self._blob_options:
            self._blob_options[content_type] = ffi.to_js({"type": content_type})
        return Blob(new_blob(parts, self._blob_options[content_type]))

    def _cut(self, end: int) -> "Any":
        """Returns a view of the unread part up to ``end``, and counts it as read.

        https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/TypedArray/subarray
        """
        view = self._chunk.subarray(self._start, end)
        self._start = end
        return view

    async def _read_chunk(self) -> bool:
        step = await timeouts.settle_within(self._reader.read(), self._controller, timeouts.RESPONSE_TIMEOUT_S)
        if step.done:
            return False
        self._chunk = step.value
        self._start, self._end = 0, int(self._chunk.length)
        return True


class BodyPump:
    """Copies a body into a stream through a few reused buffers: `pipeTo` would fill JavaScript's heap meanwhile.

    :param body: the response's ``ReadableStream``.
    :param controller: the ``AbortController`` of its request.
    :param received: how many bytes of them were received before.
    :param on_progress: called after each piece with the bytes received and ``total``.
    """

    __slots__ = ("_body", "_controller", "_on_progress", "_reader", "_received", "_total", "broke_off", "is_over")

    def __init__(
        self,
        body: "Any",
        controller: "Any",
        total: int,
        received: int,
        on_progress: "Callable[[int, int], None] | None",
    ) -> None:
        self._body = body
        self._controller = controller
        self._total = total
        self._received = received
        self._on_progress = on_progress
        self._reader: Any = None
        #: Whether the transfer failed, rather than a write.
        self.broke_off = False
        #: Whether all of the body was copied.
        self.is_over = False

    async def copy_to(self, writable: "Any", buffers: int, keep: bool = False, enough_bytes: int = 0) -> None:
        """Copies the body, or the next part of it, and closes the stream; a failure on either side aborts both.

        :param writable: a ``WritableStream``.
        :param buffers: their number: a buffer is reused once the writes of all others were queued after its own.
        :param keep: whether the stream is closed, too, if the transfer breaks off: then it has what was received.
        :param enough_bytes: the size of a part, exceeded by one buffer at the most; 0 copies the whole body.
        :raises BrowserError: if the transfer or a write fails.
        """
        writer = writable.getWriter()
        complete = False
        try:
            size = _BUFFERS_BYTES // buffers
            # A timeout for each piece, since a server may announce any length.
            with timeouts.TransferTimeout(self._controller, timeouts.body_timeout_s(size)) as timer:
                self._reader = self._reader or await _byte_reader(self._body)
                free = [window.ArrayBuffer.new(size) for _ in range(buffers)]
                await self._copy(writer, free, timer, enough_bytes)
                await settle(writer.close())
            complete = True
        finally:
            if not complete:
                self._controller.abort()
                await (writer.close() if keep and self.broke_off else writer.abort()).catch(window.Boolean)

    async def _copy(self, writer: "Any", free: "list[Any]", timer: timeouts.TransferTimeout, enough_bytes: int) -> None:
        # Each piece leaves garbage in the heap, so only full buffers are written.
        full = ffi.to_js({"min": free[0].byteLength})
        copied = 0
        # Looked up once: MicroPython makes a new function object at each lookup.
        read, write, view = self._reader.read, writer.write, window.Uint8Array.new
        while not self.is_over and (not enough_bytes or copied < enough_bytes):
            try:
                step = await settle(read(view(free.pop(0)), full))
            except BrowserError:
                self.broke_off = True
                raise
            piece, self.is_over = step.value, bool(step.done)
            if self.is_over and not getattr(piece, "byteLength", 0):
                break  # else the rest of the body comes together with its end
            await settle(write(piece))
            timer.restart()
            free.append(piece.buffer)  # the buffer that was handed over is detached
            length = int(piece.byteLength)
            copied += length
            self._received += length
            if self._on_progress and self._received <= self._total:  # else it is the length of a compressed body
                self._on_progress(self._received, self._total)


async def _byte_reader(body: "Any") -> "Any":
    """Returns a reader that fills a given buffer; where the engine has none for bodies, a default reader.

    https://developer.mozilla.org/docs/Web/API/ReadableStreamBYOBReader
    """
    try:
        return await call_guarded(body.getReader, body, ffi.to_js({"mode": "byob"}))
    except BrowserError:
        return body.getReader()
