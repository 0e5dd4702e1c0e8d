"""The version is the same wherever it is written, and the changelog says what moved."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("homeserver/pyproject.toml", r'^version = "(.+)"$'),
        ("homeserver/gateway_package/pyproject.toml", r'^version = "(.+)"$'),
        ("CITATION.cff", r"^version: (.+)$"),
        ("CHANGELOG.md", r"^## (\d\S+)"),
    ],
)
def test_the_first_version_in_a_file_is_that_of_the_project(name: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == VERSION


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("homeserver/**/*.md")], ids=str
)
def test_packages_that_documents_name_have_the_version_of_the_project(path: Path) -> None:
    names = re.findall(
        r"authmedia(?:_media_links|_gateway)?-(\d[\w.]*?)(?:-py3|\.tar|\.dist)", path.read_text(encoding="utf-8")
    )
    assert set(names) <= {VERSION}


def test_versions_are_semantic() -> None:
    """https://semver.org/"""
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", VERSION)
