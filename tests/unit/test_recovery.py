"""What failed for want of a network, or waits for an upload, loads again by itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from authmedia import errors, strategies
from authmedia.elements import recovery
from authmedia.elements.binder import Binder
from authmedia.elements.binding import FAILED, LOADING, SHOWN, Binding
from authmedia.elements.element_options import ElementOptions
from authmedia.elements.messages import Messages
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, error, image, part, run, state_of, turns

OFFLINE = fake.BrowserError("TypeError", "Failed to fetch")
NOT_YET = (504, "M_NOT_YET_UPLOADED", "Media has not been uploaded yet")
WORDS = "The server cannot be reached. Waiting for the network."
OTHER = "mxc://example.org/other"

pytestmark = pytest.mark.usefixtures("no_pauses")


def offline(request: Any) -> Any:
    return OFFLINE


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def bound(homeserver: Homeserver, strategy: str, *elements: Any, **options: Any) -> Binder:
    """A binder whose elements have settled."""
    binder = Binder(fake.Element("div"), open_loader(strategy, homeserver), near_px=None, **options)
    for number, element in enumerate(elements):
        binder.on_added(number, element)
    await binder.settled()
    return binder


def words_of(element: Any) -> list[str]:
    return [view.text for view in element.siblings if not view.removed]


def online(binder: Binder, browser: Any, script: Script) -> None:
    browser.connectivity[0].handler()


def seen(binder: Binder, browser: Any, script: Script) -> None:
    browser.clock += 2000
    binder.on_visible(0, True)


def another_is_shown(binder: Binder, browser: Any, script: Script) -> None:
    binder.on_added(9, image(OTHER))


@pytest.mark.parametrize("strategy", [*strategies.NAMES, "auto"])
@pytest.mark.parametrize("event", [online, seen, another_is_shown])
def test_what_failed_for_want_of_a_network_loads_again(
    script: Script, homeserver: Homeserver, browser: Any, strategy: str, event: Callable[..., None]
) -> None:
    script.media["example.org/other"] = b"\x89PNG other"
    element = image()

    async def scenario() -> None:
        script.instead = offline
        binder = await bound(homeserver, strategy, element)
        assert (state_of(element), words_of(element)) == (FAILED, [WORDS])
        script.instead = None
        event(binder, browser, script)
        await until(lambda: state_of(element) == SHOWN)
        assert words_of(element) == []
        assert browser.connectivity == [], "nothing listens any more"
        binder.close()

    run(scenario())


def test_one_element_tries_from_time_to_time_and_the_others_follow(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.media = {f"example.org/m{number}": b"\x89PNG" for number in range(5)}
    elements = [image(f"mxc://example.org/m{number}") for number in range(5)]
    slept: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds > 1:
            slept.append(seconds)
            browser.clock += seconds * 1000
        await real_sleep(0)

    monkeypatch.setattr(recovery.asyncio, "sleep", sleep)

    async def scenario() -> None:
        script.instead = offline
        binder = await bound(homeserver, "blob", *elements)
        before = len(browser.requests)
        await until(lambda: len(slept) >= 2)
        assert len(browser.requests) - before <= 2 * 4, "one of them tried"
        script.instead = None
        await until(lambda: all(state_of(element) == SHOWN for element in elements))
        binder.close()

    run(scenario())


def test_what_is_closed_or_fails_otherwise_waits_no_more(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = offline
        binder = await bound(homeserver, "blob", image(), image(OTHER))
        binder.on_removed(0)
        script.instead = lambda request: error(404, "M_NOT_FOUND", "It was removed")
        online(binder, browser, script)
        await turns(50)
        assert browser.connectivity == []
        (binding,) = binder.bindings
        assert isinstance(binding.failure, errors.MediaNotFound)
        assert words_of(binding.element) == [errors.MediaNotFound.user_message]
        binder.close()

    run(scenario())


def test_a_download_does_not_start_by_itself(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = offline
        binder = await bound(homeserver, "blob", fake.Element("a", data_mxc=MXC, download="walk.gpx"))
        (link,) = binder.bindings
        link.element.fire("click")
        await link.settled()
        assert link.state == FAILED
        assert browser.connectivity == []
        binder.close()

    run(scenario())


@pytest.mark.parametrize("strategy", [*strategies.NAMES, "auto"])
def test_a_media_that_is_not_yet_uploaded_appears_by_itself(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    uploaded: list[bool] = []

    def instead(request: Any) -> Any:
        if uploaded or "/links" in request.url or "/config" in request.url:
            return None
        if request.url.endswith(AUTHMEDIA_PREFIX + "/bundle"):
            return fake.Response(200, part(0, error(*NOT_YET).content, 504, "application/json"))
        return error(*NOT_YET)

    element = image(data_width="96", data_height="96")

    async def shows(src: str) -> bool:
        return bool(uploaded)

    element.shows = shows
    monkeypatch.setattr(recovery, "_FIRST_DELAY_MS", 1.0)

    async def scenario() -> None:
        script.instead = instead
        binder = await bound(homeserver, strategy, element)
        assert type(binder.bindings[0].failure) is errors.NotYetUploaded
        assert words_of(element) == ["This media is still being uploaded."]
        uploaded.append(True)
        browser.clock += 100
        for _ in range(500):
            await asyncio.sleep(0.002)
            if state_of(element) == SHOWN:
                break
        assert state_of(element) == SHOWN
        binder.close()

    run(scenario())


def test_an_application_has_its_own_words_for_the_wait(script: Script, homeserver: Homeserver, browser: Any) -> None:
    messages = Messages({"AuthMediaError": "Fehler."}, retry="Nochmal", waiting="Warte auf das Netz.", lang="de")
    element = image()

    async def scenario() -> None:
        script.instead = offline
        options = ElementOptions("blurhash", "message", messages, "default", None, None)
        binder = await bound(homeserver, "blob", element, options=options)
        assert words_of(element) == ["Fehler. Warte auf das Netz."]
        binder.close()

    run(scenario())


@pytest.mark.parametrize("strategy", strategies.NAMES)
def test_try_again_asks_the_network(script: Script, homeserver: Homeserver, browser: Any, strategy: str) -> None:
    """A network's sign-in page, with status 200, is neither kept nor shown for ever."""
    script.media["example.org/abc"] = b"<html>Sign in to this network</html>"
    element = image()

    async def shows(src: str) -> bool:
        content = browser.object_urls[src].content if src.startswith("blob:") else script.media["example.org/abc"]
        return b"<html>" not in content

    element.shows = shows

    async def no_image(url: str) -> bool:
        return False

    fake_decoder, fake.can_decode_image = fake.can_decode_image, no_image

    async def scenario() -> None:
        binding = Binding(element, open_loader(strategy, homeserver))
        binding.start()
        await binding.settled()
        assert type(binding.failure) is errors.WrongContent
        assert not any(b"<html>" in content for content in browser.files.values()), "it is not on disk"
        script.media["example.org/abc"] = b"\x89PNG picture"
        binding.retry()
        assert state_of(element) == LOADING
        await binding.settled()
        assert state_of(element) == SHOWN
        assert script.fresh == ([MXC] if strategy == "link" else []), "a link that no cache knows"
        assert strategy != "delegated" or "&r=" in element.src
        binding.close()

    try:
        run(scenario())
    finally:
        fake.can_decode_image = fake_decoder


