"""The strategies, one file each. A new one is a new file and a name in `NAMES` or `BASELINES`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.loader import MediaLoader
    from authmedia.matrix.homeserver import Homeserver
    from authmedia.strategies.base import Strategy

# Each name is a module of this package with its class as `STRATEGY`. They are imported when asked for, so that a page
# pays only for what it uses.
NAMES = ("link", "opfs", "blob", "bundle")
# What else was proposed, built to be compared with.
BASELINES = ("service_worker", "cookie", "signed_query", "blocking")
# Chooses for each request: the first of these that suits and works.
AUTO = "auto"
PREFERRED = ("bundle", "link", "opfs", "blob")


def create(name: str, homeserver: "Homeserver") -> "Strategy":
    """The strategy of that name, for one session.

    :raises ValueError: if there is none of that name.
    """
    if name not in NAMES + BASELINES:
        raise ValueError(f"There is no strategy {name!r}; there are: {', '.join((AUTO,) + NAMES + BASELINES)}")
    strategy: Strategy = _module(name).STRATEGY(homeserver)
    return strategy


def choosing(homeserver: "Homeserver", loaders: "list[MediaLoader]") -> "Strategy":
    """The strategy `auto`, which chooses among loaders."""
    strategy: Strategy = _module(AUTO).STRATEGY(homeserver, loaders)
    return strategy


def _module(name: str) -> "Any":
    return __import__("authmedia.strategies." + name, None, None, ("STRATEGY",))
