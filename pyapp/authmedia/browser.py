"""The one door to JavaScript: every other module speaks Python alone, and tests replace this one.

It evens out the two interpreters. What differs between Pyodide and MicroPython, and what is easily got wrong in either,
is dealt with here and nowhere else:

- a rejected promise raises `BrowserError` on both, with the name and the words that the browser gave;
- a call that *throws* cannot be caught from MicroPython, so whatever may throw runs inside a promise (`_attempt`);
- integers of 2^31 and more wrap on their way into MicroPython, so clocks and sizes are read as text;
- a Python function handed to the browser is held by whoever registered it, and let go by `close()`.
"""

import asyncio
import json

from pyscript import document, ffi, window

from authmedia.support.base64url import base64url
from authmedia.support.untrusted import SIZE, announced, whole_number

try:
    from pyodide.ffi import JsException
except ImportError:
    from jsffi import JsException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

# How often a frame is looked at: seldom enough not to be in the way of what is measured in it.
_LOOK_S = 0.1


# Writes files where pages cannot; it stands beside the page.
_FILE_WRITER = "file-writer.js"
# Bodies from this size on, in bytes, are counted while they arrive.
_WORTH_COUNTING = 500_000
# So many bytes of a large body are on their way through the page at a time.
_BUFFERS_BYTES = 720_896
# The end of any blob. A fraction, since large integers wrap on MicroPython; not infinity, of which WebKit makes 0.
_END = 9007199254740991.0


# What browsers call a transfer that broke off, was aborted, or was never answered.
TRANSFER_ERRORS = ("TypeError", "NetworkError", "AbortError", "TimeoutError")
# No browser gives up by itself on a server that takes a request and then says nothing, or nothing more. So many seconds
# are waited for the beginning of an answer, and for a body, or for each piece of a large one, as many more as this many
# bytes a second take.
_PATIENCE_S = 45.0
_SLOWEST_BYTES_PER_S = 4000
_UNKNOWN_SIZE = 1_000_000
_MEDIA_ERR_NETWORK = 2
# Of a page's loads so many are listed at a time.
_LISTED_LOADS = 5000
# In the place of an event that never came.
_TIMED_OUT = "timed out"


class BrowserError(Exception):
    """What the browser said when it refused: the exception's ``name`` and ``words``, as the browser wrote them."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self.words = f"{name}: {words}" if name else words
        super().__init__(self.words)


def _translated(error: "Any") -> BrowserError:
    if hasattr(error, "message"):  # Pyodide
        return BrowserError(str(error.name), str(error.message))
    arguments = error.args  # MicroPython: (proxy, name, message)
    return BrowserError(str(arguments[1]), str(arguments[2])) if len(arguments) > 2 else BrowserError("", str(error))


async def _settled(promise: "Any") -> "Any":
    """A promise's value; raises `BrowserError` if it is rejected."""
    failure = None
    try:
        return await promise
    except JsException as error:
        failure = _translated(error)
    raise failure


async def _attempt(function: "Any", this: "Any", *arguments: object) -> "Any":
    """Calls what may throw, inside a promise: MicroPython cannot catch what a plain call throws.

    The function gets one argument more than it is given, the promise's own value.
    """
    return await _settled(window.Promise.resolve(True).then(function.bind(this, *arguments)))


def _release(proxy: "Any") -> None:
    """Lets a proxy go: by hand on Pyodide; MicroPython collects it."""
    if hasattr(proxy, "destroy"):
        proxy.destroy()


# What is called for each media. Taken once, since each name on the way costs as much as the call itself, and
# MicroPython makes another function of the last one each time.
_now = window.performance.now
_new_blob = window.Blob.new
_new_object_url = window.URL.createObjectURL
_with_resolvers = window.Promise.withResolvers


# --- clocks, page and tasks ------------------------------------------------------------------------------------------


# As text, since Firefox rounds it, and a whole number of this size wraps on its way into MicroPython.
_PAGE_OPENED_MS = float(json.loads(str(window.JSON.stringify(window.performance)))["timeOrigin"])


def now_ms() -> float:
    """Milliseconds since the page was opened. https://developer.mozilla.org/docs/Web/API/Performance/now"""
    return float(_now())


def clock_ms() -> float:
    """Milliseconds since 1970, which ``Date.now()`` is not on MicroPython, where it wraps."""
    return _PAGE_OPENED_MS + now_ms()


def page_origin() -> str:
    """The origin of the page, as the Fetch standard compares it."""
    return str(window.location.origin)


def page_address() -> str:
    """The page's address without query and fragment."""
    return str(window.location.href).split("#")[0].split("?")[0]


def query(name: str) -> str:
    """A parameter of the page's address, decoded; empty where it is not given."""
    value = window.URLSearchParams.new(window.location.search).get(name)
    return "" if ffi.is_none(value) else str(value)


def query_string(parameters: "list[tuple[str, str]]") -> str:
    """A query from names and values, without those that are empty; empty if all are."""
    built = window.URLSearchParams.new()
    for name, value in parameters:
        if value:
            built.append(name, value)
    text = str(built.toString())
    return "?" + text if text else ""


def drop_query(name: str) -> None:
    """Takes a parameter out of the page's address, so that a reload is not told it again."""
    address = window.URL.new(window.location.href)
    address.searchParams.delete(name)
    window.history.replaceState(None, "", address.href)


def reload() -> None:
    """Loads the page again."""
    window.location.reload()


def time_of_day(clock: float) -> str:
    """Hours and minutes of a time in milliseconds since 1970, as written where the reader lives."""
    moment = window.Date.new(float(clock))
    return str(moment.toLocaleTimeString(ffi.to_js([]), ffi.to_js({"hour": "2-digit", "minute": "2-digit"})))


def iso_time(clock: float) -> str:
    """A time in milliseconds since 1970 as ISO 8601 writes it, in UTC."""
    return str(window.Date.new(float(clock)).toISOString())


def user_agent() -> str:
    """https://developer.mozilla.org/docs/Web/API/Navigator/userAgent"""
    return str(window.navigator.userAgent)


def has_service_worker() -> bool:
    """Whether this window offers service workers at all."""
    return not ffi.is_none(getattr(window.navigator, "serviceWorker", None))


def random_name() -> str:
    """A name that nobody can guess. https://developer.mozilla.org/docs/Web/API/Crypto/randomUUID"""
    return str(window.crypto.randomUUID())


async def copy_text(text: str) -> None:
    """Puts a text on the clipboard. https://developer.mozilla.org/docs/Web/API/Clipboard/writeText

    :raises BrowserError: in the browser's words, where there is no clipboard for pages or it is refused.
    """
    clipboard: Any = getattr(window.navigator, "clipboard", None)
    if ffi.is_none(clipboard):
        raise BrowserError("NotSupportedError", "navigator.clipboard is missing in this window")
    await _attempt(clipboard.writeText, clipboard, text)


