"""Videos and audios that load when they are played, and posters."""

from typing import Any

import pytest

from authmedia.elements.binder import Binder
from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver
from authmedia.support.limits import Limits
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, run, state_of, turns

POSTER = "mxc://example.org/poster"
STRATEGIES = ("link", "blob", "opfs", "bundle", "auto")


def encrypted(script: Script, mxc: str, content: bytes, keyring: Keyring) -> str:
    """Has the homeserver encrypt a media; returns the handle of its file."""
    script.media[mxc[6:]], file = encrypt(content)
    return keyring.add({**file, "url": mxc})


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("tag", ["video", "audio"])
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_nothing_is_requested_before_it_is_played(
    name: str, tag: str, is_encrypted: bool, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader, keyring = open_loader(name, homeserver), Keyring()
    element = fake.Element(tag, data_mxc=MXC, preload="none")
    if is_encrypted:
        element.set_attribute("data-encrypted", encrypted(script, MXC, PICTURE, keyring))

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, keyring=keyring, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        await turns()
        assert state_of(element) == "ready"
        assert browser.requests == []
        assert browser.object_urls[element.src].content_type == f"{tag}/blank", "browsers show their controls for it"
        element.fire("play")
        await turns(3)
        assert state_of(element) == "loading"
        await binder.settled()
        assert state_of(element) == "shown"
        assert element.playing
        if is_encrypted or name != "link":
            assert name == "auto" or browser.object_urls[element.src].content == PICTURE
        element.fire("play")  # of the media itself
        await turns()
        assert state_of(element) == "shown"
        binder.on_removed(1)
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}
    assert element.listeners == []


def test_it_waits_again_where_it_leaves_before_it_is_there(
    homeserver: Homeserver, browser: Any, script: Script
) -> None:
    loader = open_loader("blob", homeserver)
    element = fake.Element("video", data_mxc=MXC, preload="none")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader)
        binder.on_added(1, element)
        assert element.src == "", "far away it costs no object URL"
        binder.on_near(1, True)
        element.fire("play")
        binder.on_near(1, False)
        await turns()
        assert state_of(element) == "ready"
        binder.on_near(1, True)
        element.fire("play")
        await binder.settled()
        assert state_of(element) == "shown"
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


def test_it_can_be_tried_again(homeserver: Homeserver, script: Script) -> None:
    loader = open_loader("blob", homeserver)
    element = fake.Element("video", data_mxc="mxc://example.org/missing", preload="none")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        element.fire("play")
        await binder.settled()
        assert state_of(element) == "failed"
        script.media["example.org/missing"] = PICTURE
        binder.retry(binder.bindings[0].element)
        await binder.settled()
        assert state_of(element) == "shown"
        binder.close()
        loader.close()

    run(scenario())


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("preload", ["none", "metadata"])
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_poster_is_loaded_and_released(
    name: str, preload: str, is_encrypted: bool, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader, keyring = open_loader(name, homeserver, limits=Limits(idle_bytes=0)), Keyring()
    script.media[POSTER[6:]] = PICTURE
    element = fake.Element("video", data_mxc=MXC, data_poster=POSTER, preload=preload)
    if is_encrypted:
        handle = encrypted(script, POSTER, PICTURE, keyring)
        element.given.update({"data-poster-encrypted": handle, "data-poster-type": "image/png"})

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, keyring=keyring, near_px=None)
        binder.on_added(1, element)
        await turns(60)
        assert state_of(element) == ("ready" if preload == "none" else "shown")
        poster = element.get_attribute("poster")
        assert poster
        if is_encrypted:
            assert browser.object_urls[poster].content == PICTURE
            assert browser.object_urls[poster].content_type == "image/png"
        binder.on_removed(1)
        assert element.get_attribute("poster") == ""
        assert browser.object_urls == {}
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


def test_a_poster_that_fails_is_left_out(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("blob", homeserver)
    element = fake.Element("video", data_mxc=MXC, data_poster="mxc://example.org/missing")

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        await turns()
        assert state_of(element) == "shown"
        assert element.get_attribute("poster") == ""
        binder.close()
        loader.close()

    run(scenario())


@pytest.mark.parametrize("blurhash", ["LEHV6nWB2yk8pyo0adR*.7kCMdnj", "no blurhash"])
def test_a_blurhash_is_the_poster_of_a_video_without_one(blurhash: str, script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("blob", homeserver, limits=Limits(idle_bytes=0))
    element = fake.Element("video", data_mxc=MXC, preload="none", data_blurhash=blurhash)
    script.media[POSTER[6:]] = PICTURE

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await turns()
        assert element.get_attribute("poster").startswith("data:image/bmp") is (blurhash[0] == "L")
        assert element.styles == {}, "the frame of a video covers its background"
        element.set_attribute("data-poster", POSTER)
        binder.on_removed(1)
        assert element.get_attribute("poster") == ""
        binder.on_added(1, element)
        await turns(60)
        assert element.get_attribute("poster").startswith("blob:")
        binder.on_removed(1)
        assert element.get_attribute("poster") == ""
        binder.close()
        loader.close()

    run(scenario())
