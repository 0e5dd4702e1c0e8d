"""The tests that the evidence cites, with their sources, for readers who have no repository at hand."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CitedTest:
    """One test, or the function with which the comparison verifies what is shown.

    :param command: runs it.
    """

    name: str
    path: str
    summary: str
    command: str
    source: str

    @property
    def anchor(self) -> str:
        """Its address on the page."""
        return f"test-{self.name}"


def anchor_of(test: str) -> str:
    """Returns the anchor of a test that is named as pytest does."""
    return f"test-{test.partition('::')[2]}"


@cache
def find(test: str) -> CitedTest:
    """Returns a test by the name that pytest gives it; the comparison's function with its module.

    :raises LookupError: if there is none.
    """
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            source = _source(node, text) if name.startswith("test_") else text
            doc = (ast.get_docstring(node) or ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
            return CitedTest(name, path, doc, _command(path, name), source)
    raise LookupError(f"there is no test {test}")


def _source(test: ast.FunctionDef, text: str) -> str:
    """Returns a test with its decorators."""
    first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : test.end_lineno])


def _command(path: str, name: str) -> str:
    if name.startswith("test_"):
        return f"python3 build.py test {path} -k {name} --full-matrix"
    return "python3 build.py compare"
