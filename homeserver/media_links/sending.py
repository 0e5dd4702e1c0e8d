"""Sends bytes at the pace of whoever takes them."""

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

# Up to this size a file is read and written at once: handing it to a thread would cost more than reading it.
_SMALL = 64 * 1024
_CHUNK = 256 * 1024
# How long somebody may take nothing at all before we hang up; Synapse's own downloads wait as long. A browser whose
# video was paused for longer asks for the rest with a range.
_STALLED_S = 90.0


@implementer(IPushProducer)
class Flow:
    """Writes a body at the client's pace (https://docs.twisted.org/en/stable/core/howto/producers.html).

    :param chunk_bytes: how much is written before the client has to have taken it.
    :param stall_s: seconds in which the client has to take that, or the connection is aborted.
    """

    def __init__(
        self, clock: Clock, request: SynapseRequest, chunk_bytes: int = _CHUNK, stall_s: float | None = None
    ) -> None:
        self._request = request
        self._chunk_bytes = chunk_bytes
        self._stall_s = _STALLED_S if stall_s is None else stall_s
        self._room = DeferredEvent(clock)
        self._room.set()
        # The connection says that it has room when all that was written is out. Were many to write at once, that would
        # take longer than a client is waited for, also one that reads steadily.
        self._turns = Linearizer("media_links_flow", clock)
        #: Whether nobody is there any more.
        self.stopped = request._disconnected

    def __enter__(self) -> "Flow":
        if not self.stopped:
            self._request.registerProducer(self, True)
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self.stopped:
            self._request.unregisterProducer()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Waits, in ``async with``, for those that came before: several writers of one body write in turn."""
        return self._turns.queue(None)

    async def write(self, content: bytes) -> None:
        """Writes, and waits until there is room for more."""
        for start in range(0, len(content), self._chunk_bytes):
            await self._write(content[start : start + self._chunk_bytes])

    async def _write(self, chunk: bytes) -> None:
        if self.stopped:
            return
        self._request.write(chunk)
        if not await self._room.wait(self._stall_s):
            self.stopped = True
            # Not `loseConnection`, which would wait for the client to take what is already written.
            self._request.channel.forceAbortClient()

    def pauseProducing(self) -> None:
        """Twisted: no more, for now."""
        self._room.clear()

    def resumeProducing(self) -> None:
        """Twisted: there is room again."""
        self._room.set()

    def stopProducing(self) -> None:
        """Twisted: the connection is gone."""
        self.stopped = True
        self._room.set()


class FileSender:
    """Sends files of any size with little memory: a chunk is read, in a thread, when the connection has room for it."""

    def __init__(self, reactor: ISynapseReactor, clock: Clock, threads: ThreadPool) -> None:
        self.clock = clock
        self._reactor = reactor
        self._threads = threads

    async def send(self, file: BinaryIO, length: int, request: SynapseRequest) -> bool:
        """Sends so many bytes from where the file stands.

        :returns: whether all of it went out; if not, nobody is there any more.
        """
        if length <= _SMALL:
            request.write(_read(file, length))
            return True
        with Flow(self.clock, request) as flow:
            while length and not flow.stopped:
                chunk = await self.read(file, min(_CHUNK, length))
                length -= len(chunk)
                await flow.write(chunk)
            return not flow.stopped

    async def read(self, file: BinaryIO, length: int) -> bytes:
        """So many bytes from where a file stands.

        :raises EOFError: if there are fewer.
        """
        if length <= _SMALL:
            return _read(file, length)
        return await defer_to_threadpool(self._reactor, self._threads, _read, file, length)


def _read(file: BinaryIO, length: int) -> bytes:
    chunk = file.read(length)
    if len(chunk) < length:
        # The length has been announced already: Synapse ends the connection, so that nobody takes a part for the whole.
        raise EOFError("a media file ended before its recorded length")
    return chunk
