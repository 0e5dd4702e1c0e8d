"""The package for pages in JavaScript, in a client on matrix-js-sdk and in small pages, against a real homeserver."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from development.sample_media.catalogue import Sample
from tests.browser import pixels
from tests.browser.site_tab import SiteTab
from web import javascript_package
from web.demonstration import Demonstration
from web.site import NODE_MODULES

PAGES = Path(__file__).parent / "pages" / "javascript"
PAINTED_S = 5.0
ELEMENTS = """() => [...document.querySelectorAll("[data-mxc]")].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { tag: element.localName, ...element.dataset, box: [x + scrollX, y + scrollY, width, height] };
})"""
SCROLL_DOWN = """async () => {
  for (const element of document.querySelectorAll("[data-mxc]")) {
    element.scrollIntoView();
    await new Promise(requestAnimationFrame);
  }
  scrollTo(0, 0);
}"""


def bundle(source: Path, out: Path) -> None:
    """Bundles a page's script with the npm packages that it imports."""
    (esbuild,) = NODE_MODULES.glob("@esbuild/*/bin/esbuild")
    options = ["--bundle", "--format=esm", "--external:./authmedia-js/authmedia.js", "--log-level=error"]
    command = [str(esbuild), str(source), *options, f"--outfile={out}"]
    subprocess.run(command, check=True, env={**os.environ, "NODE_PATH": str(NODE_MODULES)}, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the package and the test pages, and nothing of the demonstration's."""
    site = tmp_path_factory.mktemp("javascript") / "site"
    shutil.copytree(PAGES, site)
    javascript_package.write(site / "authmedia-js")
    bundle(PAGES / "room.js", site / "room.bundle.js")
    return site


@pytest.fixture
def open_page(
    browser: BrowserContext, demonstration: Demonstration, site: Path, site_for: Callable[..., str]
) -> Iterator[Callable[..., SiteTab]]:
    """Opens tabs on pages of the site, each on its own origin, and closes them after the test."""
    assert demonstration.demo
    demo = demonstration.demo
    account = {"homeserver": demonstration.synapse.base_url, "user": demo.user_id}
    address = site_for({**account, "password": demo.password, "room": demo.room_id}, site)
    tabs: list[SiteTab] = []

    def open_one(name: str, **query: str) -> SiteTab:
        tabs.append(SiteTab(browser, address))
        tabs[-1].page.goto(f"{tabs[-1].origin}/{name}.html?{urlencode(query)}")
        # A page without 'unsafe-eval' refuses Playwright's `wait_for_function`.
        tabs[-1].page.wait_for_selector("html[data-state=done], html[data-state=failed]", timeout=60_000)
        return tabs[-1]

    yield open_one
    for tab in tabs:
        tab.close()


def elements(tab: SiteTab) -> list[dict[str, Any]]:
    return list(tab.page.evaluate(ELEMENTS))


def painted(tab: SiteTab, pictures: list[dict[str, Any]], samples: dict[str, Sample]) -> Image.Image:
    """The whole page once all pictures are painted."""
    deadline = time.monotonic() + PAINTED_S
    while True:
        page = pixels.decode_screenshot(tab.page.screenshot(full_page=True))
        if time.monotonic() > deadline or all(
            distance(page, picture, samples) < pixels.MAX_DIFFERENCE for picture in pictures
        ):
            return page


def distance(page: Image.Image, picture: dict[str, Any], samples: dict[str, Sample]) -> float:
    originals = pixels.frames(samples[picture["mxc"]].path, pixels.requested_thumbnail(picture))
    return pixels.nearest(page, picture["box"], originals)


def test_a_client_on_matrix_js_sdk_shows_the_room(
    open_page: Callable[..., SiteTab], samples: dict[str, Sample]
) -> None:
    tab = open_page("room")
    assert tab.state == "done", tab.page.locator("html").get_attribute("data-error")
    tab.page.evaluate(SCROLL_DOWN)
    expect(tab.page.locator("[data-mxc]:not([data-state=shown])")).to_have_count(0, timeout=60_000)
    shown = elements(tab)
    pictures = [element for element in shown if element["tag"] == "img"]
    assert {element["tag"] for element in shown} == {"img", "video", "audio"}
    assert len([element for element in shown if "encrypted" in element]) == 1
    page = painted(tab, pictures, samples)
    for picture in pictures:
        assert distance(page, picture, samples) < pixels.MAX_DIFFERENCE, picture
