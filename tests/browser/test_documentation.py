"""The documentation as a browser shows it: from any path, without another host, searched without one."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.conftest import only_chromium, parameters
from web import documentation
from web.server import SiteServer

pytestmark = only_chromium
# One page of each kind.
KINDS = ("index.html", "comparison.html", "api/index.html")
NAMES = sorted(
    path.relative_to(documentation.ROOT / "docs").with_suffix(".html").as_posix()
    for path in (documentation.ROOT / "docs").rglob("*.md")
)
_FOCUSABLE_WHERE_THEY_SCROLL = """() => [...document.querySelectorAll(".table-region, pre > code")].every(
  (region) => region.scrollWidth > region.clientWidth === (region.tabIndex === 0))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site = tmp_path_factory.mktemp("site")
    documentation.build(site / "under" / "any path")
    server = SiteServer(site, 0)
    server.start()
    yield f"{server.url}under/any%20path/"
    server.stop()
    shutil.rmtree(site)


@pytest.fixture
def page(browser: BrowserContext, address: str) -> Iterator[Page]:
    """A tab that fails a test whose page requests another host, or a file that is not there."""
    tab = browser.new_page()
    wrong: list[str] = []
    tab.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(address) else None)
    tab.on("response", lambda response: wrong.append(response.url) if response.status >= 400 else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    yield tab
    tab.close()
    assert not wrong


@pytest.mark.parametrize("name", parameters(NAMES, by_default=KINDS))
def test_a_page_requests_no_other_host(page: Page, address: str, name: str) -> None:
    page.goto(address + name)
    page.wait_for_load_state("networkidle")  # with what it requests after the `load` event
    expect(page.locator("h1").first).to_be_visible()


@pytest.mark.parametrize("width", [390, 1400])
def test_a_page_fits_its_window(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for name in ("index", "comparison", "performance", "administrators", "api/index"):
        page.goto(f"{address}{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_tables_take_focus_where_they_scroll(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1800, "height": 800})
    page.goto(f"{address}comparison.html")
    regions = page.locator(".table-region")
    expect(page.locator(".table-region .md-typeset__scrollwrap")).to_have_count(regions.count())
    page.wait_for_function(_FOCUSABLE_WHERE_THEY_SCROLL)
    assert page.locator(".table-region:not([tabindex])").count() > 0, "in a wide window"
    page.set_viewport_size({"width": 320, "height": 640})
    region = page.get_by_role("region", name="Comparison, table")
    expect(region).to_have_attribute("tabindex", "0")
    page.wait_for_function(_FOCUSABLE_WHERE_THEY_SCROLL)
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(region) => region.scrollLeft > 0", arg=region.element_handle())


def test_search_finds_a_page(page: Page, address: str) -> None:
    page.goto(f"{address}api/loader.html")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("combobox", name="Search").fill("quarantine")
    page.get_by_role("option", name="Quarantine needs one named worker").click()
    page.wait_for_url("**/administrators.html*")


def test_both_schemes(page: Page, address: str) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}index.html")
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2
