"""What ``python3 build.py compare --take DIR`` does: puts the figures that runs left in a folder into the READMEs."""

import shutil
from pathlib import Path
from typing import Any

from tests.evidence import readme
from tests.evidence.bench import command as bench_command
from tests.evidence.bench import report as bench
from tests.evidence.compare import report as comparison
from tests.evidence.compare.command import FIGURES as COMPARISON
from tests.evidence.compare.results import Results
from tests.evidence.faults import command as faults_command
from tests.evidence.faults import malformed_inputs as inputs
from tests.evidence.faults import report as faults
from tests.evidence.load import command as load

# What a row is about; one that was measured anew takes the place of the one that there was.
_KEYS = {bench.LATEST: ("engine", "what", "against"), faults.LATEST: ("engine", "fault")}


def take(folder: Path) -> list[str]:
    """Takes what is there, row by row, and writes all tables; gives the names of the files that were taken."""
    taken = []
    for name, latest in (
        (bench_command.FIGURES, bench.LATEST),
        (faults_command.FIGURES, faults.LATEST),
        (load.FIGURES, load.LATEST),
        (COMPARISON, comparison.LATEST),
    ):
        if (folder / name).exists():
            _take(folder / name, latest)
            taken.append(name)
    write_readmes()
    return taken


def write_readmes() -> None:
    """Writes all tables anew, of the latest figures."""
    comparison.write_readme(Results.read(comparison.LATEST))
    bench.write_readme(readme.read_figures(bench.LATEST))
    readme.write_between(faults.PART, faults.table(readme.read_figures(faults.LATEST)))
    readme.write_between(load.PART, load.table(readme.read_figures(load.LATEST)))
    readme.write_between(inputs.PART, inputs.table())


def merged(latest: dict[str, Any], new: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    """The latest figures with the new ones in the place of those that are about the same."""
    rows = {tuple(row[name] for name in key): row for row in (*latest["rows"], *new["rows"])}
    return {"about": {**latest["about"], **new["about"]}, "rows": list(rows.values())}


def _take(file: Path, latest: Path) -> None:
    if latest not in _KEYS:
        shutil.copyfile(file, latest)
        return
    new = merged(readme.read_figures(latest), readme.read_figures(file), _KEYS[latest])
    readme.write_figures(latest, new)
