"""Writes small bodies to disk after a burst of them, several at a time.

To create a file takes about as long as to send a small body, and each of its system calls hands the interpreter's lock
over and back, which delays the responses of that time. Until its write a body is sent from memory by its download.
"""

import asyncio
from contextlib import suppress

from .body_cache import BodyCache, Head

# A burst has ended when no small body has come for so long. One without an end is written in parts.
_QUIET_S = 0.1
_MAX_DELAY_S = 2.0
_MAX_BYTES = 8 * 1024 * 1024

_Body = tuple[str, Head, bytes, asyncio.Future[None]]


class WriteBehindQueue:
    """The small bodies that are not on disk yet: those of one burst, or that were received while others are written.

    :param cache: where they are written.
    """

    def __init__(self, cache: BodyCache) -> None:
        self._cache = cache
        self._bodies: list[_Body] = []
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def store(self, key: str, head: Head, content: bytes) -> None:
        """Returns once a body is on disk. If the caller is cancelled, the body is written all the same.

        :raises OSError: if it cannot be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bodies.append((key, head, content, written))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await written

    async def close(self) -> None:
        """Writes what is left, at once."""
        self._closing.set()
        if self._task:
            await self._task

    async def _run(self) -> None:
        try:
            while self._bodies:
                await self._wait_for_quiet()
                bodies, self._bodies = self._bodies, []
                errors = await asyncio.to_thread(self._write, bodies)
                for (_, _, _, written), error in zip(bodies, errors, strict=True):
                    if written.done():  # its download was cancelled
                        continue
                    if error:
                        written.set_exception(error)
                    else:
                        written.set_result(None)
        finally:
            self._task = None

    async def _wait_for_quiet(self) -> None:
        """Waits for the end of a burst, or until it has brought much."""
        now = asyncio.get_running_loop().time
        latest = now() + _MAX_DELAY_S
        count = 0
        while len(self._bodies) > count and now() < latest and not self._closing.is_set():
            count = len(self._bodies)
            if sum(len(content) for _, _, content, _ in self._bodies) > _MAX_BYTES:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_S):
                    await self._closing.wait()

    def _write(self, bodies: list[_Body]) -> list[Exception | None]:
        return [self._write_one(key, head, content) for key, head, content, _ in bodies]

    def _write_one(self, key: str, head: Head, content: bytes) -> Exception | None:
        try:
            self._cache.store(key, head, content)
        except Exception as error:
            return error  # which `store` raises for this body; the others are written
        return None
