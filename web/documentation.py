"""Builds the documentation with Zensical: the pages in ``docs/``, and the API reference from docstrings.

The result is cached by the content of its sources, so that a build of the site takes no longer for it.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from web import documentation_regions, output_folder

ROOT = Path(__file__).resolve().parents[1]
_CACHE = ROOT / "web" / ".cache"
_SETTINGS = "zensical.toml"
_PAGES = "docs"
# Zensical reads pages from its project's folder alone, so they are copied; the rest is linked.
_LINKED = ("CONTRIBUTING.md", "CHANGELOG.md", "pyapp", "homeserver", "web")
_INCLUDED = ("CONTRIBUTING.md", "CHANGELOG.md", "web/docstring_examples.py")
_DOCUMENTED = ("pyapp/authmedia", "homeserver/media_links", "homeserver/media_protocol")
_GENERATORS = ("zensical", "mkdocstrings-python", "mkdocstrings", "griffelib")
_MAX_AGE_S = 24 * 3600
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class DocumentationError(Exception):
    """The documentation has a broken link, an unknown name, or a docstring that cannot be parsed."""


def build(out: Path) -> None:
    """Writes the documentation into a folder, after removing the files of an earlier build from it.

    :raises DocumentationError: if the documentation has an error; an earlier build stays then.
    :raises FileExistsError: if the folder holds something else.
    """
    pages = generate()
    with output_folder.rebuilt(out):
        shutil.copytree(pages, out, dirs_exist_ok=True)


def generate() -> Path:
    """Returns a folder with the documentation, from the cache if nothing has changed since it was generated.

    :raises DocumentationError: if the documentation has an error.
    """
    cached = _CACHE / f"docs-{_digest()}"
    if not cached.exists():
        _CACHE.mkdir(exist_ok=True)
        _remove_outdated()
        with TemporaryDirectory(dir=_CACHE, prefix="docs-") as project:
            pages = _run_generator(Path(project))
            try:
                pages.rename(cached)
            except OSError:
                if not cached.exists():  # else another process has generated the same
                    raise
    return cached


def _run_generator(project: Path) -> Path:
    """Runs the generator in a project folder of its own; returns the folder that it wrote."""
    shutil.copyfile(ROOT / _SETTINGS, project / _SETTINGS)
    shutil.copytree(ROOT / _PAGES, project / _PAGES)
    for name in _LINKED:
        (project / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    output = _COLOURS.sub("", done.stdout)
    # Zensical does not count what Griffe says about docstrings as warnings.
    if done.returncode or "griffe: " in output:
        raise DocumentationError(f"the documentation cannot be built:\n{output}")
    pages = project / "dist" / "docs"
    documentation_regions.add_regions(pages)
    return pages


def _remove_outdated() -> None:
    for path in _CACHE.glob("docs-*"):
        if time.time() - path.stat().st_mtime > _MAX_AGE_S:
            shutil.rmtree(path, ignore_errors=True)


def _digest() -> str:
    """Returns a hash of the sources and the generators' versions."""
    digest = hashlib.sha256("".join(version(name) for name in _GENERATORS).encode())
    digest.update(Path(documentation_regions.__file__).read_bytes())
    files = [ROOT / _SETTINGS, *(ROOT / name for name in _INCLUDED)]
    files += [path for path in (ROOT / _PAGES).rglob("*") if path.is_file()]
    files += [path for folder in _DOCUMENTED for path in (ROOT / folder).rglob("*.py")]
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
