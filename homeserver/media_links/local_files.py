"""The files of media: opened where they are here and whole, brought from a storage provider where they are not.

Synapse brings a file by writing it where it will be read, so that whoever reads it meanwhile has a part of it, two who
bring it at once cut off each other's, and what breaks off stays. Here a file comes under another name first, and takes
its own when all of it is there.
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

# How long, and how often, we look whether another process has finished writing a file that is still incomplete.
_ARRIVAL_TRIES = 40
_ARRIVAL_STEP = Duration(milliseconds=250)
# Nobody writes to a file any more who has not for so long.
_ABANDONED_S = 60.0


class MediaFiles:
    """Opens the files of media, which are as long as the database says or are not opened."""

    def __init__(self, hs: HomeServer) -> None:
        self._storage = hs.get_media_repository().media_storage
        self._reactor = hs.get_reactor()
        self._clock = hs.get_clock()
        # Many requests for one file that has to be brought: all of them wait for the first, and fail with it.
        self._on_their_way: ResponseCache[FileInfo] = ResponseCache(
            clock=self._clock, name="media_links_on_their_way", server_name=hs.hostname
        )

    def open_here(self, info: FileInfo, length: int) -> BinaryIO | None:
        """Opens a file that is on this machine's disk and whole; never waits."""
        path = self._path(info)
        return _open_whole(path, length) if path else None

    async def open(self, info: FileInfo, length: int) -> BinaryIO:
        """Opens a file, brings it first, or waits a while for another process that is writing it.

        :raises SynapseError: 404 if nobody has it, 503 if it does not become whole.
        """
        for _ in range(_ARRIVAL_TRIES):
            file = await self.open_if_whole(info, length)
            if file is not None:
                return file
            if not self._is_being_written(info):
                break
            await self._clock.sleep(_ARRIVAL_STEP)
        raise _incomplete()

    async def open_if_whole(self, info: FileInfo, length: int) -> BinaryIO | None:
        """As ``open``, but gives nothing for a file of another length rather than to wait.

        :raises SynapseError:
        """
        file = self.open_here(info, length)
        if file is None and await self.bring(info, length):
            file = self.open_here(info, length)
        if file is not None or self._is_being_written(info):
            return file
        # No provider has it. It may be here by a name that Synapse once gave it, or Synapse keeps nothing here at all.
        async with self._storage.ensure_media_is_in_local_cache(info) as path:
            return _open_whole(path, length)

    async def open_new(self, info: FileInfo) -> BinaryIO:
        """Opens a file that was just made, however long it has become."""
        async with self._storage.ensure_media_is_in_local_cache(info) as path:
            return _open(path)

    async def bring(self, info: FileInfo, length: int) -> bool:
        """Fetches a file from the storage providers, unless it is here and whole, or somebody is writing it.

        :returns: whether it is here now.
        :raises SynapseError: 503 if it did not arrive whole.
        """
        path = self._path(info)
        if path is None or not self._storage.storage_providers or self._is_being_written(info):
            return False
        if _size(path) == length:
            return True
        return await self._on_their_way.wrap(info, self._fetch, info, length, path)

    async def _fetch(self, info: FileInfo, length: int, path: str) -> bool:
        try:
            for provider in self._storage.storage_providers:
                found = await provider.fetch(self._storage._file_info_to_path(info), info)
                if found:
                    with found:
                        await self._keep(found, length, path)
                    return True
        except Exception as error:
            # A provider is somebody else's code, and its errors are of any kind.
            logger.warning("A storage provider did not give %s: %r", path, error)
            raise _incomplete() from error
        return False

    async def _keep(self, found: Responder, length: int, path: str) -> None:
        """Writes a file as a whole or not at all.

        :raises OSError: if it is of another length.
        """
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{token_hex(8)}"
        try:
            consumer = BackgroundFileConsumer(_create(temporary), self._reactor)
            # Synapse's consumer does not say what it is, nor does Synapse ask.
            await found.write_to_consumer(consumer)  # type: ignore[arg-type]
            await consumer.wait()
            size = _size(temporary)
            if size != length:
                raise OSError(f"it is {size} bytes long and not {length}")
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.remove(temporary)

    def _path(self, info: FileInfo) -> str | None:
        """Where Synapse keeps this file on this machine; nothing where it keeps none."""
        folder = self._storage.local_media_directory
        return os.path.join(folder, self._storage._file_info_to_path(info)) if folder else None

    def _is_being_written(self, info: FileInfo) -> bool:
        path = self._path(info)
        try:
            return path is not None and time.time() - os.stat(path).st_mtime < _ABANDONED_S
        except FileNotFoundError:
            return False


def _create(path: str) -> BinaryIO:
    return open(path, "xb")


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _open_whole(path: str, length: int) -> BinaryIO | None:
    try:
        file = _open(path)
    except FileNotFoundError:
        return None
    if os.fstat(file.fileno()).st_size == length:
        return file
    file.close()
    return None


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None


def _incomplete() -> SynapseError:
    return SynapseError(503, "This media is not complete here", Codes.UNKNOWN, headers={"Retry-After": "5"})
