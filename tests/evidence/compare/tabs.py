"""One tab of any browser, in the few words that a comparison needs, whoever drives the browser."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from PIL import Image
from playwright.sync_api import BrowserContext, Page

from tests.browser import pixels

_SETTLED_S = 90.0
_STATE = "() => document.documentElement.dataset.state"
_REPORT = "() => document.getElementById('report').textContent"
# One column, in which nothing covers what is to be looked at.
SIZE = (480, 900)


class Unsettled(Exception):
    """A page that neither finished nor said why."""


class Tab(Protocol):
    """A tab."""

    def open(self, url: str) -> None:
        """Opens an address and waits until it has loaded."""

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Calls a JavaScript function in the page; a promise is waited for."""

    def screenshot(self) -> Image.Image:
        """What stands in the window."""


class PlaywrightTab:
    """A tab that Playwright drives."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})

    def open(self, url: str) -> None:
        self._page.goto(url)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        return self._page.evaluate(function, *arguments)

    def screenshot(self) -> Image.Image:
        return pixels.decode_screenshot(self._page.screenshot())


@contextmanager
def playwright_tab(context: BrowserContext) -> Iterator[PlaywrightTab]:
    """A new tab, closed afterwards."""
    page = context.new_page()
    try:
        yield PlaywrightTab(page)
    finally:
        page.close()


def wait_until_settled(tab: Tab) -> str:
    """Waits until a page of the site is ``done`` or has ``failed``.

    :raises Unsettled: if it does neither in a minute and a half.
    """
    deadline = time.monotonic() + _SETTLED_S
    while time.monotonic() < deadline:
        state = tab.evaluate(_STATE)
        if state in ("done", "failed"):
            return str(state)
        time.sleep(0.05)
    raise Unsettled(f"the page did not settle within {_SETTLED_S:.0f} s")


def report(tab: Tab) -> dict[str, Any]:
    """What a page reports."""
    return dict(json.loads(tab.evaluate(_REPORT)))
