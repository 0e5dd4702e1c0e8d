"""A few clients for a few seconds, to see that the many for long are told what is so."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from development.synapse import Synapse
from tests.homeserver.support import on_linux
from tests.load.clients import Tally
from tests.load.command import Watched, holds, measure
from tests.relay import free_port


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    # So few that a few seconds are enough to meet it.
    limit = {"rc_links": {"per_second": 5, "burst_count": 20}}
    with Synapse(tmp_path_factory.mktemp("load"), free_port(), module_config=limit) as started:
        yield started


@on_linux
def test_a_few_clients_for_a_few_seconds(synapse: Synapse) -> None:
    # In a thread of its own, since Playwright, in the same run of pytest, keeps an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        tally, watched = thread.submit(measure, synapse, clients=12, seconds=5).result()
    assert tally.bad == {}
    assert tally.wrong == []
    assert {action for action, _ in tally.statuses} >= {"mint", "part", "whole"}
    assert tally.statuses["grab", 200] > 0
    assert tally.statuses["grab", 429] > 0, "who asks without end is told to wait"
    assert tally.statuses["mint", 429] == 0, "and nobody else is"
    assert tally.statuses["unread", 200] > 0
    assert tally.statuses["unread", 429] > 0, "a user's bundles in flight are bounded"
    assert watched.files[1] <= watched.files[0]
    assert len(watched.memory) >= 5
    assert len(watched.busy_ms) >= 5


UNREAD = {("unread", 200): 1, ("unread", 429): 1}


@pytest.mark.parametrize(
    ("tally", "watched", "missed"),
    [
        (Tally(Counter({("grab", 429): 1, ("unread", 200): 1})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (Tally(Counter({("mint", 200): 1, ("grab", 429): 9, **UNREAD})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 0),
        (Tally(Counter({("mint", 200): 1, ("grab", 200): 9, **UNREAD})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (Tally(Counter({("mint", 429): 1, ("grab", 429): 9, **UNREAD})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (Tally(Counter({("mint", 500): 1, ("grab", 429): 9, **UNREAD})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (Tally(Counter({("part", 0): 1, ("grab", 429): 9, **UNREAD})), Watched([10] * 10, (5, 5), [1.0], [1.1]), 1),
        (
            Tally(Counter({("grab", 429): 1, **UNREAD}), ["part: 1 bytes, not 2"]),
            Watched([10] * 10, (5, 5), [1.0], [1.1]),
            1,
        ),
        (Tally(Counter({("grab", 429): 1, **UNREAD})), Watched([10] * 8 + [12] * 2, (5, 6), [1.0], [1.3]), 3),
    ],
)
def test_what_does_not_hold_is_told(tally: Tally, watched: Watched, missed: int) -> None:
    assert list(holds(tally, watched).values()).count(False) == missed
