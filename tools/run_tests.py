"""The command ``python3 build.py test``: installs browsers if the selected tests need them, then runs pytest."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.setup_environment import ROOT, CommandError

# The folders whose tests start browsers; those with long files come first, so that no process ends with one.
BROWSER_TESTS = ("tests/evidence/faults", "tests/evidence/bench", "tests/evidence/compare", "tests/browser")
# What runs beside them in the same processes, since it starts programs alone and the others take longer.
BESIDE = ("tests/fuzz",)
# The others, which run asyncio's event loop in a process where Playwright does not run its own.
OTHER_TESTS = (
    "tests/unit",
    "tests/homeserver",
    "tests/gateway",
    "tests/evidence/load",
    "tests/evidence/gateway",
)
# Tests in browsers wait more than they compute: two processes share them, file by file, beside a third one.
_IN_TWO_PROCESSES = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
_PYTEST = (sys.executable, "-m", "pytest")


def run(arguments: list[str]) -> int:
    """Runs the tests that pytest's arguments select, or all tests; returns the exit status.

    :raises CommandError: if a browser is needed and cannot be installed.
    """
    if needs_browsers(arguments):
        _set_up_browsers()
    if arguments:
        return subprocess.call([*_PYTEST, *arguments], cwd=ROOT)
    return _run_all()


def needs_browsers(arguments: list[str]) -> bool:
    """Whether pytest's arguments may select tests that start browsers: their paths do, or they name no path."""
    paths = [ROOT / argument.partition("::")[0] for argument in arguments if not argument.startswith("-")]
    selected = [path for path in paths if path.exists()] or [ROOT]
    return any(_overlap(path, ROOT / folder) for path in selected for folder in BROWSER_TESTS)


def _overlap(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents or path in folder.parents


def _set_up_browsers() -> None:
    from tests.browser.engines import set_up_browsers

    try:
        set_up_browsers()
    except RuntimeError as error:
        raise CommandError(str(error)) from error


def _run_all() -> int:
    """Runs the tests with browsers and the others at once; prints the others' output after the first have ended."""
    _fill_caches()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        others = subprocess.Popen([*_PYTEST, *OTHER_TESTS], cwd=ROOT, stdout=output)
        try:
            status = subprocess.call([*_PYTEST, *_IN_TWO_PROCESSES, *BESIDE, *BROWSER_TESTS], cwd=ROOT)
            status = others.wait() or status
        except KeyboardInterrupt:
            others.wait()  # it was interrupted as well, and stops what it has started
            raise
        output.seek(0)
        print(output.read())
    return status


def _fill_caches() -> None:
    """Draws the sample media and builds the site once, which each process would do for itself otherwise."""
    from tests.sample_media_cache import cached_sample_media
    from web import site

    cached_sample_media()
    with tempfile.TemporaryDirectory(prefix="authmedia-") as folder:
        site.build(Path(folder) / "site")
