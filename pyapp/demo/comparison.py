"""Outcomes of the comparison: built from page reports, as columns of figures, as sentences and as Markdown.

An outcome is a dictionary, as in the page's report: ``support`` (``works``: true, false, or null if not run;
``words``), ``note``, ``first`` and ``reload`` (a visit each, or null), ``video`` and ``media`` of the first visit.
Outcomes are keyed by strategy in an ``OrderedDict``, because MicroPython's ``dict`` keeps no insertion order.
"""

from demo.formatting import format_bytes, pluralize
from demo.timeline import AVATAR_LABEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Outcome = dict[str, Any]

WORKS, FAILS, NOT_RUN = "works", "fails", "not run"
_PYTHONS = {"micropython": "MicroPython", "cpython": "Pyodide"}
_TIMES = ("start", "milliseconds")
_COSTS = ("requests", "preflights", "bytes")
_MEDIA_FIELDS = ("name", "state", "words", "strategy", "source") + _TIMES + _COSTS
# A seek is right if the position reached is at most this far from the target.
_RIGHT_WITHIN_S = 0.5


def shuffled(names: "tuple[str, ...]", seed: int) -> "list[str]":
    """Shuffles names in an order determined by the seed alone on every interpreter (MicroPython has no ``shuffle``)."""
    order = list(names)
    for last in range(len(order) - 1, 0, -1):
        seed = (seed * 1103515245 + 12345) % 2**31
        other = (seed >> 8) % (last + 1)
        order[last], order[other] = order[other], order[last]
    return order


# --- outcomes, from the reports of strategies' own pages


def not_run(words: str) -> "Outcome":
    """Returns the outcome of a strategy that was not run.

    :param words: why it was not run.
    """
    support = {"works": None, "words": words}
    return {"support": support, "note": "", "first": None, "reload": None, "video": None, "media": []}


def outcome(name: str, state: str, report: "dict[str, Any]") -> "Outcome":
    """Returns the outcome of a first visit.

    :param name: the strategy.
    :param state: final state of its page: ``done``, ``failed``, or empty if it timed out.
    :param report: the page's report.
    """
    found = not_run("")
    support = report.get("support", {}).get(name)
    if not support or (support["works"] and state != "done"):
        found["support"] = {"works": False, "words": problem(report)}
        return found
    found["support"] = support
    if support["works"]:
        found["first"] = visit(report)
        found["video"] = found["first"]["video"]
        found["media"] = [_media(media) for media in report["media"]]
        if not found["first"]["shown"]:
            found["support"] = {"works": False, "words": _first_words(found["media"])}
    return found


def problem(report: "dict[str, Any]") -> str:
    """Returns the error of a page that failed or timed out."""
    return str(report.get("problem") or "its page did not come to an end in time")


def _first_words(media: "list[dict[str, Any]]") -> str:
    words = [str(each["words"]) for each in media if each["words"]]
    return words[0] if words else "no media was shown"


def visit(report: "dict[str, Any]") -> "dict[str, Any]":
    """Returns the figures of one visit: number of media shown, milliseconds to the first and the last, and costs."""
    media = report["media"]
    shown = sorted(each["start"] + each["milliseconds"] for each in media if each["state"] == "shown")
    figures: dict[str, Any] = {"media": len(media), "shown": len(shown)}
    figures["first_ms"] = round(shown[0], 1) if shown else None
    figures["last_ms"] = round(shown[-1], 1) if shown else None
    for name in _COSTS:
        figures[name] = sum(each[name] for each in media)
    figures["bytes_known"] = _bytes_known(media)
    figures["video"] = _video(report)
    figures["chosen"] = _chosen(media)
    return figures


def _bytes_known(media: "list[dict[str, Any]]") -> str:
    """Returns how complete byte counts are (``all``, ``part`` or ``none``): browsers hide some transfers' sizes."""
    shown = [each for each in media if each["state"] == "shown"]
    hidden = [each for each in shown if each["source"] == "network" and each["requests"] and not each["bytes"]]
    return "all" if not hidden else "none" if len(hidden) == len(shown) else "part"


def _video(report: "dict[str, Any]") -> "dict[str, Any] | None":
    shown = [each for each in report["media"] if each["kind"] == "video" and each["state"] == "shown"]
    seek = report.get("video")
    if not shown:
        return None
    measured: dict[str, Any] = {"first_frame_ms": round(shown[0]["start"] + shown[0]["milliseconds"], 1)}
    if seek:
        right = bool(seek["done"]) and abs(seek["position"] - seek["target"]) <= _RIGHT_WITHIN_S
        measured.update({"seek_ms": seek["seek_ms"], "position": seek["position"], "target": seek["target"]})
        measured["right"] = right
    return measured


