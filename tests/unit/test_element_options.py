"""The options of `bind`: placeholder, failure view and messages; and what a wrong one is told."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binder import Binder, bind
from authmedia.elements.element_options import Failure
from authmedia.elements.messages import Messages
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.support.limits import Limits
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, image, run, state_of, turns

BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
ARABIC = Messages(
    {"AuthMediaError": "تعذر تحميل هذا الملف.", errors.MediaNotFound: "لم يعد هذا الملف على الخادم."},
    retry="حاول مرة أخرى",
    retry_label="{retry} لتحميل {label}",
    lang="ar",
    dir="rtl",
)
SECONDS = {
    "one": "{seconds} sekundę",
    "few": "{seconds} sekundy",
    "many": "{seconds} sekund",
    "other": "{seconds} sekundy",
    "none": "chwilę",
}


@pytest.fixture
def loader(homeserver: Homeserver) -> MediaLoader:
    return open_loader("blob", homeserver)


def not_found(script: Script) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Not found")


async def bound(loader: MediaLoader, element: Any, **options: Any) -> Binder:
    """A binder of one element, which has settled."""
    root = fake.Element("div")
    root.append(element)
    binder = bind(root, loader, near_px=None, **options)
    await binder.settled()
    return binder


def texts_of(element: Any) -> list[str]:
    """All that an element and what follows it say: texts and attributes."""
    found = [element.text, *element.given.values()]
    for view in element.siblings + element.children:
        found += texts_of(view)
    return found


# --- messages --------------------------------------------------------------------------------------------------------


def test_elements_speak_the_applications_language_alone(loader: MediaLoader, script: Script) -> None:
    not_found(script)
    element = image(alt="قطة")

    async def scenario() -> None:
        binder = await bound(loader, element, messages=ARABIC)
        (view,) = element.siblings
        (button,) = view.children
        assert (view.text, button.text) == ("لم يعد هذا الملف على الخادم.", "حاول مرة أخرى")
        assert (view.get_attribute("lang"), view.get_attribute("dir")) == ("ar", "rtl")
        assert button.get_attribute("aria-label") == "حاول مرة أخرى لتحميل قطة"
        known = {MXC, "failed", "blob", "media-failed", "media-retry", "ar", "rtl", "button", ""}
        assert [text for text in texts_of(element) if text not in known and text.isascii()] == []
        script.instead = None
        button.fire("click")
        await binder.settled()
        assert state_of(element) == "shown"

    run(scenario())


def test_the_reason_of_auto_is_left_out_in_another_language(homeserver: Homeserver, script: Script) -> None:
    async def scenario() -> None:
        english, arabic = image(), image()
        for element, messages in ((english, None), (arabic, ARABIC)):
            await bound(open_loader("auto", homeserver), element, messages=messages)
        assert english.get_attribute("data-reason").startswith("delegated: ")
        assert arabic.get_attribute("data-reason") == ""

    run(scenario())


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (errors.RateLimited("x", retry_after_s=0.2), "1 sekundę"),
        (errors.RateLimited("x", retry_after_s=1), "1 sekundę"),
        (errors.RateLimited("x", retry_after_s=1.2), "2 sekundy"),
        (errors.RateLimited("x", retry_after_s=12), "12 sekund"),
        (errors.RateLimited("x", retry_after_s=2022), "2,022 sekundy"),
        (errors.RateLimited("x"), "chwilę"),
        (errors.TransferInterrupted("x"), "przerwane"),
        (errors.HomeserverUnreachable("x"), "nieosiągalny"),
        (errors.WrongHash("x"), "błąd"),
        (errors.AuthMediaError("x"), "błąd"),
    ],
)
def test_a_text_is_that_of_the_nearest_class_and_of_the_number(failure: errors.AuthMediaError, expected: str) -> None:
    messages = Messages(
        {
            "TransferInterrupted": "przerwane",
            "RateLimited": SECONDS,
            "AuthMediaError": "błąd",
            "HomeserverUnreachable": "nieosiągalny",
        },
        retry="Spróbuj ponownie",
        lang="pl",
    )
    assert messages.text(failure) == expected


# --- the failure view ------------------------------------------------------------------------------------------------


def test_an_own_failure_view_renders_into_its_place(loader: MediaLoader, script: Script, browser: Any) -> None:
    not_found(script)
    element = image(alt="A cat")
    given: list[Failure] = []

    def render(place: Any, failure: Failure) -> None:
        given.append(failure)
        button = fake.create_element("button")
        button.listen("click", failure.retry)
        place.append(button)

    async def scenario() -> None:
        binder = await bound(loader, element, failure_view=render, messages=ARABIC)
        (place,) = element.siblings
        assert (place.text, place.get_attribute("class"), place.get_attribute("dir")) == ("", "", "rtl")
        (failure,) = given
        assert failure.element is element
        assert isinstance(failure.error, errors.MediaNotFound)
        assert (failure.message, failure.label) == ("لم يعد هذا الملف على الخادم.", "A cat")
        place.has_focus = element.has_focus = True
        place.children[0].fire("click")
        await binder.settled()
        assert browser.focused is element.siblings[-1].children[0], "it failed again"
        script.instead = None
        given[-1].retry()
        await binder.settled()
        assert state_of(element) == "shown"
        assert [view.removed for view in element.siblings] == [True, True]

    run(scenario())


def test_no_failure_view(loader: MediaLoader, script: Script) -> None:
    not_found(script)
    element = image()

    async def scenario() -> None:
        binder = await bound(loader, element, failure_view=None)
        assert state_of(element) == "failed"
        assert element.siblings == []
        script.instead = None
        binder.retry(element)
        await binder.settled()
        assert state_of(element) == "shown"

    run(scenario())


def test_an_error_in_an_own_failure_view_leaves_the_element_failed(
    loader: MediaLoader, script: Script, browser: Any
) -> None:
    not_found(script)
    element = image()

    def render(_place: Any, _failure: Failure) -> None:
        raise ValueError("a bug of the application")

    async def scenario() -> None:
        await bound(loader, element, failure_view=render)
        assert state_of(element) == "failed"

    run(scenario())
    assert [str(raised) for raised in browser.hook_errors] == ["a bug of the application"]


# --- the placeholder -------------------------------------------------------------------------------------------------


def test_an_own_placeholder_is_removed_with_the_load(loader: MediaLoader, script: Script) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
    shown, cancelled = image(data_blurhash=BLURHASH), image("mxc://example.org/other")
    calls: list[tuple[str, Any]] = []

    def render(element: Any) -> Any:
        calls.append(("shown", element))
        return None if element is cancelled else lambda: calls.append(("removed", element))

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(shown, cancelled)
        binder = bind(root, loader, near_px=None, placeholder=render)
        await turns()
        assert calls == [("shown", shown), ("shown", cancelled)]
        assert shown.styles == {}, "its blurhash is the application's affair"
        binder.on_removed(1)
        gate.set()
        await binder.settled()
        assert calls[2:] == [("removed", shown)]
        binder.close()
        assert len(calls) == 3

    run(scenario())


def test_no_placeholder(loader: MediaLoader, script: Script) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
    element = image(data_blurhash=BLURHASH, data_width="96", data_height="64", data_method="crop")

    async def scenario() -> None:
        root = fake.Element("div")
        root.append(element)
        binder = bind(root, loader, near_px=None, placeholder=None)
        await turns()
        assert element.styles == {}
        assert element.get_attribute("width") == "96", "the space is reserved all the same"
        binder.close()

    run(scenario())


# --- wrong options ---------------------------------------------------------------------------------------------------


def bind_with(loader: MediaLoader, **options: Any) -> Binder:
    return bind(fake.Element("div"), loader, **options)


def messages(texts: Any = None, **options: Any) -> Messages:
    return Messages({"AuthMediaError": "x"} if texts is None else texts, **{"retry": "x", "lang": "ar", **options})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda loader: bind_with(loader, near=9),
            "bind has no option 'near'; its options are: on_chan",
        ),
        (
            lambda loader: bind_with(loader, near_px=-1),
            "near_px is -1; it must be None, or a whole numb",
        ),
        (
            lambda loader: bind_with(loader, placeholder="blur"),
            "must be 'blurhash', None or a function",
        ),
        (lambda loader: bind_with(loader, failure_view=7), "must be 'message', None or a function"),
        (lambda loader: bind_with(loader, messages=Limits()), "it must be a Messages or None"),
        (
            lambda loader: bind_with(loader, on_state_change=7),
            "on_state_change is 7; it must be a func",
        ),
        (
            lambda _: messages(rtl=True),
            "Messages has no option 'rtl'; its options are: errors, retry, ",
        ),
        (lambda _: messages([]), "errors is []; it must be a dictionary by error class"),
        (lambda _: messages({"MediaNotFound": "x"}), "it must be a dictionary with a text for AuthMediaError"),
        (
            lambda _: messages({"NotFound": "x"}),
            "'NotFound' is no error of this library; there are: ActivationEnded, Auth",
        ),
        (
            lambda _: messages({"AuthMediaError": ""}),
            "the text of AuthMediaError is ''; it must be a text, or",
        ),
        (
            lambda _: messages({"AuthMediaError": "{seconds} s"}),
            "a dictionary by plural category, since",
        ),
        (lambda _: messages({"AuthMediaError": {"other": "x"}}), "a dictionary with 'other' and 'none'"),
        (
            lambda _: messages({"AuthMediaError": {**SECONDS, "none": "{seconds}"}}),
            "it must be a text without {seconds}",
        ),
        (
            lambda _: messages({"AuthMediaError": {**SECONDS, "all": "x"}}),
            "is 'all'; it must be one of zero, one",
        ),
        (lambda _: messages({"AuthMediaError": {**SECONDS, "few": 7}}), "is 7; it must be a text"),
        (lambda _: messages(retry=""), "retry is ''; it must be a text"),
        (lambda _: messages(dir="right"), "dir is 'right'; it must be one of ltr, rtl, auto"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(make: Any, words: str, loader: MediaLoader) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        make(loader)
    assert words in str(raised.value)


@pytest.mark.parametrize("lang", ["ar", "pt-BR", "zh-Hant-TW", "es-419", "ar-u-nu-latn", "fil", "sr-Latn"])
def test_language_tags(lang: str) -> None:
    assert messages(lang=lang).lang == lang


@pytest.mark.parametrize("lang", ["", "a", "arabic_EG", "ar-", "ar-u", "ar-u-", "e n", "en-US-x", 7, None, "äö", "x-y"])
def test_what_the_browser_would_throw_at_is_no_language_tag(lang: Any) -> None:
    with pytest.raises(ValueError, match="it must be a language tag, such as 'ar' or 'pt-BR'"):
        messages(lang=lang)
