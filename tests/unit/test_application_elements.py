"""Backgrounds, links that save files, and thumbnails for screens with several pixels for each CSS pixel."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements import download, file_saving
from authmedia.elements.background import css_url
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import FAILED, LOADING, SHOWN
from authmedia.elements.element_request import pixel_scale
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, image, run, state_of, turns

BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("blob", homeserver)


def test_a_background_is_shown_over_its_blurhash_and_removed(loader: MediaLoader, script: Script, browser: Any) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
    element = fake.Element("header", data_mxc_background=MXC, data_blurhash=BLURHASH, data_method="crop")
    element.set_style("background-size", "contain")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await turns(20)
        assert element.styles["background-image"].startswith("url(data:image/bmp")
        assert state_of(element) == LOADING
        gate.set()
        await binder.settled()
        assert state_of(element) == SHOWN
        (url,) = browser.object_urls
        assert element.styles == {"background-image": f'url("{url}")', "background-size": "contain"}
        binder.bindings[0]._placeholder.show_blurhash(BLURHASH)  # as the idle queue does when it comes late
        binder.bindings[0]._placeholder.clear()
        assert element.styles["background-image"] == f'url("{url}")'
        binder.on_removed(1)
        assert element.styles == {"background-size": "contain"}
        assert "data-state" not in element.given

    run(scenario())
    loader.close()
    assert browser.object_urls == {}


def test_a_background_that_is_no_image_fails_in_words(loader: MediaLoader, browser: Any) -> None:
    element = fake.Element("header", data_mxc_background=MXC)
    browser.undecodable.update(f"blob:page/{number}" for number in range(9))

    async def scenario() -> None:
        binder = bind(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state_of(element) == FAILED
        assert "background-image" not in element.styles
        assert len(element.siblings) == 1
        binder.close()

    run(scenario())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("blob:http://a.test/1", 'url("blob:http://a.test/1")'),
        ("https://a.test/(1)'?a=b", 'url("https://a.test/(1)\'?a=b")'),
        ('https://a.test/"),url("//b.test', 'url("https://a.test/\\"),url(\\"//b.test")'),
        ("https://a.test/\\\n\r\f", 'url("https://a.test/\\\\\\a \\d \\c ")'),
    ],
)
def test_a_url_is_escaped_for_a_style_sheet(url: str, expected: str) -> None:
    assert css_url(url) == expected


def test_a_link_saves_its_file_whenever_it_is_followed(
    loader: MediaLoader, script: Script, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_saving, "RELEASE_DELAY_S", 0.01)
    element = fake.Element("a", data_mxc=MXC, download="walk.gpx")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        binder.on_near(1, True)
        await binder.settled()  # at once: nothing was asked for
        assert (browser.requests, state_of(element)) == ([], download.READY)
        assert (element.get_attribute("role"), element.get_attribute("tabindex")) == ("link", "0")
        element.fire("click")
        element.fire("click")
        binder.on_near(1, False)  # scrolled away: it goes on
        await binder.settled()
        assert state_of(element) == SHOWN
        (saved,) = browser.clicked
        assert saved.given == {"href": next(iter(browser.object_urls)), "download": "walk.gpx"}
        await asyncio.sleep(0.05)
        assert loader._pipeline._idle_bytes == len(PICTURE), "it is released, and stays within the idle budget"
        element.fire("click")
        await binder.settled()
        assert len(browser.clicked) == 2
        binder.close()
        assert element.given == {"data-mxc": MXC, "download": "walk.gpx"}
        assert element.listeners == []

    run(scenario())
    loader.close()
    assert browser.object_urls == {}


def test_a_link_that_failed_is_followed_again(loader: MediaLoader, script: Script, browser: Any) -> None:
    answers = [error(404, "M_NOT_FOUND", "Not found")]
    script.instead = lambda request: answers.pop(0) if answers else None
    element = fake.Element("a", data_mxc=MXC, download="", href="#")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        assert "role" not in element.given
        element.fire("click")
        await binder.settled()
        assert state_of(element) == FAILED
        assert browser.clicked == []
        element.fire("click")
        await binder.settled()
        assert [saved.get_attribute("download") for saved in browser.clicked] == ["file"]
        assert element.siblings[0].removed, "the failure view"
        binder.close()

    run(scenario())


TOO_OLD = "The file is here. Press again to save it."


def test_a_file_that_arrives_after_its_click_is_saved_by_the_next_one(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = open_loader("link", homeserver)
    element = fake.Element("a", data_mxc=MXC, download="walk.gpx", href="#")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        browser.opens_tabs = False
        element.fire("click")
        await binder.settled()
        assert (state_of(element), browser.tabs) == (FAILED, [])
        (view,) = element.siblings
        assert (view.text, view.children) == (TOO_OLD, []), "the link itself is pressed again"
        element.fire("click")  # of a script
        assert (state_of(element), browser.tabs) == (FAILED, [])
        browser.opens_tabs = True
        element.fire("click")
        assert len(browser.tabs) == 1
        assert (state_of(element), view.removed, len(script.batches)) == (SHOWN, True, 1)
        browser.opens_tabs = False
        element.fire("click")
        await binder.settled()
        assert state_of(element) == FAILED
        binder.close()

    run(scenario())
    assert loader._pipeline._cache == {}
    loader.close()


@pytest.mark.parametrize("again", [True, False])
def test_a_file_that_arrives_after_its_click_is_kept_for_a_while(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    monkeypatch.setattr(file_saving, "RELEASE_DELAY_S", 0.02)
    loader, request = open_loader("link", homeserver), MediaRequest(MXC, kind="file")

    async def scenario() -> None:
        browser.opens_tabs = False
        with pytest.raises(errors.ActivationEnded) as caught:
            await file_saving.save_media(loader, request, "walk.gpx")
        assert caught.value.user_message == TOO_OLD
        browser.opens_tabs = True
        if again:
            await file_saving.save_media(loader, request, "walk.gpx")
            assert (len(browser.tabs), len(script.batches)) == (1, 1)
        await asyncio.sleep(0.08)
        assert loader._pipeline._cache == {}, "it is released"
        assert file_saving._arrived == {}

    run(scenario())
    loader.close()


def test_a_signed_link_is_saved_in_another_tab(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        await file_saving.save_media(loader, MediaRequest(MXC, kind="file"), "walk.gpx")
        assert browser.clicked == []
        (tab,) = browser.tabs
        assert tab.startswith("http://home.test/signed/")
        (entry,) = script.batches[-1]
        assert entry == {"mxc": MXC, "download": True, "filename": "walk.gpx"}
        await file_saving.save_media(loader, MediaRequest(MXC, kind="file"), "ходьба.gpx")
        assert script.batches[-1][0]["filename"] == "ходьба.gpx", "the other name is another link"
        loader.close()

    run(scenario())


@pytest.mark.parametrize(
    ("ratio", "side", "expected"),
    [(0.5, 96, 1), (1, 96, 1), (1.1, 96, 1.5), (1.5, 96, 1.5), (2, 96, 2), (2.625, 96, 3), (4, 96, 3), (2, 960, 2)],
)
def test_thumbnails_have_pixels_for_the_screen_within_limits(ratio: float, side: int, expected: float) -> None:
    assert pixel_scale(ratio, side) == expected


@pytest.mark.parametrize(("css_pixels", "query"), [(False, "width=96&height=72"), (True, "width=192&height=144")])
def test_css_pixels_are_asked_for(
    loader: MediaLoader, script: Script, browser: Any, css_pixels: bool, query: str
) -> None:
    browser.pixel_ratio = 2.0

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None, css_pixels=css_pixels)
        element = image(data_width="96", data_height="72", data_method="crop")
        binder.on_added(1, element)
        await binder.settled()
        assert query in browser.requests[0].url
        assert element.get_attribute("width") == "96", "the space in the layout stays the same"
        binder.close()

    run(scenario())


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("walk.gpx", "walk.gpx"),
        ("", ""),
        ("a" * 300 + ".gpx", "a" * 251 + ".gpx"),
        ("я" * 200 + ".tar.gz", "я" * 126 + ".gz"),
        ("a" * 300, "a" * 255),
        ("." + "b" * 300, "." + "b" * 254),
        ("half \ud83d of a pair", "half  of a pair"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
    ],
)
def test_a_name_fits_disks_and_links_and_keeps_its_end(name: str, portable: str) -> None:
    assert file_saving.portable_name(name) == portable
    assert len(portable.encode()) <= 255


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle"])
def test_an_empty_file_without_a_length_is_saved_as_an_empty_file(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.instead = lambda request: (
        fake.Response(200, b"", {"Content-Type": "text/plain"}) if "/abc" in request.url else None
    )

    async def scenario() -> None:
        loader = open_loader(name, homeserver)
        await file_saving.save_media(loader, MediaRequest(MXC, kind="file"), "empty.txt")
        (saved,) = browser.clicked
        assert browser.object_urls[saved.get_attribute("href")].content == b""
        loader.close()

    run(scenario())
