"""Two accounts on one page, the cache on disk, and progressive rendering."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.binding_harness import (
    LIST_OPFS_FILES,
    MEDIA,
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    to_json,
    wait_for_state,
)
from tests.browser.matrix_room import picture
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration

# As in Safari before 26, which lacks createWritable and has createSyncAccessHandle in workers only.
NO_WRITABLE = "delete FileSystemFileHandle.prototype.createWritable;"
# As in Safari before 26, which has no BYOB readers.
NO_BUFFERS = """const get = ReadableStream.prototype.getReader;
ReadableStream.prototype.getReader = function (options) {
  if (options?.mode === "byob") { window.refused = true; throw new TypeError("not a byte stream"); }
  return get.call(this, options);
};"""
# Removes all files, as another tab does to free space or when its account logs out.
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
def media_set(demonstration: Demonstration) -> MediaSet:
    return MediaSet(demonstration.synapse, "ana", 8)


@pytest.fixture(scope="session")
def second_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    with Synapse(tmp_path_factory.mktemp("elsewhere"), free_port()) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def second_media_set(second_homeserver: Synapse) -> MediaSet:
    return MediaSet(second_homeserver, "ben", 4)


STRATEGIES_IN = {"chromium": ("link", "bundle"), "firefox": ("opfs", "blob")}


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_two_accounts_of_two_homeservers_on_one_page(
    binding_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    media_set: MediaSet,
    second_media_set: MediaSet,
    interpreter: str,
    strategy: str,
) -> None:
    told = {**media_set.room.account, "second": to_json(second_media_set.room.account)}
    with binding_harness(binding_site, browser, demonstration.synapse, told) as opened:
        tab = opened.open(strategy, interpreter=interpreter)
        for each in (media_set, second_media_set):
            add_elements(tab, each.pictures[:3], data_user_id=each.room.account["user"])
        wait_for_state(tab, "img[data-mxc]")
        for number, mxc in enumerate(media_set.pictures[:3] + second_media_set.pictures[:3]):
            assert tab.sha256(f"img[data-mxc] >> nth={number}") == {**media_set.sha256, **second_media_set.sha256}[mxc]
        assert not [
            path for path in opened.proxy.requested_paths if second_media_set.pictures[0].rpartition("/")[2] in path
        ]
        tab.page.click("#leave")
        tab.page.wait_for_selector("html[data-left]", state="attached")
        gone = tab.page.locator(f'img[data-user-id="{media_set.room.account["user"]}"]')
        assert [image.get_attribute("src") for image in gone.all()] == [None] * 3
        if strategy != "link":
            assert tab.report["urls"] == 3, "what is in memory is that of the account that stays"
        stays = f'img[data-user-id="{second_media_set.room.account["user"]}"]'
        for number, mxc in enumerate(second_media_set.pictures[:3]):
            assert tab.sha256(f"{stays} >> nth={number}") == second_media_set.sha256[mxc]
        add_elements(tab, second_media_set.pictures[3:4], data_user_id=second_media_set.room.account["user"])
        wait_for_state(tab, stays)
        if strategy == "opfs":
            assert len(tab.page.evaluate(LIST_OPFS_FILES)) == 4, "the other account's alone"


# The media of a homeserver that claims to be the user's own.
FALSE_PICTURE = picture(7)


class FalseHomeserver(BaseHTTPRequestHandler):
    """Logs in every client as the same user, and has the same picture for every media."""

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
def false_homeserver(media_set: MediaSet) -> Iterator[str]:
    handler = type("Handler", (FalseHomeserver,), {"user_id": media_set.room.account["user"]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.on_disk
def test_a_homeserver_that_names_the_same_user_has_nothing_of_the_others_disk(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, false_homeserver: str
) -> None:
    here, there = media_set.pictures[:2]
    first = harness.open("opfs", interpreter=interpreter)
    add_elements(first, [here])
    wait_for_state(first, "img[data-mxc]")
    false = harness.open("opfs", beside=first, interpreter=interpreter, homeserver=false_homeserver)
    add_elements(false, [here, there])
    wait_for_state(false, "img[data-mxc]")
    false_digest = hashlib.sha256(FALSE_PICTURE).hexdigest()
    assert [false.sha256(f"img[data-mxc] >> nth={number}") for number in range(2)] == [false_digest] * 2
    again = harness.open("opfs", beside=first, interpreter=interpreter)
    add_elements(again, [here, there])
    wait_for_state(again, "img[data-mxc]")
    for number, (mxc, source) in enumerate(((here, "disk"), (there, "network"))):
        assert again.sha256(f"img[data-mxc] >> nth={number}") == media_set.sha256[mxc]
        assert again.page.locator("img[data-mxc]").nth(number).get_attribute("data-source") == source
    false.page.click("#leave")
    false.page.wait_for_selector("html[data-left]", state="attached")
    assert len(first.page.evaluate(LIST_OPFS_FILES)) == 2, "the other account's stay"


@pytest.mark.on_disk
@pytest.mark.by_default("firefox")
def test_what_is_on_disk_is_fetched_once_by_two_tabs_and_belongs_to_one_account(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    first = harness.open("opfs", interpreter=interpreter)
    second = harness.open("opfs", beside=first, interpreter=interpreter)
    harness.proxy.hold("/download/")
    for tab in (first, second):
        add_elements(tab, media_set.pictures[:4])
    wait_for(lambda: harness.proxy.request_count("/download/") >= 4, what="the requests")
    harness.proxy.release_all()
    for tab in (first, second):
        wait_for_state(tab, "img[data-mxc]")
        for number, mxc in enumerate(media_set.pictures[:4]):
            assert tab.sha256(f"img[data-mxc] >> nth={number}") == media_set.sha256[mxc]
    assert harness.proxy.request_count("/download/") == 4
    sources = [tab.page.locator("img[data-source=disk]").count() for tab in (first, second)]
    assert sum(sources) == 4, "the other tab finds what the first has written"
    assert len(first.page.evaluate(LIST_OPFS_FILES)) == 4


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_tab_closed_during_write_leaves_no_partial_file(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    keeper = harness.open("opfs", interpreter=interpreter)
    tab = harness.open("opfs", beside=keeper, interpreter=interpreter)
    harness.proxy.bytes_per_s = 400_000
    add_elements(tab, [film], "video")
    tab.page.wait_for_function("() => Number(document.querySelector('video').dataset.progress) > 20")
    tab.page.close()
    harness.proxy.release_all()
    again = harness.open("opfs", beside=keeper, interpreter=interpreter)
    add_elements(again, [film], "video")
    wait_for_state(again, "video")
    assert again.sha256("video") == media_set.sha256[film]
    assert again.page.locator("video").get_attribute("data-source") == "network"


@pytest.mark.on_disk
@pytest.mark.by_default("firefox")
def test_worker_writes_where_the_page_cannot(harness: BindingHarness, media_set: MediaSet, interpreter: str) -> None:
    first = harness.open("opfs", script=NO_WRITABLE, interpreter=interpreter)
    for tab, source in ((first, "network"), (None, "disk")):
        tab = tab or harness.open("opfs", beside=first, script=NO_WRITABLE, interpreter=interpreter)
        add_elements(tab, media_set.pictures)
        wait_for_state(tab, "img[data-mxc]")
        assert tab.page.locator(f"img[data-source={source}]").count() == len(media_set.pictures)
        for number, mxc in enumerate(media_set.pictures):
            assert tab.sha256(f"img[data-mxc] >> nth={number}") == media_set.sha256[mxc]
    assert harness.proxy.request_count("/download/") == len(media_set.pictures)
    assert first.page.evaluate("() => 'createWritable' in FileSystemFileHandle.prototype") is False


@pytest.mark.by_default("chromium")
def test_link_starts_video_before_download_completes_and_blob_does_not(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    for strategy, early in (("link", True), ("blob", False)):
        tab = harness.open(strategy, interpreter=interpreter)
        harness.proxy.traffic.bytes = 0
        harness.proxy.bytes_per_s = 1_200_000
        add_elements(tab, [film], "video")
        wait_for_state(tab, "video")
        size = (MEDIA / "film.mp4").stat().st_size
        assert (harness.proxy.traffic.bytes < size) is early
        harness.proxy.release_all()
        tab.page.close()


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_large_media_is_stored_without_byob_readers(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("opfs", script=NO_BUFFERS, interpreter=interpreter)
    add_elements(tab, [film], "video")
    wait_for_state(tab, "video")
    assert tab.sha256("video") == media_set.sha256[film]
    assert tab.page.evaluate("window.refused") is True


@pytest.mark.by_default("firefox")
def test_link_renders_image_progressively_and_blob_does_not(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    content = (MEDIA / "screenshot.png").read_bytes()
    mxc = media_set.upload(content, "image/png")
    for strategy, early in (("link", True), ("blob", False)):
        tab = harness.open(strategy, interpreter=interpreter)
        harness.proxy.traffic.bytes = 0
        harness.proxy.bytes_per_s = 300_000
        add_elements(tab, [mxc])
        tab.page.wait_for_function("() => document.querySelector('img[data-mxc]').naturalWidth > 0")
        assert (harness.proxy.traffic.bytes < len(content)) is early
        harness.proxy.release_all()
        wait_for_state(tab, "img[data-mxc]")
        assert tab.sha256("img[data-mxc]") == media_set.sha256[mxc]


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
def test_file_removed_from_disk_while_shown_is_fetched_again(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("opfs", interpreter=interpreter)
    add_elements(tab, [film], "video", preload="metadata")
    wait_for_state(tab, "video")
    tab.page.evaluate(REMOVE)
    add_elements(tab, [film], "video")
    wait_for_state(tab, "video")
    assert tab.sha256("video >> nth=1") == media_set.sha256[film]
    assert harness.proxy.request_count("/download/") == 2


@pytest.mark.on_disk
@pytest.mark.by_default("chromium")
@pytest.mark.parametrize("way", NO_LOCKS)
def test_opfs_is_refused_without_web_locks(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, way: str
) -> None:
    tab = harness.open("opfs", script=NO_LOCKS[way], interpreter=interpreter)
    add_elements(tab, media_set.pictures[:1])
    wait_for_state(tab, "img[data-mxc]", "failed")
    words = tab.page.locator(".media-failed")
    assert "does not let the page store media" in words.inner_text()
    said = "navigator.locks is missing" if way == "missing" else "SecurityError: No"
    assert said in (words.get_attribute("title") or "")
