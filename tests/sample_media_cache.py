"""Caches the drawn sample media between test runs, as long as their sources are the same: drawing takes 15 seconds."""

import hashlib
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import PIL

from development.sample_media.catalogue import samples

_ROOT = Path(__file__).resolve().parents[1]
_STATE = _ROOT / ".state"
_SOURCES = _ROOT / "homeserver" / "development"


def copy_sample_media(seed: Path) -> None:
    """Copies the sample media into a seeding folder, so that seeding need not draw them."""
    shutil.copytree(cached_sample_media(), seed, dirs_exist_ok=True)


def cached_sample_media() -> Path:
    """Returns the folder with the sample media, and draws them first if needed."""
    folder = _STATE / f"drawings-{_digest()}"
    if not folder.exists():
        _STATE.mkdir(exist_ok=True)
        for outdated in _STATE.glob("drawings-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=_STATE, ignore_cleanup_errors=True) as part:
            samples(Path(part) / "seed")
            with suppress(OSError):  # another process has completed the folder first
                (Path(part) / "seed").rename(folder)
    return folder


def _digest() -> str:
    """Returns a digest of everything that the drawn bytes depend on."""
    digest = hashlib.sha256(PIL.__version__.encode())
    for source in sorted(_SOURCES.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