def spawn(work: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
    """Starts a coroutine as a task of its own; what it raises reaches `on_unhandled`."""
    return asyncio.create_task(work)


async def breath() -> None:
    """Lets the browser do what waits in front of it: a task of Python's that sleeps for nothing does not.

    https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#dom-settimeout
    """
    await window.Promise.new(window.setTimeout)


def on_unhandled(handler: "Callable[[BaseException | None, str], None]") -> None:
    """Has ``handler(error, message)`` called for whatever a task raises and nobody awaits."""

    def handle(_loop: object, context: "dict[str, Any]") -> None:
        handler(context.get("exception"), str(context.get("message", "")))

    asyncio.get_event_loop().set_exception_handler(handle)


class LongTasks:
    """What kept the page from answering people for more than 50 ms from now on, where the browser tells.

    https://developer.mozilla.org/docs/Web/API/PerformanceLongTaskTiming
    """

    __slots__ = ("_observer", "_proxy", "_since_ms", "count", "longest_ms", "told")

    def __init__(self) -> None:
        self.count = 0
        self.longest_ms = 0.0
        self._since_ms = now_ms()
        #: Whether this browser tells at all.
        self.told = bool(window.PerformanceObserver.supportedEntryTypes.includes("longtask"))
        self._proxy = ffi.create_proxy(self._on_entries)
        self._observer = window.PerformanceObserver.new(self._proxy)
        if self.told:
            self._observer.observe(ffi.to_js({"type": "longtask"}))

    def close(self) -> None:
        """Looks no more."""
        self._observer.disconnect()
        _release(self._proxy)

    def _on_entries(self, entries: "Any", *_observer: object) -> None:
        listed = entries.getEntries()
        for position in range(int(listed.length)):
            if float(listed[position].startTime) >= self._since_ms:  # not the one in which Python itself started
                self.count += 1
                self.longest_ms = max(self.longest_ms, float(listed[position].duration))


# --- network ---------------------------------------------------------------------------------------------------------


class ObjectUrls:
    """How many object URLs this page made and revoked: the difference is what it keeps in memory."""

    __slots__ = ("made", "revoked")

    def __init__(self) -> None:
        self.made = 0
        self.revoked = 0


OBJECT_URLS = ObjectUrls()


class Blob:
    """Bytes that stay in the browser. https://developer.mozilla.org/docs/Web/API/Blob"""

    __slots__ = ("_js",)

    def __init__(self, js: "Any") -> None:
        self._js = js

    @property
    def size(self) -> int:
        """In bytes."""
        return int(self._js.size)

    @property
    def changed(self) -> int:
        """When it was last changed, if it is a file: a number that is equal for equal times, and no more than that.

        https://developer.mozilla.org/docs/Web/API/File/lastModified
        """
        return int(self._js.lastModified) % 2**31  # alike on both interpreters, of which one has it wrap

    @property
    def content_type(self) -> str:
        """What it is shown as. https://developer.mozilla.org/docs/Web/API/Blob/type"""
        return str(self._js.type)

    def slice(self, start: int, content_type: str) -> "Blob":
        """From byte ``start`` to the end, with a content type of our choice; copies nothing."""
        return Blob(self._js.slice(start, _END, content_type))

    async def first_line(self, longest: int) -> str:
        """The text before the first newline, of at most ``longest`` bytes."""
        return str(await _settled(self._js.slice(0, longest).text())).split("\n")[0]

    async def peek(self, start: int, length: int) -> bytes:
        """A few bytes from ``start`` on, or as many as there are: of a format's own words, not of its content."""
        # As fractions, since larger numbers wrap on their way out of MicroPython, too.
        part = self._js.slice(float(start), float(start + length))
        return _small_bytes(await _settled(part.arrayBuffer()))

    async def finds(self, two: bytes, start: int) -> bool:
        """Whether two bytes stand one behind the other anywhere from ``start`` on."""
        array = window.Uint8Array.new(await _settled(self._js.slice(float(start)).arrayBuffer()))
        find = array.indexOf  # taken once: MicroPython makes another function of it each time
        last, at = int(array.length) - 1, int(find(two[0]))
        while 0 <= at < last:
            if array[at + 1] == two[1]:
                return True
            at = int(find(two[0], at + 1))
        return False

    def as_response(self) -> "Response":
        """The same bytes as an answer that says how many there are."""
        headers = {"Content-Length": str(self.size), "Content-Type": self.content_type}
        return Response(window.Response.new(self._js, ffi.to_js({"headers": headers})), window.AbortController.new())

    def object_url(self) -> str:
        """A ``blob:`` URL; whoever asks for it revokes it."""
        OBJECT_URLS.made += 1
        return str(_new_object_url(self._js))


def text_blob(text: str, content_type: str) -> Blob:
    """A small blob from text, for trying things out."""
    return Blob(_new_blob(ffi.to_js([text]), ffi.to_js({"type": content_type})))


def bytes_blob(content: bytes, content_type: str) -> Blob:
    """A blob from bytes that did pass through Python, as only the baseline `blocking` has them."""
    return Blob(_new_blob(ffi.to_js([ffi.to_js(content)]), ffi.to_js({"type": content_type})))


def revoke_object_url(url: str) -> None:
    """https://developer.mozilla.org/docs/Web/API/URL/revokeObjectURL_static"""
    OBJECT_URLS.revoked += 1
    window.URL.revokeObjectURL(url)


class Response:
    """An answer whose body is still on its way. Cancelling whoever awaits it aborts the transfer."""

    __slots__ = ("_abort", "_js", "announced", "status")

    def __init__(self, js: "Any", abort: "Any") -> None:
        self._js = js
        self._abort = abort
        self.status = int(js.status)
        #: How many bytes the body is said to have, if anybody says.
        self.announced = announced(self.header)

    def header(self, name: str) -> str:
        """A header's value, empty where it is missing or hidden by CORS."""
        value = self._js.headers.get(name)
        return "" if ffi.is_none(value) else str(value)

    async def decrypted(self, key: str, counter: bytes, sha256: bytes) -> Blob | None:
        """The body decrypted with AES-CTR; nothing if it does not have the digest that it should have.

        https://developer.mozilla.org/docs/Web/API/SubtleCrypto/decrypt

        :param key: of 256 bits, as a JWK has it.
        :param counter: its first block; the last 64 bits of it count.
        :param sha256: the ciphertext's digest.
        :raises BrowserError: if the transfer broke off, or in a page without WebCrypto.
        """
        subtle = _web_crypto()
        if str(self._js.url).startswith("blob:"):  # it is here already
            ciphertext = await self._body(self._js.arrayBuffer())
        else:
            ciphertext = await _settled((await self.blob())._js.arrayBuffer())
        if _small_bytes(await _settled(subtle.digest("SHA-256", ciphertext))) != sha256:
            return None
        algorithm = {"name": "AES-CTR", "counter": window.Uint8Array.new(ffi.to_js(list(counter))), "length": 64}
        jwk = ffi.to_js({"kty": "oct", "alg": "A256CTR", "k": key})
        name = ffi.to_js({"name": "AES-CTR"})
        imported = await _settled(subtle.importKey("jwk", jwk, name, False, ffi.to_js(["decrypt"])))
        plain = await _settled(subtle.decrypt(ffi.to_js(algorithm), imported, ciphertext))
        return Blob(_new_blob(ffi.to_js([plain])))

    async def text(self) -> str:
        """The body as text, for JSON and errors only."""
        if self._is_large:  # or said to be, by a server that may then say nothing more
            return str(await _settled((await self.blob())._js.text()))
        return str(await self._body(self._js.text()))

    async def blob(self, on_progress: "Callable[[int, int], None] | None" = None) -> Blob:
        """The whole body, kept by the browser.

        :param on_progress: called with the bytes that are there and those that were announced, while a body arrives
            that is large enough to wait for.
        """
        if not self._is_large:
            return Blob(await self._body(self._js.blob()))
        # A stream that the browser itself makes a blob of, since it may put that on disk. It takes one piece at a time,
        # and has copied a piece once it takes the next: by then, the write of the next one is over.
        stream = window.TransformStream.new()
        whole = window.Response.new(stream.readable).blob()
        whole.catch(window.Boolean)  # whatever fails is told by the pouring
        await self._pour(stream.writable, 2, on_progress)
        return Blob(await _settled(whole))

    def abort(self) -> None:
        """Ends the transfer; harmless once it is over."""
        self._abort.abort()

    async def pipe_to(self, writable: "Any", on_progress: "Callable[[int, int], None] | None" = None) -> None:
        """Streams the body into a file's ``WritableStream`` and closes it; a failure on either side discards it all."""
        if self._is_large:
            await self._pour(writable, 1, on_progress)
        else:
            await self._body(self._js.body.pipeTo(writable))

    async def _pour(self, writable: "Any", buffers: int, on_progress: "Callable[[int, int], None] | None") -> None:
        """Writes the body by way of a few buffers: what is piped would fill JavaScript's heap meanwhile.

        :param buffers: how many: a buffer is used again once the writes of all others came behind its own.
        """
        writer = writable.getWriter()
        complete = False
        try:
            size = _BUFFERS_BYTES // buffers
            # A piece at a time, since a server may promise any length.
            with _Patience(self._abort, _PATIENCE_S + size / _SLOWEST_BYTES_PER_S) as patience:
                reader = await _byte_reader(self._js.body)
                free = [window.ArrayBuffer.new(size) for _ in range(buffers)]
                await self._carry(reader, writer, free, patience, on_progress)
                await _settled(writer.close())
            complete = True
        finally:
            if not complete:
                self.abort()
                await writer.abort().catch(window.Boolean)

    async def _carry(
        self,
        reader: "Any",
        writer: "Any",
        free: "list[Any]",
        patience: "_Patience",
        on_progress: "Callable[[int, int], None] | None",
    ) -> None:
        # Each piece leaves something behind in the heap, so there are to be few.
        full = ffi.to_js({"min": free[0].byteLength})
        total, received, done = self.announced or 0, 0, False
        # Taken once: MicroPython makes another function of them each time.
        read, write, view = reader.read, writer.write, window.Uint8Array.new
        while not done:
            step = await _settled(read(view(free.pop(0)), full))
            piece, done = step.value, bool(step.done)
            if done and not getattr(piece, "byteLength", 0):
                break  # else what is left comes with the end
            await _settled(write(piece))
            patience.renew()
            free.append(piece.buffer)  # the one that was handed over is gone
            received += int(piece.byteLength)
            if on_progress:
                on_progress(received, total)

    def pieces(self) -> "Pieces":
        """The body, to be cut up while it arrives."""
        return Pieces(self)

    @property
    def _is_large(self) -> bool:
        return (self.announced or 0) >= _WORTH_COUNTING

    async def _body(self, promise: "Any") -> "Any":
        """A body as a whole, which is not large or does not say how large it is."""
        size = _UNKNOWN_SIZE if self.announced is None else self.announced
        return await _in_time(promise, self._abort, _PATIENCE_S + size / _SLOWEST_BYTES_PER_S)


async def _byte_reader(body: "Any") -> "Any":
    """What reads a body into a buffer of ours; in an engine whose bodies cannot be read so, what reads it anyhow.

    https://developer.mozilla.org/docs/Web/API/ReadableStreamBYOBReader
    """
    try:
        return await _attempt(body.getReader, body, ffi.to_js({"mode": "byob"}))
    except BrowserError:
        return body.getReader()


class _Patience:
    """Ends a transfer that takes too long, or whoever awaits which was cancelled, for ``with``.

    By a timer of the browser's own: one of Python's would cost as much as all the rest of a small media.
    """

    __slots__ = ("_abort", "_controller", "_ms", "_timer")

    def __init__(self, controller: "Any", patience_s: float) -> None:
        reason = window.DOMException.new(f"it took longer than {patience_s:.0f} seconds", "TimeoutError")
        self._controller = controller
        self._abort = controller.abort.bind(controller, reason)
        self._ms = patience_s * 1000
        self._timer = window.setTimeout(self._abort, self._ms)

    def __enter__(self) -> "_Patience":
        return self

    def renew(self) -> None:
        """Has all the time again, since something came."""
        window.clearTimeout(self._timer)
        self._timer = window.setTimeout(self._abort, self._ms)

    def __exit__(self, kind: "Any", *_exception: object) -> None:
        window.clearTimeout(self._timer)
        if kind and issubclass(kind, asyncio.CancelledError):
            self._controller.abort()


async def _in_time(promise: "Any", controller: "Any", patience_s: float) -> "Any":
    """A promise's value; whoever is cancelled, or takes too long, is aborted.

    :raises BrowserError: if the promise was rejected, or takes longer than it may.
    """
    with _Patience(controller, patience_s):
        return await _settled(promise)


class Pieces:
    """A body that is cut up while it arrives; what is cut out of it stays in the browser.

    https://developer.mozilla.org/docs/Web/API/ReadableStreamDefaultReader
    """

    __slots__ = ("_chunk", "_decoder", "_end", "_options", "_reader", "_response", "_start")

    def __init__(self, response: Response) -> None:
        self._response = response
        self._reader = response._js.body.getReader()
        self._decoder = window.TextDecoder.new()
        # What makes a blob of each content type so far.
        self._options: dict[str, Any] = {}
        self._chunk = window.Uint8Array.new(0)
        # How much of the chunk was cut off already, and where it ends, in bytes.
        self._start = self._end = 0

    async def line(self, longest: int) -> str:
        """The text before the next newline, which is dropped; empty where the body ends before there is one.

        :param longest: how many characters it may have.
        :raises BrowserError: if the transfer broke off, or the line is longer.
        """
        text = ""
        while True:
            newline = int(self._chunk.indexOf(10, self._start))
            text += str(self._decoder.decode(self._cut(newline if newline >= 0 else self._end)))
            if len(text) > longest:
                break
            if newline >= 0:
                self._start += 1
                return text
            if not await self._more():
                return ""
        raise BrowserError("SyntaxError", f"a line of more than {longest} characters")

    async def blob(self, length: int, content_type: str) -> Blob | None:
        """So many bytes from here on; nothing where the body ends before.

        :raises BrowserError: if the transfer broke off.
        """
        pieces = window.Array.new()
        while length > 0:
            there = min(length, self._end - self._start)
            if there:
                pieces.push(self._cut(self._start + there))
                length -= there
            elif not await self._more():
                return None
        if content_type not in self._options:
            self._options[content_type] = ffi.to_js({"type": content_type})
        return Blob(_new_blob(pieces, self._options[content_type]))

    def _cut(self, end: int) -> "Any":
        """What is left of the chunk at hand up to there. https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/TypedArray/subarray"""
        head = self._chunk.subarray(self._start, end)
        self._start = end
        return head

    async def _more(self) -> bool:
        step = await _in_time(self._reader.read(), self._response._abort, _PATIENCE_S)
        if step.done:
            return False
        self._chunk = step.value
        self._start, self._end = 0, int(self._chunk.length)
        return True


def _taken_over() -> "dict[str, Any]":
    """What a page has asked for before Python was there, by URL, as it may if Python will surely ask for it first.

    Each has ``answer``, a promise; ``controller``, which aborts it; and the ``authorization`` that it was sent with.
    """
    begun: Any = getattr(window, "authmediaBegun", None)
    if not begun:
        return {}
    window.Reflect.deleteProperty(window, "authmediaBegun")  # it is ours now, token and all
    urls = json.loads(str(window.JSON.stringify(window.Object.keys(begun))))
    return {url: window.Reflect.get(begun, url) for url in urls}


_begun = _taken_over()


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: "dict[str, str] | None" = None,
    body: str | None = None,
    credentials: str = "omit",
    cache: str = "no-store",
) -> Response:
    """Asks for a URL, with no referrer and past the browser's HTTP cache.

    The cache is left out because it would keep one person's media readable on disk after their logout; what is to be
    kept, a strategy keeps on purpose. https://developer.mozilla.org/docs/Web/API/Window/fetch

    :param credentials: ``omit``, or ``include`` to send and to take cookies.
    :param cache: ``default`` for what may stay in the browser's HTTP cache, as what is encrypted may.
    :raises BrowserError: if no answer came.
    """
    if url in _begun and (method, credentials, cache) == ("GET", "omit", "no-store"):
        begun = _begun.pop(url)
        if begun.authorization == (headers or {}).get("Authorization"):
            return Response(await _in_time(begun.answer, begun.controller, _PATIENCE_S), begun.controller)
        begun.controller.abort()
    controller = window.AbortController.new()
    options = {
        "method": method,
        "headers": headers or {},
        "cache": cache,
        "credentials": credentials,
        "referrerPolicy": "no-referrer",
        "signal": controller.signal,
    }
    if body is not None:
        options["body"] = body
    answer = await _in_time(window.fetch(url, ffi.to_js(options)), controller, _PATIENCE_S)
    return Response(answer, controller)


