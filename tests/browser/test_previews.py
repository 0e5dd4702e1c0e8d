"""What the user asked for, on real pages: the account's setting for media previews, saved data, and less motion."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator

from tests.browser.binding_harness import BindingHarness, MediaSet, wait_for_state
from tests.browser.engines import Mode
from tests.browser.matrix_room import Room, picture
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab
from web.demonstration import Demonstration

STABLE, UNSTABLE = "m.media_preview_config", "io.element.msc4278.media_preview_config"
PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))
STRATEGIES = ("blob", "link", "cookie")
RED, BLUE = (220, 30, 30), (30, 30, 220)
ADD = """([place, attributes]) => {
  const picture = document.createElement("img");
  for (const [name, value] of Object.entries(attributes)) picture.setAttribute(name, value);
  document.querySelector(place).append(picture);
}"""
# Red and blue in turn, without a size of its own.
MOVING_SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 48"><rect width="64" height="48" fill="red">
<animate attributeName="fill" values="red;blue" calcMode="discrete" dur="0.2s" repeatCount="indefinite"/>
</rect></svg>"""
MOVES_S = 5.0

pytestmark = pytest.mark.timeout(120)


class Account:
    """An account whose data another of its clients reads and writes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._user = f"/_matrix/client/v3/user/{room.account['user']}"
        self._in_room = f"{self._user}/rooms/{room.account['room']}"

    def read(self, name: str) -> Any:
        return self._room.get(f"{self._user}/account_data/{name}")

    def write(self, name: str, content: dict[str, str], *, in_room: bool = False) -> None:
        self._room.put(f"{self._in_room if in_room else self._user}/account_data/{name}", content)


def states(tab: SiteTab) -> list[str]:
    """The states of the room's pictures, from the oldest."""
    return [element["state"] for element in tab.media_elements()]


def wait_for_states(tab: SiteTab, expected: list[str]) -> None:
    tab.page.wait_for_function(
        """(expected) => [...document.querySelectorAll("#timeline [data-mxc]")]
          .map(({ dataset }) => dataset.state).join() === expected.join()""",
        arg=expected,
        timeout=20_000,
    )


@pytest.mark.by_default("firefox-private")
def test_the_accounts_setting_holds_media_back(
    open_tab: OpenTab, demonstration: Demonstration, site_for: Any, mode: Mode, interpreter: str
) -> None:
    room = Room(demonstration.synapse, f"previews-{mode.name}")
    pictures = {red: room.upload(picture(red), "image/png") for red in (10, 120, 230)}
    for red, mxc in pictures.items():
        room.send_media(f"{red}.png", mxc, w=64, h=48, size=1_500_000, mimetype="image/png")
    account, tab = Account(room), open_tab(site_for(room.account))
    loaded = lambda: [url for url in tab.requests for mxc in pictures.values() if mxc[6:] in url]  # noqa: E731

    # It is changed on the page, and written where other clients look.
    tab.open("link", interpreter=interpreter)
    wait_for_states(tab, ["shown"] * 3)
    tab.page.select_option("#previews [name=account]", "off")
    wait_for_states(tab, ["held"] * 3)
    tab.page.wait_for_selector("#previews:not([aria-busy])")
    assert [account.read(name) for name in (STABLE, UNSTABLE)] == [{"media_previews": "off"}] * 2
    assert tab.page.evaluate("() => [...document.querySelectorAll('figure img')].map(({ src }) => src).join('')") == ""

    # A page that opens transfers nothing, until the user asks for one, by the keyboard.
    tab.requests.clear()
    tab.reload()
    assert (states(tab), loaded(), tab.state) == (["held"] * 3, [], "done")
    button = tab.page.get_by_role("button", name="Show picture, 1.5 MB: 120.png")
    button.focus()
    tab.page.keyboard.press("Enter")
    wait_for_states(tab, ["held", "shown", "held"])
    assert [pictures[120][6:] in url for url in loaded()] == [True]
    assert tab.page.evaluate("() => document.activeElement.querySelector('img').dataset.label") == "120.png"
    assert button.count() == 0
    tab.reload()
    assert states(tab) == ["held", "shown", "held"], "the user's answer is remembered"

    # The room's join rule decides, where the user wants that.
    account.write(STABLE, {"media_previews": "private"})
    tab.reload()
    assert states(tab) == ["shown"] * 3
    assert tab.page.input_value("#previews [name=account]") == "private"
    room.put(f"/_matrix/client/v3/rooms/{room.account['room']}/state/m.room.join_rules", {"join_rule": "public"})
    tab.reload()
    assert states(tab) == ["held", "shown", "held"]

    # What another client writes applies to a page that is open.
    account.write(STABLE, {"media_previews": "on"})
    wait_for_states(tab, ["shown"] * 3)
    account.write(STABLE, {"media_previews": "off"}, in_room=True)
    wait_for_states(tab, ["held", "shown", "held"])
    tab.page.wait_for_function("() => document.querySelector('#previews [name=room]').value === 'off'")
    room.close()


