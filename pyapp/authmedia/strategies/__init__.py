"""The strategies, one file each. A new one is a new file and a line in `NAMES`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.homeserver import Homeserver
    from authmedia.strategies.base import Strategy

# Each name is a module of this package with its class as `STRATEGY`. They are imported when asked for, so that a page
# pays only for what it uses.
NAMES = ("link", "opfs", "blob")


def create(name: str, homeserver: "Homeserver") -> "Strategy":
    """The strategy of that name, for one session.

    :raises ValueError: if there is none of that name.
    """
    if name not in NAMES:
        raise ValueError(f"There is no strategy {name!r}; there are: {', '.join(NAMES)}")
    module = __import__("authmedia.strategies." + name, None, None, ("STRATEGY",))
    strategy: Strategy = module.STRATEGY(homeserver)
    return strategy