async def evict(url: str) -> None:
    """Has the browser's HTTP cache let go of what it keeps of a URL, which must refuse whoever has no header.

    No page can empty that cache. But an answer to a request that goes past it takes the place of the one it has, and a
    refusal is not kept. https://fetch.spec.whatwg.org/#concept-request-cache-mode

    Whether an answer came does not matter to anybody: a request that fails has passed the cache by, too.
    """
    for credentials in ("omit", "include"):  # Firefox keeps answers to either apart
        controller = window.AbortController.new()
        options = {"cache": "reload", "mode": "no-cors", "credentials": credentials, "referrerPolicy": "no-referrer"}
        options["signal"] = controller.signal
        try:
            await _in_time(window.fetch(url, ffi.to_js(options)), controller, _PATIENCE_S)
        except BrowserError:
            continue


async def hmac_sha256(key: str, text: str) -> str:
    """An HMAC as base64url, without padding. https://developer.mozilla.org/docs/Web/API/SubtleCrypto/sign"""
    encoder = window.TextEncoder.new()
    algorithm = ffi.to_js({"name": "HMAC", "hash": "SHA-256"})
    subtle = _web_crypto()
    imported = await _settled(subtle.importKey("raw", encoder.encode(key), algorithm, False, ffi.to_js(["sign"])))
    return base64url(_small_bytes(await _settled(subtle.sign("HMAC", imported, encoder.encode(text)))))


