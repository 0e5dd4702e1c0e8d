"""Cost model: extrapolates the measured cost of single requests to homeservers with many users.

``docs/administrators.md`` documents the formulas.
"""

from dataclasses import dataclass

from tests.evidence.bench.server_cost import BATCH, BUNDLE

USERS = (10**3, 10**6, 10**8)
SECONDS_A_DAY = 24 * 3600
# Load of a day's busiest hour, relative to its average hour.
PEAK = 3


@dataclass(frozen=True)
class DailyUsage:
    """One active user's usage per day.

    :param visits: number of times a client is opened.
    :param avatars: small media shown by each visit, the same each time.
    :param new: media shown for the first time.
    :param buckets: number of link buckets (``bucket``, six hours) with visits.
    """

    visits: int = 10
    avatars: int = 200
    new: int = 150
    buckets: int = 3


@dataclass(frozen=True)
class Load:
    """A strategy's load on the homeserver per user and day.

    :param requests: number of requests, preflights included.
    :param checks: number of signatures verified.
    :param milliseconds: CPU time.
    """

    requests: float
    checks: float
    milliseconds: float


def loads(costs: dict[str, float], usage: DailyUsage) -> dict[str, Load]:
    """Returns each strategy's load, for a client on another origin that is opened in a new tab for each visit.

    :param costs: CPU milliseconds by kind of request, as measured by ``server_cost.costs``.
    """
    again = usage.visits * usage.avatars + usage.new  # nothing is cached
    once = usage.avatars + usage.new  # everything is cached for the day
    in_buckets = usage.buckets * usage.avatars + usage.new  # everything is cached for a link's bucket
    batches = usage.visits * (usage.avatars / BATCH) + usage.new / BATCH
    bundles = usage.visits * (usage.avatars / BUNDLE) + usage.new / BUNDLE
    return {
        "link": _load(costs, signed=in_buckets, links=batches),
        "delegated": _load(
            costs, signed=in_buckets
        ),  # its key comes with the configuration, which all strategies request
        "bundle": _load(costs, bundle=bundles),
        "opfs": _load(costs, download=once, preflight=once),
        "blob": _load(costs, download=again, preflight=again),
        "service_worker": _load(costs, download=once, preflight=once),
        "cookie": _load(costs, cookie=in_buckets, links=usage.visits),  # a cookie costs as much as a link
        "signed_query": _load(costs, query=again),
    }


def _load(costs: dict[str, float], **counts: float) -> Load:
    checks = sum(counts.get(kind, 0) for kind in ("signed", "cookie", "query"))
    milliseconds = sum(count * costs[kind] for kind, count in counts.items())
    return Load(sum(counts.values()), checks, milliseconds)


def table(costs: dict[str, float], usage: DailyUsage | None = None) -> str:
    """Returns the table for ``homeserver/README.md``."""
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
