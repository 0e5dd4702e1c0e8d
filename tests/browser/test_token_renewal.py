"""Tokens that end after a few seconds, on a real Synapse: elements keep their media, and new ones load."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext

from authmedia import strategies
from development.synapse import Synapse
from tests.browser.binding_harness import MEDIA
from tests.browser.matrix_room import Room, picture
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.browser.throttling_proxy import ThrottlingProxy
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration
from web.server import SiteServer

LIFETIME_S = 4
RENEWALS = 3
REFRESH = "/_matrix/client/v3/refresh"
LOGIN = "/_matrix/client/v3/login"
WHOAMI = "/_matrix/client/v3/account/whoami"
STRATEGIES = (*strategies.NAMES, strategies.AUTO, *strategies.BASELINES)
# What does not work everywhere: `opfs` in Firefox's private windows, `blocking` on MicroPython.
NOT_EVERYWHERE = {"opfs", "blocking"}
# Which strategy meets the end of the token before the others, in each round: each sends requests in its own way.
FIRST: tuple[tuple[str, ...], ...] = ((), ("service_worker",), ("signed_query",), ("blocking", "bundle"))
# Adds an image for each strategy, by the URI that the strategy is to load.
ADD = """([tag, mxcs]) => {
  for (const [strategy, mxc] of Object.entries(mxcs)) {
    const element = document.createElement(tag);
    element.setAttribute("data-mxc", mxc);
    element.muted = element.loop = true;
    document.getElementById(strategy).append(element);
  }
}"""
ELEMENTS = """() => [...document.querySelectorAll("#main [data-mxc]")].map((element) => {
  const words = element.nextElementSibling?.textContent ?? "";
  return { strategy: element.parentElement.id, src: element.src, state: element.dataset.state, words };
})"""
TOKEN = "() => JSON.parse(sessionStorage.getItem('authmedia.session')).access_token"
SETTLED = """() => [...document.querySelectorAll("#main [data-mxc]")]
  .every(({ dataset }) => dataset.state === "shown" || dataset.state === "failed")"""

PAIRS = (("chromium", "micropython"), ("chromium", "pyodide"))

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="session")
def brief_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver whose access tokens end after a few seconds."""
    with Synapse(
        tmp_path_factory.mktemp("brief-tokens"),
        free_port(),
        module_config={"cookie": True, "signed_query": True},
        extra_config={"refreshable_access_token_lifetime": f"{LIFETIME_S}s"},
    ) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def room(brief_homeserver: Synapse) -> Iterator[Room]:
    room = Room(brief_homeserver, "ana")
    yield room
    room.close()


@pytest.fixture(scope="session")
def upload(room: Room) -> Callable[[], str]:
    """Uploads a picture that no other is equal to."""
    made = iter(range(10_000))
    return lambda: room.upload(picture(next(made) % 256) + str(next(made)).encode(), "image/png")