@pytest.mark.parametrize("mxc", [MXC, "mxc://slow.example/abc"])
def test_a_media_of_a_silent_homeserver_appears_once_that_answers(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch, mxc: str
) -> None:
    element = image(mxc)
    script.media["slow.example/abc"] = b"\x89PNG"
    monkeypatch.setattr(recovery, "_FIRST_DELAY_MS", 1.0)

    async def scenario() -> None:
        script.instead = lambda request: error(504, "M_UNKNOWN", "Failed to fetch remote media")
        binder = await bound(homeserver, "blob", element)
        elsewhere = "slow.example, where this media is from, does not answer. It is asked again from time to time."
        own = "The server had a problem with this media."
        assert words_of(element) == [own if mxc == MXC else elsewhere]
        script.instead = None
        browser.clock += 100
        for _ in range(100):
            await asyncio.sleep(0.002)
        assert state_of(element) == (FAILED if mxc == MXC else SHOWN)
        binder.close()

    run(scenario())


def test_one_element_asks_whether_another_homeserver_answers(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"slow.example/m{number}" for number in range(6)] + ["other.example/m"]
    script.media = dict.fromkeys(names, b"\x89PNG")
    elements = [image("mxc://" + name) for name in names]
    real_sleep, asked = asyncio.sleep, list[tuple[float, str]]()

    async def sleep(seconds: float) -> None:
        if seconds > 1:
            browser.clock += seconds * 1000
        browser.clock += 1  # no two fail at the same moment
        await real_sleep(0)

    monkeypatch.setattr(recovery.asyncio, "sleep", sleep)
    is_down = True

    def instead(request: Any) -> Any:
        asked.append((browser.clock, request.url.rpartition("/download/")[2]))
        return error(504, "M_UNKNOWN", "Failed to fetch remote media") if is_down else None

    async def scenario() -> None:
        nonlocal is_down
        script.instead = instead
        binder = await bound(homeserver, "blob", *elements)
        start = browser.clock
        asked.clear()
        await until(lambda: browser.clock > start + 50_000)
        by_name = {name: [at for at, other in asked if other == name] for _, name in asked}
        assert set(by_name) == {names[0], names[-1]}, "one of each homeserver"
        is_down = False
        await until(lambda: all(state_of(element) == SHOWN for element in elements))
        binder.close()

    run(scenario())


def test_an_exception_of_the_application_ends_no_other_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting:
        kind, mxc = "image", MXC

        def __init__(self, raises: bool) -> None:
            self.raises, self.loads = raises, 0

        def load_again(self) -> None:
            self.loads += 1
            if self.raises:
                raise RuntimeError("on_state_change")

    async def scenario() -> None:
        waits, first, second = recovery.Recovery(), Waiting(True), Waiting(False)
        monkeypatch.setattr(recovery, "_FIRST_DELAY_MS", 0)
        waits.add(first, errors.NotYetUploaded("It is not there yet"))
        assert waits._task
        with pytest.raises(RuntimeError):
            await waits._task
        assert first.loads == 1
        waits.add(second, errors.NotYetUploaded("It is not there yet"))
        await until(lambda: second.loads == 1)

    run(scenario())
