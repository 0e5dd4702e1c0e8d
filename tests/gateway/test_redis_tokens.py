"""Gateways on several machines, which share the tokens of sessions in a real Redis."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from development.synapse import Synapse
from gateway.config import ConfigError
from gateway.token_store import RedisDatabase
from tests.gateway.process import Gateway
from tests.gateway.test_gateway import account_on, renewable_login
from tests.homeserver.links import is_refused
from tests.homeserver.support import Answer, picture, send, wait_for
from tests.homeserver.worker_deployment import Redis, find_program

# How long a gateway uses a token without asking Redis for a newer one, or the homeserver whether it is still valid.
MEMORY_S = 2.0
# How long Redis has for an answer, twice.
TIMEOUTS_S = 4.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    pytest.importorskip("redis", reason="needs the Python package redis")
    if not find_program("redis-server", "redis-server"):
        pytest.skip("needs Redis (Debian's package redis-server)")
    (tmp_path / "redis").mkdir()
    with Redis(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
def gateways(plain_synapse: Synapse, redis: Redis, tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Each has a folder of its own, as on two machines."""
    homeserver = f"http://127.0.0.1:{plain_synapse.port}"
    options: dict[str, Any] = {"tokens": "stored", "redis": f"unix://{redis.config['path']}"}
    with (
        Gateway(tmp_path / "one", homeserver, **options) as one,
        Gateway(tmp_path / "two", homeserver, **options) as two,
    ):
        yield one, two


def test_token_that_one_gateway_was_shown_is_used_by_another(
    plain_synapse: Synapse, gateways: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    one, two = gateways
    account = account_on(plain_synapse, one)
    login = renewable_login(account)
    mxc = account.upload(picture(), "image/png")
    url = account.with_token(login["access_token"]).link(mxc)
    on_two = url.replace(one.url, two.url)
    assert [send(url).status, send(on_two).status] == [200, 200]
    answer = account.http.post("/_matrix/client/v3/refresh", json={"refresh_token": login["refresh_token"]})
    renewed = account.with_token(answer.raise_for_status().json()["access_token"])
    assert renewed.link(mxc) == url
    # While the second gateway has the first token in memory, and afterwards.
    ends = time.monotonic() + MEMORY_S + 0.5
    while time.monotonic() < ends:
        assert send(on_two).status == 200
    renewed.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(on_two), 2 * MEMORY_S, "the end of the link")
    assert not list(tmp_path.rglob("tokens.db*"))


@pytest.mark.full_matrix
def test_gateway_says_that_it_cannot_look_up_sessions(
    plain_synapse: Synapse, redis: Redis, gateways: tuple[Gateway, Gateway]
) -> None:
    account = account_on(plain_synapse, gateways[0])
    url = account.link(account.upload(picture(), "image/png"))
    assert send(url).status == 200
    with redis.paused():
        refused = wait_for(lambda: refusal(url), MEMORY_S + 2 * TIMEOUTS_S, "the end of what is in memory")
        assert (refused.status, refused.error) == (503, "M_UNKNOWN")
    assert send(url).status == 200


def refusal(url: str) -> Answer | None:
    answer = send(url)
    return None if answer.status == 200 else answer


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"authmedia-gateway\[redis\]"):
        RedisDatabase("redis://localhost")
