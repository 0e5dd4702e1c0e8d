"""The page `compare.html`: runs every strategy over the same room in this browser and compares their costs."""

import asyncio
import json
from collections import OrderedDict

from authmedia import browser, strategies
from authmedia.browser import BrowserError
from authmedia.support.untrusted import parse_digits
from demo import charts, http_cache
from demo.comparison import (
    COLUMNS,
    FAILS,
    NOT_RUN,
    WORKS,
    circumstances,
    cost,
    headline,
    markdown,
    not_run,
    shuffled,
    verdict,
    verdict_words,
)
from demo.page import Page
from demo.room import read_room
from demo.session import Session, forget_session
from demo.strategy_run import StrategyRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from demo.share_dialog import ShareDialog

STRATEGIES = strategies.NAMES + (strategies.AUTO,) + strategies.BASELINES
_TICK_S = 0.5
_WORKS = {WORKS: "yes", FAILS: "no", NOT_RUN: "unknown"}


def chosen() -> "tuple[str, ...]":
    """Returns the strategies that the parameter ``only`` names, or all of them."""
    named = browser.query_parameter("only").split(",")
    return tuple([name for name in STRATEGIES if name in named]) or STRATEGIES


class ComparePage(Page):
    """Runs the strategies one after another in random order and shows each outcome when it is complete."""

    def __init__(self) -> None:
        super().__init__("compare")
        self._strategies = chosen()
        self._outcomes: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._cacheable: list[str] = []
        self._run_under_way: StrategyRun | None = None
        self._stopped = False
        self._started_ms = 0.0
        self._dialog: ShareDialog | None = None

    async def work(self, session: Session) -> None:
        """Starts at once if the parameter ``run`` is set, else at the press of the button."""
        await self.probe_all(session)
        self._bind_buttons(session)
        self.root.query("#reused-session").hidden = session.is_demo
        if browser.query_parameter("run"):
            await self._compare(session)

    async def _on_start(self, session: Session) -> None:
        self.reset()
        await self._compare(session)
        self.set_state("done")

    async def _compare(self, session: Session) -> None:
        """Runs all strategies; if each can have its own session, the tab's session is detached meanwhile."""
        order = self._begin()
        detached = False
        try:
            room = await read_room(session.homeserver, session.room)
            self._cacheable = http_cache.addresses(room, session.homeserver)
            if session.is_demo:
                await forget_session()
                detached = True
            for number, name in enumerate(order):
                if not self._stopped:
                    await self._run_one(number, name, session)
        finally:
            if detached:
                await session.store()
            self._end()

    def _begin(self) -> "list[str]":
        given = parse_digits(browser.query_parameter("seed"))
        seed = int(browser.random_uuid()[:6], 16) if given is None else given
        order = shuffled(self._strategies, seed)
        self._outcomes = OrderedDict([(name, not_run("stopped before its turn")) for name in self._strategies])
        self._stopped = False
        self._started_ms = browser.now_ms()
        for name, value in (("seed", seed), ("order", order), ("date", browser.iso_timestamp(browser.epoch_ms()))):
            self.report.set_field(name, value)
        self.report.set_field("strategies", self._outcomes)
        self.root.query("#done").set_attribute("max", str(len(self._strategies)))
        self._show_controls(running=True)
        browser.create_task(self._tick())
        return order

    async def _run_one(self, number: int, name: str, session: Session) -> None:
        def show_step(step: str) -> None:
            self.root.query("#step").text = f"{number + 1} of {len(self._strategies)}: {name}, {step}"

        self.root.query("#done").set_attribute("value", str(number))
        self._run_under_way = StrategyRun(name, session, self._cacheable, show_step)
        self._outcomes[name] = await self._run_under_way.run(self.root.query("#stage"))
        self._run_under_way = None
        self._show_outcomes(
            OrderedDict([(ran, found) for ran, found in self._outcomes.items() if verdict(found) != NOT_RUN])
        )

    def _stop(self) -> None:
        self._stopped = True
        if self._run_under_way:
            self._run_under_way.stop()

    def _end(self) -> None:
        self._show_controls(running=False)
        self._show_outcomes(self._outcomes)

    async def _tick(self) -> None:
        """Updates the elapsed time while the comparison runs."""
        elapsed = self.root.query("#elapsed")
        while not self.root.query("#progress-panel").hidden:
            elapsed.text = f"{(browser.now_ms() - self._started_ms) / 1000:.0f} s"
            await asyncio.sleep(_TICK_S)

    # --- the page

    def _show_controls(self, *, running: bool) -> None:
        start, stop = self.root.query("#start"), self.root.query("#stop")
        begun, stopped = running and start.has_focus, not running and stop.has_focus
        start.hidden = running
        self.root.query("#progress-panel").hidden = not running
        # The focused button is hidden now, so focus moves to the other one.
        if begun:
            stop.focus()
        elif stopped:
            start.focus()

    def _show_outcomes(self, outcomes: "OrderedDict[str, dict[str, Any]]") -> None:
        self.report.set_field("strategies", self._outcomes)
        self.root.query("#done").set_attribute("max", str(len(self._strategies)))
        self.root.query("#published").hidden = True
        self.root.query("#results").hidden = False
        self.root.query("#headline").text = headline(outcomes)
        self.root.query("#circumstances").text = circumstances(self.report.content())
        costs = self.root.query("#costs")
        costs.remove_children()
        for name, found in outcomes.items():
            item = browser.create_element("li")
            item.text = cost(name, found)
            costs.append(item)
        self._show_table(outcomes)
        charts.draw_bars(outcomes, self.root.query("#bars"))
        charts.draw_waterfalls(outcomes, self.root.query("#waterfalls"))

    def _show_table(self, outcomes: "OrderedDict[str, dict[str, Any]]") -> None:
        table = self.root.query("#outcomes")
        table.remove_children()
        best = [column.best(outcomes) for column in COLUMNS]
        for name, found in outcomes.items():
            row = browser.clone_template("outcome")
            row.set_attribute("data-works", _WORKS[verdict(found)])
            row.query(".name").text = name
            row.query(".verdict").text = verdict(found)
            row.query(".words").text = verdict_words(found)
            for column, names in zip(COLUMNS, best):
                row.append(_cell(column.text(found), name in names))
            table.append(row)

    def _bind_buttons(self, session: Session) -> None:
        self.root.query("#start").listen("click", lambda: self.start(self._on_start(session)))
        self.root.query("#stop").listen("click", self._stop)
        self.root.query("#copy").listen("click", lambda: self.start(self._copy()))
        self.root.query("#download").listen("click", self._download)
        self.root.query("#share").listen("click", lambda: self.start(self._share(session)))

    async def _share(self, session: Session) -> None:
        """Opens the dialog that sends the result to a room."""
        if not self._dialog:
            from demo.share_dialog import ShareDialog  # most visits share nothing

            self._dialog = ShareDialog(session.homeserver, session.room, self.start)
        await self._dialog.open(self.report.content())

    async def _copy(self) -> None:
        """Copies the table as Markdown; if the clipboard is refused, shows it in a text field instead."""
        text = markdown(self.report.content())
        field = self.root.query("#markdown")
        said = self.root.query("#copied")
        try:
            await browser.copy_to_clipboard(text)
        except BrowserError as error:
            said.text = f"The browser does not let this page use the clipboard ({error.words}). Here it is:"
            field.value = text
            self.root.query("#markdown-label").hidden = False
            field.select()
            return
        said.text = "Copied."

    def _download(self) -> None:
        url = browser.text_blob(json.dumps(self.report.content()), "application/json").create_object_url()
        browser.create_element("a", href=url, download="authmedia-comparison.json").click()
        browser.revoke_object_url(url)


def _cell(text: str, best: bool) -> browser.Element:
    cell = browser.create_element("td")
    figure = browser.create_element("span", class_="figure")
    figure.text = text
    cell.append(figure)
    if best:
        cell.set_attribute("data-best", "yes")
        mark = browser.create_element("span", class_="best")
        mark.text = "best"
        cell.append(mark)
    return cell
