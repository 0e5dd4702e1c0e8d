"""The matrix of strategies by browser and window, made from the results of a comparison."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.evidence.compare.results import (
    FAILS,
    GATEWAY,
    GATEWAY_STRATEGY,
    MEDIA,
    NOT_RUN,
    PLACES,
    RANGES,
    REDIRECTING,
    STRATEGIES,
    TYPICAL_PLACE,
    WORKS,
    Cell,
    Results,
    verdict,
)
from web.evidence import proofs
from web.evidence.worlds import World, worlds_of
from web.strategy_order import ALL, BEYOND, GROUPS, in_order

PART = "part"
NOT_MEASURED = "not measured yet"
#: Rows that have a place in the matrix before the first run that has them.
EXPECTED = ("delegated", "redirect", "gateway")
# Rows about another homeserver than Synapse as it ships: the strategy that was run, and where.
_OTHER_ROWS = {"redirect": ("redirect", REDIRECTING), "gateway": (GATEWAY_STRATEGY, GATEWAY)}
_INTERPRETERS = {"micropython": "MicroPython", "pyodide": "Pyodide"}
_PLACES = {
    "same-origin": "on the same origin",
    "same-site": "on the same site",
    TYPICAL_PLACE: "on another site",
    RANGES: "with ranges (native_ranges)",
    GATEWAY: "without the module, through the gateway",
}
_SIGNS = {WORKS: "✓", FAILS: "✗", PART: "◐", NOT_RUN: "-"}


@dataclass(frozen=True)
class MatrixCell:
    """One strategy in one world.

    :param outcome: ``works``, ``fails``, the kinds of media that do, or `NOT_MEASURED`.
    :param words: the browser's or homeserver's own words of the first failure.
    :param media: the verdict on each kind of media.
    :param deviations: where the homeserver's place or the interpreter make a difference.
    :param version: the browser's, in which it was measured.
    """

    strategy: str
    world: World
    outcome: str
    words: str
    media: dict[str, str]
    deviations: tuple[str, ...]
    date: str
    version: str

    @property
    def anchor(self) -> str:
        """The cell's stable address on the page."""
        return f"cell-{self.strategy}-{self.world.mode}"

    @property
    def kind(self) -> str:
        """``works``, ``fails``, `PART` or ``not run``."""
        return kind_of(self.outcome)

    @property
    def is_gap(self) -> bool:
        """Whether no run has tried it."""
        return self.outcome == NOT_MEASURED

    @property
    def sign(self) -> str:
        """A character that tells the verdict without its colour."""
        return _SIGNS[self.kind]

    @property
    def tests(self) -> list[str]:
        """The tests that prove it; none if it is not measured."""
        if self.kind == NOT_RUN:
            return []
        return proofs.tests_of(self.strategy, self.world.mode, self.outcome)

    @property
    def explanations(self) -> list[proofs.Source]:
        """Public bugs and documents that explain a failure."""
        return proofs.explanations_of(self.world.engine, self.words)

    def of_media(self, media: str) -> tuple[str, str, str]:
        """Returns kind, sign and outcome of one kind of media."""
        outcome = self.media.get(media, NOT_RUN if self.outcome == NOT_RUN else NOT_MEASURED)
        kind = kind_of(outcome)
        return kind, _SIGNS[kind], outcome


def kind_of(outcome: str) -> str:
    """Returns the kind of an outcome."""
    if outcome in (WORKS, FAILS):
        return outcome
    return NOT_RUN if outcome in (NOT_RUN, NOT_MEASURED) else PART


