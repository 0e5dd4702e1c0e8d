"""Requests and their responses. https://developer.mozilla.org/docs/Web/API/Fetch_API"""

import asyncio
import json

from authmedia.browser import primitives, timeouts
from authmedia.browser.blobs import Blob, join_blobs
from authmedia.browser.crypto import decrypt_aes_ctr, subtle_crypto
from authmedia.browser.interop import BrowserError, settle
from authmedia.browser.javascript import ffi, window
from authmedia.browser.streams import BodyPump, BodyReader
from authmedia.support.untrusted import content_length, is_resumable
from authmedia.traffic import PartialBody

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

# Bodies from this size on, in bytes, are streamed and report their progress.
_LARGE_BODY_BYTES = 500_000
# A larger body becomes several blobs, which are joined: Firefox holds at most 2 GiB by one in a private window.
_BLOB_BYTES = 2**30
# Ciphertexts from this size on are decrypted piece by piece.
_PIECEWISE_BYTES = 8 * 1024 * 1024
# Looked up once, since MicroPython makes a new function object at each lookup.
_new_controller = window.AbortController.new
# The headers that are read of most responses, all at once.
_HEADERS = "content-type,content-length,content-encoding,server-timing"
#: The names of the errors by which browsers report a transfer that broke off, was aborted, or was never answered.
TRANSFER_ERRORS = ("TypeError", "NetworkError", "AbortError", "TimeoutError")