def _web_crypto() -> "Any":
    """https://developer.mozilla.org/docs/Web/API/SubtleCrypto"""
    subtle: Any = getattr(window.crypto, "subtle", None)
    if ffi.is_none(subtle):
        raise BrowserError("NotSupportedError", "crypto.subtle is missing: this page is no secure context")
    return subtle


def _small_bytes(buffer: "Any") -> bytes:
    """A digest out of an ``ArrayBuffer``, byte by byte: a text with a NUL does not come into MicroPython whole."""
    array = window.Uint8Array.new(buffer)
    return bytes([int(array[position]) for position in range(int(array.length))])


class Loads:
    """What the browser's resource timing says of all loads of one URL so far.

    :param entries: how many loads it lists, those that its cache answered included.
    :param requests: how many of them went to the network, as far as it says; from another origin it says so only with
        ``Timing-Allow-Origin``.
    :param wire: bytes of their bodies that came over the network.
    :param whole: whether the last that an ``<img>`` did has all that the server said it would send, as far as it said.
    """

    __slots__ = ("entries", "requests", "whole", "wire")

    def __init__(self, entries: int = 0, requests: int = 0, wire: int = 0, whole: bool = True) -> None:
        self.entries = entries
        self.requests = requests
        self.wire = wire
        self.whole = whole


# Read in one piece: to ask for each number by itself takes longer.
_TIMING = ffi.to_js(
    ["initiatorType", "transferSize", "responseStart", "encodedBodySize", "decodedBodySize"]
    + ["serverTiming", "name", "description"]
)


def loads_of(url: str) -> Loads:
    """https://developer.mozilla.org/docs/Web/API/PerformanceResourceTiming"""
    found = window.performance.getEntriesByName(url, "resource")
    entries = json.loads(str(window.JSON.stringify(found, _TIMING)))
    loads = Loads(len(entries))
    for entry in entries:
        if entry["transferSize"] > 0 or entry["responseStart"] == 0:
            loads.requests += 1
            # The size of a body that a 304 left in the cache is listed, too, but did not travel.
            loads.wire += entry["encodedBodySize"] if entry["transferSize"] >= entry["encodedBodySize"] else 0
        if entry["initiatorType"] == "img":
            loads.whole = _is_whole(entry)
    return loads


