"""The public surface: what an application imports from `authmedia` itself, on CPython with the browser replaced."""

import ast
import difflib
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import public_surface

import tests.unit.support  # isort: skip  # noqa: F401  (puts the fake browser in place)
import authmedia  # isort: skip
from authmedia import errors  # isort: skip


def names_for_types() -> dict[str, str]:
    """The names that mypy sees, with the module that each is imported from."""
    tree = ast.parse(Path(str(authmedia.__file__)).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_readmes_import() -> None:
    from authmedia import Homeserver, MediaRequest, bind, open_loader

    assert all(callable(name) for name in (Homeserver, MediaRequest, bind, open_loader))


@pytest.mark.parametrize("name", authmedia.__all__)
def test_a_public_name_is_that_of_its_module(name: str) -> None:
    module = importlib.import_module(authmedia._MODULES[name])
    assert getattr(authmedia, name) is getattr(module, name)


def test_the_three_lists_of_public_names_agree() -> None:
    assert sorted(authmedia.__all__) == list(authmedia.__all__) == sorted(authmedia._MODULES)
    assert names_for_types() == authmedia._MODULES


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'authmedia' has no attribute 'nothing'"):
        _ = authmedia.nothing


def test_cpython_imports_it_without_a_browser_and_says_so_at_its_first_use() -> None:
    code = (
        "from authmedia import Homeserver, MediaRequest, bind, open_loader\n"
        "print(MediaRequest('mxc://example.org/abc').key)\n"
        "Homeserver('https://matrix.example.org', '@ana:example.org', 'token')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(str(authmedia.__file__)).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "mxc://example.org/abc\n"
    assert done.stderr.endswith("RuntimeError: authmedia needs a browser: run it in a page with PyScript\n")


def test_the_public_surface_is_as_it_is_written_down() -> None:
    """Versions are over it, so it changes on purpose alone. https://semver.org/"""
    written = public_surface.SNAPSHOT.read_text(encoding="utf-8")
    changes = list(difflib.unified_diff(written.splitlines(), public_surface.render().splitlines(), lineterm="", n=1))
    assert not changes, "\n".join(
        [
            "The public surface has changed. If that is meant, name it in CHANGELOG.md and run",
            "    .venv/bin/python -m tests.unit.public_surface",
            *changes,
        ]
    )


def test_the_written_surface_has_every_public_name_and_error() -> None:
    written = public_surface.SNAPSHOT.read_text(encoding="utf-8")
    for name in authmedia.__all__:
        assert re.search(rf"^(class|def|async def) authmedia\.{name}\b", written, re.MULTILINE), name
    for name, item in vars(errors).items():
        if isinstance(item, type) and item is not errors.AuthMediaError:
            assert f"class authmedia.errors.{name}(" in written


@pytest.mark.parametrize(
    ("implementation", "version", "words"),
    [
        (
            "micropython",
            (1, 26, 0, ""),
            "needs MicroPython 1.27 or newer, and this is 1.26. In a page, set `interpreter`",
        ),
        ("cpython", (3, 10, 14, "final", 0), "needs Python 3.11 or newer, and this is 3.10"),
    ],
)
def test_an_interpreter_that_is_too_old_is_told_what_to_do(
    implementation: str, version: tuple[object, ...], words: str
) -> None:
    with pytest.raises(ImportError, match=re.escape(words)):
        authmedia._check_interpreter(implementation, version)


@pytest.mark.parametrize(("implementation", "version"), [("micropython", (1, 27, 0, "")), ("cpython", (3, 11))])
def test_any_newer_interpreter_is_taken(implementation: str, version: tuple[object, ...]) -> None:
    authmedia._check_interpreter(implementation, version)
