"""Fixtures of the tests in browsers: a homeserver with the sample room, the site beside it, and browsers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from development.sample_media.catalogue import Sample
from development.seed import media_of
from tests.browser.engines import CHROMIUM, FIREFOX_PRIVATE, MODES, Mode, launch_browser
from tests.browser.matrix_room import Account
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.relay import free_port
from tests.sample_media_cache import copy_sample_media
from web.demonstration import Demonstration
from web.server import SiteServer

OpenTab = Callable[[str], SiteTab]

INTERPRETERS = ("micropython", "pyodide")
# Each browser and each interpreter, though not each with each: that is what `--full-matrix` is for. A module may name
# its own, as `PAIRS`.
PAIRS = (("chromium", "micropython"), ("firefox", "pyodide"), ("firefox-private", "micropython"))
# Each strategy, though not in each browser; a module may name its own, as `STRATEGIES_IN`.
STRATEGIES_IN = {"chromium": ("link", "bundle"), "firefox": ("opfs",), "firefox-private": ("blob",)}
# Where there is neither: each engine, Firefox in the mode that has less.
BROWSERS = ("chromium", "firefox-private")


def only(mode: Mode) -> pytest.MarkDecorator:
    """For a test whose matter does not change from browser to browser."""
    return pytest.mark.parametrize("mode", [mode], ids=lambda mode: mode.name, indirect=True, scope="session")


only_chromium = only(CHROMIUM)
only_firefox_private = only(FIREFOX_PRIVATE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-matrix", action="store_true", help="run every interpreter and strategy in every browser")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only the full matrix has."""
    if config.getoption("--full-matrix"):
        return
    left_out = [item for item in items if item.get_closest_marker("full_matrix") or not _is_chosen(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is about the disk in windows that have none."""
    parameters = _parameters(item)
    on_disk = item.get_closest_marker("on_disk") and parameters.get("strategy", "opfs") == "opfs"
    if on_disk and parameters["mode"].private:
        pytest.skip("private windows have no disk")


def _is_chosen(item: pytest.Item) -> bool:
    parameters, module = _parameters(item), getattr(item, "module", None)
    if "mode" not in parameters:
        return True
    mode = parameters["mode"].name
    named = item.get_closest_marker("by_default")
    if named and mode not in named.args:
        return False
    if "interpreter" in parameters and (mode, parameters["interpreter"]) not in getattr(module, "PAIRS", PAIRS):
        return False
    if "strategy" in parameters:
        return parameters["strategy"] in getattr(module, "STRATEGIES_IN", STRATEGIES_IN).get(mode, ())
    return "interpreter" in parameters or mode in BROWSERS


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return dict(getattr(getattr(item, "callspec", None), "params", {}))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("demonstration")
    copy_sample_media(state / "seed")
    return state


@pytest.fixture(scope="session")
def demonstration(state: Path) -> Iterator[Demonstration]:
    """The demonstration as `build.py serve` starts it, on ports that are free."""
    demonstration = Demonstration(state, 0, free_port())
    try:
        demonstration.start(lambda words, done, total: None)
        yield demonstration
    finally:
        demonstration.stop()


@pytest.fixture(scope="session")
def samples(demonstration: Demonstration, state: Path) -> dict[str, Sample]:
    """The originals of all media in the room, by their ``mxc://``."""
    return media_of(state / "seed")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session", params=MODES, ids=lambda mode: mode.name)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Each browser, in each way of opening it."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session", params=INTERPRETERS)
def interpreter(request: pytest.FixtureRequest) -> str:
    """Each interpreter that pages run on."""
    return str(request.param)


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where browsers save files."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(mode: Mode, playwright: Playwright, downloads: Path) -> Iterator[BrowserContext]:
    with launch_browser(mode, playwright, downloads) as context:
        yield context


@pytest.fixture
def open_tab(browser: BrowserContext, demonstration: Demonstration) -> Iterator[OpenTab]:
    """Opens windows, each on an origin of its own, and closes them after the test."""
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
    """The built site, with a page that binds whatever tests put into it."""
    return build_site_with_page(state / "site", tmp_path_factory.mktemp("binding") / "site", "binding")


@pytest.fixture
def site_for(state: Path) -> Iterator[Callable[..., str]]:
    """The built site, told of another account than the demonstration's."""
    servers: list[SiteServer] = []

    def serve(account: Account, site: Path = state / "site") -> str:
        servers.append(SiteServer(site, 0, account))
        servers[-1].start()
        return servers[-1].url

    yield serve
    for server in servers:
        server.stop()
