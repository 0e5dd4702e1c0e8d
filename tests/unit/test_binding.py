"""A binding: its request, placeholder, failure view and retries."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements import failure_log
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import FAILED, LOADING, SHOWN, Binding
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import EncryptedFile, Keyring
from authmedia.matrix.homeserver import Homeserver
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import PICTURE, Script, error, image, run, shown_in, state_of, turns

OTHER = "mxc://example.org/other"


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    script.media["example.org/other"] = b"another picture"
    return open_loader("blob", homeserver)


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
        assert state_of(element) == LOADING
        assert not waiting.done(), "it has begun anew"
        gate.set()
        await waiting
        assert state_of(element) == SHOWN
        binder.close()

    run(scenario())


def test_the_application_is_called_at_each_change_of_state(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Not found") if "other" in request.url else None
    shown, failing = image(), image(OTHER)
    states: list[tuple[Any, str, object]] = []

    async def scenario() -> None:
        on_state_change = lambda *change: states.append(change)  # noqa: E731
        binder = bind(fake.Element("div"), loader, near_px=None, on_state_change=on_state_change)
        binder.on_added(1, shown)
        binder.on_added(2, failing)
        await binder.settled()
        media, failure = (binding.media or binding.failure for binding in binder.bindings)
        assert isinstance(failure, errors.MediaNotFound)
        loading = [(shown, LOADING, None), (failing, LOADING, None)]
        assert states == [*loading, (failing, FAILED, failure), (shown, SHOWN, media)]
        binder.bindings[0].on_source_changed(binder.bindings[0].media)
        binder.retry(shown)
        assert len(states) == 4, "its state is the same"
        script.instead = None
        binder.retry(failing)
        assert states[4:] == [(failing, LOADING, None)]
        await binder.settled()
        assert states[5][:2] == (failing, SHOWN)
        binder.on_removed(1)
        binder.close()
        assert states[6:] == [(shown, "", None), (failing, "", None)]

    run(scenario())


def test_the_console_has_the_first_failure_of_each_class(
    loader: MediaLoader,
    script: Script,
    browser: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failure_log, "_written", set())
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Not found")

    async def scenario() -> None:
        binder = bind(fake.Element("div"), loader, near_px=None)
        for number, element in enumerate((image(), image(OTHER), image("https://example.org/no-mxc"))):
            binder.on_added(number, element)
        await binder.settled()
        binder.close()

    run(scenario())
    classes = [line.partition(": ")[2].partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(classes) == ["MalformedMxc", "MediaNotFound"]


def test_an_error_in_the_applications_function_changes_nothing(loader: MediaLoader, browser: Any) -> None:
    def on_state_change(_element: object, state: str, _outcome: object) -> None:
        raise ValueError(state)

    async def scenario() -> None:
        binder = bind(fake.Element("div"), loader, near_px=None, on_state_change=on_state_change)
        element = image()
        binder.on_added(1, element)
        await binder.settled()
        assert state_of(element) == SHOWN
        binder.close()

    run(scenario())
    assert [str(raised) for raised in browser.hook_errors] == [LOADING, SHOWN, ""]


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
        assert state_of(element) == FAILED
        (words,) = element.siblings
        (button,) = words.children
        assert button.text == "Try again"
        script.instead = None
        button.fire("click")
        await binder.settled()
        assert state_of(element) == SHOWN
        assert words.removed
        assert button.listeners == []
        assert binder.bindings[0].failure is None

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
        assert state_of(bad) == FAILED
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
        assert state_of(element) == SHOWN
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


def test_an_unexpected_error_is_shown_without_its_message(loader: MediaLoader, monkeypatch: Any) -> None:
    async def broken(*_arguments: object) -> None:
        raise KeyError("http://home.test/signed/secret")

    monkeypatch.setattr(MediaLoader, "load", broken)
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, element)
        await binder.settled()
        assert state_of(element) == FAILED
        assert "secret" not in str(binder.bindings[0].failure)

    run(scenario())
