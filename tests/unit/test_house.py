"""What holds for the code as a whole: its tools are content, its arrows point one way, nothing names a host."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "pyapp" / "authmedia"
SOURCES = sorted(path for path in (ROOT / "pyapp").rglob("*.py"))

# From the outside in: a module may import what stands to its right, never what stands to its left.
LAYERS = (
    "pages",
    "demo",
    "elements",
    "binding",
    "loader",
    "pipeline",
    "decryption",
    "strategies",
    "transfers",
    "links",
    "store",
    "homeserver",
    "browser",
    "base64url",
)
JAVASCRIPT = {"js", "jsffi", "pyodide", "pyscript"}
# What CPython has and MicroPython lacks.
MISSING = {"typing", "dataclasses", "enum", "contextlib", "urllib", "weakref", "__future__"}


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "homeserver/media_protocol"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "pyapp", "homeserver/media_links", "homeserver/development", "web", "build.py"],
    ],
    ids=" ".join,
)
def test_the_tools_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def imports(path: Path) -> set[str]:
    """The modules that a file imports when it runs; what stands under `TYPE_CHECKING` is for mypy alone."""
    found: set[str] = set()
    for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def runtime_nodes(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return []
    return [node, *(below for child in ast.iter_child_nodes(node) for below in runtime_nodes(child))]


def layer(module: str) -> int | None:
    parts = module.split(".")
    names = parts[1:2] if parts[0] == "authmedia" else parts[:1]
    return LAYERS.index(names[0]) if names and names[0] in LAYERS else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "pyapp").as_posix())
def test_every_module_keeps_its_place(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "pyapp").with_suffix("").parts)
    wanted = imports(path)
    tops = {module.split(".")[0] for module in wanted}
    if path.name != "blocking.py":  # which needs urllib, so it is for Pyodide alone
        assert not tops & MISSING, "MicroPython lacks it"
    if path != LIBRARY / "browser.py":
        assert not tops & JAVASCRIPT, "only browser.py touches JavaScript"
    own = layer(name)
    for module in wanted:
        other = layer(module)
        if own is not None and other is not None:
            assert other >= own, f"{name} may not import {module}"
    if "strategies." in name:
        strategies = {module for module in wanted if module.startswith("authmedia.strategies.")}
        assert all(module.startswith("authmedia.strategies.base") for module in strategies), "strategies are strangers"


def signatures(path: Path) -> dict[str, list[str]]:
    """The functions of a module and the methods of its classes, with the names of their parameters."""
    found: dict[str, list[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_"):
                arguments = member.args
                found[prefix + member.name] = [argument.arg for argument in arguments.args + arguments.kwonlyargs]
    return found


def test_the_fake_browser_is_shaped_like_the_real_one() -> None:
    real, fake = signatures(LIBRARY / "browser.py"), signatures(ROOT / "tests/unit/fake_browser.py")
    own = {"reset", "Response.read_all", "Element.fire"}
    assert {name: fake[name] for name in fake.keys() - own} == {name: real.get(name) for name in fake.keys() - own}


def test_the_locks_have_hashes_and_no_host() -> None:
    for name in ("requirements.txt", "web/requirements-node.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9.-]+==\S+", text, re.MULTILINE | re.IGNORECASE)
        assert len(pinned) <= text.count("--hash=sha256:")
        assert "://" not in text
    assert "://" not in (ROOT / "web/package-lock.json").read_text(encoding="utf-8").replace('"url": "https://', "")
