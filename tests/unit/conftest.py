"""Fixtures of the unit tests: everything is real but `authmedia.browser`."""

import gc
from typing import Any

import pytest

from tests.unit import fake_browser
from tests.unit.support import Script

from authmedia.support import backoff  # isort: skip  (support puts the fake browser in place)
from authmedia.elements import recovery  # isort: skip
from authmedia.matrix.homeserver import Homeserver  # isort: skip


@pytest.fixture(scope="session", autouse=True)
def light_collections() -> None:
    """Takes what is imported out of the sight of the garbage collector, which each test asks for a round."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def browser() -> Any:
    """The fake browser's state, empty, in a page in which nothing has failed yet."""
    recovery.RECOVERY.__init__()  # type: ignore[misc]
    return fake_browser.reset()


@pytest.fixture
def script(browser: Any) -> Script:
    """The scripted homeserver, reached by every request."""
    browser.server = Script()
    return browser.server


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr(backoff, "retry_delay_s", lambda attempt, retry_after_s: 0)


@pytest.fixture
def homeserver() -> Homeserver:
    return Homeserver("http://home.test", "@ana:example.org", "secret-token")
