"""Builds the packages that others install: wheel and source distribution of the library, of the Synapse module and of
the gateway, and the folder for pages in JavaScript.

The build backend, Hatchling, is installed with the other tools and runs without isolation, so nothing is downloaded. It
dates and orders what it packs by itself: equal contents give equal bytes.
https://hatch.pypa.io/latest/config/build/#reproducible-builds
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from web import javascript_package

ROOT = Path(__file__).resolve().parents[1]
# The folders with a `pyproject.toml`.
_PROJECTS = (".", "homeserver", "homeserver/gateway_package")
#: The folder for pages in JavaScript.
JAVASCRIPT = "authmedia-js"


class PackageError(Exception):
    """The packages cannot be built: a sentence that says what to do."""


# A remote configuration of PyScript: a page that names it among its `packages` gets the wheel beside it.
_REMOTE_CONFIGURATION = "authmedia.toml"


def build(out: Path, root: Path = ROOT) -> list[Path]:
    """Writes all packages into a folder, over those of the same version; returns their files and folders.

    Other files of the folder stay. If one package cannot be built, nothing is written.

    :param root: the repository's folder.
    :raises PackageError: if one cannot be built, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out, prefix=".unfinished-") as unfinished:
            for project in _PROJECTS:
                _run_backend(root / project, Path(unfinished))
            _write_remote_configuration(Path(unfinished))
            javascript_package.write(Path(unfinished) / JAVASCRIPT)
            shutil.rmtree(out / JAVASCRIPT, ignore_errors=True)
            return [path.replace(out / path.name) for path in sorted(Path(unfinished).iterdir())]
    except OSError as error:
        raise PackageError(f"{out} cannot be written ({error.strerror}); name another folder with --out.") from error


def _run_backend(project: Path, out: Path) -> None:
    """Builds the packages of one project.

    https://hatch.pypa.io/latest/config/build/ has the settings in its ``pyproject.toml``.
    """
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--directory",
        str(out),
    ]  # the source distribution, and a wheel
    # A time from outside would date the archives.
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"the package of {project / 'pyproject.toml'} cannot be built:\n{done.stderr.strip()}")


def _write_remote_configuration(out: Path) -> None:
    (wheel,) = out.glob("authmedia-*.whl")
    text = f'name = "authmedia"\n\n[files]\n"./{wheel.name}" = "./*"\n'
    (out / _REMOTE_CONFIGURATION).write_text(text, encoding="utf-8")
