"""The page ``evidence.html`` and the bar of all pages: narrow, zoomed, by keyboard, and without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.accessibility import violations
from tests.conftest import only_chromium, parameters
from tests.evidence.compare.tab_kinds import embedding_tab
from web import site
from web.evidence.answers import FILTERS
from web.evidence.page import Evidence
from web.evidence.worlds import NO_STORAGE, World
from web.server import SiteServer

DOCUMENTS = tuple(f"docs/{name}.html" for name in ("index", "comparison", "findings", "applications"))
PAGES = ("evidence.html", "evidence-tests.html")
# By default, one page of each kind.
KINDS = ("index.html", "auto.html", "compare.html", "timeline.html", "docs/comparison.html")
READABLE = parameters([*(f"{entry.name}.html" for entry in site.PAGES), *DOCUMENTS], by_default=KINDS)
MATRIX = Evidence().matrix
WORLDS = [world for _, worlds in MATRIX.browsers for world in worlds]
# A phone; a window of 1,280 pixels at 200 %; the same at 100 %.
WIDTHS = (320, 640, 1280)
MAX_BAR_PX = 60


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site on a host without a homeserver."""
    out: Path = tmp_path_factory.mktemp("evidence") / "site"
    site.build(out)
    server = SiteServer(out, 0)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@only_chromium
@pytest.mark.parametrize("name", PAGES)
def test_evidence_is_accessible_at_any_width_in_both_schemes(page: Page, address: str, name: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(address + name)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert page.evaluate("() => document.querySelector('.bar').offsetHeight") <= MAX_BAR_PX
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page) == []


@only_chromium
@pytest.mark.parametrize("name", READABLE)
def test_a_page_is_readable_before_its_python_runs(page: Page, address: str, name: str) -> None:
    """`test_page_is_accessible` has the same for rooms that are shown."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.goto(address + name)
    devtools.send("Emulation.setScriptExecutionDisabled", {"value": False})  # axe waits by timers
    page.evaluate("() => { document.getElementById('account')?.removeAttribute('hidden'); }")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        if name not in DOCUMENTS:
            assert page.evaluate("() => document.querySelector('.bar').offsetHeight") <= MAX_BAR_PX, "of one row"
    if name in DOCUMENTS:  # whose tables scroll there
        page.set_viewport_size({"width": WIDTHS[0], "height": 640})
        page.evaluate("() => Promise.all(document.getAnimations().map(({ finished }) => finished.catch(Boolean)))")
    assert violations(page, "serious", "critical") == []


@only_chromium
@pytest.mark.parametrize(
    "name", ["blocking.html?interpreter=pyodide", pytest.param("link.html", marks=pytest.mark.full_matrix)]
)
def test_a_page_starts_in_a_frame_of_another_site(browser: BrowserContext, address: str, name: str) -> None:
    """Where the browser blocks third-party cookies, as Debian's does, such a frame has no storage of any kind."""
    with embedding_tab(browser) as tab:
        tab.open(address + name)
        assert tab.frame
        tab.frame.wait_for_selector("#sign-in:not([hidden])", timeout=60_000)
        assert not tab.frame.is_visible("#problem")


def matrix_text(world: World) -> str:
    cell = MATRIX.cell("opfs", world)
    return f"{cell.sign} {cell.outcome}"


@only_chromium
def test_filters_and_menu_work_without_scripts(page: Page, address: str) -> None:
    page.context.new_cdp_session(page).send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address + "evidence.html")
    opfs = page.locator("#matrix td a[href^='#cell-opfs-']:visible")
    for question in FILTERS:
        page.locator(f"#show-{question.name}").check()
        shown = [world for world in WORLDS if not question.trait or question.trait in world.traits]
        assert opfs.count() == len(shown) > 0, question
        expected = f"✓ {question.media}: works" if question.media else matrix_text(shown[0])
        assert opfs.first.inner_text() == expected, question
    # A link leads to its cell although the filter hides the others of its window.
    page.locator("#show-no-storage").check()
    hidden = next(
        cell for cell in MATRIX.of_strategy("cookie") if cell.kind == "fails" and NO_STORAGE not in cell.world.traits
    )
    assert not page.locator(f"#{hidden.anchor}").is_visible()
    page.locator(f"#answer-cookies a[href='#{hidden.anchor}']").first.click()
    page.locator(f"#{hidden.anchor}").wait_for()
    link = page.locator("#menu a[href='blob.html']")
    assert not link.is_visible()
    page.locator(".menu-button").focus()
    page.keyboard.press("Enter")
    link.wait_for()
    page.keyboard.press("Tab")
    assert link.evaluate("(link) => link === document.activeElement")
    page.keyboard.press("Escape")
    link.wait_for(state="hidden")


@only_chromium
def test_address_of_a_question_filters_the_matrix(page: Page, address: str) -> None:
    page.goto(address + "evidence.html?question=no-cookies#matrix")
    page.locator("#show-no-cookies:checked").wait_for()
    page.locator("#show-encrypted").check()
    page.wait_for_url("**/evidence.html?question=encrypted#matrix")
