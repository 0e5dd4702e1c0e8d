"""The command ``python3 build.py evidence --add FILE``: adds results of ``compare.html`` to the history."""

from pathlib import Path

from tests.evidence import contribution, documents


def run(files: list[Path], *, by: str | None, on: str | None) -> int:
    """Adds files; returns the exit status.

    :raises ContributionError: at the first file that cannot be added.
    """
    for file in files:
        path = contribution.add(file, by=by, on=on)
        print(f"Added as {path.relative_to(documents.ROOT)}; build the site to see it.")
    return 0
