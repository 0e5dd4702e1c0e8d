"""The recommended configuration of nginx: what it logs when a link cannot be served."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.support import PREFIX
from tests.relay import free_port

DELEGATED = "signed/localhost/abc?k=1&s=secret&d=1&n=secret&dsig=secret"
SIGNED, QUERY = "signed/localhost/abc?k=1&s=secret&sig=secret", "query/localhost/abc?token_id=secret&time=1&h=secret"
SEPARATORS = ("%3F", "&", ";", "%20", "%EF%BC%9F", "%253F")


def spellings(path: str) -> Iterator[str]:
    """Yields a path, and the spellings of it that a proxy or a person may have produced."""
    yield f"{PREFIX}/{path}"
    for separator in SEPARATORS:
        yield f"{PREFIX}/{path.replace('?', separator, 1)}"
    for prefix in (f"/{PREFIX}", PREFIX.replace("dev.", "dev%2E"), PREFIX.replace("dev.", "dev%252E")):
        yield f"{prefix}/{path}"
        yield f"{prefix}/{path.replace('?', '%3F', 1)}"
    for letter in "sq":
        for encoded in (f"%{ord(letter):02x}", f"%25{ord(letter):02x}"):
            if path.startswith(letter):
                yield f"{PREFIX}/{encoded}{path[1:]}"
                yield f"{PREFIX}/{encoded}{path[1:].replace('?', '%3F', 1)}"
    # Addresses that match no location, or another one.
    for prefix in (PREFIX.upper(), PREFIX.removeprefix("/_matrix"), f"/x{PREFIX}", PREFIX.replace("unstable", "r0")):
        yield f"{prefix}/{path}"
    for separator in ("%5C", ";x/"):
        yield f"{PREFIX}{separator}{path}"


@pytest.mark.parametrize("unix_socket", [False, True])
@pytest.mark.parametrize("path", [SIGNED, QUERY, DELEGATED])
def test_link_is_not_logged_if_the_homeserver_is_unreachable(tmp_path: Path, path: str, unix_socket: bool) -> None:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    port = free_port()  # where no server listens
    proxy = NginxProxy(nginx, tmp_path, port)
    if unix_socket:
        written = tmp_path / "matrix.conf"
        written.write_text(written.read_text().replace(f"127.0.0.1:{port}", f"unix:{tmp_path}/missing.sock"))
    requested = list(spellings(path))
    with proxy:
        assert_unreachable(proxy, requested)
    logs = {file.name: file.read_text() for file in tmp_path.glob("*.log")}
    assert f'"GET {PREFIX}/{path.partition("?")[0]}?<redacted>" 502' in logs["access.log"]
    assert len(logs["access.log"].splitlines()) == len(requested)
    assert [name for name, log in logs.items() if "secret" in log] == []


def assert_unreachable(proxy: NginxProxy, requested: list[str]) -> None:
    """Requests these paths as they are spelt, of a proxy in front of no server."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for spelling in requested:
        # `http.client` does not normalize paths.
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context)
        connection.request("GET", spelling)
        assert connection.getresponse().status in (404, 502), spelling
        connection.close()