def _is_whole(entry: "dict[str, Any]") -> bool:
    """https://developer.mozilla.org/docs/Web/API/PerformanceServerTiming"""
    arrived = entry["decodedBodySize"]  # 0 where the browser does not tell
    told = [whole_number(metric["description"]) for metric in entry.get("serverTiming", []) if metric["name"] == SIZE]
    return not (arrived and told) or arrived >= (told[0] or 0)


class _Timings:
    """The browser's list of loads. It takes so many and no more by itself, and so it is emptied whenever it is full.

    https://developer.mozilla.org/docs/Web/API/Performance/resourcetimingbufferfull_event
    """

    __slots__ = ("emptied", "full")

    def __init__(self) -> None:
        self.full: Listener | None = None
        #: How often it was.
        self.emptied = 0

    def empty(self) -> None:
        """Those that did not fit in are listed from then on."""
        window.performance.clearResourceTimings()
        self.emptied += 1


_TIMINGS = _Timings()


def keep_timings() -> int:
    """Has the browser list more loads than the 250 that it would, and go on when these are full, too.

    :returns: another number each time that all loads listed before are listed no more.
    """
    if not _TIMINGS.full:
        window.performance.setResourceTimingBufferSize(_LISTED_LOADS)
        _TIMINGS.full = Listener(window.performance, "resourcetimingbufferfull", _TIMINGS.empty)
    return _TIMINGS.emptied


# --- storage ---------------------------------------------------------------------------------------------------------


async def _tab_storage() -> "Any":
    return await _attempt(window.Reflect.get, None, window, "sessionStorage", window)


async def remember(name: str, text: str) -> None:
    """Keeps a text for as long as the tab lives; where that is refused, nothing is kept and nothing fails."""
    try:
        storage = await _tab_storage()
        await _attempt(storage.setItem, storage, name, text)
    except BrowserError:
        return


async def recall(name: str) -> str:
    """What this tab remembers under a name, or an empty text."""
    try:
        value = (await _tab_storage()).getItem(name)
    except BrowserError:
        return ""
    return "" if ffi.is_none(value) else str(value)


async def forget(name: str) -> None:
    """Removes what this tab remembers under a name."""
    try:
        (await _tab_storage()).removeItem(name)
    except BrowserError:
        return


