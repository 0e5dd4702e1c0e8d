"""Fixtures of the unit tests: everything is real but `authmedia.browser`."""

import gc
from typing import Any

import pytest

from tests.unit import fake_browser
from tests.unit.support import Script

from authmedia.homeserver import Homeserver  # isort: skip  (support puts the fake browser in place)


@pytest.fixture(scope="session", autouse=True)
def light_collections() -> None:
    """Takes what is imported out of the sight of the garbage collector, which each test asks for a round."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def browser() -> Any:
    """The fake browser's state, empty."""
    return fake_browser.reset()


@pytest.fixture
def script(browser: Any) -> Script:
    """The scripted homeserver, reached by every request."""
    browser.server = Script()
    return browser.server


@pytest.fixture
def homeserver() -> Homeserver:
    return Homeserver("http://home.test", "@ana:example.org", "secret-token")