class Response:
    """The head of a response whose body is still arriving. Cancelling the task that awaits it aborts the transfer.

    https://developer.mozilla.org/docs/Web/API/Response

    :param js: the browser's ``Response``.
    :param controller: the ``AbortController`` of its request.
    """

    __slots__ = ("_before", "_controller", "_headers", "_js", "content_length", "partial", "redirected_url", "status")

    def __init__(self, js: "Any", controller: "Any") -> None:
        self._js = js
        self._controller = controller
        head = json.loads(str(primitives.response_head(js, _HEADERS)))
        self._headers: dict[str, str] = head["headers"]
        self.status: int = head["status"]
        #: The URL that the request was redirected to in the end; empty if it was not.
        #: https://developer.mozilla.org/docs/Web/API/Response/redirected
        self.redirected_url: str = head["redirected_url"]
        #: The announced length of the body in bytes; ``None`` where no header says it.
        self.content_length = content_length(self.header)
        #: What was received of a large body that broke off, if another request can continue it.
        self.partial: PartialBody | None = None
        # What was received before, if this response continues it.
        self._before: Blob | None = None

    def header(self, name: str) -> str:
        """Returns a header's value, empty where it is missing or hidden by CORS."""
        name = name.lower()
        if name not in self._headers:
            value = self._js.headers.get(name)
            self._headers[name] = "" if ffi.is_none(value) else str(value)
        return self._headers[name]

    async def decrypt(
        self, key: str, counter: bytes, sha256: bytes, on_progress: "Callable[[int, int], None] | None" = None
    ) -> Blob | None:
        """Reads the body and decrypts it with AES-CTR; returns ``None`` if its digest is another.

        A large body is decrypted piece by piece, in a worker; where none can be started, as a whole.

        :param key: 256 bits, as a JWK's ``k``.
        :param counter: the first counter block, of which the last 64 bits count.
        :param sha256: the expected digest of the body.
        :param on_progress: see `blob`.
        :raises BrowserError: if the transfer breaks off, or in a page without WebCrypto.
        """
        subtle_crypto()
        url = str(self._js.url)
        body = None if url.startswith("blob:") else await self.blob(on_progress)  # else it is already there
        size = body.size if body else self.content_length
        if size is None or size >= _PIECEWISE_BYTES:
            from authmedia.browser.decryption_worker import decrypt_in_worker  # most attachments are small

            started, plaintext = await decrypt_in_worker(body._js if body else url, key, counter, sha256)
            if started:
                self.abort()
                return plaintext
        ciphertext = await (settle(body._js.arrayBuffer()) if body else self._settle_body(self._js.arrayBuffer()))
        return await decrypt_aes_ctr(ciphertext, key, counter, sha256)

    async def text(self) -> str:
        """Returns the body as text, for JSON and errors only.

        :raises BrowserError: if the transfer breaks off.
        """
        if self.is_large:  # or announced so, by a server that may then send nothing more
            return str(await settle((await self.blob())._js.text()))
        return str(await self._settle_body(self._js.text()))

    async def blob(self, on_progress: "Callable[[int, int], None] | None" = None) -> Blob:
        """Returns the whole body, kept by the browser.

        :param on_progress: called with the bytes received and the announced length, while a large body arrives.
        :raises BrowserError: if the transfer breaks off.
        """
        if self.is_large:
            return await self._large_blob(on_progress)
        timeout_ms = timeouts.body_timeout_s(self.content_length) * 1000
        body = primitives.read_blob(self._js, timeout_ms, self._controller)
        return Blob(await timeouts.settle_or_abort(body, self._controller))

    def resume(self, before: Blob) -> None:
        """Has the body begin with what an earlier response brought, which this one continues."""
        self._before = before
        self.content_length = before.size + (self.content_length or 0)

    def abort(self) -> None:
        """Aborts the transfer; harmless once it is over."""
        self._controller.abort()

    async def write_to_file(self, directory: "Any", name: str, head: str) -> None:
        """Writes a text and the body into a file, which appears whole or not at all; a large body by `pipe_to`.

        :param directory: a ``FileSystemDirectoryHandle``.
        :param head: the text.
        :raises BrowserError: if the transfer or a write fails.
        """
        timeout_ms = timeouts.body_timeout_s(self.content_length) * 1000
        written = primitives.write_file(directory, name, head, self._js, timeout_ms, self._controller)
        try:
            await settle(written)
        except asyncio.CancelledError:
            self.abort()
            try:
                await settle(written)  # until what was written is removed
            except BrowserError:
                pass
            raise

    async def pipe_to(
        self,
        writable: "Any",
        written: "Callable[[], Awaitable[Blob]]",
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        """Streams a large body into a file and closes it; a failure on either side aborts both.

        :param writable: a ``FileSystemWritableFileStream``.
        :param written: returns what the file has of the body.
        :raises BrowserError: if the transfer or a write fails.
        """
        if self._before:
            await settle(writable.write(self._before._js))
        pump = self._pump(on_progress)
        try:
            await pump.copy_to(writable, 1, self._is_resumable)
        except BrowserError:
            if pump.broke_off and self._is_resumable:
                self._keep(await written())
            raise

    def reader(self) -> BodyReader:
        """Returns a reader that cuts the body up while it arrives."""
        return BodyReader(self._js.body, self._controller)

    async def _large_blob(self, on_progress: "Callable[[int, int], None] | None") -> Blob:
        body, pump = self._before, self._pump(on_progress)
        while True:
            # A stream that the browser makes a blob of, since it may put that on disk. It takes one piece at a time,
            # and has copied a piece once it takes the next: by then, the write of the next one is over.
            stream = window.TransformStream.new()
            part = window.Response.new(stream.readable).blob()
            part.catch(window.Boolean)  # the pump raises whatever fails
            try:
                await pump.copy_to(stream.writable, 2, self._is_resumable, _BLOB_BYTES)
            except BrowserError:
                if pump.broke_off and self._is_resumable:
                    self._keep(_joined(body, Blob(await settle(part))))
                raise
            body = _joined(body, Blob(await settle(part)))
            if pump.is_over:
                return body

    def _pump(self, on_progress: "Callable[[int, int], None] | None") -> BodyPump:
        received = self._before.size if self._before else 0
        return BodyPump(self._js.body, self._controller, self.content_length or 0, received, on_progress)

    @property
    def _is_resumable(self) -> bool:
        return is_resumable(self.status, self.header)

    def _keep(self, received: Blob) -> None:
        if received.size:
            self.partial = PartialBody(received, self.content_length or 0, self.header("ETag"))

    @property
    def is_large(self) -> bool:
        """Whether the body is streamed, and reports its progress."""
        return (self.content_length or 0) >= _LARGE_BODY_BYTES

    async def _settle_body(self, promise: "Any") -> "Any":
        """Awaits a body that is small, or whose length is unknown."""
        return await timeouts.settle_within(promise, self._controller, timeouts.body_timeout_s(self.content_length))


def blob_response(blob: Blob) -> Response:
    """Returns a response with a blob as its body, which announces the blob's length."""
    headers = {"Content-Length": str(blob.size), "Content-Type": blob.content_type}
    return Response(window.Response.new(blob._js, ffi.to_js({"headers": headers})), window.AbortController.new())


def _adopt_early_requests() -> "dict[str, Any]":
    """Returns the requests that the page's script sent before Python started, by URL.

    Each has ``response``, a promise; ``controller``, which aborts it; and the ``authorization`` that it was sent with.
    """
    early: Any = getattr(window, "authmediaEarlyRequests", None)
    if not early:
        return {}
    window.Reflect.deleteProperty(window, "authmediaEarlyRequests")  # it contains the access token
    urls = json.loads(str(window.JSON.stringify(window.Object.keys(early))))
    return {url: window.Reflect.get(early, url) for url in urls}


_early_requests = _adopt_early_requests()


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: "dict[str, str] | None" = None,
    body: str | None = None,
    credentials: str = "omit",
    cache: str = "no-store",
    priority: str = "auto",
) -> Response:
    """Fetches a URL without a referrer and, by default, past the browser's HTTP cache.

    The cache is bypassed because it would keep one user's media readable on disk after their logout; a strategy that
    caches does so on purpose. https://developer.mozilla.org/docs/Web/API/Window/fetch

    :param credentials: ``omit``, or ``include`` to send and accept cookies.
    :param cache: ``default`` for what may stay in the browser's HTTP cache, such as ciphertexts.
    :param priority: ``low`` for what no element waits for.
    :raises BrowserError: if no response arrives.
    """
    if url in _early_requests and (method, credentials, cache) == ("GET", "omit", "no-store"):
        early = _early_requests.pop(url)
        if early.authorization == (headers or {}).get("Authorization"):
            promise, controller = early.response, early.controller
            js = await timeouts.settle_within(promise, controller, timeouts.RESPONSE_TIMEOUT_S)
            return Response(js, controller)
        early.controller.abort()
    options = {
        "method": method,
        "headers": headers or {},
        "cache": cache,
        "credentials": credentials,
        "referrerPolicy": "no-referrer",
    }
    if body is not None:
        options["body"] = body
    if priority != "auto":
        options["priority"] = priority
    js, controller = await send_request(url, options)
    return Response(js, controller)


