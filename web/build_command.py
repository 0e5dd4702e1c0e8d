"""The command ``python3 build.py build``: builds the static site and says where it is."""

from pathlib import Path

from rich.console import Console

from web.site import build


def run(out: Path, site_url: str = "") -> int:
    """Builds the site into a folder; returns the exit status.

    :param site_url: where the site will be, with a slash at the end.
    :raises DocumentationError: if the documentation has an error.
    :raises FileExistsError: if the folder holds something other than an earlier build.
    """
    console = Console()
    with console.status("Building") as status:
        build(out, lambda step: status.update(f"Building: {step}"), site_url=site_url)
    console.print(f"The site is in {out}")
    return 0
