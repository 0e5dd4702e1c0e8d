"""The recommended configurations of nginx in front of two gateway processes that share their folder."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from development.synapse import Synapse
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.gateway.process import Gateway
from tests.homeserver.support import PREFIX, Account, Mxc, noise, picture, send, wait_for, wait_for_log
from tests.homeserver.test_nginx import DELEGATED, SIGNED, assert_unreachable, spellings
from tests.relay import free_port


@contextmanager
def behind_nginx(
    synapse: Synapse, folder: Path, name: str
) -> Iterator[tuple[tuple[Gateway, Gateway], NginxProxy, httpx.Client]]:
    """Runs two gateways and nginx with a recommended configuration; yields them and a client of nginx."""
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    homeserver = f"http://127.0.0.1:{synapse.port}"
    options = {"x_forwarded": True, "state_directory": str(folder / "state")}
    with (
        Gateway(folder / "one", homeserver, **options) as one,
        Gateway(folder / "two", homeserver, **options) as two,
        NginxProxy(nginx, folder / "nginx", one.port, two.port, name=name) as proxy,
        httpx.Client(base_url=f"https://localhost:{proxy.port}", verify=context) as http,
    ):
        yield (one, two), proxy, http


def links(http: httpx.Client, account: Account, *entries: dict[str, Any]) -> list[str]:
    headers = {"Authorization": f"Bearer {account.token}"}
    answer = http.post(f"{PREFIX}/links", json={"media": entries}, headers=headers).raise_for_status()
    return [made["url"] for made in answer.json()["links"]]


def assert_log_is_redacted(proxy_folder: Path, names: str) -> None:
    log = wait_for_log(proxy_folder / "access.log", f'"GET {PREFIX}/signed/{names}?<redacted>" 206')
    assert not re.search("sig=", log)


def test_two_processes_behind_nginx_download_a_media_once(plain_synapse: Synapse, ana: Account, tmp_path: Path) -> None:
    """Links lead to nginx, are the same from both processes, and each media is one process's."""
    content = noise(300_000, "behind nginx")
    files = [ana.upload(content + bytes([number]), "video/mp4") for number in range(6)]
    with behind_nginx(plain_synapse, tmp_path, "gateway") as (gateways, proxy, http):
        assert http.get("/_matrix/client/versions").status_code == 200
        assert http.get("/metrics").status_code == 404
        urls = links(http, ana, *({"mxc": mxc.uri} for mxc in files))
        for number, url in enumerate(urls):
            assert url.startswith(f"https://localhost:{proxy.port}/")
            part = http.get(url, headers={"Range": "bytes=-5"})
            assert (part.status_code, part.content) == (206, content[-4:] + bytes([number]))
            assert http.get(url).content == content + bytes([number])
        assert downloaded(gateways) == len(files)
        assert http.get(urls[0] + "x").status_code == 403
    assert_log_is_redacted(tmp_path / "nginx", files[0].names)


def downloaded(gateways: tuple[Gateway, Gateway]) -> float:
    return sum(process.metric("homeserver_requests_total", kind="media", status="200") for process in gateways)


def sent(gateways: tuple[Gateway, Gateway]) -> float:
    return sum(process.metric("sent_bytes_total") for process in gateways)


