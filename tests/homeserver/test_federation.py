"""Media of another homeserver, by links of this one."""

import socket
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from urllib.parse import urlsplit

import pytest

from development.synapse import Federation, Synapse
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import (
    PREFIX,
    Account,
    Mxc,
    certificate_files,
    image,
    noise,
    on_linux,
    open_media,
    picture,
    send,
    wait_for,
)
from tests.relay import free_port

CONTENT = noise(500_000, "far away")


@pytest.fixture(scope="module")
def local(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[0], admin=True)


@pytest.fixture(scope="module")
def remote(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[1])


@pytest.fixture(scope="module")
def unresponsive() -> Iterator[str]:
    """The name of a homeserver that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"localhost:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def restricted(unresponsive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account on a homeserver that may federate with one other only, and has a short timeout."""
    directory = tmp_path_factory.mktemp("restricted")
    extra = {
        **QUICK,
        "federation": {"client_timeout": 500, "max_short_retries": 0},
        "federation_domain_whitelist": [unresponsive],
    }
    federation = Federation(free_port(), *certificate_files(directory))
    synapse = Synapse(directory, free_port(), extra_config=extra, federation=federation)
    with running(synapse):
        yield Account.new(synapse)


@pytest.fixture(scope="module")
def film(remote: Account) -> Mxc:
    return remote.upload(CONTENT, "video/mp4", "film.mp4")


def test_remote_media(local: Account, remote: Account, film: Mxc) -> None:
    assert film.server_name == remote.synapse.server_name != local.synapse.server_name
    url = local.link(film)
    assert url.startswith(f"http://127.0.0.1:{local.synapse.port}{PREFIX}/signed/{film.names}?")
    answer = send(url)
    assert (answer.status, answer.body == CONTENT) == (200, True)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline; filename=film.mp4"
    assert send(url, headers={"If-None-Match": answer.headers["etag"]}).status == 304


def test_range_of_media_that_is_not_cached(local: Account, remote: Account) -> None:
    content = noise(300_000, "never fetched")
    answer = send(local.link(remote.upload(content, "video/mp4")), headers={"Range": "bytes=100000-100099"})
    assert (answer.status, answer.body) == (206, content[100_000:100_100])
    assert answer.headers["content-range"] == "bytes 100000-100099/300000"


def test_range_of_synapses_own_download(local: Account, remote: Account) -> None:
    """Between the homeservers, which both have ``native_ranges``, media travel as ever."""
    content = noise(300_000, "never fetched either")
    mxc = remote.upload(content, "video/mp4")
    part = local.download(mxc, Range="bytes=100000-100099")
    assert (part.status_code, part.content) == (206, content[100_000:100_100])
    again = local.download(mxc)
    assert (again.content == content, again.headers["etag"]) == (True, part.headers["etag"])
    assert remote.download(mxc).headers["etag"] != part.headers["etag"]
    assert local.download(mxc, **{"If-None-Match": part.headers["etag"]}).status_code == 304


