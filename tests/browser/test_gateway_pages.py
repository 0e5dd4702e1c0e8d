"""The demonstration's pages with a gateway as their homeserver."""

from collections.abc import Iterator

import pytest

from tests.conftest import OpenTab
from tests.gateway.process import Gateway
from web.demonstration import Demonstration


@pytest.fixture(scope="module")
def gateway(demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the demonstration's homeserver: it answers for links in the module's place."""
    homeserver = demonstration.synapse.base_url
    with Gateway(tmp_path_factory.mktemp("gateway"), homeserver, links_per_second=1000, links_burst=10_000) as gateway:
        yield gateway


@pytest.mark.by_default("chromium")
def test_pages_show_everything_through_a_gateway(open_tab: OpenTab, gateway: Gateway) -> None:
    before = gateway.metric("homeserver_requests_total", kind="media", status="200")
    for name in ("link", "bundle", "delegated"):
        tab = open_tab()
        tab.open(name, homeserver=gateway.url)
        tab.wait_until_settled()
        assert tab.state == "done", tab.report
        assert {entry["state"] for entry in tab.media} == {"shown"}
        assert tab.requested_origins() <= {tab.origin, gateway.url}
    assert gateway.metric("homeserver_requests_total", kind="media", status="200") > before
    assert gateway.metric("responses_total", endpoint="signed", status="200") > 0
    assert gateway.metric("responses_total", endpoint="bundle", status="200") > 0
