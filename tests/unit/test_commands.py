"""The command line: what the set-up imports, which tests need browsers, and that every test is run."""

import ast
import sys
from pathlib import Path

import pytest

import build
from tools.run_tests import BESIDE, BROWSER_TESTS, OTHER_TESTS, needs_browsers
from tools.setup_environment import ROOT


def top_level_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("name", ["build.py", "tools/__init__.py", "tools/setup_environment.py"])
def test_setup_imports_the_standard_library_alone(name: str) -> None:
    assert top_level_imports(ROOT / name) - sys.stdlib_module_names <= {"tools"}


@pytest.mark.parametrize(
    "command", ["serve", "build", "docs", "package", "gateway --homeserver https://example.org", "test", "compare"]
)
def test_a_command_needs_no_options(command: str) -> None:
    """Also its defaults are parsed, where they are texts."""
    name, *options = command.split()
    assert build._parse([name, *options]).command.__name__ == name


def test_build_script_is_a_table_of_contents() -> None:
    assert len((ROOT / "build.py").read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-x"],
        ["-k", "unit"],
        ["tests"],
        ["tests/"],
        ["tests/browser"],
        ["tests/browser/test_room.py::test_audio_duration"],
        ["tests/unit", "tests/evidence"],
        ["tests/evidence/faults", "-q"],
        ["tests/evidence/compare/test_small_comparison.py"],
    ],
    ids=" ".join,
)
def test_browsers_are_set_up_for_tests_that_start_them(arguments: list[str]) -> None:
    assert needs_browsers(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/unit"],
        ["tests/unit/test_commands.py::test_build_script_is_a_table_of_contents", "-x"],
        ["-q", "tests/homeserver", "tests/fuzz"],
        ["tests/evidence/load"],
    ],
    ids=" ".join,
)
def test_no_browser_is_set_up_for_other_tests(arguments: list[str]) -> None:
    assert not needs_browsers(arguments)


def test_the_folders_hold_every_test_once() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        holders = [folder for folder in (*BROWSER_TESTS, *BESIDE, *OTHER_TESTS) if ROOT / folder in path.parents]
        assert len(holders) == 1, path
