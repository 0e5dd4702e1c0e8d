"""Runs every strategy in every browser and mode, with the homeserver on the same origin, same site and cross-site."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from selenium.common.exceptions import WebDriverException
from urllib3.exceptions import HTTPError

from development.sample_media.catalogue import Sample
from development.seed import media_of
from tests.evidence.compare import verification
from tests.evidence.compare.browsers import Browser, Started
from tests.evidence.compare.counting_proxy import CountingProxy, Traffic
from tests.evidence.compare.probe import look, probe_server
from tests.evidence.compare.results import (
    ALL,
    BRIEF_SERVERS,
    PLACES,
    QUICK_RELOAD_MODES,
    QUICK_SERVER_MODES,
    QUICK_SERVERS,
    SERVERS,
    STRATEGIES,
    TYPICAL_PLACE,
    Results,
    Setting,
)
from tests.evidence.compare.servers import Servers
from tests.evidence.compare.tabs import Tab, Unsettled, report, show_held_media, wait_until_settled
from tests.evidence.run_conditions import OtherLoad, about, note_load
from web.demonstration import Demonstration

RUNS = 5
_TRIES = 2
MEASURED_INTERPRETER, OTHER_INTERPRETER = "micropython", "pyodide"
_OF_THE_DRIVER = (PlaywrightError, WebDriverException, HTTPError, ConnectionError)
_BROKEN = (*_OF_THE_DRIVER, Unsettled)

Progress = Callable[[str], None]


class ComparisonSites:
    """The sites and proxies of a comparison.

    Each strategy has its own origin, so strategies share no storage: ``localhost`` with its own port, where a proxy
    serves both the site and the homeserver (same-origin). A second proxy per strategy to the same homeserver is
    same-site under the name ``localhost`` and cross-site under 127.0.0.1. The homeservers of `SERVERS` are cross-site,
    behind proxies of their own.
    """

    def __init__(self, demonstration: Demonstration, state: Path, stack: ExitStack) -> None:
        assert demonstration.demo
        demo = demonstration.demo
        homeserver = demonstration.synapse.base_url
        account = {"user": demo.user_id, "password": demo.password, "room": demo.room_id}
        self.samples: dict[str, Sample] = media_of(state / "seed")
        self._beside: dict[str, CountingProxy] = {}
        self._own: dict[str, CountingProxy] = {}
        self._others: dict[tuple[str, str], CountingProxy] = {}
        self._stack = stack
        self._servers = Servers(demonstration.synapse, state / "servers", stack)
        for strategy in ALL:
            self._beside[strategy] = stack.enter_context(CountingProxy(homeserver))
            # The page's parameter overrides this homeserver; only for it does the page use the demonstration's account.
            told = {**account, "homeserver": self._beside[strategy].address()}
            self._own[strategy] = stack.enter_context(CountingProxy(homeserver, state / "site", told))

    def proxy(self, place: str, strategy: str) -> CountingProxy:
        """Returns the proxy that receives a strategy's requests to the homeserver."""
        if place not in SERVERS:
            return (self._own if place == "same-origin" else self._beside)[strategy]
        if (place, strategy) not in self._others:
            proxy = CountingProxy(self._servers.url(place))
            self._others[place, strategy] = self._stack.enter_context(proxy)
        return self._others[place, strategy]

    def page(self, setting: Setting, **parameters: str) -> str:
        """Returns the URL of a strategy's page with the homeserver in the setting's place."""
        host = "localhost" if setting.homeserver in ("same-origin", "same-site") else "127.0.0.1"
        homeserver = self.proxy(setting.homeserver, setting.strategy).address(host)
        given = {"homeserver": homeserver, "interpreter": setting.interpreter, "alone": "1", **parameters}
        query = "&".join(f"{name}={value}" for name, value in given.items())
        return f"{self._own[setting.strategy].address()}/{setting.strategy.replace('_', '-')}.html?{query}"


