"""Regular expressions that meet a request take time in proportion to its length: they run on the reactor's thread."""

import importlib
import pkgutil
import re
import string
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import media_links
from media_links.requests import NAMES, path

# The longest line of a head that Twisted takes; a longer one it refuses.
LONGEST = 16_384
# A linear pattern takes less than a millisecond for that, a quadratic one more than a second.
MOST_S = 0.1
ALPHABET = string.printable + "\x80\xff"


def module_patterns() -> dict[str, tuple[re.Pattern[str], set[str]]]:
    """Every compiled pattern of the module, with the methods that its source calls on it."""
    found: dict[str, tuple[re.Pattern[str], set[str]]] = {}
    for info in pkgutil.iter_modules(media_links.__path__):
        module = importlib.import_module(f"media_links.{info.name}")
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found[f"{info.name}.{name}"] = value, set(re.findall(rf"\b{name}\.(\w+)\(", source))
    (servlet,) = path("signed/" + NAMES)
    return {**found, "servlets": (servlet, {"match"})}


PATTERNS = module_patterns()


def members(tokens: object) -> str:
    """Characters that a part of a pattern takes, by what `re` itself makes of that part."""
    one = re._compiler.compile(tokens)  # type: ignore[attr-defined]
    return "".join(character for character in ALPHABET if one.fullmatch(character))


def pieces(tokens: object) -> Iterator[tuple[str, bool]]:
    """For each part of a pattern in turn one character that it takes, and whether it takes any number of them."""
    parser = re._parser  # type: ignore[attr-defined]
    for operator, argument in tokens:  # type: ignore[attr-defined]
        if operator is re._constants.BRANCH:  # type: ignore[attr-defined]
            yield from pieces(argument[1][0])
        elif operator is re._constants.SUBPATTERN:  # type: ignore[attr-defined]
            yield from pieces(argument[-1])
        elif str(operator).endswith("REPEAT"):
            least, most, inner = argument
            repeated = most is re._constants.MAXREPEAT  # type: ignore[attr-defined]
            for character, nested in pieces(inner):
                yield character, repeated or nested or most > max(least, 1)
        elif operator is not re._constants.AT:  # type: ignore[attr-defined]
            alone = parser.SubPattern(tokens.state, [(operator, argument)])  # type: ignore[attr-defined]
            # A blank where the part takes one, so that neighbours take the same and can divide a run between them.
            taken = members(alone)
            yield (" " if " " in taken else taken[0] if taken else "a"), False


def attacks(pattern: re.Pattern[str], length: int) -> Iterator[str]:
    """Strings that fit a pattern up to their end, with its repeated parts as long as may be: each, two, and all."""
    parts = list(pieces(re._parser.parse(pattern.pattern, pattern.flags)))  # type: ignore[attr-defined]
    repeated = [number for number, (_, is_repeated) in enumerate(parts) if is_repeated]
    pairs = [(one, other) for one in repeated for other in repeated if one < other]
    for chosen in chain([()], [(number,) for number in repeated], pairs, [tuple(repeated)]):
        each = length // max(1, len(chosen))
        for others in (1, 0):
            times = [each if number in chosen else others for number in range(len(parts))]
            yield "".join(part[0] * count for part, count in zip(parts, times, strict=True)) + "\0"
    for number in repeated:
        yield parts[number][0] * length


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_is_linear(name: str) -> None:
    pattern, methods = PATTERNS[name]
    assert methods, "it is used by no method that is known here"
    for length in (256, 1024, 4096, LONGEST):  # a cubic pattern is found at the first of them
        for attack in attacks(pattern, length):
            for method in methods:
                arguments = ("", attack) if method == "sub" else (attack,)
                start = time.process_time()
                getattr(pattern, method)(*arguments)
                taken = time.process_time() - start
                assert taken < MOST_S, f"{method} of {length} characters such as {attack[:40]!r}"


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*",  # cubic in blanks around an empty group
        r"a*a*b",  # quadratic
        r"(?:a|b)*c?[ab]*d",
    ],
)
def test_slow_pattern_is_found(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATTERNS, "slow", (re.compile(pattern), {"fullmatch"}))
    with pytest.raises(AssertionError, match="fullmatch of"):
        test_pattern_is_linear("slow")


def test_every_pattern_is_known() -> None:
    """A pattern that is made inside of a function is none that the test above sees."""
    for info in pkgutil.iter_modules(media_links.__path__):
        source = Path(str(importlib.import_module(f"media_links.{info.name}").__file__)).read_text(encoding="utf-8")
        inside = re.findall(r"^ +.*?\bre\.(\w+)\(", source, re.MULTILINE)
        # Of a servlet's path, tested above, and of the configuration, which no request meets.
        assert inside == {"requests": ["compile"], "config": ["fullmatch"]}.get(info.name, []), info.name
