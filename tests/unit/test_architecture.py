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

# From the outside in: a module may import what stands to its right, for types too, never what stands to its left.
FLOORS = (
    "pages",
    "demo",
    "javascript_api",
    "javascript_json",
    "authmedia",
    "elements",
    "prefetch",
    "loader",
    "thumbnail_fallback",
    "pipeline",
    "strategies",
    "transport",
    "media",
    "matrix",
    "browser",
    "support",
    "errors",
    "traffic",
)
MAX_FILE_LINES, MAX_BROWSER_LINES, MAX_FUNCTION_LINES = 400, 350, 40
JAVASCRIPT = {"js", "jsffi", "pyodide", "pyscript"}
# What CPython has and MicroPython lacks.
MISSING = {"typing", "dataclasses", "enum", "contextlib", "urllib", "weakref", "__future__"}


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        [
            "mypy",
            "pyapp",
            "homeserver/media_links",
            "homeserver/media_protocol",
            "homeserver/gateway",
            "homeserver/development",
            "web",
            "tools",
            "build.py",
        ],
    ],
    ids=" ".join,
)
def test_the_tools_report_nothing(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "pyapp").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def imports(nodes: list[ast.AST]) -> set[str]:
    """The modules that are imported, ours by the module that has the name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def all_imports(path: Path) -> set[str]:
    return imports(list(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))


def runtime_imports(path: Path) -> set[str]:
    """Without those under `TYPE_CHECKING`, which are for mypy alone."""
    return imports(runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))))


def runtime_nodes(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return []
    return [node, *(below for child in ast.iter_child_nodes(node) for below in runtime_nodes(child))]


def floor(module: str) -> int:
    parts = module.split(".")
    return FLOORS.index(parts[1] if parts[0] == "authmedia" and len(parts) > 1 else parts[0])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "pyapp").as_posix())
def test_every_module_imports_from_lower_floors(path: Path) -> None:
    name = module_name(path)
    tops = {module.split(".")[0] for module in runtime_imports(path)}
    if path.name != "blocking.py":  # which needs urllib, so it is for Pyodide alone
        assert not tops & MISSING, "MicroPython lacks it"
    if path.parent != LIBRARY / "browser":
        assert not tops & JAVASCRIPT, "only the package browser touches JavaScript"
    ours = all_imports(path) & MODULES.keys()
    for module in ours:
        if name != "authmedia":  # the public surface names everything
            assert floor(module) >= floor(name), f"{name} may not import {module}"
        if module.startswith("authmedia.browser."):
            assert path.parent == LIBRARY / "browser", "others import from the package, which tests replace"
    if name.startswith("authmedia.strategies."):
        strategies = {module for module in ours if module.startswith("authmedia.strategies")}
        assert strategies <= {"authmedia.strategies.base", "authmedia.strategies.linked"}, (
            "a strategy imports no other strategy"
        )


def test_no_modules_import_each_other() -> None:
    graph = {name: all_imports(path) & MODULES.keys() - {name} for name, path in MODULES.items()}
    while graph:
        leaves = {name for name, wanted in graph.items() if not wanted & graph.keys()}
        assert leaves, f"a circle within {sorted(graph)}"
        graph = {name: wanted for name, wanted in graph.items() if name not in leaves}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "pyapp").as_posix())
def test_files_and_functions_fit_a_few_screens(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = MAX_BROWSER_LINES if path.parent == LIBRARY / "browser" else MAX_FILE_LINES
    assert len(text.splitlines()) <= limit
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


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
    real: dict[str, list[str]] = {}
    for path in sorted((LIBRARY / "browser").glob("*.py")):
        real.update(signatures(path))
    fake = {**signatures(ROOT / "tests/unit/fake_browser.py"), **signatures(ROOT / "tests/unit/fake_dom.py")}
    own = {"reset", "Response.read_all", "Element.fire", "Template.query"}
    assert {name: fake[name] for name in fake.keys() - own} == {name: real.get(name) for name in fake.keys() - own}


def test_the_locks_have_hashes_and_no_host() -> None:
    for name in ("requirements.txt", "web/requirements-node.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9.-]+==\S+", text, re.MULTILINE | re.IGNORECASE)
        assert len(pinned) <= text.count("--hash=sha256:")
        assert "://" not in text
    assert "://" not in (ROOT / "web/package-lock.json").read_text(encoding="utf-8").replace('"url": "https://', "")
