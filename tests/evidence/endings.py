"""What each strategy shows once the session has ended, the homeserver is gone, or the page was reloaded offline.

``python -m tests.evidence.endings [STRATEGY, EVENT or ENGINE ...]``.

Prints the figures of the table in ``docs/reliability.md``. What an expired link does is tested in
``tests/browser/test_link_renewal.py``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from tests.browser.engines import CHROMIUM, FIREFOX, Mode, launch_browser, set_up_browsers
from tests.evidence.compare.results import TYPICAL_PLACE, Setting
from tests.evidence.compare.runner import ComparisonSites, comparison_sites
from tests.evidence.compare.tabs import FINAL_STATE, PlaywrightTab, poll, report, wait_until_settled
from tests.relay import free_port
from web import strategy_order
from web.site import WEB

STATE = WEB.parent / ".state" / "comparison"
_STRATEGIES = [name for name in strategy_order.ALL if name not in ("redirect", "blocking")]
# Links of a session that has ended are refused after a few seconds.
_ENDED_S = 6.0
_SETTLED_S = 30.0
_OFFLINE = "reloaded offline"
_TOKEN = "() => JSON.parse(sessionStorage['authmedia.session']).access_token"
_ON_SHOW = """() => {
  const elements = [...document.querySelectorAll("#timeline [data-mxc]")];
  return `${elements.filter((element) => element.dataset.state === "shown").length} of ${elements.length}`;
}"""
# Mounts each element anew, as an application does that scrolls back, or comes back to a room.
_REMOUNT = """() => {
  for (const element of document.querySelectorAll("#timeline [data-mxc]")) {
    const copy = element.cloneNode(false);
    for (const name of ["src", "data-state", "data-strategy", "data-source"]) copy.removeAttribute(name);
    element.replaceWith(copy);
  }
}"""
# Mounts a thumbnail of a size that was not loaded before.
_ADD = """() => {
  const image = document.createElement("img");
  const { mxc } = document.querySelector("#timeline img[data-width]").dataset;
  Object.assign(image.dataset, { mxc, width: "33", height: "33" });
  image.id = "added";
  document.querySelector("#timeline").append(image);
}"""
_ADDED = "() => document.querySelector('#added').dataset.state"
_SETTLED = """() => [...document.querySelectorAll("#timeline [data-mxc]")].every(
  (element) => ["shown", "failed", "held", "ready"].includes(element.dataset.state))"""
_FAILED = "() => document.documentElement.dataset.state === 'failed'"
_WORDS = """() => document.querySelector("#timeline .media-failed")?.firstChild?.textContent ?? ''"""


def _end_session(page: Page, sites: ComparisonSites, strategy: str) -> None:
    homeserver = sites.proxy(TYPICAL_PLACE, strategy).address()
    headers = {"Authorization": f"Bearer {page.evaluate(_TOKEN)}"}
    httpx.post(f"{homeserver}/_matrix/client/v3/logout", headers=headers, json={}).raise_for_status()
    time.sleep(_ENDED_S)


def _stop_homeserver(_page: Page, sites: ComparisonSites, strategy: str) -> None:
    sites.proxy(TYPICAL_PLACE, strategy).__exit__()


def _reload_offline(page: Page, sites: ComparisonSites, strategy: str) -> None:
    """Reloads as an application does that keeps itself and its rooms: only media and links are out of reach."""
    sites.proxy(TYPICAL_PLACE, strategy).refuses_media = True
    page.goto(page.url.replace("&fresh=1", ""))
    poll(PlaywrightTab(page), FINAL_STATE, _SETTLED_S)


EVENTS: dict[str, Callable[[Page, ComparisonSites, str], None]] = {
    "session ended": _end_session,
    "server gone": _stop_homeserver,
    _OFFLINE: _reload_offline,
}
_ENGINES = {_OFFLINE: (CHROMIUM, FIREFOX)}


def measure(page: Page, sites: ComparisonSites, engine: str, strategy: str, event: str) -> dict[str, Any]:
    """Returns how many media are shown after an event: of those that were, and once all are mounted again."""
    tab = PlaywrightTab(page)
    setting = Setting(engine, "", engine, TYPICAL_PLACE, "micropython", strategy)
    sites.proxy(TYPICAL_PLACE, strategy).refuses_media = False  # the browser before this one has left it so
    tab.open(sites.page(setting, fresh="1"))
    wait_until_settled(tab)
    before = tab.evaluate(_ON_SHOW)
    EVENTS[event](page, sites, strategy)
    still = tab.evaluate(_ON_SHOW)
    outcome = {"event": event, "engine": engine, "strategy": strategy, "before": before, "still on show": still}
    if tab.evaluate(_FAILED):  # it binds no elements
        return {**outcome, "page": report(tab)["problem"]}
    tab.evaluate(_REMOUNT)
    poll(tab, _SETTLED, _SETTLED_S)
    again = tab.evaluate(_ON_SHOW)
    tab.evaluate(_ADD)
    poll(tab, _SETTLED, _SETTLED_S)
    return {
        **outcome,
        "mounted again": again,
        "new": tab.evaluate(_ADDED),
        "words": tab.evaluate(_WORDS),
    }


def _modes(event: str, names: list[str]) -> list[Mode]:
    """Returns those modes of an event that are named, or all of them."""
    modes = _ENGINES.get(event, (CHROMIUM,))
    return [mode for mode in modes if mode.name in names] or list(modes)


def main(names: list[str]) -> int:
    """Measures what is named, or all strategies and events; returns the exit status."""
    strategies = [name for name in names if name in _STRATEGIES] or _STRATEGIES
    events = [name for name in names if name in EVENTS] or EVENTS
    set_up_browsers()
    with sync_playwright() as playwright:
        for event in events:
            with comparison_sites(STATE, free_port(), lambda words: None) as sites:
                for mode in _modes(event, names):
                    for strategy in strategies:
                        with launch_browser(mode, playwright) as context:
                            print(measure(context.new_page(), sites, mode.name, strategy, event), flush=True)
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(Path("homeserver")), str(Path("pyapp"))]
    sys.exit(main(sys.argv[1:]))
