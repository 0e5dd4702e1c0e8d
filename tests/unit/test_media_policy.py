"""What the user asked for: the account's setting, saved data, less motion, and what is held back until it is wanted."""

from typing import Any

import pytest

from authmedia import errors
from authmedia.elements import still
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import HELD
from authmedia.elements.media_policy import MediaPolicy
from authmedia.elements.messages import Messages
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.preview_config import MediaPreviewConfig
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, image, run, shown_in, state_of, turns

STABLE, UNSTABLE = "m.media_preview_config", "io.element.msc4278.media_preview_config"
BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
POLISH = Messages(
    {"AuthMediaError": "Błąd."},
    retry="Ponów",
    lang="pl",
    dir="ltr",
    show={"image": ("Obraz", "Obraz, {size}"), "video": ("Film", "Film, {size}"), "audio": ("Głos", "Głos, {size}")},
)


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("blob", homeserver)


async def bound(loader: MediaLoader, policy: MediaPolicy, *elements: Any, **options: Any) -> Binder:
    """A binder of elements, which have settled."""
    root = fake.Element("div")
    root.append(*elements)
    binder = bind(root, loader, near_px=None, policy=policy, **options)
    await binder.settled()
    return binder


def button_of(element: Any) -> Any:
    """The button behind an element that is held back, if it is there."""
    views = [view for view in element.siblings if not view.removed]
    return views[-1].children[0] if views else None


# --- the account's setting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "room", "join_rule", "allowed", "avatars"),
    [
        ({}, None, None, True, "on"),
        ({STABLE: {"media_previews": "off"}}, None, "invite", False, "on"),
        ({UNSTABLE: {"media_previews": "off", "invite_avatars": "off"}}, {}, "invite", False, "off"),
        ({STABLE: {"media_previews": "on"}, UNSTABLE: {"media_previews": "off"}}, {}, "public", True, "on"),
        (
            {STABLE: {"media_previews": "off", "invite_avatars": "off"}},
            {STABLE: {"media_previews": "on"}},
            1,
            True,
            "off",
        ),
        ({STABLE: {"media_previews": "on"}}, {UNSTABLE: {"media_previews": "off"}}, "invite", False, "on"),
        ({STABLE: {"media_previews": "off"}}, {STABLE: {}}, "invite", False, "on"),
        ({STABLE: {"media_previews": "private", "invite_avatars": "private"}}, {}, "invite", True, "off"),
        *[({STABLE: {"media_previews": "private"}}, {}, rule, True, "on") for rule in ("knock", "restricted")],
        ({STABLE: {"media_previews": "private"}}, {}, "knock_restricted", True, "on"),
        *[({STABLE: {"media_previews": "private"}}, {}, rule, False, "on") for rule in ("public", "new", None, 7, [])],
        *[({STABLE: {"media_previews": value}}, {}, "invite", False, "on") for value in ("some", None, True, [], {})],
        ({STABLE: "on", "m.other": {"media_previews": "off"}}, {STABLE: ["off"]}, "public", True, "on"),
    ],
)
def test_the_setting_is_resolved_by_property(
    account: Any, room: Any, join_rule: Any, allowed: bool, avatars: str
) -> None:
    config = MediaPreviewConfig(account, room)
    assert config.allows_previews(join_rule) is allowed
    assert config.invite_avatars == avatars


# --- what is held back -----------------------------------------------------------------------------------------------


def test_an_element_is_held_back_until_the_user_asks_for_it(loader: MediaLoader, browser: Any) -> None:
    states: list[str] = []
    chosen: list[tuple[str, bool]] = []
    policy = MediaPolicy(previews=False, on_choice=lambda mxc, shown: chosen.append((mxc, shown)))
    element = image(alt="A boat", data_size="2000000", data_blurhash=BLURHASH)

    async def scenario() -> None:
        report = lambda _element, state, _outcome: states.append(state)  # noqa: E731
        binder = await bound(loader, policy, element, on_state_change=report)
        await turns()
        assert (state_of(element), browser.requests) == (HELD, [])
        assert element.styles["background-image"].startswith("url(data:image/bmp")
        button = button_of(element)
        assert button.text == "Show picture, 2 MB"
        assert button.get_attribute("aria-label") == "Show picture, 2 MB: A boat"
        element.siblings[-1].has_focus = True
        button.fire("click")
        await binder.settled()
        assert shown_in(element, browser) == PICTURE
        assert button_of(element) is None
        assert button.listeners == []
        assert browser.focused is element
        assert "background-image" not in element.styles
        assert states == [HELD, "", "loading", "shown"]
        assert (policy.choices, chosen) == ({MXC: True}, [(MXC, True)])
        binder.close()
        assert state_of(element) == ""

    run(scenario())
    assert browser.preference_listeners == []


