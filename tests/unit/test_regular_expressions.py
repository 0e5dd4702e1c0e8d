"""Regular expressions that match requests have linear complexity, because they run on the reactor's thread."""

import importlib
import pkgutil
import re
import string
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

import gateway
import media_links
import media_protocol
from media_links.request_parsing import MEDIA_PATH, path_pattern

# Twisted refuses requests with a longer header line.
MAX_LINE_LENGTH = 16_384
# Beyond it, too: on a fast processor a quadratic pattern takes less than a tenth of a second for the longest line, and
# more than a second for four times as much. A linear one takes a few milliseconds.
LENGTHS = (256, 1024, 4096, MAX_LINE_LENGTH, 4 * MAX_LINE_LENGTH)
MAX_S = 0.1
ALPHABET = string.printable + "\x80\xff"


def modules() -> Iterator[tuple[ModuleType, str]]:
    """Each module of the packages that parse requests, with its source."""
    for package in (media_links, media_protocol, gateway):
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            yield module, Path(str(module.__file__)).read_text(encoding="utf-8")


def module_patterns() -> dict[str, tuple[re.Pattern[str], set[str]]]:
    """Every compiled pattern of those packages, with the methods that are called on it."""
    found: dict[str, tuple[re.Pattern[str], set[str]]] = {}
    for module, source in modules():
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                short_name = module.__name__.rpartition(".")[2]
                found[f"{short_name}.{name}"] = value, set(re.findall(rf"\b{name}\.(\w+)\(", source))
    (servlet,) = path_pattern("signed/" + MEDIA_PATH)
    return {**found, "servlets": (servlet, {"match"})}


PATTERNS = module_patterns()


def matching_characters(tokens: object) -> str:
    """Returns the characters that a part of a pattern matches, as compiled by `re` itself."""
    one = re._compiler.compile(tokens)  # type: ignore[attr-defined]
    return "".join(character for character in ALPHABET if one.fullmatch(character))


def pattern_parts(tokens: object) -> Iterator[tuple[str, bool]]:
    """Yields, for each part of a pattern, one character that it matches and whether it may match several of them."""
    parser = re._parser  # type: ignore[attr-defined]
    for operator, argument in tokens:  # type: ignore[attr-defined]
        if operator is re._constants.BRANCH:  # type: ignore[attr-defined]
            yield from pattern_parts(argument[1][0])
        elif operator is re._constants.SUBPATTERN:  # type: ignore[attr-defined]
            yield from pattern_parts(argument[-1])
        elif str(operator).endswith("REPEAT"):
            least, most, inner = argument
            repeated = most is re._constants.MAXREPEAT  # type: ignore[attr-defined]
            for character, nested in pattern_parts(inner):
                yield character, repeated or nested or most > max(least, 1)
        elif operator is not re._constants.AT:  # type: ignore[attr-defined]
            alone = parser.SubPattern(tokens.state, [(operator, argument)])  # type: ignore[attr-defined]
            # A space where the part matches one, so that adjacent parts match the same run and can divide it.
            characters = matching_characters(alone)
            yield (" " if " " in characters else characters[0] if characters else "a"), False


def attacks(pattern: re.Pattern[str], length: int) -> Iterator[str]:
    """Yields strings that match a pattern up to their end, with one, two or all repeated parts as long as possible."""
    parts = list(pattern_parts(re._parser.parse(pattern.pattern, pattern.flags)))  # type: ignore[attr-defined]
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
    assert methods, "no method is called on it"
    for length in LENGTHS:  # a cubic pattern exceeds the limit at the first of them
        for attack in attacks(pattern, length):
            for method in methods:
                arguments = ("", attack) if method == "sub" else (attack,)
                start = time.process_time()
                getattr(pattern, method)(*arguments)
                taken = time.process_time() - start
                assert taken < MAX_S, f"{method} of {length} characters such as {attack[:40]!r}"


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*",  # cubic in blanks around an empty group
        r"a*a*b",  # quadratic
        r"(?:a|b)*c?[ab]*d",
    ],
)
def test_slow_pattern_is_detected(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATTERNS, "slow", (re.compile(pattern), {"fullmatch"}))
    with pytest.raises(AssertionError, match="fullmatch of"):
        test_pattern_is_linear("slow")


def test_every_pattern_is_known() -> None:
    """The test above does not see patterns that are compiled inside of functions."""
    # Servlets' paths, which are tested above, and the configurations, which are not matched with requests.
    configurations = {"media_links.config": ["fullmatch"], "gateway.config": ["fullmatch"]}
    known = {"media_links.request_parsing": ["compile"], **configurations}
    for module, source in modules():
        inside = re.findall(r"^ +.*?\bre\.(\w+)\(", source, re.MULTILINE)
        assert inside == known.get(module.__name__, []), module.__name__
