"""Which processes of a homeserver answer what: those with the media repository serve links, all others mint them."""

from pathlib import Path

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK
from tests.homeserver.support import PREFIX, Account, send
from tests.relay import free_port


def test_listener_for_media_alone_serves_and_mints(bound: Synapse, media_port: int) -> None:
    account = Account.new(bound)
    mxc = account.upload(b"x", "text/plain")
    url = account.link(mxc)
    assert send(url.replace(f":{bound.port}/", f":{media_port}/")).body == b"x"
    account.http.base_url = f"http://127.0.0.1:{media_port}"
    assert account.http.get("/_matrix/client/versions").status_code == 404
    assert send(account.link(mxc)).body == b"x"


def test_process_without_the_media_repository_mints_alone(tmp_path: Path) -> None:
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
