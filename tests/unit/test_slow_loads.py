"""What an element says while its homeserver waits for another one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from authmedia.elements import slow_loads
from authmedia.elements.binder import bind
from authmedia.elements.messages import Messages
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, run, state_of, turns

REMOTE = "mxc://far.example/abc"
WORDS = "Waiting for far.example, where this media is from."
POLISH = Messages({"AuthMediaError": "Nie."}, retry="Ponów", lang="pl", waiting_for="Czekamy na {server}.")
STRATEGIES = ("link", "blob", "opfs", "bundle", "auto")


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_loads, "_INTERVAL_S", 0.0)


def words(element: Any) -> list[str]:
    """What follows an element at the moment."""
    return [view.text for view in element.siblings if not view.removed]


async def hold(script: Script, browser: Any, body: "Callable[[asyncio.Event, Any], Any]", mxc: str) -> Any:
    """Binds an element whose media the homeserver holds; calls ``body`` with what releases it, and the element."""
    released = asyncio.Event()
    script.media[mxc[6:]] = PICTURE
    element = fake.Element("img", data_mxc=mxc)

    async def shows(src: str) -> bool:
        await released.wait()
        return True

    def held(request: Any) -> Any:
        if "/download/" in request.url or request.url.endswith("/bundle"):
            usual = script._usual(request)
            usual.gate = released
            return usual
        return None

    script.instead, element.shows = held, shows
    return await body(released, element)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(("messages", "said"), [(None, WORDS), (POLISH, "Czekamy na far.example.")])
def test_it_names_the_other_homeserver_until_the_media_is_there(
    name: str, messages: Messages | None, said: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    async def body(released: asyncio.Event, element: Any) -> None:
        loader = open_loader(name, homeserver)
        binder = bind(fake.Element("div"), loader, near_px=None, messages=messages)
        binder.on_added(1, element)
        binder.on_visible(1, True)
        await turns()
        assert words(element) == []
        browser.clock += 3_000
        await turns()
        assert words(element) == [], "it is not slow yet"
        browser.clock += 2_000
        await turns()
        assert words(element) == [said]
        assert element.get_attribute("data-waiting-for") == "far.example"
        released.set()
        await binder.settled()
        assert state_of(element) == "shown"
        assert words(element) == []
        assert element.get_attribute("data-waiting-for") == ""
        binder.close()
        loader.close()

    run(hold(script, browser, body, REMOTE))
    assert slow_loads.SLOW_LOADS._loads == []


@pytest.mark.parametrize(("mxc", "visible"), [(MXC, True), (REMOTE, False)])
def test_it_says_nothing_of_its_own_homeserver_and_where_it_is_invisible(
    mxc: str, visible: bool, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    async def body(released: asyncio.Event, element: Any) -> None:
        binder = bind(fake.Element("div"), open_loader("blob", homeserver), near_px=None)
        binder.on_added(1, element)
        binder.on_visible(1, visible)
        await turns()
        browser.clock += 9_000
        await turns()
        assert words(element) == []
        binder.close()

    run(hold(script, browser, body, mxc))


def test_an_own_failure_view_is_left_to_itself(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def body(released: asyncio.Event, element: Any) -> None:
        binder = bind(fake.Element("div"), open_loader("blob", homeserver), near_px=None, failure_view=None)
        binder.on_added(1, element)
        binder.on_visible(1, True)
        await turns()
        browser.clock += 9_000
        await turns()
        assert (words(element), element.get_attribute("data-waiting-for")) == ([], "far.example")
        binder.close()
        await turns()
        assert element.get_attribute("data-waiting-for") == ""

    run(hold(script, browser, body, REMOTE))


def test_a_cancelled_load_says_nothing(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def body(released: asyncio.Event, element: Any) -> None:
        binder = bind(fake.Element("div"), open_loader("link", homeserver))
        binder.on_added(1, element)
        binder.on_near(1, True)
        binder.on_visible(1, True)
        await turns()
        browser.clock += 9_000
        await turns()
        assert words(element) == [WORDS]
        binder.on_near(1, False)
        await turns()
        assert words(element) == []
        binder.close()

    run(hold(script, browser, body, REMOTE))
