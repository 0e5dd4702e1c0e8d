"""A Griffe extension: shows the ``>>>`` examples of docstrings as code; Markdown would take them for quotations."""

from itertools import groupby

from griffe import Extension, Module, Object


class DocstringExamples(Extension):
    """Puts the examples in each docstring between fences. https://mkdocstrings.github.io/griffe/guide/users/extending/"""

    def on_object(self, *, obj: Object, **_kwargs: object) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = fence_examples(obj.docstring.value)

    def on_package(self, *, pkg: Module, **_kwargs: object) -> None:
        """Rewrites the docstring of a package, for which Griffe does not call `on_object`."""
        self.on_object(obj=pkg)


def fence_examples(docstring: str) -> str:
    """Returns a docstring whose examples are fenced code, without their prompts."""
    lines: list[str] = []
    for is_example, group in groupby(docstring.split("\n"), _is_example):
        if is_example:
            lines += ["```python", *[line.lstrip()[4:] for line in group], "```"]
        else:
            lines += group
    return "\n".join(lines)


def _is_example(line: str) -> bool:
    return f"{line.lstrip()} ".startswith((">>> ", "... "))