async def send_request(url: str, options: "dict[str, Any]") -> "tuple[Any, Any]":
    """Returns the browser's response to a request, and the controller that aborts its body.

    :param options: those of ``fetch``. https://developer.mozilla.org/docs/Web/API/RequestInit
    :raises BrowserError: if no response arrives in time.
    """
    controller = _new_controller()
    promise = primitives.request(url, json.dumps(options), timeouts.RESPONSE_TIMEOUT_S * 1000, controller)
    return await timeouts.settle_or_abort(promise, controller), controller


def _joined(first: Blob | None, second: Blob) -> Blob:
    return join_blobs(first, second) if first else second


async def evict_from_http_cache(url: str) -> None:
    """Evicts a URL from the browser's HTTP cache, which must refuse requests without the ``Authorization`` header.

    No page can empty that cache. But the response to a request that bypasses it replaces the cached one, and a refusal
    is not stored. https://fetch.spec.whatwg.org/#concept-request-cache-mode

    A failed request bypassed the cache, too, so whether a response arrives does not matter.
    """
    for credentials in ("omit", "include"):  # Firefox partitions its cache by them
        options = {"cache": "reload", "mode": "no-cors", "credentials": credentials, "referrerPolicy": "no-referrer"}
        try:
            await send_request(url, options)
        except BrowserError:
            continue
