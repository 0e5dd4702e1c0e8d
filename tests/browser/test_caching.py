"""What is kept, in memory and on disk: how much, of which type, for whom, and where the tab may keep nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.binding_fixture import FILES, MEDIA, Bench, Stock, add, as_json, bench, wait_until
from tests.browser.matrix_room import Room
from tests.browser.site_tab import Window
from tests.browser.throttling_proxy import Brake
from web.demonstration import Demonstration

SIZE = (MEDIA / "screenshot.png").stat().st_size
# What each strategy asks the homeserver for three thumbnails.
ASKED = {"opfs": ("/thumbnail/", 3), "blob": ("/thumbnail/", 3), "link": ("/media/links", 1), "bundle": ("/bundle", 1)}
SIDE = 96
REFUSED = """Object.defineProperty(window, "sessionStorage", {
  get() { throw new DOMException("refused by a test", "SecurityError"); },
});"""
TYPE = "async (element) => (await fetch(element.src)).headers.get('Content-Type')"

PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))
STRATEGIES_IN = {"chromium": ("opfs",)}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def stock(demonstration: Demonstration) -> Stock:
    return Stock(demonstration.synapse, "keeping", 4)


@pytest.fixture(scope="session")
def large(stock: Stock) -> list[str]:
    """Four pictures of next to the same size, of which a file's first line and the index are nothing."""
    content = (MEDIA / "screenshot.png").read_bytes()
    return [stock.add(content + b"." * number, "image/png") for number in range(4)]


@pytest.fixture(scope="session")
def another(demonstration: Demonstration) -> Iterator[Room]:
    """Somebody else on the same homeserver."""
    room = Room(demonstration.synapse, "another")
    yield room
    room.close()


@pytest.fixture
def one(bound_site: Path, browser: BrowserContext, demonstration: Demonstration, stock: Stock) -> Iterator[Bench]:
    with bench(bound_site, browser, demonstration.synapse, stock.room.account) as opened:
        yield opened


def show_in_turn(window: Window, mxcs: list[str]) -> None:
    """Shows one after the other, so that it is known which was used last, and takes each away again."""
    for mxc in mxcs:
        add(window, [mxc])
        wait_until(window, "img[data-mxc]")
        window.page.evaluate("() => document.getElementById('bound').replaceChildren()")


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["blob", "opfs"])
def test_the_least_recently_used_leaves_when_there_is_no_more_room(
    one: Bench, large: list[str], interpreter: str, strategy: str
) -> None:
    window = one.open(strategy, budget=str(SIZE * 7 // 2), interpreter=interpreter)
    first, second, third, fourth = large
    show_in_turn(window, [first, second, third, first, fourth])
    assert one.brake.asked_for("/download/") == 4
    show_in_turn(window, [first, third, fourth])
    assert one.brake.asked_for("/download/") == 4, "these had room"
    show_in_turn(window, [second])
    assert one.brake.asked_for("/download/") == 5, "this one made way"
    if strategy == "opfs":
        assert len(window.page.evaluate(FILES)) == 3


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["opfs", "blob", "bundle"])
def test_content_types_survive(one: Bench, stock: Stock, interpreter: str, strategy: str) -> None:
    tune = stock.add_file("tune.mp3")
    window = one.open(strategy, interpreter=interpreter)
    for source in ("network", "disk" if strategy == "opfs" else "network"):
        add(window, stock.pictures[:1])
        add(window, [tune], "audio")
        wait_until(window, "[data-mxc]")
        for tag, content_type in (("img", "image/png"), ("audio", "audio/mpeg")):
            assert window.page.locator(f"{tag}[data-mxc]").get_attribute("data-source") == source
            assert window.page.eval_on_selector(f"{tag}[data-mxc]", TYPE) == content_type
        window.reload()


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", list(ASKED))
def test_what_is_kept_for_one_account_is_never_given_to_another(
    bound_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    stock: Stock,
    another: Room,
    interpreter: str,
    strategy: str,
) -> None:
    """Two accounts of one homeserver, on one page, with the same media."""
    pictures = stock.pictures[:3]
    path, times = ASKED[strategy]
    sized = {"data_width": str(SIDE), "data_height": str(SIDE), "data_method": "crop"}
    with Brake(demonstration.synapse.base_url) as brake:
        other = {**another.account, "homeserver": brake.address()}
        told = {**stock.room.account, "second": as_json(other)}
        with bench(bound_site, browser, demonstration.synapse, told) as opened:
            window = opened.open(strategy, interpreter=interpreter)
            for account, way in ((stock.room.account, opened.brake), (other, brake)):
                add(window, pictures, data_user_id=account["user"], **sized)
                wait_until(window, "img[data-mxc]")
                assert way.asked_for(path) == times, "each with a header of its own"
            if strategy == "opfs":
                assert len(window.page.evaluate(FILES)) == 2 * len(pictures)
            window.page.click("#leave")
            window.page.wait_for_selector("html[data-left]", state="attached")
            for number, mxc in enumerate(pictures):
                still = f'img[data-user-id="{other["user"]}"] >> nth={number}'
                thumbnail = another.thumbnail(mxc, SIDE, SIDE, "crop")
                assert window.sha256(still) == hashlib.sha256(thumbnail).hexdigest()
            if strategy == "opfs":
                assert len(window.page.evaluate(FILES)) == len(pictures), "the other account's"


@pytest.mark.by_default("chromium")
def test_where_the_tab_keeps_nothing_links_are_kept_in_memory(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("link", script=REFUSED, interpreter=interpreter)
    show_in_turn(window, stock.pictures[:2])
    asked = one.brake.asked_for("/media/links")
    show_in_turn(window, stock.pictures[:2])
    assert one.brake.asked_for("/media/links") == asked == 2
    window.reload()
    show_in_turn(window, stock.pictures[:1])
    assert one.brake.asked_for("/media/links") == 3, "and for no longer than the page lives"
