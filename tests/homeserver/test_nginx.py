"""The recommended configuration of nginx: what it writes down where a link fails."""

from pathlib import Path

import httpx
import pytest

from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.support import PREFIX
from tests.relay import free_port


@pytest.mark.parametrize("unix_socket", [False, True])
@pytest.mark.parametrize("path", ["signed/localhost/abc?k=1&sig=secret", "query/localhost/abc?token_id=1&h=secret"])
def test_link_that_finds_no_homeserver_stays_out_of_the_logs(tmp_path: Path, path: str, unix_socket: bool) -> None:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    port = free_port()  # where nobody listens
    proxy = NginxProxy(nginx, tmp_path, port)
    if unix_socket:
        written = tmp_path / "matrix.conf"
        written.write_text(written.read_text().replace(f"127.0.0.1:{port}", f"unix:{tmp_path}/missing.sock"))
    with proxy:
        answer = httpx.get(f"https://127.0.0.1:{proxy.port}{PREFIX}/{path}", verify=False)
    assert answer.status_code == 502
    logs = {file.name: file.read_text() for file in tmp_path.glob("*.log")}
    assert f'"GET {PREFIX}/{path.partition("?")[0]}" 502' in logs["access.log"]
    assert [name for name, log in logs.items() if "secret" in log] == []
