"""Opens the files of media on this machine, and fetches them from storage providers first where they are missing.

Synapse writes a fetched file under its final name. Concurrent readers then see a part of it, two concurrent fetches
truncate each other's file, and a failed fetch leaves an incomplete one. This module writes to a temporary name and
renames the file when it is complete.
"""

import logging
import os
import time
from contextlib import suppress
from secrets import token_hex
from typing import BinaryIO

from synapse.api.errors import Codes, SynapseError
from synapse.media._base import FileInfo, Responder
from synapse.server import HomeServer
from synapse.util.caches.response_cache import ResponseCache
from synapse.util.duration import Duration
from synapse.util.file_consumer import BackgroundFileConsumer

logger = logging.getLogger(__name__)

# How often, and how many times, a file is looked at that another process may be writing.
_POLL_INTERVAL = Duration(milliseconds=250)
_MAX_POLLS = 40
# A file that has not been modified for this long is not being written any more.
_WRITE_TIMEOUT_S = 60.0


class LocalFiles:
    """Opens the files of media, if their length is the one recorded in the database."""

    def __init__(self, hs: HomeServer) -> None:
        self._storage = hs.get_media_repository().media_storage
        self._reactor = hs.get_reactor()
        self._clock = hs.get_clock()
        # Coalesces concurrent fetches of one file: all requests wait for the first one, and fail with it.
        self._fetches: ResponseCache[FileInfo] = ResponseCache(
            clock=self._clock, name="media_links_fetches", server_name=hs.hostname
        )

    def open_local(self, info: FileInfo, length: int) -> BinaryIO | None:
        """Opens a file on this machine's disk, without waiting.

        :param length: of the complete file, in bytes.
        :returns: ``None`` if the file is missing or incomplete.
        """
        path = self._local_path(info)
        return _open_if_complete(path, length) if path else None

    async def open(self, info: FileInfo, length: int) -> BinaryIO:
        """Opens a file; fetches it first, or polls while another process is writing it.

        :param length: of the complete file, in bytes.
        :raises SynapseError: 404 if the file is missing everywhere, 503 if it stays incomplete.
        """
        for _ in range(_MAX_POLLS):
            file = await self.open_if_complete(info, length)
            if file is not None:
                return file
            if not self._is_being_written(info):
                break
            await self._clock.sleep(_POLL_INTERVAL)
        raise _incomplete_error()

    async def open_if_complete(self, info: FileInfo, length: int) -> BinaryIO | None:
        """Opens a file; fetches it first where it is missing, but does not poll.

        :returns: ``None`` if the file is incomplete.
        :raises SynapseError: 404 if the file is missing everywhere, 503 if fetching it fails.
        """
        file = self.open_local(info, length)
        if file is None and await self.fetch(info, length):
            file = self.open_local(info, length)
        if file is not None or self._is_being_written(info):
            return file
        # No storage provider has it. Synapse also looks under the file names of its earlier versions.
        async with self._storage.ensure_media_is_in_local_cache(info) as path:
            return _open_if_complete(path, length)

    async def open_created(self, info: FileInfo) -> BinaryIO:
        """Opens a file that this process has just created, of any length."""
        async with self._storage.ensure_media_is_in_local_cache(info) as path:
            return open_file(path)

    async def fetch(self, info: FileInfo, length: int) -> bool:
        """Fetches a file from the storage providers, unless it is complete or another process is writing it.

        :returns: whether the file is on this machine's disk now.
        :raises SynapseError: 503 if the transfer fails.
        """
        path = self._local_path(info)
        if path is None or not self._storage.storage_providers or self._is_being_written(info):
            return False
        if _file_size(path) == length:
            return True
        return await self._fetches.wrap(info, self._fetch_from_providers, info, length, path)

    async def _fetch_from_providers(self, info: FileInfo, length: int, path: str) -> bool:
        try:
            for provider in self._storage.storage_providers:
                responder = await provider.fetch(self._storage._file_info_to_path(info), info)
                if responder:
                    with responder:
                        await self._store(responder, length, path)
                    return True
        except Exception as error:
            # Providers are third-party code and raise errors of any type.
            logger.warning("A storage provider failed to send %s: %r", path, error)
            raise _incomplete_error() from error
        return False

    async def _store(self, responder: Responder, length: int, path: str) -> None:
        """Writes a file atomically.

        :raises OSError: if its length is another one.
        """
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary_path = f"{path}.{token_hex(8)}"
        try:
            consumer = BackgroundFileConsumer(_create(temporary_path), self._reactor)
            # Synapse's consumer is not declared as an `IConsumer`, and works as one.
            await responder.write_to_consumer(consumer)  # type: ignore[arg-type]
            await consumer.wait()
            size = _file_size(temporary_path)
            if size != length:
                raise OSError(f"it is {size} bytes long and not {length}")
            os.replace(temporary_path, path)
        finally:
            with suppress(FileNotFoundError):
                os.remove(temporary_path)

    def _local_path(self, info: FileInfo) -> str | None:
        """Returns the path of a file on this machine; ``None`` if Synapse is configured to store none locally."""
        directory = self._storage.local_media_directory
        return os.path.join(directory, self._storage._file_info_to_path(info)) if directory else None

    def _is_being_written(self, info: FileInfo) -> bool:
        path = self._local_path(info)
        try:
            return path is not None and time.time() - os.stat(path).st_mtime < _WRITE_TIMEOUT_S
        except FileNotFoundError:
            return False


def _create(path: str) -> BinaryIO:
    return open(path, "xb")


def open_file(path: str) -> BinaryIO:
    """Opens a file to read it."""
    return open(path, "rb")


def _open_if_complete(path: str, length: int) -> BinaryIO | None:
    try:
        file = open_file(path)
    except FileNotFoundError:
        return None
    if os.fstat(file.fileno()).st_size == length:
        return file
    file.close()
    return None


def _file_size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _incomplete_error() -> SynapseError:
    return SynapseError(503, "This media is not complete here", Codes.UNKNOWN, headers={"Retry-After": "5"})
