"""The command ``python3 build.py package``: builds the packages and says where they are."""

from pathlib import Path

from rich.console import Console

from web.packages import build


def run(out: Path) -> int:
    """Builds the packages into a folder; returns the exit status.

    :raises PackageError: if they cannot be built.
    """
    console = Console()
    with console.status("Building the packages"):
        files = build(out)
    console.print(f"The packages are in {out}:", soft_wrap=True)
    for path in files:
        console.print(f"  {path.name}", highlight=False)
    return 0
