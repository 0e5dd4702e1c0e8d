"""Videos as pages have them: loaded on demand, with posters, without `loadeddata`, and more than there are players."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from development.attachments import encrypt
from tests.browser.binding_harness import (
    MEDIA,
    BindingHarness,
    MediaSet,
    add_elements,
    binding_harness,
    read_counters,
    to_json,
    wait_for_state,
)
from tests.browser.matrix_room import picture
from tests.browser.throttling_proxy import ThrottlingProxy
from tests.browser.webkit_pages import add_to_webkit, open_binding, wait_for_webkit
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

PAIRS = (("chromium", "micropython"),)
STRATEGIES_IN = {"chromium": ("link",)}
# As iOS does before playback.
NO_LOADEDDATA = """addEventListener("loadeddata", (event) => event.stopImmediatePropagation(), true);"""
# As a browser does that saves data.
NO_METADATA = """for (const event of ["loadeddata", "loadedmetadata"])
  addEventListener(event, (event) => event.stopImmediatePropagation(), true);"""
# What a video or audio has as its source before it is played.
BLANK = """async ({ src }) => {
  const { type, size } = await (await fetch(src)).blob();
  return [type, size];
}"""
POSTERS = "video[poster][data-state=ready]"
POSTER_SIZE = """async () => {
  const { poster } = document.querySelector("video");
  const picture = await createImageBitmap(await (await fetch(poster)).blob());
  return [picture.width, picture.height];
}"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "videos", 1)
    yield media_set
    media_set.room.close()


@pytest.fixture
def encrypted(media_set: MediaSet) -> dict[str, str]:
    """An encrypted film and its encrypted poster; by name, their URIs, and the files of both."""
    film, still = encrypt((MEDIA / "film.mp4").read_bytes()), encrypt(picture(200))
    uris = [media_set.upload(content, "application/octet-stream") for content, _ in (film, still)]
    files = [{**file, "url": mxc} for mxc, (_, file) in zip(uris, (film, still), strict=True)]
    return {"film": uris[0], "still": uris[1], "files": to_json(files)}


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "blob", "opfs", "bundle"])
def test_videos_cost_nothing_before_they_are_played(
    binding_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    media_set: MediaSet,
    encrypted: dict[str, str],
    interpreter: str,
    strategy: str,
) -> None:
    """Ten encrypted ones, by a key on one of them; then one that is not encrypted."""
    told = {**media_set.room.account, "files": encrypted["files"]}
    film = hashlib.sha256((MEDIA / "film.mp4").read_bytes()).hexdigest()
    with binding_harness(binding_site, browser, demonstration.synapse, told) as opened:
        tab = opened.open(strategy, interpreter=interpreter)
        given = {"data_encrypted": "1", "data_type": "video/mp4", "controls": "", "preload": "none"}
        poster = {"data_poster": encrypted["still"], "data_poster_encrypted": "2", "data_poster_type": "image/png"}
        add_elements(
            tab, [encrypted["film"]] * 10, "video", 260, muted="", width="320", height="240", **given, **poster
        )
        tab.page.wait_for_function("document.querySelectorAll('video[poster][data-state=ready]').length === 10")
        assert opened.proxy.request_count(encrypted["film"].rpartition("/")[2]) == 0
        first, second = tab.page.locator("video").first, tab.page.locator("video").nth(1)
        assert tab.page.evaluate(POSTER_SIZE) == [64, 48]
        first.evaluate("(video) => { video.muted = true; }")
        first.focus()
        tab.page.keyboard.press("Space")
        wait_shown(tab.page, 1)
        tab.page.wait_for_function("document.querySelector('video').currentTime > 0")
        assert tab.sha256("video >> nth=0") == film
        assert tab.page.locator("video[data-state=ready]").count() == 9
        second.click(position={"x": 160, "y": 100})  # in its middle
        wait_shown(tab.page, 2)
        tab.page.wait_for_function("document.querySelectorAll('video')[1].currentTime > 0")

        plain = media_set.upload_file("tune.mp3")
        add_elements(tab, [plain], "audio", preload="none", controls="")
        tab.page.wait_for_selector("audio[data-state=ready]")
        assert opened.proxy.request_count(plain.rpartition("/")[2]) == 0
        assert tab.page.eval_on_selector("audio", BLANK) == ["audio/wav", 844]
        assert tab.page.eval_on_selector("video[data-state=ready]", BLANK) == ["video/webm", 220]
        tab.page.eval_on_selector("audio", "(audio) => { audio.muted = true; audio.play().catch(() => {}); }")
        wait_for_state(tab, "audio")
        tab.page.evaluate("() => document.getElementById('elements').replaceChildren()")
        tab.page.click("#close")
        tab.page.wait_for_selector("html[data-closed]", state="attached")
        assert tab.report["urls"] == 0


