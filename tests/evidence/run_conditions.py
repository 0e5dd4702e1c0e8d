"""The circumstances of a run: machine, versions, commit, and how much of the machine other programs took."""

import ctypes
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.evidence.documents import ROOT
from web.site import WEB

#: A run is alone on the machine if other programs take less than this share of all cores' time.
ALONE_BELOW = 0.05
_PROC = Path("/proc")
# Fields of the first line of /proc/stat, without idle and iowait: user, nice, system, irq, softirq, steal.
# https://man7.org/linux/man-pages/man5/proc_stat.5.html
_BUSY = (1, 2, 3, 6, 7, 8)
# Fields of /proc/PID/stat after the name: the parent; utime, stime, and both of the children that it has waited for.
_PARENT, _TIMES = 1, slice(11, 15)
# https://man7.org/linux/man-pages/man2/pr_set_child_subreaper.2const.html
_PR_SET_CHILD_SUBREAPER = 36


def about(seed: int | None, runs: int) -> dict[str, Any]:
    """Returns a description of the machine, the versions and the run.

    :param seed: seed of the order, if it is shuffled.
    """
    return {
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "versions": {
            "python": platform.python_version(),
            "playwright": version("playwright"),
            "synapse": version("matrix-synapse"),
            **_npm_versions(),
        },
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "runs": runs,
    }


def commit() -> str:
    """Returns the commit of the sources, with a plus sign if they were changed since; empty without a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and _git("status", "--porcelain", "--untracked-files=no") else "")


def adopt_orphans() -> None:
    """Makes descendants whose parent has ended children of this process, so that `OtherLoad` does not count them.

    A browser that is closed ends before most of its processes. They stay zombies, whose times can be read, for as long
    as this process runs: it is for commands, not for tests. Does nothing but on Linux.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class OtherLoad:
    """Measures the share of all cores' time that other programs take, from construction on.

    Other programs are those that are not this process or a descendant of it; see `adopt_orphans`.
    """

    def __init__(self) -> None:
        self._busy, self._all = _machine_ticks()
        self._own = _own_ticks()

    def share(self) -> float | None:
        """Returns the share, 0 to 1; None where there is no ``/proc``."""
        busy, whole = _machine_ticks()
        if whole <= self._all:
            return None
        others = busy - self._busy - (_own_ticks() - self._own)
        return round(max(0.0, others / (whole - self._all)), 3)


def note_load(said: dict[str, Any], share: float | None) -> None:
    """Notes the largest share of other programs in a run's ``about``, and whether the run was alone.

    :param share: that of one part of the run.
    """
    if share is None:
        return
    largest = max(share, said.get("others_load", 0.0))
    said["others_load"] = largest
    said["alone"] = largest < ALONE_BELOW


def _machine_ticks() -> tuple[int, int]:
    """Returns how long all cores were busy, and how long they were there; zeros without ``/proc``."""
    try:
        fields = (_PROC / "stat").read_text(encoding="ascii").partition("\n")[0].split()
    except OSError:
        return 0, 0
    # guest and guest_nice are parts of user and nice.
    return sum(int(fields[index]) for index in _BUSY), sum(map(int, fields[1:9]))


def _own_ticks() -> int:
    """Returns how long this process and its descendants were busy, with those that have ended."""
    times: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for file in _PROC.glob("[0-9]*/stat"):
        try:
            fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        process = int(file.parent.name)
        times[process] = sum(map(int, fields[_TIMES]))
        children.setdefault(int(fields[_PARENT]), []).append(process)
    total, left = 0, [os.getpid()]
    while left:
        process = left.pop()
        total += times.get(process, 0)
        left += children.get(process, [])
    return total


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _npm_versions() -> dict[str, str]:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    return {
        name.rpartition("/")[2]: entry["version"]
        for name, entry in lock["packages"].items()
        if name in (f"node_modules/{wanted}" for wanted in lock["packages"][""]["dependencies"])
    }
