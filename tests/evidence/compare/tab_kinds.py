"""Tabs of special worlds: in a frame of another site, in an incognito window, and with ``Save-Data``."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

from playwright.sync_api import BrowserContext, Frame, Page

from tests.evidence.compare.tabs import PlaywrightTab
from web.server import Server

# What Element Web lets its widgets do.
# https://github.com/element-hq/element-web/blob/develop/src/components/views/elements/AppTile.tsx
_SANDBOX = (
    "allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-presentation "
    "allow-downloads"
)
_EMBEDDING_PAGE = """<!doctype html><title>A page with a widget</title>
<style>html, body { margin: 0; overflow: hidden } iframe { border: 0; width: 100vw; height: 100vh }</style>
<iframe sandbox="%s" src="%s"></iframe>"""


class EmbeddingTab(PlaywrightTab):
    """A tab whose page shows each URL in a frame.

    :param embedder: URL of the page with the frame, on another site.
    """

    def __init__(self, page: Page, embedder: str) -> None:
        super().__init__(page)
        self._embedder = embedder
        #: The frame, once a URL is open.
        self.frame: Frame | None = None

    def open(self, url: str) -> None:
        self._page.goto(f"{self._embedder}?{quote(url, safe='')}")
        # Over WebDriver BiDi frames have no names; in Chromium, that of the page before may still be there.
        self.frame = next(frame for frame in reversed(self._page.frames) if frame.url == url)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        assert self.frame
        return self.frame.evaluate(function, *arguments)


@contextmanager
def embedding_tab(context: BrowserContext) -> Iterator[EmbeddingTab]:
    """Opens a tab with a page that embeds others; closes it afterwards.

    It is on ``embedder.localhost``, which browsers take for another site than ``localhost``.
    """
    server = Server(_answer, 0)
    server.start()
    page = context.new_page()
    try:
        yield EmbeddingTab(page, server.url.replace("//localhost", "//embedder.localhost"))
    finally:
        page.close()
        server.stop()


async def _answer(scope: dict[str, Any], _receive: object, send: Any) -> None:
    url = unquote(scope["query_string"].decode("ascii"))
    body = (_EMBEDDING_PAGE % (_SANDBOX, html.escape(url))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def incognito_tab(context: BrowserContext) -> Iterator[PlaywrightTab]:
    """Opens a tab from the window that Chromium opened by itself; what Playwright opens is no incognito window."""
    with context.expect_page() as opened:
        context.pages[0].evaluate("() => { window.open('about:blank'); }")
    page = opened.value
    try:
        yield PlaywrightTab(page)
    finally:
        page.close()


@contextmanager
def save_data_tab(context: BrowserContext) -> Iterator[PlaywrightTab]:
    """Opens a tab that says ``Save-Data``, as Chromium for Android does once the user has asked for it.

    https://chromedevtools.github.io/devtools-protocol/tot/Emulation/#method-setDataSaverOverride
    """
    page = context.new_page()
    try:
        context.new_cdp_session(page).send("Emulation.setDataSaverOverride", {"dataSaverEnabled": True})
        yield PlaywrightTab(page)
    finally:
        page.close()
