"""A storage provider with latency, which sends files in two parts and fails on demand.

A test controls it by files in its directory. While ``hold`` exists, it pauses in the middle of a file; if ``break``
exists, it deletes that and fails there. It adds a line to ``fetches`` for every file that is requested.
"""

import shutil
from pathlib import Path
from typing import Any

from synapse.logging.context import run_in_background
from synapse.media._base import FileInfo, Responder
from synapse.media.storage_provider import StorageProvider
from synapse.server import HomeServer
from synapse.util.duration import Duration
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer

_STEP = Duration(milliseconds=20)


class SlowStorage(StorageProvider):
    """A provider for ``media_storage_providers``. Its ``config`` has a ``directory``."""

    def __init__(self, hs: HomeServer, config: Path) -> None:
        self.clock = hs.get_clock()
        self.directory = config
        self._cache = Path(hs.config.media.media_store_path)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Path:
        return Path(config["directory"])

    async def store_file(self, path: str, file_info: FileInfo) -> None:
        stored = self.directory / path
        stored.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._cache / path, stored)

    async def fetch(self, path: str, file_info: FileInfo) -> Responder | None:
        with (self.directory / "fetches").open("a") as fetches:
            fetches.write(f"{path}\n")
        await self.clock.sleep(_STEP)
        stored = self.directory / path
        return _SlowResponder(self, stored.read_bytes()) if stored.exists() else None


class _SlowResponder(Responder):
    def __init__(self, storage: SlowStorage, content: bytes) -> None:
        self._storage = storage
        self._content = content

    def write_to_consumer(self, consumer: IConsumer) -> "Deferred[None]":
        return run_in_background(self._write, consumer)

    async def _write(self, consumer: IConsumer) -> None:
        consumer.registerProducer(self, True)
        try:
            half = len(self._content) // 2
            consumer.write(self._content[:half])
            await self._pause()
            consumer.write(self._content[half:])
        finally:
            consumer.unregisterProducer()

    async def _pause(self) -> None:
        directory, clock = self._storage.directory, self._storage.clock
        await clock.sleep(_STEP)
        while (directory / "hold").exists():
            await clock.sleep(_STEP)
        if (directory / "break").exists():
            (directory / "break").unlink()
            raise ConnectionResetError("the storage hung up")

    def pauseProducing(self) -> None:
        """Ignores back-pressure: it is slow anyway."""

    resumeProducing = stopProducing = pauseProducing
