"""The folder that a build writes: the files of an earlier build in it, and precompressed twins."""

import gzip
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import brotli

_CACHE = Path(__file__).parent / ".cache"
# Lists the files that a build has written.
_FILE_LIST = "authmedia-build.txt"
#: The folder of `build.py package` inside the site's folder; builds of the site leave it alone.
PACKAGES = "packages"
_COMPRESSIBLE = {".html", ".css", ".js", ".mjs", ".json", ".svg", ".wasm"}
# Quality 11 takes half a minute for Pyodide's 10 MB; 6 is quick and a few per cent larger.
_BROTLI_QUALITY, _BROTLI_QUALITY_LARGE, _LARGE = 11, 6, 1_000_000


@contextmanager
def rebuilt(out: Path) -> Iterator[None]:
    """Has a build write a folder: removes the files of earlier builds before, and no others; compresses its own after.

    The next build removes what this one has written, whether it comes to its end or not.

    :raises FileExistsError: if the folder is not empty and holds no earlier build.
    """
    others = _clear(out)
    try:
        yield
        compressible = [path for path in _files_in(out) - others if path.suffix in _COMPRESSIBLE]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(_compress, sorted(compressible)))
    finally:
        made = sorted(path.relative_to(out).as_posix() for path in _files_in(out) - others)
        out.mkdir(parents=True, exist_ok=True)
        (out / _FILE_LIST).write_text("".join(f"{name}\n" for name in [*made, _FILE_LIST]), encoding="utf-8")


def _clear(out: Path) -> set[Path]:
    """Removes the files of earlier builds from a folder; returns the files that stay."""
    if not out.exists():
        return set()
    # The documentation may have been built into the site's folder before the site.
    file_lists = [path for path in (out / _FILE_LIST, *out.glob(f"*/{_FILE_LIST}")) if path.is_file()]
    builds = {file_list.parent for file_list in file_lists}
    if out not in builds and (not out.is_dir() or not {*builds, out / PACKAGES}.issuperset(out.iterdir())):
        raise FileExistsError(f"{out} is there, and is no earlier build; name a folder that is empty or new")
    files = [(path.parent, name) for path in file_lists for name in path.read_text(encoding="utf-8").splitlines()]
    for folder, name in files:
        _remove(folder, name)
    return _files_in(out)


def _remove(folder: Path, name: str) -> None:
    """Removes a file below a folder, and the folders that are empty then."""
    path = folder / name
    if folder not in path.parents or ".." in Path(name).parts:
        return
    path.unlink(missing_ok=True)
    with suppress(OSError):  # the folder holds other files
        for parent in path.parents:
            if parent == folder:
                break
            parent.rmdir()


def _files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _compress(path: Path) -> None:
    """Writes ``.gz`` and ``.br`` twins of a file, from the cache if its content was compressed before."""
    content = path.read_bytes()
    _CACHE.mkdir(exist_ok=True)
    for suffix, compress in ((".gz", _gzip), (".br", _brotli)):
        cached = _CACHE / (hashlib.sha256(content).hexdigest() + suffix)
        if not cached.exists():
            unfinished = cached.with_suffix(f"{suffix}.{path.stat().st_ino}")
            unfinished.write_bytes(compress(content))
            unfinished.replace(cached)
        path.with_name(path.name + suffix).write_bytes(cached.read_bytes())


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _brotli(content: bytes) -> bytes:
    quality = _BROTLI_QUALITY if len(content) < _LARGE else _BROTLI_QUALITY_LARGE
    return bytes(brotli.compress(content, quality=quality))
