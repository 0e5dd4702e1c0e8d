"""The options in the guide for applications: its table agrees with the signatures, and its examples run."""

import inspect
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tests.unit.support  # isort: skip  # noqa: F401  (puts the fake browser in place)
import authmedia  # isort: skip
from authmedia.browser import document_element
from authmedia.matrix.homeserver import Homeserver
from tests.unit.support import PICTURE, Script, run

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "applications.md"
OWNERS = ("open_loader", "bind", "Limits", "RetryPolicy", "RequestHooks", "Messages", "MediaPolicy", "Prefetch")
# What is no option, or belongs to another table.
OTHERS = {"open_loader": {"name", "homeserver"}, "bind": {"root", "loader"}, "Prefetch": {"loader", "requests"}}


def section() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    found = re.search(r"^## Options$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def rows() -> dict[tuple[str, str], str]:
    """The documented default of each option, by its function or class and its name."""
    found = re.findall(r"^\| `(\w+)\((\w+)\)` \| [^|]+ \| (.+?) \| [^|]+ \|$", section(), re.MULTILINE)
    return {(owner, name): default for owner, name, default in found}


def defaults(owner: str) -> dict[tuple[str, str], str]:
    """The default of each option in the signature, as the guide writes it."""
    options = {
        name: parameter
        for name, parameter in inspect.signature(getattr(authmedia, owner)).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in OTHERS.get(owner, ())
    }
    return {
        (owner, name): "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        for name, parameter in options.items()
    }


def test_the_table_has_every_option_with_its_default() -> None:
    expected = {("MediaRequest", "cache"): "`'default'`"}
    for owner in OWNERS:
        expected.update(defaults(owner))
    assert rows() == expected


@pytest.mark.parametrize("owner", ["open_loader", "bind", "Limits", "RetryPolicy", "RequestHooks", "Messages"])
def test_an_unknown_option_is_told_all_that_there_are(owner: str) -> None:
    given = [None for _ in OTHERS.get(owner, ())] + ([{}] if owner == "Messages" else [])
    required = {"retry": "x", "lang": "ar"} if owner == "Messages" else {}
    with pytest.raises(TypeError) as raised:
        getattr(authmedia, owner)(*given, **required, nothing=True)
    assert set(str(raised.value).partition("its options are: ")[2].split(", ")) == {name for _, name in defaults(owner)}


def test_the_examples_run(
    script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch, browser: Any
) -> None:
    """One after the other, as a reader does."""
    monkeypatch.setitem(sys.modules, "pyscript", SimpleNamespace(document=None, ffi=None))
    script.media = {"example.org/abc": PICTURE, "example.org/def": PICTURE}
    examples = re.findall(r"^```python\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"homeserver": homeserver, "bind": authmedia.bind, "document_element": document_element}
    names |= {"account_data": {}, "room_account_data": {}, "join_rule": "invite", "loader": None}
    code = "async def main():\n" + "\n".join(f"    {line}" for line in "\n".join(examples).split("\n"))
    exec(compile(code + "\n    return locals()", str(GUIDE), "exec"), names)
    found = run(names["main"]())
    assert (found["prefetch"].loaded, found["prefetch"].state) == (2, "done")
    assert found["answer"].works
    assert found["arabic"].lang == "ar"
    assert len(examples) == 10
