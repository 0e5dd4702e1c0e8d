"""A browser tab with the operations that the comparison needs, for Playwright and Selenium alike."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from PIL import Image
from playwright.sync_api import BrowserContext, Page

from tests.browser import pixels

_SETTLED_S = 90.0
_STATE = "() => document.documentElement.dataset.state"
# Presses the buttons of media that are held back; resolves to whether all media are settled.
_SHOW_HELD = """() => {
  for (const button of document.querySelectorAll("#timeline .media-show")) button.click();
  const entries = JSON.parse(document.getElementById("report").textContent).media;
  return entries.every(({ state }) => state !== "held" && state !== "loading");
}"""
# A page that could not start has its problem on the page alone.
_REPORT = """() => {
  const problem = document.querySelector("#problem:not([hidden]) .developers")?.textContent ?? "";
  return { problem, ...JSON.parse(document.getElementById("report").textContent) };
}"""
# Narrow enough for a one-column layout, in which nothing covers the media.
SIZE = (480, 900)


class Unsettled(Exception):
    """The page was neither done nor failed in time."""


class Tab(Protocol):
    """A tab."""

    def open(self, url: str) -> None:
        """Opens a URL and waits until it has loaded."""

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Calls a JavaScript function in the page and awaits its result."""

    def screenshot(self) -> Image.Image:
        """Returns a screenshot of the viewport."""


class PlaywrightTab:
    """A tab that Playwright drives."""

    def __init__(self, page: Page) -> None:
        self._page = page
        if not page.evaluate("() => /Mobile/.test(navigator.userAgent)"):  # a phone has a size of its own
            page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})

    def open(self, url: str) -> None:
        self._page.goto(url)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        return self._page.evaluate(function, *arguments)

    def screenshot(self) -> Image.Image:
        return pixels.decode_screenshot(self._page.screenshot(scale="css"))


@contextmanager
def playwright_tab(context: BrowserContext) -> Iterator[PlaywrightTab]:
    """Opens a tab and closes it afterwards."""
    page = context.new_page()
    try:
        yield PlaywrightTab(page)
    finally:
        page.close()


def wait_until_settled(tab: Tab) -> str:
    """Waits until a page of the site is ``done`` or ``failed``, and returns its state.

    :raises Unsettled: if it is neither within 90 seconds.
    """
    deadline = time.monotonic() + _SETTLED_S
    while time.monotonic() < deadline:
        state = tab.evaluate(_STATE)
        if state in ("done", "failed"):
            return str(state)
        time.sleep(0.05)
    raise Unsettled(f"the page did not settle within {_SETTLED_S:.0f} s")


def show_held_media(tab: Tab) -> None:
    """Shows the media that are held back, as with ``Save-Data``, as a user does who presses their buttons.

    :raises Unsettled: if they are not shown within 90 seconds.
    """
    deadline = time.monotonic() + _SETTLED_S
    while not tab.evaluate(_SHOW_HELD):
        if time.monotonic() > deadline:
            raise Unsettled(f"media that are held back did not load within {_SETTLED_S:.0f} s")
        time.sleep(0.05)


def report(tab: Tab) -> dict[str, Any]:
    """Returns a page's report."""
    return dict(tab.evaluate(_REPORT))
