"""The command ``python3 build.py docs``: builds the documentation and says where it is."""

from pathlib import Path

from rich.console import Console

from web.documentation import build


def run(out: Path) -> int:
    """Builds the documentation into a folder; returns the exit status.

    :raises DocumentationError: if the documentation has an error.
    :raises FileExistsError: if the folder holds something other than an earlier build.
    """
    console = Console()
    with console.status("Building the documentation"):
        build(out)
    console.print(f"The documentation is in {out / 'index.html'}", soft_wrap=True)
    return 0
