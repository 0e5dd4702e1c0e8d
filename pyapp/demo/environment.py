"""Detects the browser and guesses whether the window is private, as far as a page can tell."""

import sys

from authmedia import browser
from authmedia.media import Support

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# In order of precedence: most user agent strings name other browsers as well.
_BROWSERS = (("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chromium"), ("Version/", "Safari or WebKit"))


def describe() -> "dict[str, Any]":
    """Returns the browser's name and version from its user agent, and the interpreter."""
    agent = browser.user_agent()
    name, version = "unknown", ""
    for mark, candidate in _BROWSERS:
        if mark in agent:
            name, version = candidate, agent.split(mark)[1].split(" ")[0]
            break
    return {
        "browser": {"name": name, "version": version, "user_agent": agent},
        "interpreter": sys.implementation.name,
        "service_worker": browser.has_service_worker(),
    }


def guess_mode(opfs: Support) -> "dict[str, str]":
    """Guesses whether the window is private from how OPFS is refused; no browser tells pages directly."""
    if opfs.works:
        return {"guess": "unknown", "because": "nothing is refused; Chromium's private windows refuse nothing either"}
    if opfs.words.startswith(("SecurityError", "UnknownError")):
        return {"guess": "private", "because": "the private file system is refused: " + opfs.words}
    return {"guess": "unknown", "because": "the private file system is missing: " + opfs.words}
