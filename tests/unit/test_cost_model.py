"""Cost at scale, on paper: the sums are those of the formulas."""

import pytest

from tests.evidence.bench import cost_model
from tests.evidence.bench.cost_model import DailyUsage

COSTS = {"preflight": 0.5, "download": 2.0, "signed": 1.0, "cookie": 1.0, "query": 1.5, "links": 4.0, "bundle": 100.0}
MORE = "processors for 1,000,000 users | processors for 100,000,000 users |"
USAGE = DailyUsage(visits=2, avatars=200, new=100, buckets=1)


@pytest.mark.parametrize(
    ("strategy", "requests", "checks", "milliseconds"),
    [
        ("link", 300 + 5, 300, 300 + 5 * 4),
        ("delegated", 300, 300, 300),
        ("bundle", 2.5, 0, 250),
        ("opfs", 600, 0, 300 * 2.5),
        ("blob", 1000, 0, 500 * 2.5),
        ("service_worker", 600, 0, 300 * 2.5),
        ("cookie", 300 + 2, 300, 300 + 2 * 4),
        ("signed_query", 500, 500, 500 * 1.5),
    ],
)
def test_loads(strategy: str, requests: float, checks: float, milliseconds: float) -> None:
    load = cost_model.loads(COSTS, USAGE)[strategy]
    assert (load.requests, load.checks, load.milliseconds) == (requests, checks, milliseconds)


def test_table() -> None:
    lines = cost_model.table(COSTS, USAGE).splitlines()
    assert lines[0].endswith(
        "| processors for 1,000 users | processors for 1,000,000 users | processors for 100,000,000 users |"
    )
    # 0.32 s a day, three times as many in the busiest hour.
    assert lines[2] == "| `link` | 305 | 300 | 0.32 | 0.01 | 11 | 1,111 |"
