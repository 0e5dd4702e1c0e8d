"""Files that are saved by a link that a user follows: of any size, and later than the browser takes the click for."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.binding_harness import MEDIA, BindingHarness, MediaSet, add_elements, binding_harness
from tests.browser.engines import Mode
from tests.browser.matrix_room import Room
from tests.browser.saved_files import save
from tests.browser.site_tab import SiteTab
from tests.browser.webkit_pages import add_to_webkit, failure_words, open_binding, wait_for_webkit
from tests.conftest import OpenTab, only_chromium, parameters
from tests.evidence.compare import webkit
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

PAIRS = (("firefox", "micropython"), ("chromium", "micropython"))
STRATEGIES_IN = {"firefox": ("blob",), "chromium": ("link",)}
# The size of each file in bytes. On MicroPython, numbers of 2 GiB and more out of JavaScript are negative.
SIZES = {"empty": 0, "65 MiB": 65 * 2**20, "1 GB": 10**9, "2.1 GiB": 2**31 + 2**27}
LARGE = ("1 GB", "2.1 GiB")
BEGINNING, END = b"the beginning", b"the end"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Room:
    return Room(demonstration.synapse, "saver")


def upload_sparse(synapse: Synapse, room: Room, size: int) -> str:
    """Uploads a file that is zeros but for its beginning and its end, of any size; returns its ``mxc://`` URI.

    A small one is uploaded, and made longer on the homeserver's disk, which takes no time and no space.
    """
    mxc = room.upload(BEGINNING if size else b"", "application/octet-stream", "track.bin")
    if not size:
        return mxc
    media_id = mxc.rpartition("/")[2]
    path = synapse.directory / "media/local_content" / media_id[:2] / media_id[2:4] / media_id[4:]
    with path.open("r+b") as file:
        file.seek(size - len(END))
        file.write(END)
    with sqlite3.connect(synapse.directory / "homeserver.db", timeout=10) as database:
        database.execute("UPDATE local_media_repository SET media_length = ? WHERE media_id = ?", (size, media_id))
    return mxc


@pytest.mark.by_default("firefox")
@pytest.mark.parametrize("size", parameters(SIZES, by_default=SIZES.keys() - LARGE))
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_files_of_any_size_are_saved(
    open_tab: OpenTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    room: Room,
    mode: Mode,
    interpreter: str,
    downloads: Path,
    strategy: str,
    size: str,
) -> None:
    mxc, length = upload_sparse(demonstration.synapse, room, SIZES[size]), SIZES[size]
    name = f"{strategy} {size}.bin"
    tab = open_tab(site_for(room.account, binding_site))
    tab.open("binding", strategy=strategy, interpreter=interpreter, budget="0")
    add_elements(tab, [mxc], "a", gap=40, download=name, id="saved", href="#saved")
    tab.page.wait_for_selector("#saved[data-state=ready]", state="attached")
    tab.page.evaluate("() => { document.getElementById('saved').textContent = 'The file'; }")
    saved = save(tab, mode, downloads / name, lambda: tab.page.click("#saved"), length, timeout_s=500)
    tab.page.locator("#saved[data-state=shown]").wait_for(state="attached")  # no animation frame comes meanwhile
    assert saved.stat().st_size == length
    if length:
        with saved.open("rb") as file:
            assert file.read(len(BEGINNING)) == BEGINNING
            file.seek(-len(END), 2)
            assert file.read() == END
    saved.unlink()


# Blocks tabs as browsers do some seconds after a click, as long as a test wants that; drivers switch that off.
BLOCKER = """const open = window.open;
window.open = (...given) => (window.blocks ? null : open.call(window, ...given));"""
# Tells the homeserver once no click counts any more, and then once the link has failed. In Chromium, each script of
# Playwright counts as a click.
TELL_END = """(homeserver) => addEventListener("click", () => {
  const timer = setInterval(() => {
    if (navigator.userActivation.isActive) return;
    clearInterval(timer);
    fetch(`${homeserver}/inactive`, { mode: "no-cors" });
    new MutationObserver(([{ target }]) => {
      if (target.dataset.state === "failed") fetch(`${homeserver}/failed`, { mode: "no-cors" });
    }).observe(document.getElementById("saved"), { attributeFilter: ["data-state"] });
  }, 50);
}, { once: true })"""
TOO_OLD = "The file is here. Press again to save it."


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "activation", 0)
    yield media_set
    media_set.room.close()


def add_link(tab: SiteTab, media_set: MediaSet, name: str) -> None:
    add_elements(tab, [media_set.upload_file("ridge-walk.gpx")], "a", gap=40, download=name, id="saved", href="#saved")
    tab.page.wait_for_selector("#saved[data-state=ready]", state="attached")
    tab.page.evaluate("() => { document.getElementById('saved').textContent = 'The file'; }")


@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("strategy", ["link"])
def test_a_file_that_arrives_after_its_click_is_saved_by_the_next_one(
    harness: BindingHarness, media_set: MediaSet, mode: Mode, interpreter: str, downloads: Path, strategy: str
) -> None:
    name, content = "walk.gpx", (MEDIA / "ridge-walk.gpx").read_bytes()
    tab = harness.open(strategy, script=BLOCKER, interpreter=interpreter)
    add_link(tab, media_set, name)
    tab.page.evaluate("() => { window.blocks = true; }")
    tab.page.click("#saved")
    tab.page.locator("#saved[data-state=failed]").wait_for(state="attached")
    assert tab.page.locator(".media-failed").inner_text() == TOO_OLD
    tab.page.evaluate("() => { window.blocks = false; }")
    # By its own name, that of the upload, since the link is of another origin.
    uploaded = downloads / "walk.gpx"
    assert save(tab, mode, uploaded, lambda: tab.page.click("#saved")).read_bytes() == content
    tab.page.locator("#saved[data-state=shown]").wait_for(state="attached")
    assert tab.page.locator(".media-failed").count() == 0
    assert harness.proxy.request_count("/links") == 1


@pytest.mark.full_matrix
@only_chromium
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_a_click_of_six_seconds_ago(
    ordinary_chromium: BrowserContext,
    binding_site: Path,
    demonstration: Demonstration,
    media_set: MediaSet,
    mode: Mode,
    downloads: Path,
    strategy: str,
) -> None:
    """With the browser's own blocker."""
    with binding_harness(binding_site, ordinary_chromium, demonstration.synapse, media_set.room.account) as harness:
        tab = harness.open(strategy)
        add_link(tab, media_set, "walk.gpx")
        harness.proxy.hold("/links" if strategy == "link" else "/download/")

        def outlast() -> None:
            tab.page.click("#saved")
            wait_for(lambda: harness.proxy.request_count("/inactive") > 0, 15, "the end of the click")
            harness.proxy.release_all()

        tab.page.evaluate(TELL_END, harness.proxy.address())
        if strategy == "blob":  # which needs no tab, and so no other click
            save(tab, mode, downloads / "walk.gpx", outlast)
            return
        outlast()
        wait_for(lambda: harness.proxy.request_count("/failed") > 0, 15, "the end of the load")
        assert tab.page.locator(".media-failed").inner_text() == TOO_OLD
        save(tab, mode, downloads / "walk.gpx", lambda: tab.page.click("#saved"))