def _media(media: "dict[str, Any]") -> "dict[str, Any]":
    kept = {name: media[name] for name in _MEDIA_FIELDS}
    kept["kind"] = "avatar" if media["name"].startswith(AVATAR_LABEL) else media["kind"]
    return kept


def _chosen(media: "list[dict[str, Any]]") -> "dict[str, int]":
    """Returns the number of media by the strategy that served them: several strategies only for `auto`."""
    counts: dict[str, int] = {}
    for each in media:
        counts[each["strategy"]] = counts.get(each["strategy"], 0) + 1
    return counts


# --- figures, as columns of a table


def format_ms(milliseconds: float) -> str:
    """Returns a duration in milliseconds or seconds, as in the table."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


class Column:
    """A column of the table: one figure of every strategy; less is better.

    :param group: heading of a group of columns.
    :param title: heading of the column.
    :param value: reads the figure from an outcome; `None` if there is none.
    :param readable: formats the figure.
    """

    __slots__ = ("_readable", "group", "title", "value")

    def __init__(
        self, group: str, title: str, value: "Callable[[Outcome], float | None]", readable: "Callable[[Any], str]"
    ) -> None:
        self.group = group
        self.title = title
        self.value = value
        self._readable = readable

    def text(self, found: "Outcome") -> str:
        """Returns the formatted figure, or a dash."""
        value = self.value(found)
        return "-" if value is None else self._readable(value)

    def best(self, outcomes: "dict[str, Outcome]") -> "list[str]":
        """Returns the strategies with the least figure as formatted; none if all are equal."""
        values = {name: self.value(found) for name, found in outcomes.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if not known:
            return []
        least = self._readable(min(known.values()))
        names = [name for name, value in known.items() if self._readable(value) == least]
        return names if len(names) < len(known) else []


def _figure(visit: str, name: str) -> "Callable[[Outcome], float | None]":
    return lambda found: found[visit][name] if found[visit] else None


def _first_frame(found: "Outcome") -> float | None:
    return found["video"]["first_frame_ms"] if found["video"] else None


def _right_seek(found: "Outcome") -> float | None:
    video = found["video"]
    return video["seek_ms"] if video and video.get("right") else None


class _BytesColumn(Column):
    """Bytes, as far as the browser tells them: what is not whole is no best value."""

    __slots__ = ("_visit",)

    def __init__(self, group: str, visit: str) -> None:
        super().__init__(group, "bytes", self._whole, format_bytes)
        self._visit = visit

    def text(self, found: "Outcome") -> str:
        figures = found[self._visit]
        if not figures or figures["bytes_known"] == "all":
            return super().text(found)
        return "not told" if figures["bytes_known"] == "none" else "≥ " + format_bytes(figures["bytes"])

    def _whole(self, found: "Outcome") -> float | None:
        figures = found[self._visit]
        return figures["bytes"] if figures and figures["bytes_known"] == "all" else None


class _SeekColumn(Column):
    """The seek, which has words of its own where it led elsewhere."""

    __slots__ = ()

    def text(self, found: "Outcome") -> str:
        video = found["video"]
        if not video or "right" not in video or video["right"]:
            return super().text(found)
        return f"fails: led to {video['position']:.1f} s, not {video['target']:.1f} s"


FIRST, RELOAD, VIDEO = "First visit", "After a reload", "Film"
COLUMNS = (
    Column(FIRST, "first media", _figure("first", "first_ms"), format_ms),
    Column(FIRST, "last media", _figure("first", "last_ms"), format_ms),
    Column(FIRST, "requests", _figure("first", "requests"), str),
    Column(FIRST, "preflights", _figure("first", "preflights"), str),
    _BytesColumn(FIRST, "first"),
    Column(RELOAD, "last media", _figure("reload", "last_ms"), format_ms),
    Column(RELOAD, "requests", _figure("reload", "requests"), str),
    _BytesColumn(RELOAD, "reload"),
    Column(VIDEO, "first frame", _first_frame, format_ms),
    _SeekColumn(VIDEO, "seek", _right_seek, format_ms),
)


# --- the same in words


def verdict(found: "Outcome") -> str:
    """`WORKS`, `FAILS` or `NOT_RUN`."""
    works = found["support"]["works"]
    return NOT_RUN if works is None else WORKS if works else FAILS


def verdict_words(found: "Outcome") -> str:
    """Returns the words that explain a verdict: the browser's own, media not shown, the note; often empty."""
    first = found["first"]
    missing = first["media"] - first["shown"] if first else 0
    told = str(found["support"]["words"])
    if missing and verdict(found) == WORKS:
        told = f"{missing} of {first['media']} media not shown: {_first_words(found['media'])}"
    return "; ".join([words for words in (told, found["note"]) if words])


