"""The command ``python3 build.py compare --take DIR``: copies the figures of runs into the project and its docs."""

import shutil
from pathlib import Path
from typing import Any

from tests.evidence import documents, run_history
from tests.evidence.bench import command as bench_command
from tests.evidence.bench import goal_chart
from tests.evidence.bench import report as bench
from tests.evidence.compare import report as comparison
from tests.evidence.compare import stored_runs
from tests.evidence.compare.command import FIGURES as COMPARISON
from tests.evidence.compare.results import Results
from tests.evidence.faults import command as faults_command
from tests.evidence.faults import malformed_inputs as inputs
from tests.evidence.faults import report as faults
from tests.evidence.load import command as load
from web.evidence import finding_tables

# The keys of a row: a new row replaces the old one with the same keys.
_KEYS = {bench.LATEST: bench.KEY, faults.LATEST: ("engine", "fault")}


def take(folder: Path) -> list[str]:
    """Merges the figures of a folder into the latest ones and writes all tables; returns the names of the files."""
    taken = []
    if (folder / COMPARISON).exists():
        run_history.add(Results.read(folder / COMPARISON))
    for name, latest in (
        (bench_command.FIGURES, bench.LATEST),
        (faults_command.FIGURES, faults.LATEST),
        (load.FIGURES, load.LATEST),
        (COMPARISON, comparison.LATEST),
    ):
        if (folder / name).exists():
            _take(folder / name, latest)
            taken.append(name)
    write_tables()
    return taken


def write_tables() -> None:
    """Writes all tables from the latest figures."""
    comparison.write_tables(Results.read(comparison.LATEST))
    for part, table in finding_tables.tables(stored_runs.published()).items():
        documents.write_between(part, table, documents.FINDINGS)
    benchmark = documents.read_figures(bench.LATEST)
    bench.write_tables(benchmark)
    goal_chart.write(benchmark)
    faults_table = faults.table(documents.read_figures(faults.LATEST))
    documents.write_between(faults.PART, faults_table, documents.RELIABILITY)
    load_table = load.table(documents.read_figures(load.LATEST))
    documents.write_between(load.PART, load_table, documents.RELIABILITY)
    documents.write_between(inputs.PART, inputs.table(), documents.RELIABILITY)


def merged(latest: dict[str, Any], new: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    """Returns the latest figures with their rows replaced by new ones with the same keys."""
    rows = {tuple(row[name] for name in key): row for row in (*latest["rows"], *new["rows"])}
    return {"about": {**latest["about"], **new["about"]}, "rows": list(rows.values())}


def _take(file: Path, latest: Path) -> None:
    if latest == comparison.LATEST and Results.read(file).is_quick:
        latest = stored_runs.QUICK  # which the site shows; the tables are of whole runs
    if latest not in _KEYS:
        shutil.copyfile(file, latest)
        return
    before, new = documents.read_figures(latest), documents.read_figures(file)
    if latest == bench.LATEST:
        for sentence in bench.worsened(before, new):
            print(f"Worse than before: {sentence}")
    documents.write_figures(latest, merged(before, new, _KEYS[latest]))
