"""A storage provider as one far away is: it answers late, in pieces, and sometimes breaks off.

A test steers it by files in its directory: where ``hold`` lies it stops in the middle, where ``break`` lies it fails
there, once. Its ``fetches`` has a line for every file that was asked for.
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
    """Named in a homeserver's ``media_storage_providers``; ``config`` has its ``directory``."""

    def __init__(self, hs: HomeServer, config: Path) -> None:
        self.clock = hs.get_clock()
        self.directory = config
        self._cache = Path(hs.config.media.media_store_path)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Path:
        return Path(config["directory"])

    async def store_file(self, path: str, file_info: FileInfo) -> None:
        kept = self.directory / path
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._cache / path, kept)

    async def fetch(self, path: str, file_info: FileInfo) -> Responder | None:
        with (self.directory / "fetches").open("a") as fetches:
            fetches.write(f"{path}\n")
        await self.clock.sleep(_STEP)
        kept = self.directory / path
        return _Slowly(self, kept.read_bytes()) if kept.exists() else None


class _Slowly(Responder):
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
        """It is slow enough."""

    resumeProducing = stopProducing = pauseProducing
