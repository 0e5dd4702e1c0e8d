"""Pages with more videos than a browser has players for."""

from collections.abc import Iterator
from typing import Any

import pytest

from authmedia.elements import playback
from authmedia.elements.binder import Binder
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import PICTURE, Script, run, state_of, turns

LIMIT = 3


@pytest.fixture(autouse=True)
def _three_players(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(playback, "_MAX_PLAYERS", LIMIT)
    monkeypatch.setattr(playback, "_PLAYERS", [])
    yield
    assert playback._PLAYERS == [], "closed bindings have none"


def videos(script: Script, count: int, tag: str = "video", **attributes: str) -> list[Any]:
    script.media.update({f"example.org/v{number}": PICTURE for number in range(count)})
    return [fake.Element(tag, data_mxc=f"mxc://example.org/v{number}", **attributes) for number in range(count)]


def states(elements: list[Any]) -> list[str]:
    return [state_of(element) for element in elements]


@pytest.mark.parametrize("name", ["link", "blob", "opfs"])
def test_what_is_invisible_gives_its_player_back_and_comes_again(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader(name, homeserver)
    elements = videos(script, 5)
    first, second = elements[0], elements[1]

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate(elements[:LIMIT]):
            binder.on_added(number, element)
        await binder.settled()
        assert states(elements[:LIMIT]) == ["shown"] * LIMIT
        first.current_time, second.playing = 7.5, True
        binder.on_visible(2, True)
        for number in (3, 4):
            binder.on_added(number, elements[number])
            await binder.settled()
            await turns()
        assert states(elements) == ["loading", "shown", "shown", "loading", "shown"], "not what plays or is visible"
        assert first.src == ""
        assert browser.object_urls[first.get_attribute("poster")].content == b"frame"
        binder.on_visible(0, True)
        await binder.settled()
        await turns()
        assert state_of(first) == "shown"
        assert first.current_time == 7.5
        assert first.get_attribute("poster") == ""
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}
    assert all(element.listeners == [] for element in elements)


def test_at_its_beginning_a_video_keeps_its_own_poster(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("blob", homeserver)
    elements = videos(script, LIMIT + 2, poster="/own.png")
    elements[1].shows = None

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate(elements):
            binder.on_added(number, element)
            await binder.settled()
            element.current_time = float(number)
        await turns()
        assert states(elements) == ["loading", "loading", "shown", "shown", "shown"]
        assert elements[0].get_attribute("poster") == "/own.png"
        assert elements[1].get_attribute("poster") != "/own.png"
        binder.close()
        loader.close()

    run(scenario())
    assert {element.get_attribute("poster") for element in elements} == {"/own.png"}
    assert browser.object_urls == {}


def test_what_waits_for_its_playback_has_no_player(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("blob", homeserver)
    elements = videos(script, 9, preload="none")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate(elements):
            binder.on_added(number, element)
        for element in elements[: LIMIT + 1]:
            element.fire("play")
            await binder.settled()
            element.playing = False
        await turns()
        assert states(elements) == ["ready", *["shown"] * LIMIT, *["ready"] * 5]
        elements[0].fire("play")
        await binder.settled()
        assert state_of(elements[0]) == "shown"
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


def test_an_element_that_leaves_while_its_frame_is_captured_stays_empty(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("blob", homeserver)
    elements = videos(script, LIMIT + 1)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate(elements[:LIMIT]):
            binder.on_added(number, element)
        await binder.settled()
        binder.bindings[0]._playback.stop()  # type: ignore[union-attr]  (as `release_players` begins)
        from authmedia.elements.players import _release

        task = _release(binder.bindings[0]._playback)  # type: ignore[arg-type]
        binder.on_removed(0)
        await task
        assert state_of(elements[0]) == ""
        assert elements[0].get_attribute("poster") == ""
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}