def test_head_of_remote_media(local: Account, film: Mxc) -> None:
    answer = send(local.link(film), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("method", ["crop", "scale"])
def test_thumbnail(local: Account, remote: Account, method: str) -> None:
    mxc = remote.upload(picture(), "image/png")
    wanted = {"width": 64, "height": 64, "method": method}
    ours, theirs = send(local.link(mxc, **wanted)), local.thumbnail(mxc, **wanted)
    assert (ours.status, theirs.status_code) == (200, 200)
    assert image(ours.body).size == ((64, 64) if method == "crop" else (64, 40))
    assert ours.body == theirs.content


def test_media_that_the_other_server_does_not_have(local: Account, remote: Account) -> None:
    answer = send(local.link(Mxc(f"mxc://{remote.synapse.server_name}/AAAAAAAAAAAAAAAAAAAAAAAA")))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"


def test_media_of_a_server_that_does_not_answer(local: Account) -> None:
    answer = send(local.link(Mxc("mxc://localhost:1/abc")))
    assert answer.status in (404, 502, 504)
    assert answer.headers["cache-control"] == "no-store"


def test_media_of_an_unresponsive_server_is_an_error_that_pages_can_read(
    restricted: Account, unresponsive: str
) -> None:
    """The error is Synapse's own: pages cannot read that of a reverse proxy."""
    answer = send(restricted.link(Mxc(f"mxc://{unresponsive}/abc")))
    assert (answer.status, answer.error) == (502, "M_UNKNOWN")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_media_of_a_server_that_is_not_allowed(restricted: Account, remote: Account, film: Mxc) -> None:
    """Not 403, on which clients discard the link and request another one."""
    answer = send(restricted.link(film))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    bundle = restricted.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": film.uri}]})
    assert b'"status": 404' in bundle.content


@on_linux
def test_client_that_disconnects_during_a_fetch_leaves_no_file_open(local: Account, film: Mxc) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never responds
        silent.settimeout(10)
        mxc = Mxc(f"mxc://localhost:{silent.getsockname()[1]}/silent")
        url = urlsplit(local.link(mxc))
        with socket.create_connection(("127.0.0.1", local.synapse.port)) as client:
            client.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            asking, _ = silent.accept()
        with asking:
            # Other requests are answered meanwhile.
            assert send(local.link(film)).status == 200
    ended = f"{mxc.names}?<redacted> HTTP"
    wait_for(
        lambda: any("Processed request" in line and ended in line for line in log_lines(local)),
        what="the request's end",
    )
    assert open_media(local.synapse, "remote_content") == []


def log_lines(local: Account) -> list[str]:
    return local.synapse.log_path.read_text().splitlines()


def multipart(content: bytes, content_type: str = "image/png", headers: str = "") -> bytes:
    """Returns the body of a media response: https://spec.matrix.org/v1.16/server-server-api/#content-repository"""
    head = f"--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\nContent-Type: {content_type}\r\n{headers}\r\n"
    return head.encode() + content + b"\r\n--b--\r\n"


def http_response(body: bytes, length: int | None = None, content_type: str = "multipart/mixed; boundary=b") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


@contextmanager
def fake_server(synapse: Synapse, response: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Runs a server with one response for all requests; yields its name and the request lines it has received."""
    assert synapse.federation
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(synapse.federation.certificate, synapse.federation.private_key)
    requests: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as connection:
                connection.settimeout(10)
                requests.append(connection.recv(100_000).partition(b"\r\n")[0])
                connection.sendall(response)
                with suppress(OSError):
                    connection.unwrap()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"localhost:{server.server_address[1]}", requests
        finally:
            server.shutdown()
            thread.join()


@on_linux
@pytest.mark.parametrize(
    "response",
    [
        http_response(multipart(picture()), length=100_000_000),
        http_response(multipart(picture()), length=10**15),
        http_response(multipart(picture())[:-200], length=len(multipart(picture()))),
        http_response(picture(), content_type="image/png"),
        http_response(picture(), content_type="multipart/mixed"),
        http_response(b"<script>", content_type="text/html"),
        b"nothing of HTTP",
        b"",
    ],
    ids=[
        "much too short",
        "beyond the size limit",
        "truncated",
        "no parts",
        "no boundary",
        "HTML",
        "no HTTP",
        "nothing",
    ],
)
def test_invalid_response_of_another_server_is_an_error(local: Account, response: bytes) -> None:
    with fake_server(local.synapse, response) as (name, requests):
        got = send(local.link(Mxc(f"mxc://{name}/invalid")))
    assert requests
    assert got.status in (404, 502, 504)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["cache-control"] == "no-store"
    assert open_media(local.synapse, "remote_content") == []


def test_surplus_bytes_of_another_server_are_ignored(local: Account) -> None:
    body = multipart(picture())
    with fake_server(local.synapse, http_response(body, length=len(body) - 1000)) as (name, _):
        mxc = Mxc(f"mxc://{name}/longer")
        got = send(local.link(mxc))
    assert got.status == 200
    assert got.headers["content-length"] == str(len(got.body))
    assert got.body == local.download(mxc).content == picture()[: len(got.body)]


def test_redirect_of_another_server_is_not_followed(local: Account) -> None:
    with fake_server(local.synapse, http_response(multipart(picture()))) as (target, followed):
        moved = f"HTTP/1.1 302 Found\r\nLocation: https://{target}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with fake_server(local.synapse, moved) as (name, requests):
            got = send(local.link(Mxc(f"mxc://{name}/moved")))
    assert requests
    assert followed == []
    assert got.status in (404, 502, 504)
    assert "location" not in got.headers
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/png", "inline"), ("text/html", "attachment"), ("image/svg+xml", "attachment"), ("nonsense", "attachment")],
)
def test_content_type_of_another_server_is_handled_as_a_local_one(local: Account, content_type: str, kind: str) -> None:
    given = multipart(
        b"<script>", content_type, "Content-Disposition: inline; filename*=utf-8''..%2F..%0D%0Ax%E2%80%AE\r\n"
    )
    with fake_server(local.synapse, http_response(given)) as (name, _):
        got = send(local.link(Mxc(f"mxc://{name}/typed")))
    assert (got.status, got.body) == (200, b"<script>")
    assert got.headers["content-type"].partition(";")[0] == content_type
    assert got.headers["content-disposition"] == f"{kind}; filename=.._..__x_"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox; default-src 'none';")


def test_quarantined_remote_media(local: Account, remote: Account) -> None:
    """Links to remote media are minted without a check, and refused when they are used."""
    mxc = remote.upload(picture(60, 60), "image/png")
    url = local.link(mxc)
    assert send(url).status == 200
    local.quarantine(mxc)
    answer = send(url)
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")


def test_link_is_valid_at_the_server_that_minted_it_only(local: Account, remote: Account, film: Mxc) -> None:
    url = local.link(film)
    assert send(url.replace(f":{local.synapse.port}/", f":{remote.synapse.port}/", 1)).status == 403
