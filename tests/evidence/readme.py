"""Reads and writes files of figures, and the sections of the READMEs that are generated from them."""

import json
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[2] / "README.md"
OF_THE_HOMESERVER = README.parent / "homeserver" / "README.md"


def marks(name: str) -> tuple[str, str]:
    """Returns the comments that delimit a generated section."""
    return f"<!-- {name} -->\n", f"<!-- /{name} -->\n"


def read_between(name: str, readme: Path = README) -> str:
    """Returns the content of a generated section.

    :raises ValueError: if there is no such section.
    """
    start, end = marks(name)
    _, found, rest = readme.read_text(encoding="utf-8").partition(start)
    text, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no part '{name}' in {readme}")
    return text


def write_between(name: str, text: str, readme: Path = README) -> None:
    """Replaces the content of a generated section."""
    start, end = marks(name)
    whole = readme.read_text(encoding="utf-8")
    readme.write_text(whole.replace(start + read_between(name, readme) + end, start + text + end), encoding="utf-8")


def read_figures(file: Path) -> dict[str, Any]:
    """Reads a file of figures."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def write_figures(file: Path, figures: dict[str, Any]) -> None:
    """Writes a file of figures."""
    file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
