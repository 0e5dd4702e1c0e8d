"""The command ``python3 build.py build``: builds the static site and says where it is."""

from pathlib import Path

from rich.console import Console

from web.site import build


def run(out: Path) -> int:
    """Builds the site into a folder; returns the exit status.

    :raises DocumentationError: if the documentation has an error.
    :raises FileExistsError: if the folder holds something other than an earlier build.
    """
    console = Console()
    with console.status("Building") as status:
        build(out, lambda step: status.update(f"Building: {step}"))
    console.print(f"The site is in {out}")
    return 0
