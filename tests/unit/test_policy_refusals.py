"""The page's own Content-Security-Policy, which refuses links or object URLs to elements, and requests to the page."""

from typing import Any

import pytest

from authmedia.elements.binder import Binder
from authmedia.elements.binding import FAILED, SHOWN
from authmedia.errors import PolicyRefused, WrongContent
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, run


async def load(name: str, homeserver: Homeserver, tag: str = "img", scheme: str = "blob:") -> Any:
    """Loads an element that shows URLs of one scheme alone; returns its binding."""
    element = fake.Element(tag, data_mxc=MXC)

    async def shows(src: str) -> bool:
        return src.startswith(scheme)

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


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle"])
def test_an_object_url_that_the_policy_forbids_says_so(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    browser.violated_directive, browser.violates_blobs = "img-src", True
    binding = run(load(name, homeserver, scheme="http"))
    assert isinstance(binding.failure, PolicyRefused)
    assert "img-src" in str(binding.failure)


def test_auto_takes_links_where_object_urls_are_forbidden(script: Script, homeserver: Homeserver, browser: Any) -> None:
    browser.violated_directive, browser.violates_blobs = "img-src", True
    script.bundle_limit = 1
    binding = run(load("auto", homeserver, scheme="http"))
    assert binding.state == SHOWN
    assert binding.media.src.startswith("http")


@pytest.mark.parametrize("name", ["link", "blob", "opfs", "bundle", "auto"])
def test_requests_that_the_policy_forbids_say_so_and_are_not_sent_again(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    browser.refused_request = "connect-src"
    script.instead = lambda request: fake.BrowserError("TypeError", "Failed to fetch")
    binding = run(load(name, homeserver))
    assert isinstance(binding.failure, PolicyRefused)
    assert "connect-src" in str(binding.failure)
    if name != "auto":
        assert len(browser.requests) == 1


def test_a_damaged_file_is_no_matter_of_the_policy(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media["example.org/abc"] = b"<html>"
    binding = run(load("link", homeserver, "video"))
    assert isinstance(binding.failure, WrongContent)
