"""Processes of a homeserver: all of them mint links, those with the media repository serve media."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import PREFIX, Account, listener, send
from tests.relay import free_port


def test_listener_for_media_alone_serves_and_mints(address_bound: Synapse, media_port: int) -> None:
    account = Account.new(address_bound)
    mxc = account.upload(b"x", "text/plain")
    url = account.link(mxc)
    assert send(url.replace(f":{address_bound.port}/", f":{media_port}/")).body == b"x"
    account.http.base_url = f"http://127.0.0.1:{media_port}"
    assert account.http.get("/_matrix/client/versions").status_code == 404
    assert send(account.link(mxc)).body == b"x"


@pytest.fixture(scope="module")
def unix_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Account, httpx.Client]]:
    """An account on a homeserver that binds links to addresses, and a client of its Unix socket."""
    port = free_port()
    with TemporaryDirectory() as directory:  # the path of a socket has a short maximum length
        path = f"{directory}/synapse.sock"
        at_path = {"path": path, "type": "http", "resources": [{"names": ["client"], "compress": False}]}
        extra = {**QUICK, "listeners": [listener(port), at_path], "federation": {"max_short_retries": 0}}
        synapse = Synapse(tmp_path_factory.mktemp("unix"), port, module_config={"bind_ip": True}, extra_config=extra)
        with running(synapse):
            account = Account.new(synapse)
            headers = {"Authorization": f"Bearer {account.token}", "X-Forwarded-Proto": "http"}
            transport = httpx.HTTPTransport(uds=path)
            with httpx.Client(base_url="http://localhost", headers=headers, transport=transport) as client:
                yield account, client


def test_unix_socket_binds_links_to_the_forwarded_address(unix_socket: tuple[Account, httpx.Client]) -> None:
    account, client = unix_socket
    path = f"{PREFIX}/link/{account.upload(b'x', 'text/plain').names}"
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    url = client.get(path, headers=forwarded).json()["url"]
    assert client.get(url, headers=forwarded).content == b"x"
    for refused in (client.get(path), client.get(url)):
        assert (refused.status_code, refused.json()["errcode"]) == (403, "M_FORBIDDEN")
        assert "X-Forwarded-For" in refused.json()["error"]


def test_media_of_another_server_at_a_unix_socket(unix_socket: tuple[Account, httpx.Client]) -> None:
    """Synapse limits such downloads by the client's address, which is unknown here."""
    _, client = unix_socket
    answer = client.post(f"{PREFIX}/bundle", json={"media": [{"mxc": "mxc://localhost:1/remote"}]})
    assert answer.content.startswith(b'{"part": 0, "status": 502, ')


def test_process_without_the_media_repository_only_mints(tmp_path: Path) -> None:
    port = free_port()
    with Synapse(tmp_path, port, extra_config=QUICK) as synapse:
        account = Account.new(synapse)
        mxc = account.upload(b"x", "text/plain")
        before = account.link(mxc)
    with Synapse(tmp_path, port, extra_config={**QUICK, "enable_media_repo": False}):
        assert account.link(mxc) == before
        assert account.http.get(f"{PREFIX}/config").status_code == 200
        refused = send(before)
        assert (refused.status, refused.error) == (404, "M_UNRECOGNIZED")
