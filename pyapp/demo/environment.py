"""Which browser this is and in which mode its window runs, as far as a page can tell."""

import sys

from authmedia import browser
from authmedia.media import Support

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# In the order in which they must be looked for: most browsers name others, too.
_BROWSERS = (("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chromium"), ("Version/", "Safari or WebKit"))


def describe() -> "dict[str, Any]":
    """The browser as it names itself, and the interpreter."""
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


def mode(opfs: Support) -> "dict[str, str]":
    """Whether this looks like a private window: no page is told, but a refused storage gives it away."""
    if opfs.works:
        return {"guess": "unknown", "because": "nothing is refused; Chromium's private windows refuse nothing either"}
    if opfs.words.startswith(("SecurityError", "UnknownError")):
        return {"guess": "private", "because": "the private file system is refused: " + opfs.words}
    return {"guess": "unknown", "because": "the private file system is missing: " + opfs.words}