@pytest.fixture(scope="session")
def renewal_site(state: Path, demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("renewal") / "site"
    return build_site_with_page(state / "site", out, "renewal", packages=("pyodide_http",))


@pytest.fixture
def proxy(brief_homeserver: Synapse) -> Iterator[ThrottlingProxy]:
    with ThrottlingProxy(brief_homeserver.base_url) as proxy:
        yield proxy


@pytest.fixture
def site(renewal_site: Path, room: Room, proxy: ThrottlingProxy) -> Iterator[str]:
    server = SiteServer(renewal_site, 0, {**room.account, "homeserver": proxy.address()})
    server.start()
    yield server.url
    server.stop()


def wait_for_end(proxy: ThrottlingProxy, token: str) -> None:
    """Waits until the homeserver refuses a token."""
    headers = {"Authorization": f"Bearer {token}"}
    wait_for(lambda: httpx.get(proxy.address() + WHOAMI, headers=headers).status_code == 401, 15, "the token's end")


def show(tab: SiteTab, mxcs: dict[str, str], tag: str = "img") -> None:
    """Adds an element for each strategy, and waits until all are shown."""
    tab.page.evaluate(ADD, [tag, mxcs])
    tab.page.wait_for_function(SETTLED, timeout=20_000)
    failed = [element for element in tab.page.evaluate(ELEMENTS) if element["state"] != "shown"]
    assert failed == []


def assert_renewals(count: int, expected: int, since: float) -> None:
    """Asserts that tokens were renewed as often as expected, and beyond that once for each life that may have ended."""
    assert expected <= count <= expected + 1 + (time.monotonic() - since) // (LIFETIME_S / 2)


def renew_three_times(
    tab: SiteTab, proxy: ThrottlingProxy, upload: Callable[[], str], strategies: tuple[str, ...]
) -> list[str]:
    """Loads pictures before, between and after three renewals; returns their URIs."""
    loaded: list[str] = []
    for renewal in range(RENEWALS + 1):
        if renewal:
            wait_for_end(proxy, tab.access_token())
        count, since = proxy.request_count(REFRESH), time.monotonic()
        mxcs = {strategy: upload() for strategy in strategies}
        loaded += mxcs.values()
        before = {element["src"] for element in tab.page.evaluate(ELEMENTS)}
        first = [strategy for strategy in FIRST[renewal] if strategy in mxcs]
        if first:
            show(tab, {first[0]: mxcs.pop(first[0])})
        show(tab, mxcs)
        now = {element["src"] for element in tab.page.evaluate(ELEMENTS)}
        assert before <= now, "what is shown keeps its source"
        assert_renewals(proxy.request_count(REFRESH) - count, min(renewal, 1), since)
    assert set(tab.report["failed"].values()) == {0}
    return loaded


@pytest.mark.by_default(interpreters=("micropython",))
@pytest.mark.parametrize("end", ["known", pytest.param("unknown", marks=pytest.mark.full_matrix)])
def test_every_strategy_goes_on_across_three_renewals(
    site: str,
    browser: BrowserContext,
    proxy: ThrottlingProxy,
    room: Room,
    upload: Callable[[], str],
    interpreter: str,
    end: str,
) -> None:
    tab = SiteTab(browser, site)
    tab.open("renewal", strategies=",".join(STRATEGIES), interpreter=interpreter, end=end)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    working = tuple(name for name in STRATEGIES if name not in tab.report["refused"])
    assert set(tab.report["refused"]) <= NOT_EVERYWHERE, tab.report["refused"]
    film = room.upload((MEDIA / "film.mp4").read_bytes(), "video/mp4")
    show(tab, {"link": film, "service_worker": film, "signed_query": film}, "video")
    tab.page.eval_on_selector("#link video", "(video) => video.play()")
    loaded = renew_three_times(tab, proxy, upload, working)
    twice = [mxc for mxc in loaded if proxy.request_count("/" + mxc.removeprefix("mxc://")) > 1]
    assert end == "unknown" or twice == [], "nothing is refused where the end is known"
    assert tab.page.eval_on_selector("#link video", "(video) => video.paused") is False
    tab.close()


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize(
    "interpreter", ["micropython", pytest.param("pyodide", marks=pytest.mark.full_matrix)], indirect=True
)
def test_duplicated_tabs_share_each_renewal_and_a_reload_keeps_it(
    site: str,
    browser: BrowserContext,
    proxy: ThrottlingProxy,
    upload: Callable[[], str],
    interpreter: str,
) -> None:
    tab = SiteTab(browser, site)
    tab.open("renewal", strategies="blob", interpreter=interpreter)
    with browser.expect_page() as opened:
        tab.page.evaluate("() => { open(location.href); }")  # the browser copies the opener's sessionStorage
    pages = [tab.page, opened.value]
    # No wait_for_function: before the page's Trusted Types policy exists, its `eval` throws.
    pages[1].locator("html[data-state=done]").wait_for()
    for _ in range(RENEWALS):
        wait_for_end(proxy, tab.access_token())
        count, since = proxy.request_count(REFRESH), time.monotonic()
        for page in pages:
            page.evaluate(ADD, ["img", {"blob": upload()}])
        for page in pages:
            page.wait_for_function(SETTLED)
            assert {element["state"] for element in page.evaluate(ELEMENTS)} == {"shown"}
        assert_renewals(proxy.request_count(REFRESH) - count, 1, since)
        assert len({page.evaluate(TOKEN) for page in pages}) == 1
    wait_for_end(proxy, tab.access_token())
    count, since = proxy.request_count(REFRESH), time.monotonic()
    tab.reload()
    show(tab, {"blob": upload()})
    assert_renewals(proxy.request_count(REFRESH) - count, 1, since)
    assert proxy.request_count(LOGIN) == 1
    for page in pages:
        page.close()