@pytest.mark.parametrize(
    ("tag", "attributes", "settings", "text"),
    [
        ("img", {}, {"previews": False}, "Show picture"),
        ("video", {"data_size": "12000000", "controls": ""}, {"previews": False}, "Show video, 12 MB"),
        ("audio", {"data_size": "x"}, {"previews": False}, "Play sound"),
        ("header", {"data_mxc_background": MXC}, {"previews": False}, "Show picture"),
        ("img", {"data_preview": "avatar"}, {"previews": False}, None),
        ("img", {"data_preview": "invite-avatar"}, {"previews": False}, None),
        ("img", {"data_preview": "invite-avatar"}, {"invite_avatars": False}, "Show picture"),
        ("img", {}, {"invite_avatars": False}, None),
        ("img", {}, {"save_data": True}, "Show picture"),
        ("img", {"data_size": "100001"}, {"save_data": True}, "Show picture, 0.100001 MB"),
        ("img", {"data_size": "100000"}, {"save_data": True}, None),
        ("img", {"data_width": "96", "data_height": "96"}, {"save_data": True}, None),
        ("img", {"data_width": "96", "data_height": "96", "data_encrypted": "x"}, {"save_data": True}, "Show picture"),
        ("img", {}, {}, None),
        ("img", {}, {"previews": False, "choices": {MXC: True}}, None),
        ("img", {}, {"choices": {MXC: False}}, "Show picture"),
        ("a", {"download": "x"}, {"previews": False, "save_data": True}, None),
    ],
)
def test_which_elements_are_held_back(
    loader: MediaLoader, tag: str, attributes: dict[str, str], settings: dict[str, Any], text: str | None
) -> None:
    mxc = {} if "data_mxc_background" in attributes else {"data_mxc": MXC}
    element = fake.Element(tag, **mxc, **attributes)

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(**settings), element)
        assert (state_of(element) == HELD) is (text is not None)
        if text:
            assert button_of(element).text == text
            assert not element.has_attribute("controls")
            button_of(element).fire("click")
            await binder.settled()
            assert state_of(element) == ("failed" if "data_encrypted" in attributes else "shown")
            assert element.has_attribute("controls") is ("controls" in attributes)
        binder.close()

    run(scenario())


def test_a_changed_setting_concerns_elements_at_once(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.media["example.org/other"] = b"another"
    policy = MediaPolicy()
    element, chosen = image(), image("mxc://example.org/other")

    async def scenario() -> None:
        binder = await bound(loader, policy, element, chosen)
        browser.save_data = True
        browser.preference_listeners[0]()
        assert state_of(element) == "shown", "what was transferred is not taken away to save data"
        policy.choose("mxc://example.org/other", True)
        policy.update(previews=False)
        assert [state_of(one) for one in (element, chosen)] == [HELD, "shown"]
        assert element.src == ""
        policy.update(previews=True, save_data=False)
        await binder.settled()
        assert state_of(element) == "shown"
        policy.choose(MXC, False)
        assert state_of(element) == HELD
        assert len(browser.requests) == 2
        binder.close()
        policy.update(previews=False)  # concerns nothing any more
        assert (state_of(element), state_of(chosen)) == ("", "")

    run(scenario())


def test_an_element_that_is_far_away_has_no_button_yet(loader: MediaLoader) -> None:
    element = image()

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, options=bind(fake.Element("div"), loader, policy=policy)._options)
        binder.on_added(1, element)
        assert (state_of(element), element.siblings) == (HELD, [])
        binder.on_near(1, True)
        binder.on_visible(1, True)
        binder.on_near(1, False)
        assert button_of(element)
        binder.on_removed(1)
        assert button_of(element) is None

    policy = MediaPolicy(previews=False)
    run(scenario())


def test_words_are_those_of_the_application(loader: MediaLoader) -> None:
    element = image(data_size="3000000")

    async def scenario() -> None:
        await bound(loader, MediaPolicy(previews=False), element, messages=POLISH)
        view = element.siblings[0]
        assert (view.get_attribute("lang"), button_of(element).text) == ("pl", "Obraz, 3 MB")
        element.given["data-mxc"] = "mxc://example.org/unbound"
        silent = image()
        await bound(loader, MediaPolicy(previews=False, button=False), silent)
        assert (state_of(silent), silent.siblings) == (HELD, [])

    run(scenario())


