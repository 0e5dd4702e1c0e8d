"""A few downloads through the gateway, to see that the measurement works and that memory stays flat."""

from tests.evidence.gateway.overhead import GOALS, measure
from tests.homeserver.support import on_linux


@on_linux
def test_memory_of_the_gateway_is_flat() -> None:
    ratios = measure(pairs=1, film_bytes=5_000_000, seconds=2)
    assert all(ratios[what] for what in GOALS)
    # Of two seconds: a body that stayed in memory would be 40 MB.
    assert ratios["memory"][0] < 1.3
