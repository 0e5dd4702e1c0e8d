"""Reads and writes files of figures, and the sections of README and documentation that are generated from them."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
COMPARISON = ROOT / "docs" / "comparison.md"
FINDINGS = ROOT / "docs" / "findings.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
ADMINISTRATORS = ROOT / "docs" / "administrators.md"
THREAT_MODEL = ROOT / "docs" / "threat-model.md"


def marks(name: str) -> tuple[str, str]:
    """Returns the comments that delimit a generated section."""
    return f"<!-- {name} -->\n", f"<!-- /{name} -->\n"


def read_between(name: str, page: Path) -> str:
    """Returns the content of a generated section.

    :raises ValueError: if there is no such section.
    """
    start, end = marks(name)
    _, found, rest = page.read_text(encoding="utf-8").partition(start)
    text, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no part '{name}' in {page}")
    return text


def write_between(name: str, text: str, page: Path) -> None:
    """Replaces the content of a generated section."""
    start, end = marks(name)
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole.replace(start + read_between(name, page) + end, start + text + end), encoding="utf-8")


def read_figures(file: Path) -> dict[str, Any]:
    """Reads a file of figures."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def write_figures(file: Path, figures: dict[str, Any]) -> None:
    """Writes a file of figures."""
    file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
