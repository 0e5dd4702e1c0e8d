"""The command ``python3 build.py compare``: comparison, benchmark, load test, faults or long use."""

import argparse
from pathlib import Path

from tests.evidence import long_use
from tests.evidence.bench import command as bench
from tests.evidence.compare import command as comparison
from tests.evidence.faults import command as faults
from tests.evidence.figures import take
from tests.evidence.load import command as load


def run(state: Path, options: argparse.Namespace) -> int:
    """Runs what the options select; returns the exit status.

    :param state: the folder for homeservers and their data.
    :raises RuntimeError: with a sentence that says what to do, if a browser cannot be installed.
    """
    if options.take:
        print(f"Taken: {', '.join(take(options.take)) or 'nothing; there is none of the files that runs write'}")
        return 0
    if options.load:
        return load.run(state / "load", options.out)
    if options.faults:
        return faults.run(options.out, modes=options.mode, rows=options.rows)
    if options.long_use:
        return long_use.run(options.long_use, modes=options.mode, pages=options.rows)
    if options.bench:
        return bench.run(state / "bench", options.out, runs=options.runs, modes=options.mode, groups=options.rows)
    return comparison.run(
        state / "comparison",
        options.out,
        runs=options.runs,
        modes=options.mode,
        seed=options.seed,
        resume=options.resume,
        quick=options.quick,
    )
