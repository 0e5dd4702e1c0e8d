"""A real Synapse without the module, and gateways in front of it.

The tests of the module's links run here too: `synapse` is the homeserver as clients see it through the gateway, which
passes on what it does not serve itself.
"""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from development.synapse import Synapse
from tests.gateway.process import Gateway
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import Account, Mxc, picture
from tests.relay import free_port


class GatewayedSynapse:
    """A Synapse as clients see it through a gateway."""

    def __init__(self, synapse: Synapse, gateway: Gateway) -> None:
        self._synapse = synapse
        self.port = gateway.port
        self.base_url = gateway.url
        self.process_id = gateway.process_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._synapse, name)


@pytest.fixture(scope="session")
def plain_synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A Synapse without the module, whose access tokens can be renewed."""
    extra = {**QUICK, "modules": [], "refreshable_access_token_lifetime": "1h"}
    synapse = Synapse(tmp_path_factory.mktemp("plain_synapse"), free_port(), extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def gateway(plain_synapse: Synapse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(
        tmp_path_factory.mktemp("gateway"),
        f"http://127.0.0.1:{plain_synapse.port}",
        links_per_second=10_000,
        links_burst=100_000,
    ) as gateway:
        yield gateway
    log = gateway.log_path.read_text()
    assert "Traceback" not in log
    assert " ERROR " not in log


@pytest.fixture(scope="session")
def synapse(plain_synapse: Synapse, gateway: Gateway) -> Synapse:
    return cast(Synapse, GatewayedSynapse(plain_synapse, gateway))


@pytest.fixture(scope="session")
def ana(synapse: Synapse) -> Account:
    """An account, for tests that do not end its session."""
    return Account.new(synapse)


@pytest.fixture(scope="session")
def photo(ana: Account) -> Mxc:
    return ana.upload(picture(), "image/png", "a photo.png")