class Matrix:
    """All cells of a run."""

    def __init__(self, results: Results) -> None:
        self.worlds = worlds_of(results)
        self.date = str(results.about["date"])[:10]
        names = (cell.setting.strategy for cell in results.cells)
        self.strategies = in_order((*names, *STRATEGIES, *EXPECTED))
        self._grouped: dict[tuple[str, str, str, str], list[Cell]] = {}
        for cell in results.cells:
            setting = cell.setting
            key = (setting.strategy, setting.mode, setting.homeserver, setting.interpreter)
            self._grouped.setdefault(key, []).append(cell)
        self._cells = {
            (strategy, world.mode): self._cell(strategy, world) for strategy in self.strategies for world in self.worlds
        }

    def cell(self, strategy: str, world: World) -> MatrixCell:
        """Returns the cell of a strategy in a world."""
        return self._cells[strategy, world.mode]

    @property
    def browsers(self) -> list[tuple[str, list[World]]]:
        """The browsers with their versions, and the worlds of each."""
        found: dict[str, list[World]] = {}
        for world in self.worlds:
            found.setdefault(f"{world.browser} {world.short_version}", []).append(world)
        return list(found.items())

    def groups(self, names: Iterable[str] | None = None) -> list[tuple[str, list[str]]]:
        """Returns the titles of the groups of strategies, and the strategies of each.

        :param names: those to choose; all by default.
        """
        chosen = [name for name in self.strategies if names is None or name in names]
        found = []
        for _, title, members in GROUPS:
            others = [name for name in chosen if name not in ALL] if members is BEYOND else []
            strategies = [name for name in chosen if name in members] + others
            if strategies:
                found.append((title, strategies))
        return found

    def of_strategy(self, strategy: str) -> list[MatrixCell]:
        """Returns a strategy's cells."""
        return [self.cell(strategy, world) for world in self.worlds]

    def cells(self) -> list[MatrixCell]:
        """Returns all cells, by strategy."""
        return [cell for strategy in self.strategies for cell in self.of_strategy(strategy)]

    def is_measured(self, strategy: str) -> bool:
        """Returns whether a run has the strategy."""
        return any(cell.kind != NOT_RUN for cell in self.of_strategy(strategy))

    def is_run_in(self, world: World) -> bool:
        """Returns whether a run has tried any strategy in the world: none runs where no Python does."""
        return any(self.cell(strategy, world).kind != NOT_RUN for strategy in self.strategies)

    def all_places(self) -> Iterable[dict[str, Any]]:
        """Yields a row for each strategy, world, place, interpreter and kind of media that was run."""
        for (strategy, mode, place, interpreter), cells in self._grouped.items():
            world = next(world for world in self.worlds if world.mode == mode)
            for cell in cells:
                yield {
                    "cell": f"cell-{strategy}-{mode}",
                    "strategy": strategy,
                    "browser": world.browser,
                    "version": cell.setting.version,
                    "window": world.window or "normal",
                    "homeserver": place,
                    "interpreter": interpreter,
                    "media": cell.media,
                    "verdict": cell.verdict,
                    "words": cell.words,
                    "date": cell.date or self.date,
                }

    def _cell(self, strategy: str, world: World) -> MatrixCell:
        run, place = _OTHER_ROWS.get(strategy, (strategy, TYPICAL_PLACE))
        interpreter, cells = self._measured(run, world, place)
        if not cells:
            return self._not_run(strategy, world)
        outcome, words = verdict(cells)
        media = {cell.media: cell.verdict for cell in cells if cell.media in MEDIA}
        deviations = self._deviations(strategy, world, outcome, interpreter)
        date, version = cells[0].date or self.date, cells[0].setting.version
        return MatrixCell(strategy, world, outcome, words, media, deviations, date, version)

    def _not_run(self, strategy: str, world: World) -> MatrixCell:
        """Returns the cell of a strategy that no run has tried there, with the reason if a run has one."""
        for interpreter in _INTERPRETERS:
            for cell in self._grouped.get((strategy, world.mode, TYPICAL_PLACE, interpreter), []):
                date = cell.date or self.date
                return MatrixCell(strategy, world, NOT_RUN, cell.words, {}, (), date, cell.setting.version)
        return MatrixCell(strategy, world, NOT_MEASURED, "", {}, (), "", world.version)

    def _measured(self, strategy: str, world: World, place: str) -> tuple[str, list[Cell]]:
        """Returns the first interpreter that ran it, and its cells."""
        for interpreter in _INTERPRETERS:
            cells = self._grouped.get((strategy, world.mode, place, interpreter), [])
            if any(cell.verdict != NOT_RUN for cell in cells):
                return interpreter, cells
        return "", []

    def _deviations(self, strategy: str, world: World, outcome: str, interpreter: str) -> tuple[str, ...]:
        others = [
            (f"With {name}", self._grouped.get((strategy, world.mode, TYPICAL_PLACE, other), []))
            for other, name in _INTERPRETERS.items()
            if other != interpreter
        ]
        others += [
            (f"Homeserver {_PLACES[place]}", self._measured(strategy, world, place)[1])
            for place in (*PLACES, RANGES, GATEWAY)
            if place != TYPICAL_PLACE
        ]
        found = []
        for where, cells in others:
            differs, words = verdict(cells)
            if differs not in (outcome, NOT_RUN):
                found.append(f"{where}: {differs}" + (f" ({words})." if words else "."))
        return tuple(found)