class Directory:
    """A directory of the origin private file system.

    https://developer.mozilla.org/docs/Web/API/File_System_API/Origin_private_file_system
    """

    __slots__ = ("_js",)

    def __init__(self, js: "Any") -> None:
        self._js = js

    @classmethod
    async def open(cls, name: str) -> "Directory":
        """Opens a directory below the root, made if missing.

        :raises BrowserError: in the browser's words, where it has no such storage or refuses it.
        """
        storage: Any = getattr(window.navigator, "storage", None)
        if ffi.is_none(storage) or ffi.is_none(getattr(storage, "getDirectory", None)):
            raise BrowserError("NotSupportedError", "navigator.storage.getDirectory is missing in this window")
        root = await _settled(storage.getDirectory())
        return cls(await _settled(root.getDirectoryHandle(name, ffi.to_js({"create": True}))))

    async def read(self, name: str) -> Blob | None:
        """A file as it is on disk, or ``None``."""
        try:
            handle = await _settled(self._js.getFileHandle(name))
            return Blob(await _settled(handle.getFile()))
        except BrowserError as error:
            if error.name == "NotFoundError":
                return None
            raise

    async def write(
        self,
        name: str,
        head: str,
        response: Response | None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Writes a text and then a response's body into a file that appears whole or not at all.

        :raises BrowserError: ``QuotaExceededError`` where the storage is full; whatever the network said otherwise.
        """
        handle = await _settled(self._js.getFileHandle(name, ffi.to_js({"create": True})))
        writable: Any = None
        complete = False
        try:
            if ffi.is_none(getattr(handle, "createWritable", None)):
                body = await response.blob(on_progress) if response else text_blob("", "")
                await self._write_in_worker(name, head, body)
            else:
                writable = await _settled(handle.createWritable())
                await _settled(writable.write(head))
                await (response.pipe_to(writable, on_progress) if response else _settled(writable.close()))
            complete = True
        finally:
            if not complete:
                if writable is not None:  # while it is open, nobody may remove the file
                    await writable.abort().catch(window.Boolean)
                await self.remove(name)

    async def _write_in_worker(self, name: str, head: str, body: Blob) -> None:
        """Has a worker write the file, in a browser that lets nobody else.

        https://developer.mozilla.org/docs/Web/API/FileSystemFileHandle/createSyncAccessHandle
        """
        worker = window.Worker.new(_FILE_WRITER)
        answer = _with_resolvers()
        worker.onmessage = answer.resolve
        worker.onerror = answer.resolve  # an event without data
        try:
            file = {"directory": str(self._js.name), "name": name, "head": head, "body": body._js}
            worker.postMessage(ffi.to_js(file))
            data: Any = getattr(await _settled(answer.promise), "data", None)
        finally:
            worker.terminate()
        if ffi.is_none(data):
            raise BrowserError("NotSupportedError", f"{_FILE_WRITER} is missing beside this page")
        failed: Any = getattr(data, "name", None)
        if not ffi.is_none(failed):
            raise BrowserError(str(failed), str(data.message))

    async def remove(self, name: str) -> bool:
        """Removes a file; gives whether it is gone, which it is not while another tab has it in its hands."""
        try:
            await _settled(self._js.removeEntry(name))
        except BrowserError as error:
            if error.name == "NotFoundError":
                return True
            if error.name in ("NoModificationAllowedError", "InvalidModificationError"):
                return False
            raise
        return True

    async def names(self) -> list[str]:
        """The names of all files. https://developer.mozilla.org/docs/Web/API/FileSystemDirectoryHandle/keys"""
        # All at once: to be asked for each would cost as much as to read it.
        found = await _settled(window.Array.fromAsync(self._js.keys()))
        return [str(found[position]) for position in range(int(found.length))]


class Lock:
    """A named lock that all tabs of this origin share, for ``async with``; raises `BrowserError` where it is refused.

    https://developer.mozilla.org/docs/Web/API/Web_Locks_API
    """

    __slots__ = ("_granted", "_held", "_name", "_open", "_proxy")

    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> "Lock":
        locks: Any = getattr(window.navigator, "locks", None)
        if ffi.is_none(locks):
            raise BrowserError("NotSupportedError", "navigator.locks is missing in this window")
        self._granted = _with_resolvers()
        self._held = _with_resolvers()
        self._open = window.AbortController.new()
        self._proxy = ffi.create_proxy(self._on_granted)
        # The request is rejected where the browser refuses it, and where we abort it ourselves.
        request = locks.request(self._name, ffi.to_js({"signal": self._open.signal}), self._proxy)
        request.catch(self._granted.reject)
        granted = False
        try:
            await _settled(self._granted.promise)
            granted = True
        finally:
            if not granted:
                self._let_go()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._let_go()

    def _on_granted(self, *_lock: object) -> "Any":
        self._granted.resolve(True)
        return self._held.promise

    def _let_go(self) -> None:
        self._held.resolve(True)
        self._open.abort()
        _release(self._proxy)


# --- the baseline's service worker ---------------------------------------------------------------------------------


_WORKER_SCOPE = "./"


class MediaWorker:
    """The service worker of this site, and this page's answers to what it asks.

    https://developer.mozilla.org/docs/Web/API/Service_Worker_API

    :param script: its address, relative to the page.
    :param headers_for: called with the name of a session; gives the headers that its requests carry, none where it
        is not known.
    :param on_answer: called with an address that the worker answered, and how many bytes its answer announced.
    """

    __slots__ = ("_proxy", "_script")

    def __init__(
        self, script: str, headers_for: "Callable[[str], dict[str, str]]", on_answer: "Callable[[str, int], None]"
    ) -> None:
        def answer(event: "Any") -> None:
            if event.ports.length:
                headers = headers_for(str(event.data))
                if headers:  # else it is a session of another loader on this page, which answers for itself
                    event.ports[0].postMessage(ffi.to_js(headers))
            else:
                on_answer(str(event.data.url), int(event.data.length))

        self._script = script
        self._proxy = ffi.create_proxy(answer)
        if has_service_worker():
            window.navigator.serviceWorker.addEventListener("message", self._proxy)

    async def register(self, patience_s: float) -> None:
        """Registers the worker and waits until it controls this page.

        :raises BrowserError: in the browser's words, where it has no service workers or refuses this one.
        """
        if not has_service_worker():
            raise BrowserError("NotSupportedError", "navigator.serviceWorker is missing in this window")
        container = window.navigator.serviceWorker
        own = await _attempt(container.register, container, self._script, ffi.to_js({"scope": _WORKER_SCOPE}))
        deadline = now_ms() + patience_s * 1000
        same = getattr(window.Object, "is")
        # One that was unregistered while this page was open stays its controller, but in Firefox answers no longer.
        while ffi.is_none(own.active) or not same(own.active, container.controller):
            if now_ms() > deadline:
                raise BrowserError("NotControlled", "no service worker controls this page, as after a hard reload")
            await asyncio.sleep(0.02)

    async def unregister(self) -> None:
        """Takes the worker away, whichever page registered it; who is controlled stays so until the page is left.

        :raises BrowserError: in the browser's words, where it refuses.
        """
        if not has_service_worker():
            return
        container = window.navigator.serviceWorker
        registration = await _attempt(container.getRegistration, container, _WORKER_SCOPE)
        if not ffi.is_none(registration):
            await _settled(registration.unregister())

    def close(self) -> None:
        """Stops answering."""
        if has_service_worker():
            window.navigator.serviceWorker.removeEventListener("message", self._proxy)
        _release(self._proxy)


# --- another page of this site, inside this one ----------------------------------------------------------------------


class Frame:
    """An ``<iframe>`` with another page of this site in it, which tells on ``<html data-state>`` how far it is.

    https://developer.mozilla.org/docs/Web/HTML/Element/iframe

    :param element: the ``<iframe>``, in the page or about to be.
    """

    __slots__ = ("_element", "_js", "_open")

    def __init__(self, element: "Element") -> None:
        self._element = element
        self._js = element._js
        self._open = True

    def open(self, url: str) -> None:
        """Loads a page into the frame."""
        self._js.src = url

    def reload(self) -> None:
        """Loads its page again, as the browser's own button does.

        :raises BrowserError: if what is in the frame is no page of ours, such as the browser's words for a failure.
        """
        html = self._html()
        if html is None:
            raise BrowserError("NotFoundError", "the frame shows no page of this site")
        html.removeAttribute("data-state")  # so that nobody takes the page that is leaving for the one that comes
        # Not by `_attempt`, whose one argument more makes Firefox leave caches and workers out.
        self._js.contentWindow.location.reload()

    async def settled(self, states: "tuple[str, ...]", patience_s: float) -> str:
        """Waits until the page is in one of some states; gives it, or an empty text if it never was in time.

        :param patience_s: seconds until it is given up; once the frame is closed, at once.
        """
        deadline = now_ms() + patience_s * 1000
        while self._open and now_ms() < deadline:
            if self.state in states:
                return self.state
            await asyncio.sleep(_LOOK_S)
        return ""

    @property
    def state(self) -> str:
        """What stands on ``<html data-state>``, empty while there is no page of ours."""
        html = self._html()
        value = None if html is None else html.getAttribute("data-state")
        return "" if ffi.is_none(value) else str(value)

    def text(self, selector: str) -> str:
        """The text of the first element that matches, empty if there is none."""
        html = self._html()
        found: Any = None if html is None else html.querySelector(selector)
        return "" if ffi.is_none(found) else str(found.textContent)

    @property
    def is_open(self) -> bool:
        """Whether nobody closed it yet."""
        return self._open

    def close(self) -> None:
        """Takes the frame, and all that its page was doing, away."""
        self._open = False
        self._element.remove()

    def _html(self) -> "Any":
        document = self._js.contentDocument
        html = None if ffi.is_none(document) else document.documentElement
        return None if ffi.is_none(html) else html


# --- the document ----------------------------------------------------------------------------------------------------


class Listener:
    """A registered event listener; ``close()`` takes it away."""

    __slots__ = ("_event", "_proxy", "_target")

    def __init__(self, target: "Any", event: str, handler: "Callable[[], object]") -> None:
        def handle(happened: "Any") -> None:
            if event == "submit":  # a form of ours is never to leave the page
                happened.preventDefault()
            handler()

        self._target = target
        self._event = event
        self._proxy = ffi.create_proxy(handle)
        target.addEventListener(event, self._proxy)

    def close(self) -> None:
        """Removes the listener and lets its proxy go."""
        self._target.removeEventListener(self._event, self._proxy)
        _release(self._proxy)


class Element:
    """An element of the page, with the few things that a binding and a page need."""

    __slots__ = ("_js", "_tag")

    def __init__(self, js: "Any") -> None:
        self._js = js
        self._tag = ""

    @property
    def tag(self) -> str:
        """The element's name, in small letters."""
        self._tag = self._tag or str(self._js.localName)
        return self._tag

    @property
    def text(self) -> str:
        """The text inside; setting it never reads markup."""
        return str(self._js.textContent)

    @text.setter
    def text(self, text: str) -> None:
        self._js.textContent = text

    @property
    def value(self) -> str:
        """What stands in a form field."""
        return str(self._js.value)

    @value.setter
    def value(self, text: str) -> None:
        self._js.value = text

    @property
    def hidden(self) -> bool:
        """Whether the element is taken out of sight and of the accessibility tree."""
        return bool(self._js.hidden)

    @hidden.setter
    def hidden(self, hidden: bool) -> None:
        self._js.hidden = hidden

    @property
    def height(self) -> float:
        """How high it stands on the page, in CSS pixels."""
        return float(self._js.getBoundingClientRect().height)

    @property
    def media_error(self) -> str:
        """What a media element says of its own failure."""
        error: Any = getattr(self._js, "error", None)
        return "" if ffi.is_none(error) else str(error.message)

    @property
    def broke_off(self) -> bool:
        """Whether a video or audio failed for want of the network, after it had begun.

        https://developer.mozilla.org/docs/Web/API/MediaError/code
        """
        error: Any = getattr(self._js, "error", None)
        return not ffi.is_none(error) and int(error.code) == _MEDIA_ERR_NETWORK

    def get(self, attribute: str) -> str:
        """An attribute's value, empty where it is not set."""
        value = self._js.getAttribute(attribute)
        return "" if ffi.is_none(value) else str(value)

    def attributes(self, names: "tuple[str, ...]") -> "dict[str, str]":
        """Those of some attributes that are set, and not empty, by their names."""
        get = self._js.getAttribute  # taken once: MicroPython makes another function of it each time
        found = {}
        for name in names:
            value = get(name)
            if value:
                found[name] = str(value)
        return found

    def set(self, attribute: str, value: str) -> None:
        """Sets an attribute."""
        self._js.setAttribute(attribute, value)

    def unset(self, attribute: str) -> None:
        """Removes an attribute."""
        self._js.removeAttribute(attribute)

    def find(self, selector: str) -> "Element":
        """The first element below this one that matches; raises `BrowserError` if there is none."""
        found = self._js.querySelector(selector)
        if ffi.is_none(found):
            raise BrowserError("NotFoundError", f"no element matches {selector}")
        return Element(found)

    def find_all(self, selector: str) -> "list[Element]":
        """All elements below this one that match."""
        found = self._js.querySelectorAll(selector)
        return [Element(found[position]) for position in range(int(found.length))]

    def around(self, selector: str) -> "Element":
        """The nearest element around this one that matches; this one itself where there is none."""
        found = self._js.closest(selector)
        return self if ffi.is_none(found) else Element(found)

    def append(self, *children: "Element") -> None:
        """Adds elements at the end."""
        for child in children:
            self._js.append(child._js)

    def after(self, sibling: "Element") -> None:
        """Adds an element behind this one."""
        self._js.after(sibling._js)

    def clear(self) -> None:
        """Removes everything inside."""
        self._js.replaceChildren()

    def remove(self) -> None:
        """Takes the element out of the page."""
        self._js.remove()

    def click(self) -> None:
        """Activates the element as a click does."""
        self._js.click()

    def focus(self) -> None:
        """Moves the keyboard to the element."""
        self._js.focus()

    @property
    def has_focus(self) -> bool:
        """Whether the keyboard is at the element, or inside it."""
        return bool(self._js.matches(":focus-within"))

    def select(self) -> None:
        """Selects the text of a form field."""
        self._js.select()

    @property
    def duration(self) -> float:
        """How long a video or audio is, in seconds; not a number while that is unknown."""
        return float(self._js.duration)

    @property
    def position(self) -> float:
        """Where a video or audio is, in seconds."""
        return float(self._js.currentTime)

    @position.setter
    def position(self, seconds: float) -> None:
        self._js.currentTime = seconds

    @property
    def is_playing(self) -> bool:
        """Whether a video or audio plays, or would if it could."""
        return not self._js.paused and not self._js.ended

    async def play(self) -> None:
        """Has a video or audio go on; a browser that wants a person to do it leaves it where it is.

        https://developer.mozilla.org/docs/Web/API/HTMLMediaElement/play
        """
        try:
            await _settled(self._js.play())
        except BrowserError:
            return

    def style(self, name: str, value: str) -> None:
        """Sets a property of the element's own style, or takes it away where the value is empty."""
        if value:
            self._js.style.setProperty(name, value)
        else:
            self._js.style.removeProperty(name)

    async def seek(self, position: float, patience_s: float) -> bool:
        """Moves a video or audio and waits for the picture there; gives whether the browser said that it is done.

        https://developer.mozilla.org/docs/Web/API/HTMLMediaElement/seeked_event

        :param position: seconds from the beginning.
        :param patience_s: seconds until it is given up.
        """
        fired = asyncio.Event()
        listeners = [self.on("seeked", fired.set), self.on("error", fired.set)]
        try:
            self._js.currentTime = position
            await asyncio.wait_for(fired.wait(), patience_s)
            return not self.media_error
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
            return False
        finally:
            for listener in listeners:
                listener.close()

    def show_dialog(self) -> None:
        """Opens a ``<dialog>`` on top of the page. https://developer.mozilla.org/docs/Web/API/HTMLDialogElement"""
        self._js.showModal()

    def on(self, event: str, handler: "Callable[[], object]") -> Listener:
        """Calls ``handler`` at every such event, until the listener is closed."""
        return Listener(self._js, event, handler)

    async def show(self, src: str, good: str, crossorigin: str = "", play: bool = False) -> bool:
        """Gives the element a source and waits until it fires ``good`` (true) or ``error`` (false).

        :param crossorigin: the attribute of that name, which must stand before the source does; empty for none.
        :param play: whether a video or audio is to go on at once, since one with ``preload="none"`` loads nothing else.
        :raises BrowserError: if a picture takes longer than it may.
        """
        # The browser's own promise is told: handlers in Python would take longer than all the rest.
        told = _with_resolvers()
        tell = told.resolve  # taken once: MicroPython makes another function of it each time
        listened = (good, "error")
        for event in listened:
            self._js.addEventListener(event, tell)
        patience_s = 0.0 if src.startswith("blob:") else self._patience_s
        timer = window.setTimeout(tell, patience_s * 1000, _TIMED_OUT) if patience_s else None
        try:
            if crossorigin:
                self.set("crossorigin", crossorigin)
            else:
                self.unset("crossorigin")
            self._js.src = src
            if play:
                self._js.play().catch(window.Boolean)  # a browser may want a person to do it
            happened = await _settled(told.promise)
        finally:
            for event in listened:
                self._js.removeEventListener(event, tell)
            if patience_s:
                window.clearTimeout(timer)
        if happened == _TIMED_OUT:
            raise BrowserError("TimeoutError", f"no whole picture came within {patience_s:.0f} seconds")
        return str(happened.type) == good

    @property
    def _patience_s(self) -> float:
        """How many seconds a picture may take, since no browser tells of one that stalls; 0 where there is no limit.

        There is none for what the browser itself puts off.
        """
        if self.is_put_off:
            return 0.0
        return _PATIENCE_S + _UNKNOWN_SIZE / _SLOWEST_BYTES_PER_S

    @property
    def is_put_off(self) -> bool:
        """Whether the browser loads it when it sees fit: a picture that asks for it, a video or audio until played."""
        return self.tag != "img" or str(self._js.loading) == "lazy"

    def unload(self) -> None:
        """Takes the source away, and ends whatever a video or audio was still loading."""
        self._js.removeAttribute("src")
        if self.tag in ("video", "audio"):
            self._js.load()


class Watch:
    """Tells which elements below a root come, change and leave, and which are near to what people see.

    https://developer.mozilla.org/docs/Web/API/MutationObserver and
    https://developer.mozilla.org/docs/Web/API/IntersectionObserver

    :param root: the element below which it looks; what is there already is told of at once.
    :param selector: of the elements that it is about.
    :param attributes: whose change is told, those that the selector names among them.
    :param audience: who is told; elements are named by numbers of this watch.
    :param near_px: how far outside of what is visible an element is near, in CSS pixels; ``None`` looks at no places.
    """

    __slots__ = (
        "_audience",
        "_elements",
        "_last",
        "_near",
        "_numbers",
        "_observer",
        "_proxies",
        "_root",
        "_selector",
        "_visible",
    )

    def __init__(
        self,
        root: Element,
        selector: str,
        attributes: "tuple[str, ...]",
        audience: "Audience",
        near_px: int | None,
    ) -> None:
        self._root = root._js
        self._selector = selector
        self._audience = audience
        self._last = 0
        self._numbers = window.WeakMap.new()
        self._elements: dict[int, Any] = {}
        self._proxies = [ffi.create_proxy(self._on_mutations)]
        self._near = self._visible = None
        if near_px is not None:
            self._near = self._places(self._on_near, near_px)
            self._visible = self._places(self._on_visible, 0)
        self._observer = window.MutationObserver.new(self._proxies[0])
        options = {"childList": True, "subtree": True, "attributes": True, "attributeFilter": list(attributes)}
        self._observer.observe(self._root, ffi.to_js(options))
        self._look_into(self._root, set())

    def close(self) -> None:
        """Looks no more; what is there is not told of as leaving."""
        for observer in (self._observer, self._near, self._visible):
            if observer is not None:
                observer.disconnect()
        for proxy in self._proxies:
            _release(proxy)
        self._elements.clear()

    def _places(self, handler: "Callable[..., None]", margin_px: int) -> "Any":
        self._proxies.append(ffi.create_proxy(handler))
        margin = f"{margin_px}px"
        options = {"rootMargin": margin, "scrollMargin": margin}  # the latter for boxes that scroll by themselves
        return window.IntersectionObserver.new(self._proxies[-1], ffi.to_js(options))

    def _on_mutations(self, records: "Any", *_observer: object) -> None:
        seen: set[int] = set()
        for position in range(int(records.length)):
            record = records[position]
            if str(record.type) == "attributes":
                js = record.target
                there = self._root.contains(js) and js.matches(self._selector)
                self._reconcile(js, bool(there), seen, changed=True)
                continue
            for nodes in (record.removedNodes, record.addedNodes):
                for index in range(int(nodes.length)):
                    node = nodes[index]
                    if int(node.nodeType) == 1:  # an element
                        self._look_into(node, seen)

    def _look_into(self, node: "Any", seen: "set[int]") -> None:
        there = bool(self._root.contains(node))  # and so is all that is in it
        if node.matches(self._selector):
            self._reconcile(node, there, seen)
        found = node.querySelectorAll(self._selector)
        for index in range(int(found.length)):
            self._reconcile(found[index], there, seen)

    def _reconcile(self, js: "Any", there: bool, seen: "set[int]", changed: bool = False) -> None:
        """Tells what has become of an element since it was last told of, once a batch.

        :param there: whether it is below the root, and matches.
        """
        number = self._number(js)
        if number in seen:
            return
        known = number in self._elements
        if there and not known:
            self._elements[number] = js
            self._audience.came(number, Element(js))
            if self._near is not None:
                self._near.observe(js)
        elif there and changed:
            self._audience.changed(number)
        elif known and not there:
            self._elements.pop(number)
            for observer in (self._near, self._visible):
                if observer is not None:
                    observer.unobserve(js)
            self._audience.went(number)
        else:
            return
        seen.add(number)

    def _number(self, js: "Any") -> int:
        if self._numbers.has(js):
            return int(self._numbers.get(js))
        self._last += 1
        self._numbers.set(js, self._last)
        return self._last

    def _on_near(self, entries: "Any", *_observer: object) -> None:
        for number, js, near in self._told(entries):
            if near and self._visible is not None:
                self._visible.observe(js)
            elif self._visible is not None:
                self._visible.unobserve(js)
            self._audience.near(number, near)

    def _on_visible(self, entries: "Any", *_observer: object) -> None:
        for number, _js, visible in self._told(entries):
            self._audience.visible(number, visible)

    def _told(self, entries: "Any") -> "list[tuple[int, Any, bool]]":
        """What an observer tells of elements that are still there; only the last of each counts."""
        latest: dict[int, tuple[int, Any, bool]] = {}
        for position in range(int(entries.length)):
            entry = entries[position]
            number = self._number(entry.target)
            if number in self._elements:
                latest[number] = (number, entry.target, bool(entry.isIntersecting))
        return list(latest.values())


class Audience:
    """Who is told by a `Watch`; elements are named by numbers."""

    def came(self, number: int, element: Element) -> None:
        """An element is there."""

    def changed(self, number: int) -> None:
        """One of its attributes has another value."""

    def went(self, number: int) -> None:
        """It is no longer below the root, or matches no more."""

    def near(self, number: int, near: bool) -> None:
        """It came near to what is visible, or is far away."""

    def visible(self, number: int, visible: bool) -> None:
        """It is visible, or no longer so."""


def root() -> Element:
    """The page's ``<html>``."""
    return Element(document.documentElement)


def create(tag: str, **attributes: str) -> Element:
    """A new element; ``class_`` and ``data_mxc`` stand for ``class`` and ``data-mxc``."""
    element = Element(document.createElement(tag))
    for name, value in attributes.items():
        element.set(name.strip("_").replace("_", "-"), value)
    return element


def create_svg(tag: str, **attributes: str) -> Element:
    """A new element of a picture; ``class_`` and ``text_anchor`` stand for ``class`` and ``text-anchor``."""
    element = Element(document.createElementNS("http://www.w3.org/2000/svg", tag))
    for name, value in attributes.items():
        element.set(name.strip("_").replace("_", "-"), value)
    return element


def instance(template_id: str) -> Element:
    """A copy of the first element inside a ``<template>``. https://developer.mozilla.org/docs/Web/HTML/Element/template"""
    template = document.getElementById(template_id)
    return Element(template.content.firstElementChild.cloneNode(True))


async def decodes(url: str) -> bool:
    """Whether an ``<img>`` can show what a URL leads to."""
    image = create("img")
    return await image.show(url, "load")
