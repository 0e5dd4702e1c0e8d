"""The order in which site, evidence and documentation name the strategies, and when to use the first three."""

from collections.abc import Iterable

#: What the project compares.
COMPARED = ("blob", "opfs", "link")
#: What goes beyond them.
BEYOND = ("bundle", "delegated", "redirect", "auto")
#: What else was proposed, for comparison.
BASELINES = ("service_worker", "cookie", "signed_query", "blocking")
ALL = (*COMPARED, *BEYOND, *BASELINES)

#: One sentence for each strategy that is compared: when to use it.
WHEN_TO_USE = {
    "blob": "Use it as the fallback: it works in every window and with every homeserver, and nothing touches the disk.",
    "opfs": "Use it where people come back and the homeserver cannot be changed: a second visit transfers nothing.",
    "link": "Use it where the homeserver offers it: pictures show while they arrive, and videos seek.",
}
GROUPS = (
    ("compared", "The three that are compared", COMPARED),
    ("beyond", "What goes beyond them", BEYOND),
    ("baselines", "Baselines", BASELINES),
)


def in_order(names: Iterable[str]) -> list[str]:
    """Returns names of strategies in the order of `ALL`; others follow, in their own order."""
    return sorted(dict.fromkeys(names), key=lambda name: ALL.index(name) if name in ALL else len(ALL))
