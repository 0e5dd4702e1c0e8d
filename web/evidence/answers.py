"""Sentences that the matrix and the figures make by themselves, for the answers on ``evidence.html``."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup, escape

from tests.evidence.compare.results import FAILS, NOT_RUN, WORKS, Results
from web.evidence.costs import FILM, reload_costs
from web.evidence.matrix import Matrix, MatrixCell, kind_of
from web.evidence.worlds import NO_COOKIES, NO_STORAGE, NO_WORKER, PRIVATE, World


@dataclass(frozen=True)
class Filter:
    """A question by which the matrix can be filtered.

    :param trait: shows the worlds that have it; all if empty.
    :param media: shows the verdicts on this kind of media; on all kinds if empty.
    """

    name: str
    label: str
    trait: str = ""
    media: str = ""


FILTERS = (
    Filter("all", "Everything"),
    Filter("private", "Private windows", trait=PRIVATE),
    Filter("no-worker", "No service worker", trait=NO_WORKER),
    Filter("no-storage", "No storage", trait=NO_STORAGE),
    Filter("no-cookies", "Third-party cookies blocked", trait=NO_COOKIES),
    Filter("video", "Large video", media="video"),
    Filter("encrypted", "Encrypted", media="encrypted"),
)


class Answers:
    """Sentences about one run.

    :param benchmark: the figures of the benchmark.
    """

    def __init__(self, matrix: Matrix, results: Results, benchmark: dict[str, Any]) -> None:
        self._matrix = matrix
        self._results = results
        self._benchmark = benchmark
        self._measured = [name for name in matrix.strategies if matrix.is_measured(name)]

    def in_worlds(self, trait: str) -> list[Markup]:
        """Returns sentences on what works in all worlds that have a trait, and what fails or is not measured there."""
        worlds = [world for world in self._matrix.worlds if trait in world.traits and self._matrix.is_run_in(world)]
        if not worlds:
            return [Markup("Not measured yet.")]
        working = [name for name in self._measured if all(cell.kind == WORKS for cell in self._row(name, worlds))]
        where = "Works in all of them" if len(worlds) > 1 else "Works"
        sentences = [Markup("<strong>{}:</strong> {}.").format(where, _codes(working) or "none")]
        for name in self._measured:
            bad = [cell for cell in self._row(name, worlds) if _is_bad(cell)]
            if bad:
                sentences.append(_failure(bad))
        gaps = [name for name in self._matrix.strategies if name not in self._measured]
        if gaps:
            sentences.append(Markup("Not measured yet: {}.").format(_codes(gaps)))
        return [Markup("Measured in {}.").format(_listed(map(_world, worlds))), *sentences]

    def failures_of(self, strategy: str) -> Markup:
        """Returns a sentence on where a strategy fails, with the browsers' words; empty if nowhere."""
        bad = [cell for cell in self._matrix.of_strategy(strategy) if _is_bad(cell)]
        return _failure(bad) if bad else Markup()

    def places_of(self, strategy: str) -> Markup:
        """Returns the worlds in which a strategy works, as links to its cells."""
        return _listed(_link(cell) for cell in self._matrix.of_strategy(strategy) if cell.kind == WORKS)

    def without_media(self, media: str) -> list[Markup]:
        """Returns sentences on strategies that work in a world, but for one kind of media."""
        found = []
        for name in self._measured:
            bad = [
                cell
                for cell in self._matrix.of_strategy(name)
                if _is_bad(cell) and cell.outcome != FAILS and cell.media.get(media) != WORKS
            ]
            if bad:
                found.append(_failure(bad))
        return found

    def everywhere(self, media: str) -> Markup:
        """Returns the strategies by which one kind of media works in all worlds."""
        return _codes(name for name in self._measured if self._is_right(name, media))

    def not_everywhere(self, media: str) -> Markup:
        """Returns the strategies by which it does not."""
        return _codes(name for name in self._measured if not self._is_right(name, media))

    def cell(self, strategy: str, mode: str) -> MatrixCell | None:
        """Returns a cell, if the run has its world."""
        return next((cell for cell in self._matrix.of_strategy(strategy) if cell.world.mode == mode), None)

    def reloads(self) -> list[dict[str, str]]:
        """Returns what a reload costs by each strategy."""
        return reload_costs(self._results, self._measured)

    def unmeasured_reloads(self, reloads: list[dict[str, str]]) -> Markup:
        """Returns the strategies that are not among the reloads that were measured."""
        measured = {row["strategy"] for row in reloads}
        return _codes(name for name in self._matrix.strategies if name not in measured)

    def film_seconds(self, strategy: str) -> str:
        """Returns how long the middle of a 100 MB video takes by ``link`` or ``blob``, over all browsers."""
        side = ("link", "blob").index(strategy)
        rows = [row for row in self._benchmark["rows"] if row["what"] == FILM.format(what="time") and row["pairs"]]
        seconds = sorted(median(pair[side] for pair in row["pairs"]) / 1000 for row in rows)
        if not seconds:
            return "not measured yet"
        low, high = f"{seconds[0]:.1f}", f"{seconds[-1]:.1f}"
        return f"{low} s" if low == high else f"{low} to {high} s"

    def _row(self, strategy: str, worlds: list[World]) -> list[MatrixCell]:
        return [self._matrix.cell(strategy, world) for world in worlds]

    def _is_right(self, strategy: str, media: str) -> bool:
        return all(kind_of(cell.media.get(media, WORKS)) == WORKS for cell in self._matrix.of_strategy(strategy))


def _is_bad(cell: MatrixCell) -> bool:
    return cell.kind not in (WORKS, NOT_RUN)


def _failure(cells: list[MatrixCell]) -> Markup:
    """Returns a sentence on a strategy that fails in some worlds, with the browsers' words."""
    by_words: dict[tuple[str, str], list[MatrixCell]] = {}
    for cell in cells:
        by_words.setdefault((cell.outcome, cell.words), []).append(cell)
    parts = [
        Markup("{} in {} (<q>{}</q>)").format(outcome, _listed(map(_link, group)), words)
        for (outcome, words), group in by_words.items()
    ]
    return Markup("{}: {}.").format(_code(cells[0].strategy), Markup("; ").join(parts))


def _world(world: World) -> str:
    return ", ".join(filter(None, (f"{world.browser} {world.short_version}", world.window)))


def _link(cell: MatrixCell) -> Markup:
    return Markup('<a href="#{}">{}</a>').format(cell.anchor, cell.world.title)


def _code(name: str) -> Markup:
    return Markup("<code>{}</code>").format(name)


def _codes(names: Iterable[str]) -> Markup:
    return _listed(map(_code, names))


def _listed(items: Iterable[object]) -> Markup:
    parts = [escape(item) for item in items]
    separator = "; " if any("," in part for part in parts) else ", "
    if len(parts) < 2:
        return Markup("").join(parts)
    return Markup("{} and {}").format(Markup(separator).join(parts[:-1]), parts[-1])
