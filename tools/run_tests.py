"""The command ``python3 build.py test``: installs browsers if the selected tests need them, then runs pytest."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.setup_environment import ROOT, CommandError

# The folders whose tests start browsers.
BROWSER_TESTS = ("tests/browser", "tests/evidence/bench", "tests/evidence/compare", "tests/evidence/faults")
# Without arguments, all tests run in two processes of about the same duration. Most tests in browsers share the
# session's demonstration and are in one of them; these do not need its pages, so they are in the other.
_WITHOUT_PAGES = tuple(f"tests/browser/test_{name}.py" for name in ("interpreters", "javascript", "plain_page"))
HALVES = (
    ("tests/browser", "tests/evidence/compare", *(f"--ignore={path}" for path in _WITHOUT_PAGES)),
    (
        "tests/unit",
        "tests/homeserver",
        "tests/gateway",
        "tests/fuzz",
        "tests/evidence/bench",
        "tests/evidence/faults",
        "tests/evidence/load",
        *_WITHOUT_PAGES,
    ),
)
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
    """Runs both halves at once; prints the output of the second one after the first has ended."""
    from tests.sample_media_cache import cached_sample_media

    cached_sample_media()  # else both processes would draw the sample media
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        second = subprocess.Popen([*_PYTEST, *HALVES[1]], cwd=ROOT, stdout=output)
        try:
            status = subprocess.call([*_PYTEST, *HALVES[0]], cwd=ROOT)
            status = second.wait() or status
        except KeyboardInterrupt:
            second.wait()  # it was interrupted as well, and stops what it has started
            raise
        output.seek(0)
        print(output.read())
    return status
