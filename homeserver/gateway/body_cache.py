"""Bodies of media on disk, within a bound. The least recently used ones are evicted first.

A large body is complete as soon as its head (type, name and size, as JSON) stands beside it. A small one is one file,
whose first line is its head: to create a file takes longer than to receive such a body. Several processes share the
folder. A file that is evicted stays readable where it is open.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from media_protocol.signing import Media

from .metrics import Metrics

_HEAD, _BODY, _SMALL, _PART = ".json", ".body", ".small", ".part"
# A body larger than this part of the cache would evict too much of what others use.
_MAX_BODY_FRACTION = 4
_TOUCH_S = 60.0
# After a process was killed. A download without any byte in this time has failed.
_STALE_PART_S = 3600.0
# The folder is listed again after this part of the bound was written.
_LISTING_FRACTION = 50


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a body.

    :param disposition: the homeserver's ``Content-Disposition``.
    :param size: in bytes.
    """

    content_type: str
    disposition: str
    size: int


def cache_key(media: Media) -> str:
    """Returns the name of a media's files: a digest, so that no name from outside becomes a path."""
    shape = media.thumbnail
    thumbnail = [shape.width, shape.height, shape.method, shape.animated] if shape else None
    identity = json.dumps([media.server_name, media.media_id, thumbnail])
    return hashlib.sha256(identity.encode()).hexdigest()


class BodyCache:
    """The folder with the bodies.

    :param max_bytes: how much it holds. Each process may exceed that by what it downloads at the time.
    """

    def __init__(self, directory: Path, max_bytes: int, metrics: Metrics) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._written_since_listing = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.evict()

    @property
    def max_body_bytes(self) -> int:
        """The size of the largest body that is kept."""
        return self._max_bytes // _MAX_BODY_FRACTION

    def open(self, key: str) -> tuple[Head, BinaryIO | bytes] | None:
        """Opens a complete body, and reads it if it is small; ``None`` if there is none."""
        return self._read_small(key) or self._open_large(key)

    def _read_small(self, key: str) -> tuple[Head, bytes] | None:
        path = self._path(key, _SMALL)
        try:
            line, _, content = path.read_bytes().partition(b"\n")
            head = Head(**json.loads(line))
        except (OSError, ValueError, TypeError):
            return None
        if len(content) != head.size:
            self.remove(key)
            return None
        _touch(path)
        return head, content

    def _open_large(self, key: str) -> tuple[Head, BinaryIO] | None:
        path = self._path(key, _HEAD)
        try:
            head = Head(**json.loads(path.read_bytes()))
            file = self._path(key, _BODY).open("rb")
        except (OSError, ValueError, TypeError):
            return None
        if os.fstat(file.fileno()).st_size != head.size:
            file.close()
            self.remove(key)
            return None
        _touch(path)
        return head, file

    def create(self) -> tuple[BinaryIO, Path]:
        """Creates a file for a body that is about to be received."""
        name = f"{os.getpid()}-{os.urandom(8).hex()}{_PART}"
        descriptor = os.open(self._directory / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        return os.fdopen(descriptor, "w+b"), self._directory / name

    def store(self, key: str, head: Head, content: bytes) -> None:
        """Writes a whole small body to disk. May run on any thread."""
        file, path = self.create()
        try:
            with file:
                file.write(json.dumps(asdict(head)).encode() + b"\n" + content)
            os.replace(path, self._path(key, _SMALL))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._written_since_listing += head.size
        self.evict_if_due()

    def commit(self, key: str, head: Head, part: Path) -> None:
        """Makes a body that was received completely available. ``evict_if_due`` is to be called after it."""
        os.replace(part, self._path(key, _BODY))
        written = part.with_suffix(".head")
        descriptor = os.open(written, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(head), file)
        os.replace(written, self._path(key, _HEAD))
        self._written_since_listing += head.size

    def evict_if_due(self) -> None:
        """Evicts bodies if much was written since the last time. It lists the folder, so it belongs on a thread."""
        if self._written_since_listing > self._max_bytes // _LISTING_FRACTION:
            self.evict()

    def body_path(self, key: str) -> Path:
        """Returns where a complete body is."""
        return self._path(key, _BODY)

    def remove(self, key: str) -> None:
        """Removes a body."""
        for suffix in (_HEAD, _BODY, _SMALL):
            self._path(key, suffix).unlink(missing_ok=True)

    def evict(self) -> None:
        """Removes the least recently used bodies until the rest is within the bound, and what dead processes left."""
        self._written_since_listing = 0
        sizes: dict[str, int] = {}
        used: dict[str, float] = {}
        total = 0
        for entry, size, modified in self._files():
            total += size
            key, suffix = os.path.splitext(entry)
            if suffix in (_HEAD, _BODY, _SMALL):
                sizes[key] = sizes.get(key, 0) + size
                used[key] = max(used.get(key, 0.0), modified)
            elif time.time() - modified > _STALE_PART_S:
                (self._directory / entry).unlink(missing_ok=True)
                total -= size
        for key in sorted(used, key=used.__getitem__):
            if total <= self._max_bytes:
                break
            self.remove(key)
            self._metrics.evictions.inc()
            total -= sizes[key]
        self._metrics.cache_bytes.set(total)

    def _files(self) -> Iterator[tuple[str, int, float]]:
        with os.scandir(self._directory) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # evicted by another process
                    continue
                yield entry.name, status.st_size, status.st_mtime

    def _path(self, key: str, suffix: str) -> Path:
        return self._directory / (key + suffix)


def _touch(path: Path) -> None:
    """Marks a body as used of late, at most once a minute."""
    try:
        if time.time() - path.stat().st_mtime > _TOUCH_S:
            os.utime(path)
    except FileNotFoundError:
        pass  # evicted by another process