@pytest.mark.full_matrix
@pytest.mark.parametrize("size", ["empty", "65 MiB", "1 GB"])
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_webkit_saves_files_of_any_size(
    screen: str,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    room: Room,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    size: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where it saves them
    mxc, length = upload_sparse(demonstration.synapse, room, SIZES[size]), SIZES[size]
    with webkit.webkit_tab(webkit.browser_path(), screen) as tab:
        open_binding(tab, site_for(room.account, binding_site), strategy=strategy, budget="0")
        add_to_webkit(tab, [mxc], "a", 40, download="file.bin", id="saved", href="#saved")
        tab.evaluate("() => { document.getElementById('saved').textContent = 'The file'; }")
        wait_for_webkit(tab, "#saved", "ready")
        tab.click("#saved")
        if strategy == "link":  # whose tab is blocked once the link was requested
            wait_for(lambda: failure_words(tab) == TOO_OLD, 20, "the words")
            tab.click("#saved")
        # By links under the name of the upload.
        wait_for(lambda: [path.stat().st_size for path in tmp_path.glob("*.bin")] == [length], 300, "the file")
        (saved,) = tmp_path.glob("*.bin")
        if length:
            with saved.open("rb") as file:
                file.seek(-len(END), 2)
                assert file.read() == END
        saved.unlink()
