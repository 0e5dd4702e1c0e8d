"""The page's own Content-Security-Policy, which refuses links to elements."""

from typing import Any

import pytest

from authmedia.elements.binder import Binder
from authmedia.elements.binding import FAILED, SHOWN
from authmedia.errors import PolicyRefused, WrongContent
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, run


async def load(name: str, homeserver: Homeserver, tag: str = "img") -> Any:
    """Loads an element that shows object URLs alone; returns its binding."""
    element = fake.Element(tag, data_mxc=MXC)

    async def shows(src: str) -> bool:
        return src.startswith("blob:")

    element.shows = shows
    loader = open_loader(name, homeserver)
    binder = Binder(fake.Element("div"), loader, near_px=None)
    binder.on_added(1, element)
    await binder.settled()
    (binding,) = binder.bindings
    return binding


@pytest.mark.parametrize(("tag", "directive"), [("img", "img-src"), ("video", "media-src"), ("audio", "media-src")])
def test_a_link_that_the_policy_forbids_says_so(
    tag: str, directive: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    browser.violated_directive = directive
    binding = run(load("link", homeserver, tag))
    assert binding.state == FAILED
    assert isinstance(binding.failure, PolicyRefused)
    assert directive in str(binding.failure)


def test_auto_takes_another_strategy(script: Script, homeserver: Homeserver, browser: Any) -> None:
    browser.violated_directive = "img-src"
    binding = run(load("auto", homeserver))
    assert binding.state == SHOWN
    assert binding.media.src.startswith("blob:")


def test_a_damaged_file_is_no_matter_of_the_policy(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media["example.org/abc"] = b"<html>"
    binding = run(load("link", homeserver, "video"))
    assert isinstance(binding.failure, WrongContent)
