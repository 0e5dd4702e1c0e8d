"""The recommended configuration of nginx in front of two gateway processes that share their folder."""

import re
import ssl
from pathlib import Path

import httpx
import pytest

from development.synapse import Synapse
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.gateway.process import Gateway
from tests.homeserver.support import PREFIX, Account, noise


def test_two_processes_behind_nginx_download_a_media_once(plain_synapse: Synapse, ana: Account, tmp_path: Path) -> None:
    """Links lead to nginx, are the same from both processes, and each media is one process's."""
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    content = noise(300_000, "behind nginx")
    files = [ana.upload(content + bytes([number]), "video/mp4") for number in range(6)]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    homeserver = f"http://127.0.0.1:{plain_synapse.port}"
    options = {"x_forwarded": True, "state_directory": str(tmp_path / "state")}
    with (
        Gateway(tmp_path / "one", homeserver, **options) as one,
        Gateway(tmp_path / "two", homeserver, **options) as two,
        NginxProxy(nginx, tmp_path / "nginx", one.port, two.port, name="gateway") as proxy,
        httpx.Client(base_url=f"https://localhost:{proxy.port}", verify=context) as http,
    ):
        assert http.get("/_matrix/client/versions").status_code == 200
        assert http.get("/metrics").status_code == 404
        token = {"Authorization": f"Bearer {ana.token}"}
        entries = [{"mxc": mxc.uri} for mxc in files]
        answer = http.post(f"{PREFIX}/links", json={"media": entries}, headers=token).raise_for_status()
        urls = [made["url"] for made in answer.json()["links"]]
        for number, url in enumerate(urls):
            assert url.startswith(f"https://localhost:{proxy.port}/")
            part = http.get(url, headers={"Range": "bytes=-5"})
            assert (part.status_code, part.content) == (206, content[-4:] + bytes([number]))
            assert http.get(url).content == content + bytes([number])
        requested = [process.metric("homeserver_requests_total", kind="media", status="200") for process in (one, two)]
        assert sum(requested) == len(files)
        assert http.get(urls[0] + "x").status_code == 403
    log = (tmp_path / "nginx" / "access.log").read_text()
    assert f'"GET {PREFIX}/signed/{files[0].names}?<redacted>" 206' in log
    assert not re.search("sig=", log)
