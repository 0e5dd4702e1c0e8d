"""Binder and binding: elements that are added, change and are removed."""

import asyncio
from typing import Any

import pytest

from authmedia.elements import binder as binder_module
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import LOADING, SHOWN
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, image, run, shown_in, state_of, turns

OTHER = "mxc://example.org/other"


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    script.media["example.org/other"] = b"another picture"
    return open_loader("blob", homeserver)


def test_near_elements_load_and_far_ones_do_not(loader: MediaLoader, browser: Any) -> None:
    near, far = image(), image(OTHER)

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(near, far)
        binder = bind(root, loader)
        assert [state_of(element) for element in (near, far)] == [LOADING, LOADING]
        await turns()
        assert browser.requests == []
        binder.on_near(0, True)
        await binder.settled()
        assert (state_of(near), state_of(far)) == (SHOWN, LOADING)
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
        assert state_of(element) == LOADING
        gate.set()
        binder.on_near(1, True)
        await binder.settled()
        assert state_of(element) == SHOWN
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
        assert [state_of(element) for element in (shown, loading)] == [SHOWN, LOADING]
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


def test_an_attribute_set_to_its_old_value_restarts_nothing(loader: MediaLoader, browser: Any) -> None:
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        binding, src = binder.bindings[0], element.src
        for name, value in (("data-mxc", element.get_attribute("data-mxc")), ("data-width", ""), ("download", "a")):
            element.set_attribute(name, value)
            binder.on_attributes_changed(1)
        assert binder.bindings == [binding]
        assert (element.src, state_of(element)) == (src, SHOWN)
        for name, value in (("data-mxc", OTHER), ("data-width", "96"), ("data-user-id", loader.user_id)):
            before = binder.bindings
            element.set_attribute(name, value)
            binder.on_attributes_changed(1)
            assert binder.bindings != before, name
        element.set_attribute("data-user-id", "@another:example.org")
        binder.on_attributes_changed(1)
        assert binder.bindings == []
        binder.close()

    run(scenario())


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


def loading(elements: list[Any]) -> list[int]:
    """Returns the numbers of the elements that have a source."""
    return [number for number, element in enumerate(elements) if element.src]


def test_two_hundred_elements_load_at_a_time_and_links_are_requested_by_the_hundred(
    script: Script, homeserver: Homeserver
) -> None:
    transferred = asyncio.Event()
    elements, deferred = many(script, 450), image(loading="lazy")

    async def shows(src: str) -> bool:
        return await transferred.wait()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), open_loader("link", homeserver), near_px=None)
        for number, element in enumerate([*elements, deferred]):
            element.shows = shows
            binder.on_added(number, element)
        await turns(80)
        assert loading(elements) == list(range(200))
        assert deferred.src, "the browser defers it, so it takes no slot"
        for number in range(99):
            binder.on_removed(number)
        await turns(80)
        assert loading(elements) == list(range(99, 200))
        assert "background-image" not in elements[449].styles
        elements[448].set_attribute("data-blurhash", "LEHV6nWB2yk8pyo0adR*.7kCMdnj")
        elements[448].set_attribute("data-method", "scale")
        binder.on_attributes_changed(448)
        await turns(80)
        assert "background-image" in elements[448].styles, "an element that waits has its blurhash"
        binder.on_visible(449, True)
        await turns(80)
        assert loading(elements) == [*range(99, 200), 449]
        binder.on_removed(99)
        binder.on_removed(100)
        await turns(80)
        assert loading(elements) == [*range(101, 300), 449]
        transferred.set()
        await binder.settled()
        assert len(loading(elements)) == 349
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
        assert state_of(other) == LOADING
        binder.on_visible(200, True)
        await turns()
        assert state_of(other) == SHOWN
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
        assert "data-homeserver" in binder_module._OBSERVED_ATTRIBUTES, "whose changes are observed"

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