def test_a_revealed_media_that_fails_says_so(loader: MediaLoader, script: Script) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Gone")
    element = image()

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(previews=False), element)
        button_of(element).fire("click")
        await binder.settled()
        assert state_of(element) == "failed"
        assert button_of(element).text == "Try again"

    run(scenario())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"previews": "on"}, "MediaPolicy: previews is 'on'; it must be True or False"),
        ({"previews": None}, "MediaPolicy: previews is None; it must be True or False"),
        ({"save_data": 1}, "MediaPolicy: save_data is 1; it must be True, False or None"),
        ({"button": None}, "MediaPolicy: button is None; it must be True or False"),
        ({"on_choice": 1}, "MediaPolicy: on_choice is 1; it must be a function or None"),
        ({"choices": [MXC]}, r"MediaPolicy: choices is \['mxc"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MediaPolicy(**options)


def test_unknown_options_are_named(loader: MediaLoader) -> None:
    with pytest.raises(TypeError, match="MediaPolicy has no option 'preview'; its options are: previews"):
        MediaPolicy(preview=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option 'button'"):
        MediaPolicy().update(button=False)
    with pytest.raises(ValueError, match="bind: policy is True; it must be a MediaPolicy or None"):
        bind(fake.Element("div"), loader, policy=True)  # type: ignore[arg-type]
    without = Messages({"AuthMediaError": "Błąd."}, retry="Ponów", lang="pl")
    with pytest.raises(ValueError, match="bind: messages is 'without `show`'; it must be Messages"):
        bind(fake.Element("div"), loader, policy=MediaPolicy(), messages=without)
    with pytest.raises(ValueError, match=r"Messages: show\['video'\] is None; it must be two texts"):
        Messages({"AuthMediaError": "Błąd."}, retry="P", lang="pl", show={"image": ("a", "{size}")})


# --- motion ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "content_type"), [("blob", "image/gif"), ("link", "image/gif"), ("link", "image/svg+xml")]
)
def test_an_animated_picture_stands_still_until_it_is_hovered_or_focused(
    script: Script, homeserver: Homeserver, browser: Any, strategy: str, content_type: str
) -> None:
    loader = open_loader(strategy, homeserver)
    element = image(data_type=content_type)
    browser.reduced_motion = True

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(), element)
        still = element.src
        assert state_of(element) == "shown"
        assert browser.object_urls[still].content == b"first frame"
        assert (element.get_attribute("data-motion"), element.get_attribute("tabindex")) == ("still", "0")
        moving = binder.bindings[0].media.src  # type: ignore[union-attr]
        for event, source, motion in (
            ("pointerenter", moving, "playing"),
            ("focusin", moving, "playing"),
            ("pointerleave", moving, "playing"),
            ("focusout", still, "still"),
            ("pointerenter", moving, "playing"),
            ("pointercancel", still, "still"),
        ):
            element.fire(event)
            assert (element.get_attribute("src") or element.src, element.get_attribute("data-motion")) == (
                source,
                motion,
            )
        browser.reduced_motion = False
        browser.preference_listeners[0]()
        await binder.settled()
        assert element.src == binder.bindings[0].media.src  # type: ignore[union-attr]
        assert still not in browser.object_urls
        assert (element.listeners, element.get_attribute("data-motion")) == ([], "")
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


GIF, JPEG = b"GIF89a animated", b"\xff\xd8\xff a photo"
SVG = b'\xef\xbb\xbf<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize("strategy", ["blob", "link", "opfs", "bundle"])
@pytest.mark.parametrize(
    ("content", "still"), [(GIF, True), (SVG, True), (JPEG, False), (b"", False)], ids=["GIF", "SVG", "JPEG", "empty"]
)
def test_a_picture_of_a_wrong_type_stands_still(
    script: Script, homeserver: Homeserver, browser: Any, strategy: str, content: bytes, still: bool
) -> None:
    """Whose sender calls an animation a photo."""
    script.media["example.org/abc"] = content
    element = image(data_type="image/jpeg")

    async def scenario() -> None:
        loader = open_loader(strategy, homeserver)
        binder = await bound(loader, MediaPolicy(reduced_motion=True), element)
        assert state_of(element) == "shown"
        assert (element.get_attribute("data-motion") == "still") is still
        if strategy == "link":
            (head,) = [request for request in browser.requests if "/signed/" in request.url]
            assert head.headers == {"Range": "bytes=0-63"}
        binder.close()
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


