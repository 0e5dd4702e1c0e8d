"""Two accounts on one page, what is kept on disk, and what can be seen before all of it is there."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.bound import FILES, MEDIA, Bench, Stock, add, as_json, bench, wait_until
from tests.browser.rooms import picture
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration

# As in Safari before 26, where only workers can write.
NO_WRITABLE = "delete FileSystemFileHandle.prototype.createWritable;"
# As in Safari before 26, where no body is read into a buffer of the page's.
NO_BUFFERS = """const get = ReadableStream.prototype.getReader;
ReadableStream.prototype.getReader = function (options) {
  if (options?.mode === "byob") { window.refused = true; throw new TypeError("not a byte stream"); }
  return get.call(this, options);
};"""
# As another tab does that needs the room, or whose account signs out.
REMOVE = """async () => {
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle("authmedia");
  for (const name of await Array.fromAsync(directory.keys())) await directory.removeEntry(name);
}"""
NO_LOCKS = {
    "missing": "delete Navigator.prototype.locks;",
    "refused": "LockManager.prototype.request = async () => { throw new DOMException('No', 'SecurityError'); };",
}

PAIRS = (("chromium", "micropython"), ("firefox", "micropython"))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def stock(demonstration: Demonstration) -> Stock:
    return Stock(demonstration.synapse, "ana", 8)


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with Synapse(tmp_path_factory.mktemp("elsewhere"), free_port()) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def other(elsewhere: Synapse) -> Stock:
    return Stock(elsewhere, "ben", 4)


STRATEGIES_IN = {"chromium": ("link", "bundle"), "firefox": ("opfs", "blob")}


@pytest.fixture
def one(bound_site: Path, browser: BrowserContext, demonstration: Demonstration, stock: Stock) -> Iterator[Bench]:
    with bench(bound_site, browser, demonstration.synapse, stock.room.account) as opened:
        yield opened


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_two_accounts_of_two_homeservers_on_one_page(
    bound_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    stock: Stock,
    other: Stock,
    interpreter: str,
    strategy: str,
) -> None:
    told = {**stock.room.account, "second": as_json(other.room.account)}
    with bench(bound_site, browser, demonstration.synapse, told) as opened:
        window = opened.open(strategy, interpreter=interpreter)
        for each in (stock, other):
            add(window, each.pictures[:3], data_user_id=each.room.account["user"])
        wait_until(window, "img[data-mxc]")
        for number, mxc in enumerate(stock.pictures[:3] + other.pictures[:3]):
            assert window.sha256(f"img[data-mxc] >> nth={number}") == {**stock.sha256, **other.sha256}[mxc]
        assert not [path for path in opened.brake.asked if other.pictures[0].rpartition("/")[2] in path]
        window.page.click("#leave")
        window.page.wait_for_selector("html[data-left]", state="attached")
        gone = window.page.locator(f'img[data-user-id="{stock.room.account["user"]}"]')
        assert [image.get_attribute("src") for image in gone.all()] == [None] * 3
        if strategy != "link":
            assert window.report["urls"] == 3, "what is in memory is that of the account that stays"
        stays = f'img[data-user-id="{other.room.account["user"]}"]'
        for number, mxc in enumerate(other.pictures[:3]):
            assert window.sha256(f"{stays} >> nth={number}") == other.sha256[mxc]
        add(window, other.pictures[3:4], data_user_id=other.room.account["user"])
        wait_until(window, stays)
        if strategy == "opfs":
            assert len(window.page.evaluate(FILES)) == 4, "the other account's alone"


# What a homeserver says that claims to be the user's own.
FALSE_PICTURE = picture(7)


class FalseHomeserver(BaseHTTPRequestHandler):
    """Signs in whoever comes as the same user, and has the same picture for every media."""

    user_id: str

    def do_OPTIONS(self) -> None:
        self._reply(b"", "text/plain")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(json.dumps({"user_id": self.user_id, "access_token": "false"}).encode(), "application/json")

    def do_GET(self) -> None:
        self._reply(FALSE_PICTURE, "image/png")

    def _reply(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        for name, value in (("Origin", "*"), ("Headers", "Authorization, Content-Type"), ("Methods", "GET, POST")):
            self.send_header(f"Access-Control-Allow-{name}", value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


@pytest.fixture
def false_homeserver(stock: Stock) -> Iterator[str]:
    handler = type("Handler", (FalseHomeserver,), {"user_id": stock.room.account["user"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.on_disk
def test_a_homeserver_that_names_the_same_user_has_nothing_of_the_others_disk(
    one: Bench, stock: Stock, interpreter: str, false_homeserver: str
) -> None:
    here, there = stock.pictures[:2]
    first = one.open("opfs", interpreter=interpreter)
    add(first, [here])
    wait_until(first, "img[data-mxc]")
    false = one.open("opfs", beside=first, interpreter=interpreter, homeserver=false_homeserver)
    add(false, [here, there])
    wait_until(false, "img[data-mxc]")
    false_digest = hashlib.sha256(FALSE_PICTURE).hexdigest()
    assert [false.sha256(f"img[data-mxc] >> nth={number}") for number in range(2)] == [false_digest] * 2
    again = one.open("opfs", beside=first, interpreter=interpreter)
    add(again, [here, there])
    wait_until(again, "img[data-mxc]")
    for number, (mxc, source) in enumerate(((here, "disk"), (there, "network"))):
        assert again.sha256(f"img[data-mxc] >> nth={number}") == stock.sha256[mxc]
        assert again.page.locator("img[data-mxc]").nth(number).get_attribute("data-source") == source
    false.page.click("#leave")
    false.page.wait_for_selector("html[data-left]", state="attached")
    assert len(first.page.evaluate(FILES)) == 2, "the other account's stay"


@pytest.mark.on_disk
@pytest.mark.by_default("firefox")
def test_what_is_on_disk_is_fetched_once_by_two_tabs_and_belongs_to_one_account(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    first = one.open("opfs", interpreter=interpreter)
    second = one.open("opfs", beside=first, interpreter=interpreter)
    one.brake.hold("/download/")
    for window in (first, second):
        add(window, stock.pictures[:4])
    wait_for(lambda: one.brake.asked_for("/download/") >= 4, what="the requests")
    one.brake.let_go()
    for window in (first, second):
        wait_until(window, "img[data-mxc]")
        for number, mxc in enumerate(stock.pictures[:4]):
            assert window.sha256(f"img[data-mxc] >> nth={number}") == stock.sha256[mxc]
    assert one.brake.asked_for("/download/") == 4
    sources = [window.page.locator("img[data-source=disk]").count() for window in (first, second)]
    assert sum(sources) == 4, "the other tab finds what the first has written"
    assert len(first.page.evaluate(FILES)) == 4


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_a_tab_that_ends_in_the_middle_of_a_write_leaves_nothing_wrong(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    film = stock.add_file("film.mp4")
    keeper = one.open("opfs", interpreter=interpreter)
    window = one.open("opfs", beside=keeper, interpreter=interpreter)
    one.brake.bytes_per_s = 400_000
    add(window, [film], "video")
    window.page.wait_for_function("() => Number(document.querySelector('video').dataset.progress) > 20")
    window.page.close()
    one.brake.let_go()
    again = one.open("opfs", beside=keeper, interpreter=interpreter)
    add(again, [film], "video")
    wait_until(again, "video")
    assert again.sha256("video") == stock.sha256[film]
    assert again.page.locator("video").get_attribute("data-source") == "network"


@pytest.mark.on_disk
@pytest.mark.by_default("firefox")
def test_where_pages_cannot_write_a_worker_does(one: Bench, stock: Stock, interpreter: str) -> None:
    first = one.open("opfs", script=NO_WRITABLE, interpreter=interpreter)
    for window, source in ((first, "network"), (None, "disk")):
        window = window or one.open("opfs", beside=first, script=NO_WRITABLE, interpreter=interpreter)
        add(window, stock.pictures)
        wait_until(window, "img[data-mxc]")
        assert window.page.locator(f"img[data-source={source}]").count() == len(stock.pictures)
        for number, mxc in enumerate(stock.pictures):
            assert window.sha256(f"img[data-mxc] >> nth={number}") == stock.sha256[mxc]
    assert one.brake.asked_for("/download/") == len(stock.pictures)
    assert first.page.evaluate("() => 'createWritable' in FileSystemFileHandle.prototype") is False


@pytest.mark.by_default("chromium")
def test_a_link_shows_a_video_before_all_of_it_is_there_and_a_blob_does_not(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    film = stock.add_file("film.mp4")
    for strategy, early in (("link", True), ("blob", False)):
        window = one.open(strategy, interpreter=interpreter)
        one.brake.traffic.bytes = 0
        one.brake.bytes_per_s = 1_200_000
        add(window, [film], "video")
        wait_until(window, "video")
        size = (MEDIA / "film.mp4").stat().st_size
        assert (one.brake.traffic.bytes < size) is early
        one.brake.let_go()
        window.page.close()


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_what_is_large_is_kept_on_disk_by_engines_that_read_into_no_buffers_too(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    film = stock.add_file("film.mp4")
    window = one.open("opfs", script=NO_BUFFERS, interpreter=interpreter)
    add(window, [film], "video")
    wait_until(window, "video")
    assert window.sha256("video") == stock.sha256[film]
    assert window.page.evaluate("window.refused") is True


@pytest.mark.by_default("firefox")
def test_a_link_shows_a_picture_as_it_arrives_and_a_blob_does_not(one: Bench, stock: Stock, interpreter: str) -> None:
    content = (MEDIA / "screenshot.png").read_bytes()
    mxc = stock.add(content, "image/png")
    for strategy, early in (("link", True), ("blob", False)):
        window = one.open(strategy, interpreter=interpreter)
        one.brake.traffic.bytes = 0
        one.brake.bytes_per_s = 300_000
        add(window, [mxc])
        window.page.wait_for_function("() => document.querySelector('img[data-mxc]').naturalWidth > 0")
        assert (one.brake.traffic.bytes < len(content)) is early
        one.brake.let_go()
        wait_until(window, "img[data-mxc]")
        assert window.sha256("img[data-mxc]") == stock.sha256[mxc]


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_what_was_removed_from_disk_while_it_was_on_show_is_fetched_anew(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    film = stock.add_file("film.mp4")
    window = one.open("opfs", interpreter=interpreter)
    add(window, [film], "video", preload="metadata")
    wait_until(window, "video")
    window.page.evaluate(REMOVE)
    add(window, [film], "video")
    wait_until(window, "video")
    assert window.sha256("video >> nth=1") == stock.sha256[film]
    assert one.brake.asked_for("/download/") == 2


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("way", NO_LOCKS)
def test_where_there_are_no_locks_the_disk_is_refused(one: Bench, stock: Stock, interpreter: str, way: str) -> None:
    window = one.open("opfs", script=NO_LOCKS[way], interpreter=interpreter)
    add(window, stock.pictures[:1])
    wait_until(window, "img[data-mxc]", "failed")
    words = window.page.locator(".media-failed")
    assert "does not let the page store media" in words.inner_text()
    said = "navigator.locks is missing" if way == "missing" else "SecurityError: No"
    assert said in (words.get_attribute("title") or "")
