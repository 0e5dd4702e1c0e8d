"""Cost at scale, on paper: from what one request costs to what a homeserver of many users needs.

The formula stands in ``homeserver/README.md``; here it is computed.
"""

from dataclasses import dataclass

from tests.evidence.bench.server_cost import BATCH, BUNDLE

USERS = (10**3, 10**6, 10**8)
SECONDS_A_DAY = 24 * 3600
# How much of a day's work is done in its busiest hour, as a part of an hour's share if all were alike.
PEAK = 3


@dataclass(frozen=True)
class DailyUsage:
    """What one active user does on a day.

    :param visits: how often a client is opened.
    :param avatars: small media that each visit shows, the same each time.
    :param new: media that are shown for the first time.
    :param buckets: in how many of a link's buckets (``bucket``, six hours) those visits fall.
    """

    visits: int = 10
    avatars: int = 200
    new: int = 150
    buckets: int = 3


@dataclass(frozen=True)
class Load:
    """What a strategy asks of the homeserver for one user and day.

    :param requests: all of them, preflights included.
    :param checks: how many signatures are checked.
    :param milliseconds: of processor time.
    """

    requests: float
    checks: float
    milliseconds: float


def loads(costs: dict[str, float], usage: DailyUsage) -> dict[str, Load]:
    """Each strategy's load, for a client on another origin whose visits each begin in a new tab.

    :param costs: milliseconds a request, as ``server_cost.costs`` measures them.
    """
    again = usage.visits * usage.avatars + usage.new  # where nothing is kept
    once = usage.avatars + usage.new  # where all is kept, for the day at least
    in_buckets = usage.buckets * usage.avatars + usage.new  # where it is kept for as long as a link is the same
    batches = usage.visits * (usage.avatars / BATCH) + usage.new / BATCH
    bundles = usage.visits * (usage.avatars / BUNDLE) + usage.new / BUNDLE
    return {
        "link": _load(costs, signed=in_buckets, links=batches),
        "bundle": _load(costs, bundle=bundles),
        "opfs": _load(costs, download=once, preflight=once),
        "blob": _load(costs, download=again, preflight=again),
        "service_worker": _load(costs, download=once, preflight=once),
        "cookie": _load(costs, cookie=in_buckets, links=usage.visits),  # a cookie is made as a link is
        "signed_query": _load(costs, query=again),
    }


def _load(costs: dict[str, float], **counts: float) -> Load:
    checks = sum(counts.get(kind, 0) for kind in ("signed", "cookie", "query"))
    milliseconds = sum(count * costs[kind] for kind, count in counts.items())
    return Load(sum(counts.values()), checks, milliseconds)


def table(costs: dict[str, float], usage: DailyUsage | None = None) -> str:
    """The table for ``homeserver/README.md``."""
    processors_for = [f"processors for {users:,} users" for users in USERS]
    head = ["strategy", "requests", "signature checks", "CPU seconds", *processors_for]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for strategy, load in loads(costs, usage or DailyUsage()).items():
        seconds = load.milliseconds / 1000
        processors = [_rounded(users * seconds * PEAK / SECONDS_A_DAY) for users in USERS]
        figures = [f"{load.requests:,.0f}", f"{load.checks:,.0f}", f"{seconds:.2f}", *processors]
        lines.append(f"| `{strategy}` | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _rounded(processors: float) -> str:
    return f"{processors:,.2f}" if processors < 1 else f"{processors:,.0f}"
