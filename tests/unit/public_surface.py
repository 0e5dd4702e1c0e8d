"""Writes down the public surface of the library: names, signatures and attributes, read from the sources.

``python -m tests.unit.public_surface`` writes `public_surface.txt` anew.
"""

import ast
from pathlib import Path

import griffe

SOURCES = Path(__file__).resolve().parents[2] / "pyapp"
SNAPSHOT = Path(__file__).with_suffix(".txt")
# Classes that applications are given, though they import their names from nowhere.
_GIVEN = ("authmedia.pipeline.Counters", "authmedia.traffic.Traffic")


def render() -> str:
    """Returns the public surface as text, one name a line."""
    package = griffe.load("authmedia", search_paths=[SOURCES], resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    public = [(f"authmedia.{name}", package[home].members[name]) for name, home in _homes(package).items()]
    classes = package["errors"].classes.items()
    errors = [
        (f"authmedia.errors.{name}", item) for name, item in classes if not (item.is_alias or name in package.exports)
    ]
    given = [(path, package[path.removeprefix("authmedia.")]) for path in _GIVEN]
    return "\n".join("\n".join(_lines(path, item)) + "\n" for path, item in [*public, *errors, *given])


def _homes(package: griffe.Module) -> dict[str, str]:
    """The public names, and the modules below the package that have them."""
    modules: dict[str, str] = ast.literal_eval(str(package.attributes["_MODULES"].value))
    return {name: module.partition(".")[2] for name, module in sorted(modules.items())}


def _lines(path: str, item: griffe.Object | griffe.Alias) -> list[str]:
    if isinstance(item, griffe.Alias):
        item = item.final_target
    if isinstance(item, griffe.Function):
        return [_function(item, path)]
    assert isinstance(item, griffe.Class)
    bases = ", ".join(str(base) for base in item.bases)
    members = [member.final_target if isinstance(member, griffe.Alias) else member for member in _members(item)]
    return [f"class {path}({bases})" if bases else f"class {path}", *(f"    {_member(member)}" for member in members)]


def _members(item: griffe.Class) -> list[griffe.Object | griffe.Alias]:
    """The constructor and the public members by name; those of an error are in its base, unless it has its own."""
    is_error = any("Error" in base.name for base in item.mro())
    members = dict(sorted((item.members if is_error else item.all_members).items()))
    own = [members[name] for name in ("__init__",) if name in members]
    return own + [member for name, member in members.items() if not name.startswith("_")]


def _member(member: griffe.Object) -> str:
    if isinstance(member, griffe.Function):
        return _function(member, member.name)
    assert isinstance(member, griffe.Attribute)
    annotation = f": {_unquoted(member.annotation)}" if member.annotation else ""
    value = f" = {member.value}" if str(member.value) in ("True", "False") else ""  # texts may be reworded
    kind = "property " if "property" in member.labels else ""
    settable = " (settable)" if "writable" in member.labels else ""
    return f"{kind}{member.name}{annotation}{value}{settable}"


def _function(function: griffe.Function, name: str) -> str:
    prefix = "async def" if "async" in function.labels else "def"
    kinds = griffe.ParameterKind
    shown: list[str] = []
    for parameter in function.parameters:
        if parameter.kind is kinds.keyword_only and not any(part.startswith("*") for part in shown):
            shown.append("*")
        stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind or kinds.keyword_only, "")
        annotation = f": {_unquoted(parameter.annotation)}" if parameter.annotation else ""
        has_default = parameter.default is not None and not stars
        default = f" = {parameter.default}" if has_default and annotation else f"={parameter.default}" * has_default
        shown.append(f"{stars}{parameter.name}{annotation}{default}")
    returned = f" -> {_unquoted(function.returns)}" if function.returns else ""
    return f"{prefix} {name}({', '.join(shown)}){returned}"


def _unquoted(annotation: object) -> str:
    return str(annotation).replace('"', "").replace("'", "")


if __name__ == "__main__":
    SNAPSHOT.write_text(render(), encoding="utf-8")
    print(f"{SNAPSHOT} is written; see what changed in it, and name it in CHANGELOG.md.")
