"""Fixtures of the browser tests: the demonstration (homeserver, sample room, site) and browsers."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from development.sample_media.catalogue import Sample
from development.seed import media_of
from tests.browser import engines
from tests.browser.binding_harness import BindingHarness, MediaSet, binding_harness
from tests.browser.engines import CHROMIUM, FIREFOX_PRIVATE, MODES, Mode, launch_browser, launch_ordinary_chromium
from tests.browser.matrix_room import Account
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.evidence.compare import webkit
from tests.relay import free_port
from tests.sample_media_cache import copy_sample_media
from web.demonstration import Demonstration
from web.server import SiteServer

OpenTab = Callable[[str], SiteTab]

INTERPRETERS = ("micropython", "pyodide")
# The default pairs of browser and interpreter; `--full-matrix` runs all. A test module may define its own `PAIRS`.
PAIRS = (("chromium", "micropython"), ("firefox", "pyodide"), ("firefox-private", "micropython"))
# The default strategies by browser; a test module may define its own `STRATEGIES_IN`.
STRATEGIES_IN = {"chromium": ("link", "bundle"), "firefox": ("opfs",), "firefox-private": ("blob",)}
# The default browsers of tests without interpreter and strategy: both engines, Firefox in the mode with fewer features.
BROWSERS = ("chromium", "firefox-private")


def only(mode: Mode) -> pytest.MarkDecorator:
    """Runs a test in one mode only, because its subject does not depend on the browser."""
    return pytest.mark.parametrize("mode", [mode], ids=lambda mode: mode.name, indirect=True, scope="session")


def parameters(names: Iterable[str], by_default: Collection[str]) -> list[Any]:
    """Returns a test's parameters, of which those that are not of ``by_default`` run with ``--full-matrix`` alone."""
    return [name if name in by_default else pytest.param(name, marks=pytest.mark.full_matrix) for name in names]


only_chromium = only(CHROMIUM)
only_firefox_private = only(FIREFOX_PRIVATE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--headed", action="store_true", help="show the windows of the browsers")
    parser.addoption("--full-matrix", action="store_true", help="run every interpreter and strategy in every browser")


def pytest_configure(config: pytest.Config) -> None:
    """Has browsers open their windows, if that is asked for."""
    engines.headless = not config.getoption("--headed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the tests of the full matrix, unless it is requested."""
    if config.getoption("--full-matrix"):
        return
    left_out = [item for item in items if item.get_closest_marker("full_matrix") or not _is_chosen(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests of OPFS in private windows, which do not have it."""
    parameters = _parameters(item)
    on_disk = item.get_closest_marker("on_disk") and parameters.get("strategy", "opfs") == "opfs"
    if on_disk and "mode" in parameters and parameters["mode"].private:
        pytest.skip("private windows have no disk")


def _is_chosen(item: pytest.Item) -> bool:
    parameters, module = _parameters(item), getattr(item, "module", None)
    if "mode" not in parameters:
        return True
    mode = parameters["mode"].name
    named = item.get_closest_marker("by_default")
    if named and not _is_named(named, mode, parameters.get("interpreter")):
        return False
    if "interpreter" in parameters and (mode, parameters["interpreter"]) not in getattr(module, "PAIRS", PAIRS):
        return False
    if "strategy" in parameters:
        return parameters["strategy"] in getattr(module, "STRATEGIES_IN", STRATEGIES_IN).get(mode, ())
    return "interpreter" in parameters or mode in BROWSERS


def _is_named(mark: pytest.Mark, mode: str, interpreter: str | None) -> bool:
    interpreters = mark.kwargs.get("interpreters", (interpreter,))
    return mode in (mark.args or (mode,)) and interpreter in interpreters


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return dict(getattr(getattr(item, "callspec", None), "params", {}))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("demonstration")
    copy_sample_media(state / "seed")
    return state


@pytest.fixture(scope="session")
def demonstration(state: Path) -> Iterator[Demonstration]:
    """The demonstration as `build.py serve` starts it, on free ports."""
    demonstration = Demonstration(state, 0, free_port())
    with demonstration.running():
        yield demonstration


@pytest.fixture(scope="session")
def samples(demonstration: Demonstration, state: Path) -> dict[str, Sample]:
    """The originals of all media in the room, by ``mxc://`` URI."""
    return media_of(state / "seed")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session", params=MODES, ids=lambda mode: mode.name)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Each browser in each mode."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session", params=INTERPRETERS)
def interpreter(request: pytest.FixtureRequest) -> str:
    """Each Python interpreter of the pages."""
    return str(request.param)


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The browsers' download folder."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browsers(playwright: Playwright, downloads: Path) -> Iterator[Callable[[Mode], BrowserContext]]:
    """Launches each browser once, when it is first needed, because tests come file by file and not mode by mode."""
    launched: dict[str, BrowserContext] = {}
    with ExitStack() as stack:

        def context_of(mode: Mode) -> BrowserContext:
            if mode.name not in launched:
                launched[mode.name] = stack.enter_context(launch_browser(mode, playwright, downloads))
            return launched[mode.name]

        yield context_of


@pytest.fixture(scope="session")
def browser(mode: Mode, browsers: Callable[[Mode], BrowserContext]) -> BrowserContext:
    return browsers(mode)


@pytest.fixture(scope="session")
def ordinary_chromium(playwright: Playwright, downloads: Path) -> Iterator[BrowserContext]:
    """Chromium with its popup blocker, and its memory for back and forward."""
    with launch_ordinary_chromium(playwright, downloads) as context:
        yield context


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """A virtual screen for WebKitGTK."""
    if not webkit.browser_path():
        pytest.skip("there is no WebKitGTK here")
    with webkit.virtual_screen() as display:
        yield display


@pytest.fixture
def webkit_tab(screen: str) -> Iterator[webkit.WebKitTab]:
    """A WebKitGTK of its own with one tab, in an ephemeral session."""
    with webkit.webkit_tab(webkit.browser_path(), screen) as tab:
        yield tab


@pytest.fixture
def open_tab(browser: BrowserContext, demonstration: Demonstration) -> Iterator[OpenTab]:
    """Opens tabs, each on its own origin, and closes them after the test."""
    tabs: list[SiteTab] = []

    def open_one(site: str = "") -> SiteTab:
        assert demonstration.site
        tabs.append(SiteTab(browser, site or demonstration.site.url))
        return tabs[-1]

    yield open_one
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="session")
def binding_site(state: Path, demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site with the page ``binding``, which binds the elements that tests add to it."""
    return build_site_with_page(state / "site", tmp_path_factory.mktemp("binding") / "site", "binding")


@pytest.fixture
def harness(
    binding_site: Path, browser: BrowserContext, demonstration: Demonstration, media_set: MediaSet
) -> Iterator[BindingHarness]:
    """The page ``binding`` with the account of the test module's `media_set`."""
    with binding_harness(binding_site, browser, demonstration.synapse, media_set.room.account) as opened:
        yield opened


@pytest.fixture(scope="session")
def site_without_account(demonstration: Demonstration, state: Path) -> Iterator[str]:
    """The built site on a host without an account."""
    server = SiteServer(state / "site", 0)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def site_for(state: Path) -> Iterator[Callable[..., str]]:
    """Serves the built site with another account than the demonstration's."""
    servers: list[SiteServer] = []

    def serve(account: Account, site: Path = state / "site") -> str:
        servers.append(SiteServer(site, 0, account))
        servers[-1].start()
        return servers[-1].url

    yield serve
    for server in servers:
        server.stop()