@contextmanager
def comparison_sites(state: Path, homeserver_port: int, progress: Progress) -> Iterator[ComparisonSites]:
    """Starts a homeserver with the sample room, the sites and the proxies; stops them afterwards."""
    demonstration = Demonstration(state, 0, homeserver_port)

    def step(words: str, done: int, total: int) -> None:
        progress(f"{words} ({done} of {total})" if total > 1 else words)

    with demonstration.running(step), ExitStack() as stack:
        yield ComparisonSites(demonstration, state, stack)


def new_results(seed: int | None = None, runs: int = RUNS, *, quick: bool = False) -> Results:
    """Returns empty results of this machine.

    :param seed: seed of the order of strategies; random if None.
    :param runs: number of measurements of each quantity.
    :param quick: whether to run each cell of the matrix once: one round, one place, one interpreter.
    """
    said = about(random.randrange(10**6) if seed is None else seed, 1 if quick else runs)
    return Results({**said, "quick": True} if quick else said)


def compare(
    sites: ComparisonSites,
    browsers: list[Browser],
    results: Results,
    *,
    places: tuple[str, ...] = (*PLACES, *SERVERS),
    strategies: tuple[str, ...] = ALL,
    progress: Progress,
) -> Iterator[None]:
    """Adds to the results, and yields after each browser and place, so that the caller can save them.

    Browsers and places that the results already have are skipped. The results' ``missing`` has those that do not start.

    :param progress: called with a description of each step.
    """
    known = {(cell.setting.mode, cell.setting.homeserver) for cell in results.cells}
    for browser in browsers:
        for homeserver, offered in _offered(browser, places, quick=results.is_quick).items():
            chosen = tuple(strategy for strategy in offered if strategy in strategies)
            if (browser.mode, homeserver) in known or not chosen:
                continue
            part = Results(results.about)
            load, started_s = OtherLoad(), time.monotonic()
            try:
                _compare_at(sites, browser, part, homeserver, chosen, progress)
            except _BROKEN as error:
                results.about.setdefault("missing", {})[browser.mode] = _first_line(error)
                break
            note_load(results.about, load.share())
            took_s = round(time.monotonic() - started_s)
            results.about.setdefault("seconds", {})[f"{browser.mode} {homeserver}"] = took_s
            results.add(part)
            yield


def _offered(browser: Browser, places: tuple[str, ...], *, quick: bool) -> dict[str, tuple[str, ...]]:
    """Returns the places of the homeserver for a browser, with the strategies to run in each."""
    if not quick and not browser.brief:
        return {place: SERVERS.get(place, STRATEGIES) for place in places}
    if not quick:
        return {TYPICAL_PLACE: STRATEGIES, **BRIEF_SERVERS}
    return {TYPICAL_PLACE: STRATEGIES, **(QUICK_SERVERS if browser.mode in QUICK_SERVER_MODES else {})}


def _compare_at(
    sites: ComparisonSites,
    browser: Browser,
    results: Results,
    homeserver: str,
    strategies: tuple[str, ...],
    progress: Progress,
) -> None:
    """Runs all rounds of one browser with the homeserver in one place: one, where its costs are cited nowhere."""
    runs = results.about["runs"] if homeserver == TYPICAL_PLACE and not browser.brief else 1
    reload = not results.is_quick or browser.mode in QUICK_RELOAD_MODES
    order = random.Random(f"{results.about['seed']} {browser.mode} {homeserver}")
    for run in range(runs):
        with browser.start() as started:
            _look(started, browser.mode, results)
            for strategy in order.sample(strategies, len(strategies)):
                progress(f"{browser.mode}, {homeserver}, round {run + 1} of {runs}: {strategy}")
                for interpreter in _interpreters(strategy, run, quick=results.is_quick):
                    known = (browser.engine, started.version, browser.mode)
                    setting = Setting(*known, homeserver, interpreter, strategy)
                    _try(sites, started, results, setting, verify=run == 0, reload=reload)


