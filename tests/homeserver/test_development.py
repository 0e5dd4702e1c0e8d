"""The homeserver for development: starting, stopping, and the errors of starting."""

import os
import socket
import stat
from pathlib import Path

import pytest

from development.synapse import HomeserverError, Synapse
from tests.homeserver.support import Account, on_linux
from tests.relay import free_port


def test_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HomeserverError, match=rf"Port {port} cannot be used.*choose another port"):
            Synapse(tmp_path, port).start()


def test_stops_and_starts_again_as_the_same(tmp_path: Path) -> None:
    first = Synapse(tmp_path, free_port())
    with first:
        account = Account.new(first)
        process_id = first.process_id
        first.start()  # does nothing
        assert first.process_id == process_id
    assert process_id
    assert first.process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    first.stop()  # does nothing either
    with Synapse(tmp_path, free_port()) as second:
        account.http.base_url = f"http://127.0.0.1:{second.port}"
        assert account.http.get("/_matrix/client/v3/account/whoami").json()["user_id"] == account.user_id


def test_secrets_are_for_their_owner_alone(synapse: Synapse) -> None:
    for name in ("secrets.json", "homeserver.yaml", "signing.key"):
        assert stat.S_IMODE((synapse.directory / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("existed", [False, True])
def test_no_other_user_reads_a_token(tmp_path: Path, existed: bool) -> None:
    tmp_path.chmod(0o755)
    directory = tmp_path / "homeserver"
    if existed:
        directory.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with Synapse(directory, free_port()) as synapse:
            token = Account.new(synapse).token
            paths = [directory, *directory.rglob("*")]
            modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in paths}
            written = b"".join(path.read_bytes() for path in paths if path.is_file())
    finally:
        os.umask(before)
    assert token.encode() in written, "this is where it is"
    assert {f"homeserver/homeserver.db{suffix}" for suffix in ("", "-wal", "-shm")} <= modes.keys()
    assert modes["homeserver"] == 0o700
    assert [name for name, mode in modes.items() if mode & 0o077] == []


@on_linux
def test_it_listens_on_loopback_only(synapse: Synapse) -> None:
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    places = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    ours = [place for place in places if place.endswith(f":{synapse.port:04X}")]
    assert ours == [f"0100007F:{synapse.port:04X}"]


def test_user_name_in_use(synapse: Synapse, ana: Account) -> None:
    name = ana.user_id[1:].partition(":")[0]
    with pytest.raises(HomeserverError, match=r"refused .*/register: .*M_USER_IN_USE"):
        synapse.register(name, "password")
