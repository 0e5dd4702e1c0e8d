"""A browser tab with the operations that the comparison needs, for Playwright and Selenium alike."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from PIL import Image
from playwright.sync_api import BrowserContext, Page

from tests.browser import pixels

_SETTLED_S = 90.0
_POLL_S = 0.05
# Returns the state of a page that is ``done`` or ``failed``, and an empty text before.
FINAL_STATE = """() => {
  const { state } = document.documentElement.dataset;
  return ["done", "failed"].includes(state) ? state : "";
}"""
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


def words_of(error: Exception) -> str:
    """Returns the first line of what a driver's error says, without Selenium's prefix."""
    return str(getattr(error, "msg", "") or error).partition("\n")[0]


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


def poll(tab: Tab, function: str, seconds: float = _SETTLED_S) -> Any:
    """Calls a JavaScript function in the page until its result is truthy; returns the last result.

    :param seconds: after which it gives up.
    """
    deadline = time.monotonic() + seconds
    while not (result := tab.evaluate(function)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return result


def wait_until_settled(tab: Tab) -> str:
    """Waits until a page of the site is ``done`` or ``failed``, and returns its state.

    :raises Unsettled: if it is neither within 90 seconds.
    """
    state = poll(tab, FINAL_STATE)
    if not state:
        raise Unsettled(f"the page did not settle within {_SETTLED_S:.0f} s")
    return str(state)


def show_held_media(tab: Tab) -> None:
    """Shows the media that are held back, as with ``Save-Data``, as a user does who presses their buttons.

    :raises Unsettled: if they are not shown within 90 seconds.
    """
    if not poll(tab, _SHOW_HELD):
        raise Unsettled(f"media that are held back did not load within {_SETTLED_S:.0f} s")


def report(tab: Tab) -> dict[str, Any]:
    """Returns a page's report."""
    return dict(tab.evaluate(_REPORT))
