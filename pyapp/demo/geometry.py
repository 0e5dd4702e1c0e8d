"""Where the bars of the comparison's pictures stand: across in per cent of the picture, down in its pixels."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What the longest bar takes of the width; the rest is for the words behind it, or for the axis' last number.
WIDEST_BAR = 72.0
WIDEST_LINE = 94.0
# Steps that are easy to count in, between one power of ten and the next.
_STEPS = (1, 2, 2.5, 5, 10)
_MOST_TICKS = 5


def ticks(longest_ms: float) -> "list[float]":
    """The numbers of an axis, from 0 to the first round one that nothing exceeds, in milliseconds."""
    step = 1.0
    while step * 10 * _MOST_TICKS < longest_ms:
        step *= 10
    for easy in _STEPS:
        if step * easy * _MOST_TICKS >= longest_ms:
            step *= easy
            break
    count = 1
    while step * count < longest_ms:
        count += 1
    return [step * number for number in range(count + 1)]


class Scale:
    """An axis from 0 to the last of its ticks.

    :param longest_ms: the longest time that is to fit.
    :param widest: what the whole axis takes of the picture's width, in per cent.
    """

    __slots__ = ("ticks", "widest")

    def __init__(self, longest_ms: float, widest: float) -> None:
        self.ticks = ticks(longest_ms)
        self.widest = widest

    def at(self, milliseconds: float) -> float:
        """How far from the left a time is, in per cent of the picture's width."""
        return self.widest * milliseconds / self.ticks[-1]


class Line:
    """One media in a waterfall: when it was asked for and how long it took, in milliseconds."""

    __slots__ = ("duration_ms", "kind", "name", "start_ms", "state")

    def __init__(self, media: "dict[str, Any]") -> None:
        self.name = str(media["name"])
        self.kind = str(media["kind"])
        self.state = str(media["state"])
        self.start_ms = float(media["start"])
        self.duration_ms = float(media["milliseconds"])

    @property
    def end_ms(self) -> float:
        """When it was on show, or had failed."""
        return self.start_ms + self.duration_ms


def waterfall(media: "list[dict[str, Any]]") -> "list[Line]":
    """The lines of a waterfall, in the order in which media came on show."""
    return sorted([Line(each) for each in media], key=lambda line: line.end_ms)


def longest_visit_ms(outcomes: "dict[str, dict[str, Any]]") -> float:
    """The longest time to a last media among all visits; 0 where there was none."""
    visits = [found[visit] for found in outcomes.values() for visit in ("first", "reload")]
    return max([0.0] + [float(visit["last_ms"]) for visit in visits if visit and visit["last_ms"] is not None])


def longest_line_ms(outcomes: "dict[str, dict[str, Any]]") -> float:
    """The end of the last line among all waterfalls; 0 where there is none."""
    return max([0.0] + [line.end_ms for found in outcomes.values() for line in waterfall(found["media"])])