def test_nginx_sends_the_bytes_after_the_gateways_check(plain_synapse: Synapse, ana: Account, tmp_path: Path) -> None:
    content = noise(2_500_000, "in the cache of nginx")
    film, still = ana.upload(content, "video/mp4", "film.mp4"), ana.upload(picture(), "image/png")
    thumbnail = {"width": 32, "height": 32, "method": "crop"}
    ben = Account.new(cast(Synapse, ana.synapse))
    with behind_nginx(plain_synapse, tmp_path, "gateway-cache") as (gateways, _, http):
        hers, saved, small, large = links(
            http,
            ana,
            {"mxc": film.uri},
            {"mxc": film.uri, "download": True},
            {"mxc": still.uri, "thumbnail": thumbnail},
            {"mxc": still.uri},
        )
        (his,) = links(http, ben, {"mxc": film.uri})
        whole = http.get(hers)
        assert (whole.status_code, whole.content) == (200, content)
        direct = send(links_without_nginx(gateways[0], ana, film))
        for header in direct.headers.keys() - {"date", "connection", "server", "cache-control", "transfer-encoding"}:
            assert whole.headers.get_list(header) == [direct.headers[header]], header
        before = sent(gateways)
        assert before >= len(content)
        # All of these are links of their own, to bytes that nginx has by now.
        for url in (hers, his):
            assert http.get(url).content == content
            for start, end in ((0, 0), (5, 1_500_000), (1_048_576, 1_048_576), (2_499_999, 2_499_999)):
                part = http.get(url, headers={"Range": f"bytes={start}-{end}"})
                assert (part.status_code, part.content) == (206, content[start : end + 1])
                assert part.headers["content-range"] == f"bytes {start}-{end}/{len(content)}"
            assert http.get(url, headers={"Range": "bytes=-7"}).content == content[-7:]
            assert http.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
            assert http.head(url).headers["content-length"] == str(len(content))
            assert re.fullmatch(r"private, max-age=\d+, immutable", http.get(url).headers["cache-control"])
        assert sent(gateways) == before
        (empty,) = links(http, ana, {"mxc": ana.upload(b"", "text/plain").uri})
        assert (http.get(empty).status_code, http.get(empty).content) == (200, b"")
        # Of the name to save it with there is another one.
        assert http.get(saved).headers["content-disposition"].startswith("attachment")
        assert http.get(hers).headers["content-disposition"].startswith("inline")
        assert http.get(small).content != http.get(large).content
        assert_refusals_are_the_gateways(http, hers, len(content))
        ben.http.post("/_matrix/client/v3/logout").raise_for_status()
        wait_for(lambda: http.get(his).status_code == 403, 4, "the end of the link")
        assert http.get(his, headers={"Range": "bytes=0-0"}).json()["errcode"] == "M_FORBIDDEN"
        assert http.get(hers).content == content
    assert_log_is_redacted(tmp_path / "nginx", film.names)
    assert b"sig=" not in b"".join(file.read_bytes() for file in (tmp_path / "nginx" / "cache").rglob("?" * 32))


@pytest.mark.parametrize("name", ["gateway", "gateway-cache"])
@pytest.mark.parametrize("path", [SIGNED, DELEGATED])
def test_link_is_not_logged_if_the_gateways_are_unreachable(tmp_path: Path, path: str, name: str) -> None:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    requested = list(spellings(path))
    with NginxProxy(nginx, tmp_path, free_port(), free_port(), name=name) as proxy:
        assert_unreachable(proxy, requested)
    logs = {file.name: file.read_text() for file in tmp_path.glob("*.log")}
    assert f'"GET {PREFIX}/{path.partition("?")[0]}?<redacted>" 502' in logs["access.log"]
    assert len(logs["access.log"].splitlines()) == len(requested)
    assert [name for name, log in logs.items() if "secret" in log] == []


def links_without_nginx(gateway: Gateway, account: Account, mxc: Mxc) -> str:
    with httpx.Client(base_url=gateway.url) as http:
        return links(http, account, {"mxc": mxc.uri})[0]


def assert_refusals_are_the_gateways(http: httpx.Client, url: str, size: int) -> None:
    altered = http.get(url + "x")
    assert (altered.status_code, altered.json()["errcode"]) == (403, "M_FORBIDDEN")
    assert altered.headers["cache-control"] == "no-store"
    assert "This link does not work" in http.get(url + "x", headers={"Accept": "text/html"}).text
    for start in (size, 10 * size):
        beyond = http.get(url, headers={"Range": f"bytes={start}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        assert beyond.headers["cache-control"] == "no-store"
    preflight = http.options(url, headers={"Origin": "https://a.test", "Access-Control-Request-Method": "GET"})
    assert (preflight.status_code, preflight.headers["access-control-max-age"]) == (204, "86400")
    assert http.post(url).status_code == 405
    assert http.get("/check" + url.split("/", 3)[3]).status_code == 404
    assert http.get("/check/" + url.split("/", 3)[3]).status_code == 404