@pytest.fixture(scope="session")
def binding_site(state: Path, demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of the page ``binding``, one with options of its own."""
    return build_site_with_page(state / "site", tmp_path_factory.mktemp("policy") / "site", "policy")


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "policy", 1)
    media_set.upload(animation(), "image/gif")
    media_set.upload(MOVING_SVG, "image/svg+xml")
    yield media_set
    media_set.room.close()


def animation() -> bytes:
    """A GIF that is red for a tenth of a second, then blue, and so on."""
    frames = [Image.new("RGB", (64, 48), color) for color in (RED, BLUE)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return buffer.getvalue()


def color(picture: Locator) -> str:
    """The colour that a picture has."""
    shot = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
    red, _, blue = shot.getpixel((shot.width // 2, shot.height // 2))  # type: ignore[misc]
    return "red" if red > blue else "blue"


def colors(picture: Locator, wanted: set[str]) -> set[str]:
    """The colours that a picture has, until it has had those that are wanted."""
    seen, deadline = set[str](), time.monotonic() + MOVES_S
    while not wanted <= seen and time.monotonic() < deadline:
        seen.add(color(picture))
    return seen


@pytest.mark.by_default("chromium")
def test_less_motion_and_less_data(harness: BindingHarness, media_set: MediaSet, mode: Mode, interpreter: str) -> None:
    still, moving, drawing = list(media_set.sha256)
    emulates = mode.browser == "chromium"  # Firefox cannot, when it is driven over BiDi
    tab = harness.open("blob", page="policy", interpreter=interpreter, **({} if emulates else {"asks": "page"}))
    if emulates:
        tab.page.emulate_media(reduced_motion="reduce")
        devtools = tab.page.context.new_cdp_session(tab.page)
        devtools.send("Emulation.setDataSaverOverride", {"dataSaverEnabled": True})
        tab.page.wait_for_function("() => navigator.connection.saveData")

    # Animated pictures stand still, whichever strategy has transferred them.
    for strategy in STRATEGIES:
        attributes = {"data-mxc": moving, "data-type": "image/gif", "data-size": "900", "alt": "Two colours"}
        tab.page.evaluate(ADD, [f"#{strategy}", attributes])
    wait_for_state(tab, "#main img")
    for strategy in STRATEGIES:
        picture = tab.page.locator(f"#{strategy} img")
        time_to_move = time.monotonic() + 0.5
        while time.monotonic() < time_to_move:
            assert colors(picture, {"red"}) == {"red"}, strategy
    for strategy in ("blob", "link"):
        picture = tab.page.locator(f"#{strategy} img")
        picture.hover()
        assert colors(picture, {"blue"}) >= {"blue"}
        tab.page.mouse.move(0, 0)
        assert picture.get_attribute("data-motion") == "still"
        picture.focus()
        assert colors(picture, {"blue"}) >= {"blue"}
        picture.blur()
        assert picture.get_attribute("data-motion") == "still"
    assert harness.proxy.request_count("/signed/") == 1, "what moves is what was drawn"

    # An SVG has the colour of the moment in which it was drawn.
    for strategy in ("blob", "link"):
        attributes = {"data-mxc": drawing, "data-type": "image/svg+xml", "data-size": "300", "alt": "Drawn"}
        tab.page.evaluate(ADD, [f"#{strategy}", attributes])
    wait_for_state(tab, "#main img[alt=Drawn]")
    for strategy in ("blob", "link"):
        picture = tab.page.locator(f"#{strategy} img[alt=Drawn]")
        seen, time_to_move = set[str](), time.monotonic() + 0.5
        while time.monotonic() < time_to_move:
            seen.add(color(picture))
        assert len(seen) == 1, strategy
        picture.hover()
        # By an object URL, it is an image in a document of ours, in which none of the two browsers runs animations.
        expected = {"red", "blue"} if strategy == "link" else seen
        assert colors(picture, {"red", "blue"}) == expected, strategy
        tab.page.mouse.move(0, 0)

    # What is large waits until the user asks for it; thumbnails do not.
    large = {"data-mxc": still, "data-type": "image/jpeg", "data-size": "2000000", "alt": "A wall"}
    tab.page.evaluate(ADD, ["#blob", {**large, "data-width": "32", "data-height": "32"}])
    wait_for_state(tab, "#blob img[data-width]")
    tab.page.evaluate(ADD, ["#blob", large])
    wait_for_state(tab, f'#blob img[data-mxc="{still}"]:not([data-width])', "held")
    tab.page.get_by_role("button", name="Show picture, 2 MB: A wall").click()
    wait_for_state(tab, f'#blob img[data-mxc="{still}"]:not([data-width])')
    if emulates:
        tab.page.emulate_media(reduced_motion="no-preference")
        wait_for_state(tab, "#main img")
        assert colors(tab.page.locator("#cookie img"), {"blue"}) >= {"blue"}
