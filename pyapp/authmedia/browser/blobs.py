"""Blobs and their object URLs. https://developer.mozilla.org/docs/Web/API/Blob"""

from authmedia.browser.interop import read_buffer, settle
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The end of any blob. A fraction, since large integers wrap on MicroPython; not infinity, of which WebKit makes 0.
_END = 9007199254740991.0
# Looked up once, since they are called for each media and MicroPython makes a new function object at each lookup.
new_blob = window.Blob.new
_stringify = window.JSON.stringify
# The only field that is written as JSON, made once; and the characters before its number.
_size_field: "Any" = None
_SIZE_START = len('{"size":')
_create_object_url = window.URL.createObjectURL


class ObjectUrlCounter:
    """Counts the object URLs that this page created and revoked; the difference is what it keeps in memory."""

    __slots__ = ("created", "revoked")

    def __init__(self) -> None:
        self.created = 0
        self.revoked = 0


OBJECT_URLS = ObjectUrlCounter()


class Blob:
    """Bytes that stay in the browser. https://developer.mozilla.org/docs/Web/API/Blob"""

    __slots__ = ("_content_type", "_js", "_size")

    def __init__(self, js: "Any", size: int | None = None) -> None:
        self._js = js
        # Of a blob they never change, and are read once.
        self._size = size
        self._content_type: str | None = None

    @property
    def js(self) -> "Any":
        """The browser's own blob."""
        return self._js

    @property
    def size(self) -> int:
        """The size in bytes, read as text: 2 GiB and more would wrap on MicroPython."""
        global _size_field
        if self._size is None:
            _size_field = _size_field or ffi.to_js(["size"])
            self._size = int(str(_stringify(self._js, _size_field))[_SIZE_START:-1])
        return self._size

    @property
    def content_type(self) -> str:
        """The content type. https://developer.mozilla.org/docs/Web/API/Blob/type"""
        if self._content_type is None:
            self._content_type = str(self._js.type)
        return self._content_type

    def slice(self, start: int, content_type: str) -> "Blob":
        """Returns the bytes from ``start`` to the end under a content type of the caller's choice, without copying."""
        return Blob(self._js.slice(start, _END, content_type))

    async def first_line(self, max_bytes: int) -> str:
        """Returns the text before the first newline within the first ``max_bytes`` bytes."""
        return str(await settle(self._js.slice(0, max_bytes).text())).split("\n")[0]

    async def read_bytes(self, start: int, length: int) -> bytes:
        """Copies a few bytes into Python, for a file format's own fields; fewer than ``length`` where it ends."""
        # As fractions, since larger numbers wrap on their way out of MicroPython, too.
        part = self._js.slice(float(start), float(start + length))
        return read_buffer(await settle(part.arrayBuffer()))

    async def contains_pair(self, pair: bytes, start: int) -> bool:
        """Returns whether two consecutive bytes occur anywhere from byte ``start`` on."""
        array = window.Uint8Array.new(await settle(self._js.slice(float(start)).arrayBuffer()))
        index_of = array.indexOf  # looked up once: MicroPython makes a new function object at each lookup
        last, at = int(array.length) - 1, int(index_of(pair[0]))
        while 0 <= at < last:
            if array[at + 1] == pair[1]:
                return True
            at = int(index_of(pair[0], at + 1))
        return False

    def create_object_url(self) -> str:
        """Returns a ``blob:`` URL, which the caller revokes with `revoke_object_url`.

        https://developer.mozilla.org/docs/Web/API/URL/createObjectURL_static
        """
        OBJECT_URLS.created += 1
        return str(_create_object_url(self._js))


def join_blobs(first: Blob, second: Blob) -> Blob:
    """Returns the bytes of both, without copying, under the content type of the second."""
    return Blob(new_blob(ffi.to_js([first._js, second._js]), ffi.to_js({"type": second.content_type})))


def text_blob(text: str, content_type: str) -> Blob:
    """Returns a blob of a short text."""
    return Blob(new_blob(ffi.to_js([text]), ffi.to_js({"type": content_type})))


def bytes_blob(content: bytes, content_type: str) -> Blob:
    """Returns a blob of bytes that did pass through Python: a few, or all, in the baseline `blocking`."""
    return Blob(new_blob(ffi.to_js([ffi.to_js(content)]), ffi.to_js({"type": content_type})))


def revoke_object_url(url: str) -> None:
    """Revokes an object URL. https://developer.mozilla.org/docs/Web/API/URL/revokeObjectURL_static"""
    OBJECT_URLS.revoked += 1
    window.URL.revokeObjectURL(url)
