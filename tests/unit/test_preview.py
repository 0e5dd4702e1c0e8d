"""Small before large: the event's own thumbnail behind an image that is on its way."""

import asyncio
from typing import Any

import pytest

from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import FAILED, LOADING, SHOWN
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, run, state_of, turns

SMALL, SMALL_MXC = b"\x89PNG small", "mxc://example.org/small"
BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    script.media["example.org/small"] = SMALL
    return open_loader("blob", homeserver)


class Slow:
    """Answers requests for the whole image when the gate opens."""

    def __init__(self, script: Script, answer: Any = None) -> None:
        self.gate = asyncio.Event()
        script.instead = lambda request: (answer or self.body)() if "/abc" in request.url else None

    def body(self) -> Any:
        return fake.Response(200, PICTURE, {"Content-Type": "image/png"}, gate=self.gate)


def shown_behind(element: Any, browser: Any) -> bytes:
    url = element.styles.get("background-image", "")[5:-2]
    return browser.object_urls[url].content if url in browser.object_urls else b""


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_thumbnail_is_shown_until_the_image_is_there(
    encrypted: bool, loader: MediaLoader, script: Script, browser: Any
) -> None:
    keyring, given = Keyring(), {}
    if encrypted:
        script.media["example.org/small"], file = encrypt(SMALL)
        given = {
            "data_thumbnail_encrypted": keyring.add({**file, "url": SMALL_MXC}),
            "data_thumbnail_type": "image/png",
        }
    element = fake.Element("img", data_mxc=MXC, data_thumbnail=SMALL_MXC, data_blurhash=BLURHASH, **given)

    async def scenario() -> None:
        slow = Slow(script)
        binder = Binder(fake.Element("div"), loader, keyring=keyring, near_px=None)
        binder.on_added(1, element)
        await turns(30)
        assert state_of(element) == LOADING
        assert shown_behind(element, browser) == SMALL
        slow.gate.set()
        await binder.settled()
        assert state_of(element) == SHOWN
        assert browser.object_urls[element.src].content == PICTURE
        assert element.styles == {}
        binder.on_removed(1)

    run(scenario())
    loader.close()
    assert browser.object_urls == {}


def test_a_thumbnail_that_fails_is_left_out(loader: MediaLoader, script: Script, browser: Any) -> None:
    element = fake.Element("img", data_mxc=MXC, data_thumbnail="mxc://example.org/missing")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state_of(element) == SHOWN
        assert element.siblings == []
        binder.close()

    run(scenario())


@pytest.mark.parametrize("leaves", ["fails", "is far away", "is removed"])
def test_the_thumbnail_is_released_when_the_image_does_not_come(
    leaves: str, loader: MediaLoader, script: Script, browser: Any
) -> None:
    element = fake.Element("img", data_mxc=MXC, data_thumbnail=SMALL_MXC)

    async def scenario() -> None:
        slow = Slow(script)
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await turns(30)
        assert shown_behind(element, browser) == SMALL
        if leaves == "fails":
            browser.undecodable.update(f"blob:page/{number}" for number in range(9))
            slow.gate.set()
            await binder.settled()
            assert state_of(element) == FAILED
        elif leaves == "is far away":
            binder.on_near(1, False)
        else:
            binder.on_removed(1)
        await turns(5)
        assert "background-image" not in element.styles
        binder.close()

    run(scenario())
    loader.close()
    assert browser.object_urls == {}


@pytest.mark.parametrize("tag", ["img", "video"])
def test_a_thumbnail_and_a_poster_have_the_cache_policy_of_all_elements(
    tag: str, loader: MediaLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []
    load = loader._pipeline.schedule

    async def schedule(request: Any, waiter: Any) -> Any:
        requested.append(request.cache)
        return await load(request, waiter)

    monkeypatch.setattr(type(loader._pipeline), "schedule", lambda self, request, waiter: schedule(request, waiter))
    element = fake.Element(tag, data_mxc=MXC, data_thumbnail=SMALL_MXC, data_poster=SMALL_MXC)

    async def scenario() -> None:
        binder = bind(fake.Element("div"), loader, near_px=None, cache="no-store")
        binder.on_added(1, element)
        await binder.settled()
        binder.close()

    run(scenario())
    assert set(requested) == {"no-store"}
    assert len(requested) >= 2
