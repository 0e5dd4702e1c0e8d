"""Runs every strategy in every browser and mode that this machine has, against a homeserver at three distances."""

import json
import os
import platform
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from selenium.common.exceptions import WebDriverException

from development.samples import Sample
from development.seed import media_of
from tests.evidence.compare import verification
from tests.evidence.compare.browsers import Browser, Started
from tests.evidence.compare.counting_proxy import Gateway, Traffic
from tests.evidence.compare.results import PLACES, STRATEGIES, Results, Setting
from tests.evidence.compare.tabs import Tab, Unsettled, report, settle
from web.demonstration import Demonstration
from web.site import WEB

RUNS = 5
MEASURED, PROVED = "micropython", "pyodide"
_BROKEN = (PlaywrightError, WebDriverException, Unsettled)

Progress = Callable[[str], None]


class Grounds:
    """The sites and homeservers of a comparison.

    Each strategy has a site of its own, so that none finds what another has kept: all on ``localhost``, on ports of
    their own. Behind each, on the same origin, stands the homeserver; beside each a gateway to the same homeserver that
    is the same site under the name ``localhost`` and another site under 127.0.0.1.
    """

    def __init__(self, demonstration: Demonstration, state: Path, stack: ExitStack) -> None:
        assert demonstration.demo
        demo = demonstration.demo
        homeserver = demonstration.synapse.base_url
        account = {"user": demo.user_id, "password": demo.password, "room": demo.room_id}
        self.samples: dict[str, Sample] = media_of(state / "seed")
        self._beside: dict[str, Gateway] = {}
        self._own: dict[str, Gateway] = {}
        for strategy in STRATEGIES:
            self._beside[strategy] = stack.enter_context(Gateway(homeserver))
            # The address that the page is told is replaced by its parameter; this one lets it know the account.
            told = {**account, "homeserver": self._beside[strategy].address()}
            self._own[strategy] = stack.enter_context(Gateway(homeserver, state / "site", told))

    def gateway(self, place: str, strategy: str) -> Gateway:
        """Where the requests of a strategy come by."""
        return (self._own if place == "same-origin" else self._beside)[strategy]

    def page(self, setting: Setting, **parameters: str) -> str:
        """The address of a strategy's page, which speaks to the homeserver at some distance."""
        host = "127.0.0.1" if setting.homeserver == "cross-site" else "localhost"
        homeserver = self.gateway(setting.homeserver, setting.strategy).address(host)
        given = {"homeserver": homeserver, "interpreter": setting.interpreter, "alone": "1", **parameters}
        query = "&".join(f"{name}={value}" for name, value in given.items())
        return f"{self._own[setting.strategy].address()}/{setting.strategy.replace('_', '-')}.html?{query}"


@contextmanager
def prepared(state: Path, homeserver_port: int, progress: Progress) -> Iterator[Grounds]:
    """Starts a homeserver with the sample room, the sites and the gateways; stops them afterwards."""
    demonstration = Demonstration(state, 0, homeserver_port)
    with ExitStack() as stack:
        stack.callback(demonstration.stop)
        demonstration.start(lambda words, done, total: progress(f"{words} ({done} of {total})" if total > 1 else words))
        yield Grounds(demonstration, state, stack)


def begin(seed: int | None = None, runs: int = RUNS) -> Results:
    """Results of nothing yet, on this machine.

    :param seed: of the order in which strategies take their turns; drawn where none is given.
    :param runs: how often each quantity is to be measured.
    """
    return Results(about(random.randrange(10**6) if seed is None else seed, runs))


def compare(
    grounds: Grounds,
    browsers: list[Browser],
    results: Results,
    *,
    places: tuple[str, ...] = PLACES,
    strategies: tuple[str, ...] = STRATEGIES,
    progress: Progress,
) -> Iterator[None]:
    """Runs it all into the results, and gives after each browser and distance, so that they can be kept.

    Browsers and distances that the results have already are left out.

    :param progress: told what is being done.
    """
    known = {(cell.setting.mode, cell.setting.homeserver) for cell in results.cells}
    for browser in browsers:
        for homeserver in places:
            if (browser.mode, homeserver) in known:
                continue
            part = Results(results.about)
            _compare_at(grounds, browser, part, homeserver, strategies, progress)
            results.add(part)
            yield


def _compare_at(
    grounds: Grounds,
    browser: Browser,
    results: Results,
    homeserver: str,
    strategies: tuple[str, ...],
    progress: Progress,
) -> None:
    """All rounds of one browser at one distance."""
    runs = results.about["runs"]
    order = random.Random(f"{results.about['seed']} {browser.mode} {homeserver}")
    for run in range(runs):
        with browser.start() as started:
            for strategy in order.sample(strategies, len(strategies)):
                progress(f"{browser.mode}, {homeserver}, round {run + 1} of {runs}: {strategy}")
                for interpreter in _interpreters(strategy, run):
                    known = (browser.engine, started.version, browser.mode)
                    setting = Setting(*known, homeserver, interpreter, strategy)
                    _try(grounds, started, results, setting, proving=run == 0)


def _interpreters(strategy: str, run: int) -> tuple[str, ...]:
    """In the first round both, to see what works; then the one to be measured, of which `blocking` has no choice."""
    if run == 0:
        return MEASURED, PROVED
    return (PROVED,) if strategy == "blocking" else (MEASURED,)


def _try(grounds: Grounds, started: Started, results: Results, setting: Setting, *, proving: bool) -> None:
    """A visit in a new tab; what breaks in it is said in the cells of this one setting."""
    try:
        with started.new_tab() as tab:
            visit(grounds, tab, results, setting, proving=proving)
    except _BROKEN as error:
        if proving:
            results.cells = [cell for cell in results.cells if cell.setting != setting]
            results.cells += verification.broken(setting, str(error).splitlines()[0])


def visit(grounds: Grounds, tab: Tab, results: Results, setting: Setting, *, proving: bool) -> None:
    """One visit of one strategy's page, and one reload; notes what was shown and what it cost.

    :raises PlaywrightError, WebDriverException, Unsettled: if the page does not come to an end.
    """
    gateway = grounds.gateway(setting.homeserver, setting.strategy)
    gateway.take()
    tab.open(grounds.page(setting, fresh="1"))
    settle(tab)
    seen = report(tab)
    spent = gateway.take()
    if proving:
        results.cells += verification.prove(tab, setting, seen, grounds.samples)
    measured = setting.interpreter == MEASURED or setting.strategy == "blocking"
    if not measured or not _works(seen, setting):
        return
    _note(results, setting, "first visit", seen, spent)
    gateway.take()
    tab.open(grounds.page(setting))
    settle(tab)
    _note(results, setting, "after a reload", report(tab), gateway.take())


def _works(seen: dict[str, Any], setting: Setting) -> bool:
    return bool(seen.get("support", {}).get(setting.strategy, {}).get("works"))


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


def about(seed: int | None, runs: int) -> dict[str, Any]:
    """This machine, the versions of everything, and how it is measured.

    :param seed: of the order in which things take their turns, if they are shuffled.
    """
    return {
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "versions": {
            "python": platform.python_version(),
            "playwright": version("playwright"),
            "synapse": version("matrix-synapse"),
            **_npm_versions(),
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "runs": runs,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _npm_versions() -> dict[str, str]:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    return {
        name.rpartition("/")[2]: entry["version"]
        for name, entry in lock["packages"].items()
        if name in (f"node_modules/{wanted}" for wanted in lock["packages"][""]["dependencies"])
    }
