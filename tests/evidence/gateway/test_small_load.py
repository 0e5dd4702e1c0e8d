"""A few clients of a gateway for a few seconds, to see that the load test works."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.evidence.gateway.load import run
from tests.homeserver.support import on_linux


@pytest.mark.full_matrix
@on_linux
def test_short_load_of_a_gateway() -> None:
    # In a thread of its own, since Playwright, in the same run of pytest, keeps an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        tally, stats = thread.submit(run, clients=8, seconds=2, links_burst=5).result()
    assert tally.bad == {}
    assert tally.wrong == []
    assert tally.statuses["grab", 429] > 0, "clients without pauses are rate-limited"
    assert tally.statuses["unread", 429] > 0, "a user's bundles in flight are bounded"
    assert stats.memory
