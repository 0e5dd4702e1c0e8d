"""Media of another homeserver, fetched through a link of one's own."""

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
def near(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[0], admin=True)


@pytest.fixture(scope="module")
def far(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[1])


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The name of another homeserver, which takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"localhost:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def wary(silent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Somebody on a homeserver that speaks to one other, and soon gives up."""
    directory = tmp_path_factory.mktemp("wary")
    extra = {
        **QUICK,
        "federation": {"client_timeout": 500, "max_short_retries": 0},
        "federation_domain_whitelist": [silent],
    }
    federation = Federation(free_port(), *certificate_files(directory))
    synapse = Synapse(directory, free_port(), extra_config=extra, federation=federation)
    with running(synapse):
        yield Account.new(synapse)


@pytest.fixture(scope="module")
def film(far: Account) -> Mxc:
    return far.upload(CONTENT, "video/mp4", "film.mp4")


def test_whole(near: Account, far: Account, film: Mxc) -> None:
    assert film.server_name == far.synapse.server_name != near.synapse.server_name
    url = near.link(film)
    assert url.startswith(f"http://127.0.0.1:{near.synapse.port}{PREFIX}/signed/{film.names}?")
    answer = send(url)
    assert (answer.status, answer.body == CONTENT) == (200, True)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline; filename=film.mp4"
    assert send(url, headers={"If-None-Match": answer.headers["etag"]}).status == 304


def test_range_before_the_media_has_ever_been_fetched(near: Account, far: Account) -> None:
    content = noise(300_000, "never fetched")
    answer = send(near.link(far.upload(content, "video/mp4")), headers={"Range": "bytes=100000-100099"})
    assert (answer.status, answer.body) == (206, content[100_000:100_100])
    assert answer.headers["content-range"] == "bytes 100000-100099/300000"


