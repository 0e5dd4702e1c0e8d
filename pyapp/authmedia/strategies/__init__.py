"""The strategies, one file each. A new one is a new file and a name in `NAMES` or `BASELINES`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.strategies.base import Loader, Strategy

# Each name is a module of this package whose class is its `STRATEGY`. A module is imported when its strategy is
# created, so that a page loads only what it uses.
NAMES = ("link", "delegated", "opfs", "blob", "bundle")
#: What else was proposed, implemented for comparison.
BASELINES = ("service_worker", "cookie", "signed_query", "blocking")
#: For homeservers from before Matrix 1.11 alone, where `AUTO` prefers it to all others.
PLAIN = "plain"
#: For homeservers that redirect to a storage alone, where `AUTO` prefers it to those that transfer bodies.
REDIRECT = "redirect"
#: Chooses for each request the first of `PREFERRED` that accepts it and works.
AUTO = "auto"
PREFERRED = ("bundle", "delegated", "opfs", "blob")
#: Takes the place of one that does not work: there is no link that the homeserver makes and the page does not sign,
#: unless the homeserver is older, or has it switched off.
SUBSTITUTES = {"delegated": "link"}


def create(name: str, homeserver: "Homeserver") -> "Strategy":
    """Creates the strategy of a name for one session.

    :raises ValueError: if there is none of that name.
    """
    known = NAMES + (PLAIN, REDIRECT) + BASELINES
    if name not in known:
        raise ValueError(f"There is no strategy {name!r}; there are: {', '.join((AUTO,) + known)}")
    strategy: Strategy = _module(name).STRATEGY(homeserver)
    return strategy


def create_auto(homeserver: "Homeserver", loaders: "list[Loader]", open_other: "Callable[[str], Loader]") -> "Strategy":
    """Creates the strategy `auto`, which chooses among loaders, in the order of preference.

    :param open_other: opens the loader of a strategy that is none of them: `PLAIN`, `REDIRECT`, or one of
        `SUBSTITUTES`.
    """
    strategy: Strategy = _module(AUTO).STRATEGY(homeserver, loaders, open_other, PLAIN, REDIRECT, SUBSTITUTES)
    return strategy


def _module(name: str) -> "Any":
    return __import__("authmedia.strategies." + name, None, None, ("STRATEGY",))
