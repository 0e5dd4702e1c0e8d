"""Binder and binding: elements that are added, change and are removed."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements import binder as binder_module
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import FAILED, LOADING, SHOWN, Binding
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import EncryptedFile, Keyring
from authmedia.matrix.homeserver import Homeserver
from authmedia.support import backoff
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run, turns

OTHER = "mxc://example.org/other"


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    script.media["example.org/other"] = b"another picture"
    return open_loader("blob", homeserver)


def image(mxc: str = MXC, **attributes: str) -> Any:
    return fake.Element("img", data_mxc=mxc, **attributes)


def state(element: Any) -> str:
    return str(element.get_attribute("data-state"))


def shown_in(element: Any, browser: Any) -> bytes:
    return bytes(browser.object_urls[element.src].content)


def test_near_elements_load_and_far_ones_do_not(loader: MediaLoader, browser: Any) -> None:
    near, far = image(), image(OTHER)

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(near, far)
        binder = bind(root, loader)
        assert [state(element) for element in (near, far)] == [LOADING, LOADING]
        await turns()
        assert browser.requests == []
        binder.on_near(0, True)
        await binder.settled()
        assert (state(near), state(far)) == (SHOWN, LOADING)
        assert len(browser.requests) == 1
        binder.on_near(1, True)
        await binder.settled()
        assert shown_in(far, browser) == b"another picture"
        binder.close()

    run(scenario())
    assert browser.object_urls == {} or loader.counters.opened == 2


def test_an_element_that_scrolls_by_is_cancelled_and_can_start_anew(
    loader: MediaLoader, script: Script, browser: Any
) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        binder.on_near(1, True)
        await turns()
        binder.on_near(1, False)
        await turns()
        assert len(browser.aborted) == 1
        assert state(element) == LOADING
        gate.set()
        binder.on_near(1, True)
        await binder.settled()
        assert state(element) == SHOWN
        binder.on_near(1, False)
        assert element.src, "what is on show stays"

    run(scenario())
    assert loader.counters.aborted == 1


def test_a_removed_element_is_cancelled_or_released(loader: MediaLoader, script: Script, browser: Any) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate) if "other" in request.url else None
    shown, loading = image(), image(OTHER)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate((shown, loading)):
            binder.on_added(number, element)
        await turns()
        assert [state(element) for element in (shown, loading)] == [SHOWN, LOADING]
        binder.on_removed(0)
        binder.on_removed(1)
        await turns()
        assert binder.bindings == []
        assert shown.src == loading.src == ""
        assert [listener for element in (shown, loading) for listener in element.listeners] == []

    run(scenario())
    assert len(browser.aborted) == 1
    loader.close()
    assert browser.object_urls == {}


def test_the_last_request_wins(loader: MediaLoader, script: Script, browser: Any) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, b"late", gate=gate) if "abc" in request.url else None
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await turns()
        element.set_attribute("data-mxc", OTHER)
        binder.on_attributes_changed(1)
        await binder.settled()
        assert shown_in(element, browser) == b"another picture"
        gate.set()
        await turns()
        assert shown_in(element, browser) == b"another picture", "the slow answer for the old one never appears"
        element.remove_attribute("data-mxc")
        binder.on_removed(1)

    run(scenario())
    loader.close()
    assert browser.object_urls == {}


def test_thousands_of_elements_come_and_go_without_leaks(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.media = {f"example.org/m{number}x": b"%d" % number for number in range(50)}

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for mount in range(5000):
            binder.on_added(mount, image(f"mxc://example.org/m{mount % 50}x"))
            if mount % 3:
                await asyncio.sleep(0)
            if mount >= 20:
                binder.on_removed(mount - 20)
        await binder.settled()
        held = {binding.media.src for binding in binder.bindings if binding.media}
        assert len(binder.bindings) == 20
        assert held <= set(browser.object_urls)
        assert len(browser.object_urls) == loader.counters.opened - loader.counters.released
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}
    assert loader.counters.opened == loader.counters.released


def many(script: Script, count: int) -> list[Any]:
    """As many pictures that are on the server."""
    script.media.update({f"example.org/m{number}x": PICTURE for number in range(count)})
    return [image(f"mxc://example.org/m{number}x") for number in range(count)]


def test_two_hundred_elements_load_at_a_time_and_links_are_requested_by_the_hundred(
    script: Script, homeserver: Homeserver
) -> None:
    come = asyncio.Event()
    elements, put_off = many(script, 450), image(loading="lazy")

    async def waits(src: str) -> bool:
        await come.wait()
        return True

    def loading() -> list[int]:
        return [number for number, element in enumerate(elements) if element.src]

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), open_loader("link", homeserver), near_px=None)
        for number, element in enumerate([*elements, put_off]):
            element.shows = waits
            binder.on_added(number, element)
        await turns(80)
        assert loading() == list(range(200))
        assert put_off.src, "the browser puts it off: it takes nobody's place"
        for number in range(99):
            binder.on_removed(number)
        await turns(80)
        assert loading() == list(range(99, 200))
        assert "background-image" not in elements[449].styles
        elements[448].set_attribute("data-blurhash", "LEHV6nWB2yk8pyo0adR*.7kCMdnj")
        binder.on_attributes_changed(448)
        await turns(80)
        assert "background-image" in elements[448].styles, "what waits has its blurhash"
        binder.on_visible(449, True)
        await turns(80)
        assert loading() == [*range(99, 200), 449]
        binder.on_removed(99)
        binder.on_removed(100)
        await turns(80)
        assert loading() == [*range(101, 300), 449]
        come.set()
        await binder.settled()
        assert len(loading()) == 349
        binder.close()

    run(scenario())
    assert [len(batch) for batch in script.batches if batch] == [100, 100, 1, 1, 100, 100, 49]


def test_a_visible_element_does_not_wait_for_stalled_ones(loader: MediaLoader, script: Script, browser: Any) -> None:
    never = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=never) if "abc" in request.url else None
    other = image(OTHER)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        for number in range(200):
            binder.on_added(number, image())
            binder.on_near(number, True)
        binder.on_added(200, other)
        binder.on_near(200, True)
        await turns()
        assert state(other) == LOADING
        binder.on_visible(200, True)
        await turns()
        assert state(other) == SHOWN
        binder.close()

    run(scenario())


def test_a_closed_binder_starts_no_load(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate(many(script, 500)):
            binder.on_added(number, element)
        binder.close()
        await turns()

    run(scenario())
    assert loader.counters.opened == 0
    assert browser.requests == []


def test_on_change_may_retry_a_failure_at_once(loader: MediaLoader, script: Script, browser: Any) -> None:
    gate = asyncio.Event()
    answers = [error(404, "M_NOT_FOUND", "Not found"), fake.Response(200, PICTURE, gate=gate)]
    script.instead = lambda request: answers.pop(0)
    element = image()

    def on_change(binding: Binding) -> None:
        if binding.state == FAILED:
            binding.retry()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None, on_change=on_change)
        binder.on_added(1, element)
        await turns()
        waiting = asyncio.create_task(binder.settled())
        await turns()
        assert state(element) == LOADING
        assert not waiting.done(), "it has begun anew"
        gate.set()
        await waiting
        assert state(element) == SHOWN
        binder.close()

    run(scenario())


def test_settled_can_be_awaited_before_start(loader: MediaLoader, browser: Any) -> None:
    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, image())
        waiting = asyncio.create_task(binder.bindings[0].settled())
        await turns()
        binder.on_near(1, True)
        await waiting
        binder.close()

    run(scenario())


def test_a_failed_element_can_be_retried(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Not found")
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state(element) == FAILED
        (words,) = element.siblings
        (button,) = words.children
        assert button.text == "Try again"
        script.instead = None
        button.fire("click")
        await binder.settled()
        assert state(element) == SHOWN
        assert words.removed
        assert button.listeners == []
        assert binder.bindings[0].failure is None

    run(scenario())


@pytest.mark.parametrize("when", ["before", "while"])
def test_seeking_while_a_link_is_replaced_is_respected(script: Script, homeserver: Homeserver, when: str) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)

    async def seek(_src: str) -> bool:
        video.current_time = 20.0
        return True

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        first, video.current_time = video.src, 3.0
        script.instead = lambda request: error(403, "M_FORBIDDEN", "Expired") if request.url == first else None
        video.fire("error")
        if when == "before":
            video.current_time = 20.0
        else:
            video.shows = seek
        await turns(60)
        assert video.src != first
        assert video.current_time == 20.0

    run(scenario())


def test_an_expired_link_of_a_video_is_replaced_at_its_position(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        first = video.src
        video.current_time, video.playing = 12.5, True
        script.instead = lambda request: (
            error(403, "M_FORBIDDEN", "The link has expired") if request.url == first else None
        )
        video.fire("error")
        video.playing = False
        await turns(60)
        assert video.src != first
        assert (video.current_time, video.playing) == (12.5, True)
        assert state(video) == SHOWN
        script.instead = lambda request: error(404, "M_NOT_FOUND", "It was removed")
        video.fire("error")
        await turns(60)
        assert state(video) == FAILED
        assert isinstance(binder.bindings[0].failure, errors.MediaNotFound)

    run(scenario())


@pytest.mark.usefixtures("no_pauses")
def test_a_broken_connection_of_a_video_is_replaced(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)
    downs = [True, True]

    def down_for_a_while(request: Any) -> Any:
        return fake.BrowserError("TypeError", "Failed to fetch") if "/signed/" in request.url and downs.pop() else None

    async def shows(src: str) -> bool:
        return len(downs) == 0

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        # Its server is away while it is asked why, and when the video tries again.
        video.current_time, video.playing, video.has_network_error = 12.5, True, True
        script.instead = lambda request: down_for_a_while(request) if downs else None
        video.shows = shows
        video.fire("error")
        await turns(200)
        assert state(video) == SHOWN
        assert (video.current_time, video.playing) == (12.5, True)
        # It breaks off at one place again and again, though its link is good.
        video.shows = None
        for _ in range(backoff.MAX_ATTEMPTS):
            video.fire("error")
            await turns(100)
        assert state(video) == FAILED
        assert isinstance(binder.bindings[0].failure, errors.TransferInterrupted)
        binder.bindings[0].retry()
        await binder.settled()
        assert state(video) == SHOWN

    run(scenario())


def test_a_video_that_fails_before_it_begins_is_retried_once(script: Script, homeserver: Homeserver) -> None:
    script.media[OTHER[6:]] = b"no film"
    loader = open_loader("link", homeserver)
    video, bad = fake.Element("video", data_mxc=MXC), fake.Element("video", data_mxc=OTHER)
    tries: list[str] = []

    async def shows_in_the_end(src: str) -> bool:
        tries.append(src)
        return len(tries) == 2

    async def never_shows(_src: str) -> bool:
        return False

    async def scenario() -> None:
        video.shows, bad.shows = shows_in_the_end, never_shows
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        binder.on_added(2, bad)
        await binder.settled()
        assert (state(video), state(bad)) == (SHOWN, FAILED)
        assert isinstance(binder.bindings[1].failure, errors.WrongContent)

    run(scenario())


def test_retrying_keeps_the_keyboard_focus(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "It was removed")
    element = image(alt="A cat")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        (words,) = element.siblings
        (button,) = words.children
        assert button.get_attribute("aria-label") == "Try again: A cat"
        words.has_focus = True
        button.fire("click")
        assert browser.focused is element
        element.has_focus = True
        await binder.settled()
        assert browser.focused is element.siblings[-1].children[0], "it failed again"

    run(scenario())


def test_reserved_space_is_removed_with_its_media(loader: MediaLoader) -> None:
    element = image(data_width="96", data_height="96", data_method="crop")
    own = image(data_width="96", data_height="96", data_method="crop", width="50", height="50")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        binder.on_added(2, own)
        element.given["data-width"] = element.given["data-height"] = "32"
        binder.on_attributes_changed(1)
        assert (element.get_attribute("width"), element.get_attribute("height")) == ("32", "32")
        binder.close()
        assert (element.get_attribute("width"), own.get_attribute("width")) == ("", "50")

    run(scenario())


def test_two_accounts_share_a_page(script: Script, browser: Any) -> None:
    ana = open_loader("blob", Homeserver("http://home.test", "@ana:example.org", "token-of-ana"))
    ben = open_loader("blob", Homeserver("http://other.test", "@ben:example.net", "token-of-ben"))
    of_ana = image(data_user_id="@ana:example.org")
    of_ben = image(data_user_id="@ben:example.net")

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(of_ana, of_ben)
        binders = [bind(root, loader, near_px=None) for loader in (ana, ben)]
        for binder in binders:
            await binder.settled()
        assert [len(binder.bindings) for binder in binders] == [1, 1]
        sent = {request.url.split("/_matrix")[0]: request.headers["Authorization"] for request in browser.requests}
        assert sent == {"http://home.test": "Bearer token-of-ana", "http://other.test": "Bearer token-of-ben"}
        of_ben.set_attribute("data-user-id", "@ana:example.org")
        for binder in binders:
            binder.on_attributes_changed(1)
            await binder.settled()
        assert [len(binder.bindings) for binder in binders] == [2, 0]
        ben.close()
        assert browser.object_urls[of_ana.src].content == PICTURE

    run(scenario())


def test_two_homeservers_that_name_the_same_user_share_a_page(script: Script, browser: Any) -> None:
    servers = ("http://home.test", "http://false.test")
    loaders = [open_loader("blob", Homeserver(server, "@ana:example.org", server)) for server in servers]
    images = [image(data_user_id="@ana:example.org", data_homeserver=server) for server in servers]

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(*images)
        binders = [bind(root, loader, near_px=None) for loader in loaders]
        for binder in binders:
            await binder.settled()
        sent = [(request.url.split("/_matrix")[0], request.headers["Authorization"]) for request in browser.requests]
        assert sent == [(server, f"Bearer {server}") for server in servers]
        assert [len(binder.bindings) for binder in binders] == [1, 1]
        images[0].set_attribute("data-homeserver", servers[1])
        for binder in binders:
            binder.on_attributes_changed(0)
            await binder.settled()
        assert [len(binder.bindings) for binder in binders] == [0, 2]
        assert "data-homeserver" in binder_module._ATTRIBUTES, "which changes are told of"

    run(scenario())


def test_keys_come_from_the_keyring_never_from_the_document(loader: MediaLoader, script: Script, browser: Any) -> None:
    ciphertext, file = encrypt(PICTURE)
    script.media["example.org/secret"] = ciphertext
    keyring = Keyring()
    mxc = "mxc://example.org/secret"
    handle, broken = keyring.add({**file, "url": mxc}), keyring.add({**file, "url": OTHER, "v": "v9"})
    good = image(mxc, data_encrypted=handle, data_width="96", data_height="96")
    bad, plain = image(OTHER, data_encrypted=broken), image(OTHER)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, keyring=keyring, near_px=None)
        binder.on_added(1, good)
        binder.on_added(2, bad)
        binder.on_added(3, plain)
        await binder.settled()
        assert shown_in(good, browser) == PICTURE
        assert shown_in(plain, browser) == b"another picture", "whatever a message says of it"
        assert state(bad) == FAILED
        assert isinstance(binder.bindings[1].failure, errors.MalformedEncryptedFile)
        key = EncryptedFile({**file, "url": mxc}).key
        assert not [text for element in (good, bad) for text in element.given.values() if key in text]

    run(scenario())


@pytest.mark.parametrize("size", ["²", "wide", "-1", "9" * 5000])
def test_an_invalid_size_requests_the_media_itself(loader: MediaLoader, browser: Any, size: str) -> None:
    element = image(data_width=size, data_height="96")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state(element) == SHOWN
        assert ["/download/" in request.url for request in browser.requests] == [True]

    run(scenario())


def test_space_is_reserved_and_shows_the_blurhash(loader: MediaLoader, script: Script) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
    sized = {"data_width": "96", "data_height": "64", "data_method": "crop"}
    element = image(data_blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj", **sized)
    odd = image(data_blurhash="not a blurhash", width="30", **sized)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        binder.on_added(2, odd)
        await turns()
        assert (element.get_attribute("width"), element.get_attribute("height")) == ("96", "64")
        assert (odd.get_attribute("width"), odd.get_attribute("height")) == ("30", "")
        assert element.styles["background-image"].startswith("url(data:image/bmp;base64,")
        assert odd.styles == {}
        gate.set()
        await binder.settled()
        assert "background-image" not in element.styles

    run(scenario())


@pytest.mark.parametrize("name", ["blob", "opfs"])
def test_progress_is_shown_on_the_element_while_it_loads(name: str, script: Script, homeserver: Homeserver) -> None:
    element = image()
    told: list[str] = []
    keep, element.set_attribute = (
        element.set_attribute,
        lambda key, value: (told.append(value) if "progress" in key else None, keep(key, value)),
    )

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), open_loader(name, homeserver), near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert told == ["50"]
        assert element.get_attribute("data-progress") == ""

    run(scenario())


def test_a_changed_element_stays_visible(loader: MediaLoader) -> None:
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        binder.on_near(1, True)
        binder.on_visible(1, True)
        await binder.settled()
        element.set_attribute("data-mxc", OTHER)
        binder.on_attributes_changed(1)
        assert binder.bindings[0].visible
        await binder.settled()
        binder.on_near(1, False)
        element.set_attribute("data-mxc", MXC)
        binder.on_attributes_changed(1)
        assert not binder.bindings[0].started, "it is far away now"

    run(scenario())


def test_settled_does_not_wait_for_cancelled_elements(loader: MediaLoader, script: Script) -> None:
    script.instead = lambda request: fake.Response(200, PICTURE, gate=asyncio.Event())

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, image())
        binder.on_near(1, True)
        waiting = asyncio.create_task(binder.settled())
        await turns()
        binder.on_near(1, False)
        await waiting

    run(scenario())


def test_two_videos_of_one_link_both_continue_when_it_expires(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("auto", homeserver)
    videos = [fake.Element("video", data_mxc=MXC) for _ in range(2)]

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, video in enumerate(videos):
            binder.on_added(number, video)
        await binder.settled()
        first = videos[0].src
        assert videos[1].src == first
        script.instead = lambda request: error(403, "M_FORBIDDEN", "Over") if request.url == first else None
        for video in videos:
            video.fire("error")
            await turns(60)
            assert video.src != first
            assert state(video) == SHOWN
        assert videos[0].src == videos[1].src
        binder.close()

    run(scenario())


def test_an_unexpected_error_is_shown_without_its_message(loader: MediaLoader, monkeypatch: Any) -> None:
    async def broken(*_arguments: object) -> None:
        raise KeyError("http://home.test/signed/secret")

    monkeypatch.setattr(MediaLoader, "load", broken)
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state(element) == FAILED
        assert "secret" not in str(binder.bindings[0].failure)

    run(scenario())