def _look(started: Started, mode: str, results: Results) -> None:
    """Notes what a page sees of the browser, unless it is known."""
    worlds = results.about.setdefault("worlds", {})
    if mode in worlds:
        return
    try:
        with started.new_tab() as tab, probe_server() as url:
            worlds[mode] = look(tab, url)
    except _BROKEN as error:
        worlds[mode] = {"problem": _first_line(error)}


def _interpreters(strategy: str, run: int, *, quick: bool) -> tuple[str, ...]:
    """Returns both interpreters in the first round, then the one to measure (`blocking` has only one)."""
    if run == 0 and not quick:
        return MEASURED_INTERPRETER, OTHER_INTERPRETER
    return (OTHER_INTERPRETER,) if strategy == "blocking" else (MEASURED_INTERPRETER,)


def _try(
    sites: ComparisonSites, started: Started, results: Results, setting: Setting, *, verify: bool, reload: bool
) -> None:
    """Visits in a new tab; an error makes the cells of this setting fail."""
    try:
        visited = _visited(sites, started, results, setting, verify=verify, reload=reload)
    except _BROKEN as error:
        if verify:
            results.cells += verification.failed_cells(setting, _first_line(error))
        return
    results.cells += visited.cells
    for measure in visited.measures:
        results.measure(setting, measure.media, measure.name, measure.unit, *measure.values)


def _visited(
    sites: ComparisonSites,
    started: Started,
    results: Results,
    setting: Setting,
    *,
    verify: bool,
    reload: bool,
    tries: int = _TRIES,
) -> Results:
    """Returns what a visit in a new tab finds. An error of the driver says nothing of the page: it is tried again."""
    visited = Results(results.about)
    try:
        with started.new_tab() as tab:
            visit(sites, tab, visited, setting, verify=verify, reload=reload)
    except _OF_THE_DRIVER:
        if tries == 1:
            raise
        return _visited(sites, started, results, setting, verify=verify, reload=reload, tries=tries - 1)
    return visited


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def visit(sites: ComparisonSites, tab: Tab, results: Results, setting: Setting, *, verify: bool, reload: bool) -> None:
    """Visits one strategy's page; records what was shown and what it cost.

    :param verify: whether to look at the media.
    :param reload: whether to load the page again, and record what that cost.
    :raises PlaywrightError, WebDriverException, Unsettled: if the page does not come to an end.
    """
    proxy = sites.proxy(setting.homeserver, setting.strategy)
    proxy.take_traffic()
    tab.open(sites.page(setting, fresh="1"))
    _wait_for_media(tab)
    seen = report(tab)
    spent = proxy.take_traffic()
    if verify:
        results.cells += verification.verify_media(tab, setting, seen, sites.samples)
    measured = setting.interpreter == MEASURED_INTERPRETER or setting.strategy == "blocking"
    if not measured or not _works(seen, setting):
        return
    _note(results, setting, "first visit", seen, spent)
    if not reload:
        return
    proxy.take_traffic()
    tab.open(sites.page(setting))
    _wait_for_media(tab)
    _note(results, setting, "after a reload", report(tab), proxy.take_traffic())


def _works(seen: dict[str, Any], setting: Setting) -> bool:
    return bool(seen.get("support", {}).get(setting.strategy, {}).get("works"))


def _wait_for_media(tab: Tab) -> None:
    """Waits until a page is settled, with the media that it holds back."""
    if wait_until_settled(tab) == "done":
        show_held_media(tab)


def _note(results: Results, setting: Setting, when: str, seen: dict[str, Any], spent: Traffic) -> None:
    shown = [entry["milliseconds"] + entry.get("start", 0) for entry in seen["media"] if entry["state"] == "shown"]
    if not shown:
        return
    for name, unit, value in (
        ("time to the first media", "ms", min(shown)),
        ("time to the last media", "ms", max(shown)),
        ("requests", "requests", spent.media + spent.helpers),
        ("preflights", "requests", spent.preflights),
        ("bytes", "bytes", spent.bytes),
    ):
        results.measure(setting, "all", f"{when}: {name}", unit, value)
