"""Writes response bodies at the pace at which clients read them."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from contextlib import AbstractAsyncContextManager
from typing import BinaryIO

from synapse.http.site import SynapseRequest
from synapse.logging.context import defer_to_threadpool
from synapse.types import ISynapseReactor
from synapse.util.async_helpers import DeferredEvent, Linearizer
from synapse.util.clock import Clock
from twisted.internet.interfaces import IPushProducer
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer  # type: ignore[import-untyped]

# Files up to this size are read on the reactor's thread: handing one to another thread costs more than reading it.
_INLINE_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024
# How long a client may read nothing before the connection is aborted; Synapse's own downloads wait as long. A browser
# whose video was paused for longer requests the rest as a range.
_STALL_TIMEOUT_S = 90.0


@implementer(IPushProducer)
class BodyProducer:
    """Writes one response body with back-pressure (https://docs.twisted.org/en/stable/core/howto/producers.html).

    A context manager: it is registered with the request inside of a ``with`` block.

    :param chunk_bytes: how much is written before the producer waits for the client to read it.
    :param stall_timeout_s: how long the client may take to read that before the connection is aborted.
    :param max_duration_s: how long the whole body may take before the connection is aborted; ``None`` for no limit.
    """

    def __init__(
        self,
        clock: Clock,
        request: SynapseRequest,
        chunk_bytes: int = _CHUNK_BYTES,
        stall_timeout_s: float | None = None,
        max_duration_s: float | None = None,
    ) -> None:
        self._clock = clock
        self._deadline_s = None if max_duration_s is None else clock.time() + max_duration_s
        self._request = request
        self._chunk_bytes = chunk_bytes
        self._stall_timeout_s = _STALL_TIMEOUT_S if stall_timeout_s is None else stall_timeout_s
        self._writable = DeferredEvent(clock)
        self._writable.set()
        # The transport becomes writable when all that was written is sent. With several writers at once this could
        # take longer than the timeout, also for a client that reads steadily.
        self._write_lock = Linearizer("media_links_write_lock", clock)
        #: Whether the connection is closed.
        self.is_closed = request._disconnected

    def __enter__(self) -> "BodyProducer":
        if not self.is_closed:
            self._request.registerProducer(self, True)
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self.is_closed:
            self._request.unregisterProducer()

    def write_lock(self) -> AbstractAsyncContextManager[None]:
        """Returns a lock, first come first served, for several tasks that write one body."""
        return self._write_lock.queue(None)

    async def write(self, content: bytes) -> None:
        """Writes the content in chunks, each when the connection is writable; nothing if it is closed."""
        for start in range(0, len(content), self._chunk_bytes):
            await self._write_chunk(content[start : start + self._chunk_bytes])

    async def _write_chunk(self, chunk: bytes) -> None:
        if self.is_closed:
            return
        if self._deadline_s is not None and self._clock.time() > self._deadline_s:
            self._abort()
            return
        self._request.write(chunk)
        if not await self._writable.wait(self._stall_timeout_s):
            self._abort()

    def _abort(self) -> None:
        self.is_closed = True
        # Not `loseConnection`, which would wait for the client to read what is already written.
        self._request.channel.forceAbortClient()

    def pauseProducing(self) -> None:
        """Implements ``IPushProducer``: the connection's buffer is full."""
        self._writable.clear()

    def resumeProducing(self) -> None:
        """Implements ``IPushProducer``: the connection's buffer is empty."""
        self._writable.set()

    def stopProducing(self) -> None:
        """Implements ``IPushProducer``: the connection is closed."""
        self.is_closed = True
        self._writable.set()


class FileSender:
    """Sends files of any size with little memory: it reads a chunk, in a thread, when the connection is writable."""

    def __init__(self, reactor: ISynapseReactor, clock: Clock, threads: ThreadPool) -> None:
        self.clock = clock
        self._reactor = reactor
        self._threads = threads

    async def send(self, file: BinaryIO, length: int, request: SynapseRequest) -> int:
        """Writes ``length`` bytes of a file to a response, from the file's position on.

        :returns: how many of them are written; if it is not all, the connection is closed.
        :raises EOFError: if the file ends before.
        """
        if length <= _INLINE_BYTES:
            request.write(_read_exactly(file, length))
            return length
        written = 0
        with BodyProducer(self.clock, request) as producer:
            while written < length:
                chunk = await self.read(file, min(_CHUNK_BYTES, length - written))
                await producer.write(chunk)
                if producer.is_closed:
                    break
                written += len(chunk)
        return written

    async def read(self, file: BinaryIO, length: int) -> bytes:
        """Reads ``length`` bytes of a file, from its position on.

        :raises EOFError: if the file ends before.
        """
        if length <= _INLINE_BYTES:
            return _read_exactly(file, length)
        return await defer_to_threadpool(self._reactor, self._threads, _read_exactly, file, length)


def _read_exactly(file: BinaryIO, length: int) -> bytes:
    content = file.read(length)
    if len(content) < length:
        # `Content-Length` is sent already. Synapse closes the connection on this error, so the client sees a failure.
        raise EOFError("a media file ended before its recorded length")
    return content