def explained_verdict(found: "Outcome", max_length: int | None = None) -> str:
    """Returns a verdict with the words that explain it.

    :param max_length: of these words, in characters; all of them if ``None``.
    """
    words = verdict_words(found)[:max_length]
    return verdict(found) + (f": {words}" if words else "")


def headline(outcomes: "dict[str, Outcome]") -> str:
    """Returns a sentence that says which strategies work here."""
    working = _named(outcomes, WORKS)
    run = working + _named(outcomes, FAILS)
    if not run:
        return "No strategy was run."
    works = "works" if len(run) == 1 else "work"
    if len(working) == len(run):
        sentence = f"All {len(run)} strategies that were run work in this window."
        return sentence if len(run) > 1 else f"{run[0]}, the one strategy that was run, works in this window."
    return f"{len(working)} of {len(run)} strategies {works} in this window: {_listed(working) or 'none'}."


def cost(name: str, found: "Outcome") -> str:
    """Returns a sentence that says what one strategy costs here, or why it did not work."""
    state = verdict(found)
    if state == FAILS:
        return f"{name} does not work here: {found['support']['words']}"
    if state == NOT_RUN:
        return f"{name} was not run: {found['support']['words']}"
    first, again = found["first"], found["reload"]
    chosen = [f"{other} for {count}" for other, count in sorted(first["chosen"].items()) if other != name]
    choice = f", having chosen {_listed(chosen)}" if chosen else ""
    everything = "all" if first["shown"] == first["media"] else f"{first['shown']} of"
    sentence = (
        f"{name} works{choice}: {everything} {first['media']} media on show after {format_ms(first['last_ms'])}, "
        f"for {pluralize(first['requests'], 'request')}, {pluralize(first['preflights'], 'preflight')} "
        f"and {_bytes(first)}"
    )
    if not again or again["last_ms"] is None:
        return sentence + (f"; {found['note']}." if found["note"] else ".")
    return (
        f"{sentence}; after a reload {format_ms(again['last_ms'])}, "
        f"{pluralize(again['requests'], 'request')} and {_bytes(again)}."
    )


def _bytes(figures: "dict[str, Any]") -> str:
    if figures["bytes_known"] == "none":
        return "bytes that pages are not told"
    return ("at least " if figures["bytes_known"] == "part" else "") + format_bytes(figures["bytes"])


def markdown(report: "dict[str, Any]") -> str:
    """Returns the table and the circumstances of the measurement as Markdown.

    :param report: the page's report, with ``strategies``.
    """
    outcomes = report["strategies"]
    titles = [f"{column.group}: {column.title}" for column in COLUMNS]
    lines = [f"**{headline(outcomes)}**", "", circumstances(report), ""]
    lines += [_line(["Strategy", "Here"] + titles), _line(["---"] * (len(titles) + 2))]
    best = [column.best(outcomes) for column in COLUMNS]
    for name, found in outcomes.items():
        cells = [f"`{name}`", explained_verdict(found)]
        for column, names in zip(COLUMNS, best):
            cells.append(f"**{column.text(found)}**" if name in names else column.text(found))
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def circumstances(report: "dict[str, Any]") -> str:
    """Returns a sentence that says where, when and in which order the comparison ran."""
    about = report["browser"]
    python = _PYTHONS.get(report["interpreter"], report["interpreter"])
    return (
        f"Measured in {about['name']} {about['version']}, in {window_words(report)}, on {report['date']}, with "
        f"{python} and the homeserver {report['homeserver']}, one run of each in the order "
        f"{', '.join(report['order'])} (seed {report['seed']})."
    )


def window_words(report: "dict[str, Any]") -> str:
    """Returns what is known of the window's kind."""
    return "a private window" if report["mode"]["guess"] == "private" else "a window that may be private or not"


def _line(cells: "list[str]") -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _named(outcomes: "dict[str, Outcome]", state: str) -> "list[str]":
    return [name for name, found in outcomes.items() if verdict(found) == state]


def _listed(names: "list[str]") -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
