"""The sample media, drawn once for all test runs of the same sources: it takes a quarter of a minute."""

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
    """Puts them where seeding finds them, and need not draw them."""
    shutil.copytree(cached_sample_media(), seed, dirs_exist_ok=True)


def cached_sample_media() -> Path:
    """Draws them, unless somebody has; gives the folder that they are in."""
    folder = _STATE / f"drawings-{_digest()}"
    if not folder.exists():
        _STATE.mkdir(exist_ok=True)
        for outdated in _STATE.glob("drawings-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=_STATE, ignore_cleanup_errors=True) as part:
            samples(Path(part) / "seed")
            with suppress(OSError):  # somebody else was quicker
                (Path(part) / "seed").rename(folder)
    return folder


def _digest() -> str:
    """Another one whenever they might be drawn otherwise."""
    digest = hashlib.sha256(PIL.__version__.encode())
    for source in sorted(_SOURCES.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