@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_webkit_shows_the_poster_and_transfers_the_video_once_it_is_played(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    media_set: MediaSet,
    encrypted: dict[str, str],
    strategy: str,
) -> None:
    with ThrottlingProxy(demonstration.synapse.base_url) as proxy:
        told = {**media_set.room.account, "homeserver": proxy.address(), "files": encrypted["files"]}
        open_binding(webkit_tab, site_for(told, binding_site), strategy=strategy)
        given = {"data_encrypted": "1", "data_type": "video/mp4", "controls": "", "preload": "none", "muted": ""}
        poster = {"data_poster": encrypted["still"], "data_poster_encrypted": "2", "data_poster_type": "image/png"}
        add_to_webkit(webkit_tab, [encrypted["film"]] * 2, "video", 260, **given, **poster)
        wait_for(
            lambda: webkit_tab.evaluate(f"() => document.querySelectorAll('{POSTERS}').length") == 2, 30, "posters"
        )
        assert proxy.request_count(encrypted["film"].rpartition("/")[2]) == 0
        assert webkit_tab.evaluate(POSTER_SIZE) == [64, 48]
        webkit_tab.evaluate("() => { document.querySelector('video').play().catch(() => {}); }")
        wait_for_webkit(webkit_tab, "video", count=1)
        wait_for(lambda: webkit_tab.evaluate("() => document.querySelector('video').currentTime > 0"), 20, "playback")
        assert webkit_tab.evaluate(f"() => document.querySelectorAll('{POSTERS}').length") == 1


def wait_shown(page: Page, count: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('video[data-state=shown]').length === {count}")


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "blob", "opfs"])
def test_a_video_is_shown_without_loadeddata_and_gives_its_player_back(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open(strategy, near="100", players="1", script=NO_LOADEDDATA, interpreter=interpreter)
    page = tab.page
    page.set_viewport_size({"width": 800, "height": 600})
    add_elements(tab, [film] * 3, "video", gap=900, muted="")
    wait_shown(page, 1)
    page.evaluate("() => { const video = document.querySelector('video'); video.currentTime = 2; }")
    page.wait_for_function("!document.querySelector('video').seeking")
    for number in range(1, 3):
        page.evaluate("(number) => document.querySelectorAll('video')[number].scrollIntoView()", number)
        page.wait_for_function(
            "(number) => document.querySelectorAll('video')[number].dataset.state === 'shown'", arg=number
        )
    page.wait_for_function("document.querySelectorAll('video[src]').length === 1")
    poster = page.eval_on_selector(
        "video", "(video) => fetch(video.poster).then((answer) => answer.headers.get('content-type'))"
    )
    assert poster == "image/jpeg"
    page.evaluate("() => document.querySelector('video').scrollIntoView()")
    page.wait_for_function("document.querySelector('video').dataset.state === 'shown'")
    page.wait_for_function("document.querySelector('video').currentTime === 2")
    assert page.locator("video").first.get_attribute("poster") is None
    assert not [text for text in tab.console_messages if "WebMediaPlayer" in text]
    assert read_counters(tab)["bound"] == 3


@pytest.mark.on_disk
@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["link", "blob", "opfs"])
def test_a_page_with_more_videos_than_players_shows_them_all(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open(strategy, near="100", interpreter=interpreter)
    page = tab.page
    add_elements(tab, [film] * 90, "video", gap=500, muted="", preload="auto")
    for number in range(90):
        page.evaluate("(number) => document.querySelectorAll('video')[number].scrollIntoView()", number)
        page.wait_for_function(
            "(number) => document.querySelectorAll('video')[number].dataset.state === 'shown'", arg=number
        )
    assert page.locator("video[data-state=failed]").count() == 0
    assert page.locator("video[src]").count() <= 45
    assert not [text for text in tab.console_messages if "WebMediaPlayer" in text]


@pytest.mark.full_matrix
def test_a_video_is_shown_where_the_browser_saves_data(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    film = media_set.upload_file("film.mp4")
    tab = harness.open("link", script=NO_METADATA, interpreter=interpreter)
    add_elements(tab, [film], "video", preload="metadata")
    wait_shown(tab.page, 1)
