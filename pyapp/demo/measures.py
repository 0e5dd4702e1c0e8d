"""Measurements of each media on a strategy's page: a live table and its part of the report."""

import asyncio

from authmedia import browser
from authmedia.elements.binding import FAILED, HELD, LOADING, NONE, READY, SHOWN, Binding
from authmedia.traffic import Traffic
from demo.formatting import format_bytes, pluralize
from demo.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Seconds between updates of the table while media load: often enough to watch, seldom enough not to slow loads.
_WRITE_EVERY_S = 0.1


class Row:
    """One media with all elements bound to it."""

    __slots__ = ("_cells", "bindings", "key", "line")

    def __init__(self, key: str, line: browser.Element) -> None:
        self.key = key
        self.line = line
        self.bindings: list[Binding] = []
        self._cells = {name: line.query("." + name) for name in ("name", "state", "ms", "requests", "bytes", "source")}

    @property
    def first(self) -> Binding:
        """The binding that requested the media first; its load served the others."""
        return self.bindings[0]

    @property
    def traffic(self) -> Traffic:
        """Traffic of all elements of this media; a load that several elements shared is counted once."""
        total = Traffic()
        seen: list[Traffic] = []
        for binding in self.bindings:
            traffic = binding.traffic
            if traffic and not any(traffic is other for other in seen):
                seen.append(traffic)
                total.requests += traffic.requests
                total.preflights += traffic.preflights
                total.bytes += traffic.bytes
        return total

    @property
    def state(self) -> str:
        """``loading`` while any element is, ``failed``, ``held`` or ``ready`` if any is, else ``shown``."""
        states = [binding.state for binding in self.bindings]
        for state in (LOADING, FAILED, HELD, READY):
            if state in states:
                return state
        return SHOWN

    def update(self) -> None:
        """Updates the table row."""
        binding = self.first
        state = self.state
        self.line.set_attribute("data-state", state)
        cells = self._cells
        cells["name"].text = binding.label or binding.mxc
        cells["state"].text = state
        if state == LOADING:
            return
        traffic = self.traffic
        cells["ms"].text = f"{binding.milliseconds:.0f}"
        cells["requests"].text = str(traffic.requests) + (f" + {traffic.preflights}" if traffic.preflights else "")
        cells["bytes"].text = format_bytes(traffic.bytes)
        cells["source"].text = binding.media.source if binding.media else ""
        if binding.failure:
            self.line.set_attribute("title", str(binding.failure))
        elif binding.media and binding.media.reason:
            self.line.set_attribute("title", binding.media.reason)
        else:
            self.line.remove_attribute("title")

    def as_json(self, start_ms: float) -> "dict[str, Any]":
        """Returns the media's entry in the report.

        :param start_ms: when loading began, on the clock of `browser.now_ms`.
        """
        binding = self.first
        traffic = self.traffic
        return {
            "mxc": binding.mxc,
            "key": self.key,
            "name": binding.label,
            "kind": binding.kind,
            "elements": len(self.bindings),
            "state": self.state,
            "strategy": binding.strategy,
            "start": round(binding.started_ms - start_ms, 1),
            "milliseconds": round(binding.milliseconds, 1),
            "requests": traffic.requests,
            "preflights": traffic.preflights,
            "bytes": traffic.bytes,
            "source": binding.media.source if binding.media else None,
            "reason": binding.media.reason if binding.media else "",
            "words": str(binding.failure) if binding.failure else "",
            "error": type(binding.failure).__name__ if binding.failure else None,
        }


class Measures:
    """The table of a room's media, the summary above it and the media's entries in the report."""

    __slots__ = ("_changed", "_progress", "_report", "_rows", "_start_ms", "_summary", "_table", "_writing")

    def __init__(self, page: browser.Element, report: Report) -> None:
        self._report = report
        report.media = self._media
        self._table = page.query("#measures")
        self._summary = page.query("#summary")
        self._progress = page.query("#progress")
        self._rows: dict[str, Row] = {}
        self._changed: list[Binding] = []
        self._writing: asyncio.Task[None] | None = None
        self._start_ms = browser.now_ms()

    def restart(self) -> None:
        """Clears the table before another run."""
        self._rows = {}
        self._changed = []
        self._table.remove_children()
        self._start_ms = browser.now_ms()

    def changed(self, binding: Binding) -> None:
        """Queues an element's new state for the next batched update."""
        self._changed.append(binding)
        if not self._writing or self._writing.done():
            self._writing = browser.create_task(self._write_soon())

    @property
    def reasons(self) -> "dict[str, int]":
        """Number of media by the reason for which `auto` chose their strategy."""
        counts: dict[str, int] = {}
        for row in self._rows.values():
            reason = row.first.media.reason if row.first.media else ""
            if reason:
                counts[reason] = counts.get(reason, 0) + 1
        return counts

    def write(self) -> None:
        """Writes table, summary and report."""
        self._report.write()
        if self._rows:
            self._summarise(list(self._rows.values()))
        else:
            self._summary.set_attribute("aria-busy", "false")
            self._summary.query(".shown").text = "no media here; encrypted messages are not read"

    def _media(self) -> "list[dict[str, Any]]":
        self._apply_changes()
        return [row.as_json(self._start_ms) for row in self._rows.values()]

    def _apply_changes(self) -> None:
        """Updates the rows of changed bindings."""
        changed, self._changed = self._changed, []
        rows: list[Row] = []
        for binding in changed:
            row = self._row(binding)
            if row not in rows:
                rows.append(row)
        for row in rows:
            row.update()

    def _row(self, binding: Binding) -> Row:
        row = self._rows.get(binding.key)
        if not row:
            row = self._rows[binding.key] = Row(binding.key, browser.clone_template("measure"))
            self._table.append(row.line)
        if binding not in row.bindings:
            # Without those in whose place it is, because the policy decides otherwise now.
            row.bindings = [other for other in row.bindings if other.state != NONE]
            row.bindings.append(binding)
        return row

    async def _write_soon(self) -> None:
        await asyncio.sleep(_WRITE_EVERY_S)
        if self._changed:
            self.write()

    def _summarise(self, rows: list[Row]) -> None:
        states = [row.state for row in rows]
        settled = len(rows) - states.count(LOADING)
        requests = sum(row.traffic.requests for row in rows)
        preflights = sum(row.traffic.preflights for row in rows)
        size = sum(row.traffic.bytes for row in rows)
        failed = f", {states.count(FAILED)} failed" if FAILED in states else ""
        failed += f", {states.count(HELD)} held back" if HELD in states else ""
        failed += f", {states.count(READY)} not played" if READY in states else ""
        # Announced to screen readers when all media are settled; until then it changes too often.
        self._summary.set_attribute("aria-busy", "true" if settled < len(rows) else "false")
        self._progress.set_attribute("max", str(len(rows)))
        self._progress.set_attribute("value", str(settled))
        self._summary.query(".shown").text = f"{states.count(SHOWN)} of {len(rows)} shown{failed}"
        if settled == len(rows):
            last_ms = max([row.first.started_ms + row.first.milliseconds for row in rows])
            self._summary.query(".time").text = f"{(last_ms - self._start_ms) / 1000:.2f} s"
        self._summary.query(".requests").text = pluralize(requests, "request")
        self._summary.query(".preflights").text = pluralize(preflights, "preflight")
        self._summary.query(".bytes").text = format_bytes(size)
