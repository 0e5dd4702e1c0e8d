"""A homeserver under a path, behind nginx: links, cookies, preflights and logs."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from development.synapse import Synapse
from media_protocol.delegation import DelegatedLink, sign_delegated
from media_protocol.signing import Link, Media
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.nginx_path import CHANGES, GUIDE, MAP, PATH, put_under_path
from tests.homeserver.support import PREFIX, Account, listener, noise, wait_for_log
from tests.relay import free_port

CONTENT = noise(100_000, "under a path")


@dataclass(frozen=True)
class Deployment:
    """A homeserver behind nginx, which clients see under a path."""

    account: Account
    http: httpx.Client
    base_url: str
    folder: Path


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    directory = tmp_path_factory.mktemp("under_a_path")
    ports, folder = (free_port(), free_port()), directory / "nginx"
    proxy = NginxProxy(nginx, folder, ports[1], media_store=directory / "synapse" / "media")
    put_under_path(proxy, folder)
    base_url = f"https://localhost:{proxy.port}{PATH}"
    module = {"base_url": base_url + "/", "cookie": True, "offload": "x-accel"}
    extra = {**QUICK, "listeners": [listener(ports[0]), listener(ports[1], x_forwarded=True)]}
    synapse = Synapse(directory / "synapse", ports[0], module_config=module, extra_config=extra)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with running(synapse), proxy, httpx.Client(verify=context) as http:
        account = Account.new(synapse)
        http.headers["Authorization"] = f"Bearer {account.token}"
        yield Deployment(account, http, base_url, folder)


def anonymous(deployed: Deployment, url: str, **headers: str) -> httpx.Response:
    deployed.http.headers.pop("Authorization", None)
    try:
        return deployed.http.get(url, headers=headers)
    finally:
        deployed.http.headers["Authorization"] = f"Bearer {deployed.account.token}"


def test_the_guide_has_these_changes() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert MAP in guide
    for changed in CHANGES.values():
        assert changed in guide


@pytest.mark.parametrize("file_name", ["", "a plain name.mp4", "плёнка [1].mp4"])
def test_links_arrive_under_the_path(deployed: Deployment, file_name: str) -> None:
    mxc = deployed.account.upload(CONTENT, "video/mp4", "film.mp4")
    entry = {"mxc": mxc.uri, "download": bool(file_name), **({"filename": file_name} if file_name else {})}
    answer = deployed.http.post(f"{deployed.base_url}{PREFIX}/links", json={"media": [entry], "probe": True})
    (made,), probe = answer.raise_for_status().json()["links"], answer.json()["probe"]
    for url in (made["url"], probe["url"]):
        assert url.startswith(f"{deployed.base_url}{PREFIX}/signed/")
    assert anonymous(deployed, made["url"]).content == CONTENT
    assert anonymous(deployed, made["url"], Range="bytes=3-9").content == CONTENT[3:10]
    assert anonymous(deployed, probe["url"]).status_code == 204
    assert anonymous(deployed, made["url"].replace(PATH, "", 1)).status_code == 404


def test_links_that_a_page_signs_arrive_under_the_path(deployed: Deployment) -> None:
    key = deployed.http.post(f"{deployed.base_url}{PREFIX}/key", json={}).raise_for_status().json()
    assert key["base_url"] == deployed.base_url
    mxc = deployed.account.upload(CONTENT, "video/mp4")
    media = Media(mxc.server_name, mxc.media_id, None, download=True, file_name="плёнка [1].mp4")
    link = DelegatedLink(Link(key["key_id"], media, key["expires_ts"], key["session"]))
    answer = anonymous(deployed, key["base_url"] + sign_delegated(bytes.fromhex(key["key"]), link))
    assert (answer.status_code, answer.content == CONTENT) == (200, True)


def test_cookies_are_sent_under_the_path(deployed: Deployment) -> None:
    answer = deployed.http.post(f"{deployed.base_url}{PREFIX}/cookie", json={}).raise_for_status()
    assert f"Path={PATH}{PREFIX}/cookie/;" in answer.headers["set-cookie"]
    mxc = deployed.account.upload(CONTENT, "video/mp4")
    assert anonymous(deployed, f"{deployed.base_url}{PREFIX}/cookie/{mxc.names}").content == CONTENT
    removed = deployed.http.delete(f"{deployed.base_url}{PREFIX}/cookie")
    assert {part for part in removed.headers["set-cookie"].split("; ") if part.startswith("Path=")} == {
        f"Path={PATH}{PREFIX}/cookie/"
    }


def test_preflights_are_cached_under_the_path(deployed: Deployment) -> None:
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    answer = deployed.http.options(f"{deployed.base_url}{PREFIX}/links", headers=asked)
    assert (answer.status_code, answer.headers["access-control-max-age"]) == (204, "86400")


def test_logs_have_no_link(deployed: Deployment) -> None:
    mxc = deployed.account.upload(b"small", "text/plain")
    url = deployed.account.link(mxc)
    anonymous(deployed, url)
    log = wait_for_log(deployed.folder / "access.log", f'"GET {PATH}{PREFIX}/signed/{mxc.names}?<redacted>" 200')
    assert "sig=" not in log
