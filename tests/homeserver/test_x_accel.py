"""`offload: x-accel`: nginx, as recommended, sends files of the media store after the module's check."""

import io
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from development.synapse import Synapse
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import Account, Mxc, listener, noise, wait_for_log
from tests.relay import free_port

CONTENT = noise(300_000, "x-accel")
A_DAY_S = 24 * 3600
# What differs between a response of Synapse and one of nginx; it is tested by itself.
OWN_HEADERS = {"connection", "date", "etag", "last-modified", "server"}


@dataclass(frozen=True)
class Deployment:
    """A homeserver behind nginx.

    :param folder: of nginx's files.
    """

    synapse: Synapse
    folder: Path
    port: int


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    directory = tmp_path_factory.mktemp("x_accel")
    ports = free_port(), free_port()
    module = {"offload": "x-accel", "offload_downloads": True}
    listeners = [listener(ports[0]), listener(ports[1], x_forwarded=True)]
    extra = {**QUICK, "listeners": listeners}
    synapse = Synapse(directory / "synapse", ports[0], module_config=module, extra_config=extra)
    folder = directory / "nginx"
    proxy = NginxProxy(nginx, folder, ports[1], media_store=directory / "synapse" / "media")
    with running(synapse), proxy:
        yield Deployment(synapse, folder, proxy.port)


@pytest.fixture(scope="module")
def zoe(deployed: Deployment) -> Account:
    return Account.new(deployed.synapse, admin=True)


@pytest.fixture(scope="module")
def film(zoe: Account) -> Mxc:
    return zoe.upload(CONTENT, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def http(deployed: Deployment) -> Iterator[httpx.Client]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(base_url=f"https://localhost:{deployed.port}", verify=context) as client:
        yield client


def store_path(mxc: Mxc) -> str:
    return f"local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/{mxc.media_id[4:]}"


def noisy_picture() -> bytes:
    """Returns a PNG whose thumbnails are large, too."""
    file = io.BytesIO()
    Image.frombytes("RGB", (500, 400), noise(500 * 400 * 3, "picture")).save(file, "PNG")
    return file.getvalue()


def path_of(url: str) -> str:
    return url[url.index("/_matrix") :]


def is_sent_by_nginx(answer: httpx.Response) -> bool:
    """Whether the entity tag is nginx's, of the file's time and size."""
    return answer.headers["etag"].endswith(f'-{len(CONTENT):x}"')


def test_media_is_sent_by_nginx_with_all_headers_of_the_module(
    zoe: Account, film: Mxc, http: httpx.Client, deployed: Deployment
) -> None:
    for url in (zoe.link(film), zoe.download_link(film, "плёнка.mp4")):
        own, sent = httpx.get(url), http.get(path_of(url))
        assert (sent.status_code, sent.content == CONTENT) == (200, True)
        assert [is_sent_by_nginx(answer) for answer in (own, sent)] == [False, True]
        for name in {*own.headers, *sent.headers} - OWN_HEADERS - {"cache-control"}:
            assert sent.headers.get_list(name) == own.headers.get_list(name), name
        assert sent.headers["cache-control"].startswith("private, max-age=")
        assert "x-accel-redirect" not in sent.headers
    log = wait_for_log(deployed.folder / "access.log", f'{film.media_id[4:]}" 200 {len(CONTENT)}')
    assert "sig=" not in log


def test_ranges_and_conditions_are_answered_by_nginx(zoe: Account, film: Mxc, http: httpx.Client) -> None:
    path = path_of(zoe.link(film))
    tag = http.head(path).headers["etag"]
    part = http.get(path, headers={"Range": "bytes=-10"})
    assert (part.status_code, part.content) == (206, CONTENT[-10:])
    assert part.headers["content-range"] == f"bytes 299990-299999/{len(CONTENT)}"
    for if_range, status in ((tag, 206), ('"other"', 200)):
        assert http.get(path, headers={"Range": "bytes=5-9", "If-Range": if_range}).status_code == status
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304
    refused = http.get(path, headers={"Range": "bytes=300000-"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (416, "*")


def test_synapses_own_download_is_sent_by_nginx(zoe: Account, film: Mxc, http: httpx.Client) -> None:
    path, token = f"/_matrix/client/v1/media/download/{film.names}", {"Authorization": f"Bearer {zoe.token}"}
    own, sent = zoe.download(film), http.get(path, headers=token)
    assert (sent.content == CONTENT, is_sent_by_nginx(sent)) == (True, True)
    for name in {*own.headers, *sent.headers} - OWN_HEADERS - {"accept-ranges"}:
        assert sent.headers.get_list(name) == own.headers.get_list(name), name
    assert http.get(path, headers={**token, "Range": "bytes=1-2"}).content == CONTENT[1:3]
    assert http.get(path).status_code == 401


def test_refused_and_small_media_are_answered_by_synapse(zoe: Account, film: Mxc, http: httpx.Client) -> None:
    small, hidden = zoe.upload(b"small", "text/plain"), zoe.upload(noise(300_000, "hidden"), "video/mp4")
    link = path_of(zoe.link(hidden))
    zoe.quarantine(hidden)
    assert http.get(link).status_code == 404
    assert http.get(path_of(zoe.link(small))).content == b"small"
    assert http.get(path_of(zoe.link(film)) + "x").status_code == 403
    assert http.get(f"/_media_store/{store_path(film)}").status_code == 404


def test_thumbnail_is_sent_by_nginx(zoe: Account, http: httpx.Client) -> None:
    mxc = zoe.upload(noisy_picture(), "image/png")
    path = path_of(zoe.link(mxc, width=400, height=300, method="scale"))
    created, again = http.get(path), http.get(path)
    assert created.content == again.content == zoe.thumbnail(mxc, width=400, height=300, method="scale").content
    assert created.headers["etag"] == again.headers["etag"] != httpx.get(f"{zoe.http.base_url}{path}").headers["etag"]


def test_file_that_is_incomplete_is_not_handed_over(zoe: Account, http: httpx.Client, deployed: Deployment) -> None:
    mxc = zoe.upload(CONTENT, "video/mp4")
    file = deployed.synapse.directory / "media" / store_path(mxc)
    file.write_bytes(CONTENT[:100_000])
    os.utime(file, (time.time() - A_DAY_S,) * 2)
    assert http.get(path_of(zoe.link(mxc))).status_code == 503