def test_head(near: Account, film: Mxc) -> None:
    answer = send(near.link(film), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("method", ["crop", "scale"])
def test_thumbnail(near: Account, far: Account, method: str) -> None:
    mxc = far.upload(picture(), "image/png")
    wanted = {"width": 64, "height": 64, "method": method}
    ours, theirs = send(near.link(mxc, **wanted)), near.thumbnail(mxc, **wanted)
    assert (ours.status, theirs.status_code) == (200, 200)
    assert image(ours.body).size == ((64, 64) if method == "crop" else (64, 40))
    assert ours.body == theirs.content


def test_media_that_the_other_server_does_not_have(near: Account, far: Account) -> None:
    answer = send(near.link(Mxc(f"mxc://{far.synapse.server_name}/AAAAAAAAAAAAAAAAAAAAAAAA")))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"


def test_media_of_a_server_that_does_not_answer(near: Account) -> None:
    answer = send(near.link(Mxc("mxc://localhost:1/abc")))
    assert answer.status in (404, 502, 504)
    assert answer.headers["cache-control"] == "no-store"


def test_media_of_a_server_that_is_silent_is_an_error_that_pages_can_read(wary: Account, silent: str) -> None:
    """A proxy's own error, if Synapse had none, would not be."""
    answer = send(wary.link(Mxc(f"mxc://{silent}/abc")))
    assert (answer.status, answer.error) == (502, "M_UNKNOWN")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_media_of_a_server_that_synapse_must_not_speak_to(wary: Account, far: Account, film: Mxc) -> None:
    """Not 403, by which clients take the link for dead and ask for another one."""
    answer = send(wary.link(film))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    asked = wary.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": film.uri}]})
    assert b'"status": 404' in asked.content


@on_linux
def test_client_that_hangs_up_while_another_server_is_silent_leaves_nothing_behind(near: Account, film: Mxc) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says anything
        silent.settimeout(10)
        mxc = Mxc(f"mxc://localhost:{silent.getsockname()[1]}/silent")
        url = urlsplit(near.link(mxc))
        with socket.create_connection(("127.0.0.1", near.synapse.port)) as client:
            client.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            asking, _ = silent.accept()
        with asking:
            # Nobody else waits for it meanwhile.
            assert send(near.link(film)).status == 200
    ended = f"{mxc.names}?<redacted> HTTP"
    wait_for(lambda: any("Processed request" in line and ended in line for line in log(near)), what="the request's end")
    assert open_media(near.synapse, "remote_content") == []


def log(near: Account) -> list[str]:
    return near.synapse.log_path.read_text().splitlines()


def part(content: bytes, content_type: str = "image/png", headers: str = "") -> bytes:
    """A media as another server gives it: https://spec.matrix.org/v1.16/server-server-api/#content-repository"""
    head = f"--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\nContent-Type: {content_type}\r\n{headers}\r\n"
    return head.encode() + content + b"\r\n--b--\r\n"


def answer(body: bytes, length: int | None = None, content_type: str = "multipart/mixed; boundary=b") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


@contextmanager
def elsewhere(synapse: Synapse, says: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Another server, which says the same whatever it is asked; its name, and what it was asked."""
    assert synapse.federation
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(synapse.federation.certificate, synapse.federation.private_key)
    asked: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as connection:
                connection.settimeout(10)
                asked.append(connection.recv(100_000).partition(b"\r\n")[0])
                connection.sendall(says)
                with suppress(OSError):
                    connection.unwrap()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"localhost:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@on_linux
@pytest.mark.parametrize(
    "says",
    [
        answer(part(picture()), length=100_000_000),
        answer(part(picture()), length=10**15),
        answer(part(picture())[:-200], length=len(part(picture()))),
        answer(picture(), content_type="image/png"),
        answer(picture(), content_type="multipart/mixed"),
        answer(b"<script>", content_type="text/html"),
        b"nothing of HTTP",
        b"",
    ],
    ids=[
        "far too short",
        "too long to be taken",
        "cut",
        "no parts",
        "no boundary",
        "a page",
        "no HTTP",
        "nothing",
    ],
)
def test_another_server_that_answers_wrongly_gives_nothing(near: Account, says: bytes) -> None:
    with elsewhere(near.synapse, says) as (name, asked):
        got = send(near.link(Mxc(f"mxc://{name}/lie")))
    assert asked
    assert got.status in (404, 502, 504)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["cache-control"] == "no-store"
    assert open_media(near.synapse, "remote_content") == []


def test_another_server_that_sends_more_than_it_announced_is_believed_no_further(near: Account) -> None:
    said = part(picture())
    with elsewhere(near.synapse, answer(said, length=len(said) - 1000)) as (name, _):
        mxc = Mxc(f"mxc://{name}/longer")
        got = send(near.link(mxc))
    assert got.status == 200
    assert got.headers["content-length"] == str(len(got.body))
    assert got.body == near.download(mxc).content == picture()[: len(got.body)]


def test_another_server_that_redirects_is_not_followed(near: Account) -> None:
    with elsewhere(near.synapse, answer(part(picture()))) as (target, followed):
        moved = f"HTTP/1.1 302 Found\r\nLocation: https://{target}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with elsewhere(near.synapse, moved) as (name, asked):
            got = send(near.link(Mxc(f"mxc://{name}/moved")))
    assert asked
    assert followed == []
    assert got.status in (404, 502, 504)
    assert "location" not in got.headers
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/png", "inline"), ("text/html", "attachment"), ("image/svg+xml", "attachment"), ("nonsense", "attachment")],
)
def test_type_that_another_server_claims_is_shown_as_one_from_here_would_be(
    near: Account, content_type: str, kind: str
) -> None:
    given = part(b"<script>", content_type, "Content-Disposition: inline; filename*=utf-8''..%2F..%0D%0Ax%E2%80%AE\r\n")
    with elsewhere(near.synapse, answer(given)) as (name, _):
        got = send(near.link(Mxc(f"mxc://{name}/typed")))
    assert (got.status, got.body) == (200, b"<script>")
    assert got.headers["content-type"].partition(";")[0] == content_type
    assert got.headers["content-disposition"] == f"{kind}; filename=.._..__x_"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox; default-src 'none';")


def test_quarantined_here(near: Account, far: Account) -> None:
    """A remote media's links are minted unseen, and refused when they are used."""
    mxc = far.upload(picture(60, 60), "image/png")
    url = near.link(mxc)
    assert send(url).status == 200
    near.quarantine(mxc)
    answer = send(url)
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")


def test_link_is_good_at_the_server_that_made_it_alone(near: Account, far: Account, film: Mxc) -> None:
    url = near.link(film)
    assert send(url.replace(f":{near.synapse.port}/", f":{far.synapse.port}/", 1)).status == 403
