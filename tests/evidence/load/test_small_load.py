"""A few clients for a few seconds, to see that the many for long are told what is so."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from development.synapse import Synapse
from tests.evidence.load.clients import Tally
from tests.evidence.load.command import ServerStats, holds, measure
from tests.homeserver.support import on_linux
from tests.relay import free_port


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    # So few that a few seconds are enough to meet it.
    limit = {"rc_links": {"per_second": 5, "burst_count": 20}}
    with Synapse(tmp_path_factory.mktemp("load"), free_port(), module_config=limit) as started:
        yield started


@on_linux
def test_short_load_run(synapse: Synapse) -> None:
    # In a thread of its own, since Playwright, in the same run of pytest, keeps an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        tally, stats = thread.submit(measure, synapse, clients=12, seconds=5).result()
    assert tally.bad == {}
    assert tally.wrong == []
    assert {action for action, _ in tally.statuses} >= {"mint", "part", "whole"}
    assert tally.statuses["grab", 200] > 0
    assert tally.statuses["grab", 429] > 0, "clients without pauses are rate-limited"
    assert tally.statuses["mint", 429] == 0, "and no other client is"
    assert tally.statuses["unread", 200] > 0
    assert tally.statuses["unread", 429] > 0, "a user's bundles in flight are bounded"
    assert stats.files[1] <= stats.files[0]
    assert len(stats.memory) >= 5
    assert len(stats.busy_ms) >= 5


UNREAD = {("unread", 200): 1, ("unread", 429): 1}


@pytest.mark.parametrize(
    ("tally", "stats", "missed"),
    [
        (Tally(Counter({("grab", 429): 1, ("unread", 200): 1})), ServerStats([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (
            Tally(Counter({("mint", 200): 1, ("grab", 429): 9, **UNREAD})),
            ServerStats([10] * 10, (5, 5), [1.0], [1.1]),
            0,
        ),
        (
            Tally(Counter({("mint", 200): 1, ("grab", 200): 9, **UNREAD})),
            ServerStats([10] * 10, (5, 5), [1.0], [1.1]),
            1,
        ),
        (
            Tally(Counter({("mint", 429): 1, ("grab", 429): 9, **UNREAD})),
            ServerStats([10] * 10, (5, 5), [1.0], [1.1]),
            1,
        ),
        (
            Tally(Counter({("mint", 500): 1, ("grab", 429): 9, **UNREAD})),
            ServerStats([10] * 10, (5, 5), [1.0], [1.1]),
            1,
        ),
        (Tally(Counter({("part", 0): 1, ("grab", 429): 9, **UNREAD})), ServerStats([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (
            Tally(Counter({("grab", 429): 1, **UNREAD}), ["part: 1 bytes, not 2"]),
            ServerStats([10] * 10, (5, 5), [1.0], [1.1]),
            1,
        ),
        (Tally(Counter({("grab", 429): 1, **UNREAD})), ServerStats([10] * 8 + [12] * 2, (5, 6), [1.0], [1.3]), 3),
    ],
)
def test_failed_conditions_are_reported(tally: Tally, stats: ServerStats, missed: int) -> None:
    assert list(holds(tally, stats).values()).count(False) == missed