def test_an_attribute_of_a_still_picture_that_gets_its_old_value_changes_nothing(homeserver: Homeserver) -> None:
    element = image(data_animated="true")

    async def scenario() -> None:
        binder = await bound(open_loader("cookie", homeserver), MediaPolicy(reduced_motion=True), element)
        (before,) = binder.bindings
        assert before.key.endswith("?width=800&height=600&method=scale&animated=false"), "a thumbnail stands still"
        binder.on_attributes_changed(0)
        assert binder.bindings == [before]
        binder.close()

    run(scenario())


def test_a_function_of_the_application_may_change_the_policy_meanwhile(loader: MediaLoader) -> None:
    """While elements are bound anew, and while one is bound for the first time."""
    policy, told = MediaPolicy(), list[str]()
    elements = [image(), image("mxc://example.org/other"), image("mxc://example.org/third")]

    def on_state_change(element: Any, state: str, outcome: object) -> None:
        told.append(state)
        if told.count("held") == 1 and told[-1] == "held":
            policy.update(previews=True)
        elif told.count("loading") == 6:
            policy.update(previews=False)

    async def scenario() -> None:
        binder = bind(fake.Element("div"), loader, near_px=None, policy=policy, on_state_change=on_state_change)
        for number, element in enumerate(elements[:2]):
            binder.on_added(number, element)
        await binder.settled()
        policy.update(previews=False)  # of the first that is held back, the application hears, and changes its mind
        assert [type(binding).__name__ for binding in binder.bindings] == ["Binding", "Binding"]
        told[:] = ["loading"] * 5 + ["held"] * 2
        binder.on_added(2, elements[2])
        assert [type(binding).__name__ for binding in binder.bindings] == ["HeldBinding"] * 3
        binder.close()

    run(scenario())


@pytest.mark.parametrize(
    ("attributes", "still"),
    [
        ({"data_type": "image/gif"}, True),
        ({"data_type": "image/png"}, True),
        ({}, True),
        ({"data_type": "image/jpeg", "data_animated": "true"}, True),
        ({"data_type": "image/gif", "data_width": "96", "data_height": "96"}, False),
        ({"data_width": "96", "data_height": "96", "data_animated": "true"}, True),
    ],
)
def test_which_pictures_stand_still(loader: MediaLoader, attributes: dict[str, str], still: bool) -> None:
    element = image(**attributes)

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(reduced_motion=True), element)
        assert state_of(element) == "shown"
        assert (element.get_attribute("data-motion") == "still") is still
        binder.close()

    run(scenario())


def test_a_still_picture_that_is_no_picture_fails(loader: MediaLoader, browser: Any) -> None:
    element = image()
    browser.undecodable.update(f"blob:page/{number}" for number in range(9))

    async def scenario() -> None:
        await bound(loader, MediaPolicy(reduced_motion=True), element)
        assert state_of(element) == "failed"

    run(scenario())


def refuse_to_draw(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    async def draw_still(src: str, crossorigin: str) -> str:
        raise fake.BrowserError(name, words)

    monkeypatch.setattr(still, "draw_still", draw_still)


def test_a_still_that_cannot_be_drawn_is_not_called_unreachable(
    loader: MediaLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_draw(monkeypatch, "EncodingError", "the image is too large for a canvas")
    element = image(data_type="image/png")

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(reduced_motion=True), element)
        assert [type(binding.failure) for binding in binder.bindings] == [errors.WrongContent]
        binder.close()

    run(scenario())


def test_an_svg_that_no_page_may_read_moves(loader: MediaLoader, monkeypatch: pytest.MonkeyPatch, browser: Any) -> None:
    refuse_to_draw(monkeypatch, "SecurityError", "Tainted canvases may not be exported.")
    element = image(data_type="image/svg+xml")

    async def scenario() -> None:
        binder = await bound(loader, MediaPolicy(reduced_motion=True), element)
        assert state_of(element) == "shown"
        assert element.src == binder.bindings[0].media.src  # type: ignore[union-attr]
        binder.close()
        loader.close()

    run(scenario())


def test_a_root_that_is_no_element_leaves_nothing_behind(loader: MediaLoader, browser: Any) -> None:
    policy = MediaPolicy()
    with pytest.raises(TypeError):
        bind(42, loader, policy=policy)
    assert list(policy._observers) == []
    assert list(browser.preference_listeners) == []
