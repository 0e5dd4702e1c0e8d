"""Addresses of homeservers in the page's own address, and where the demonstration's password goes by them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from tests.conftest import OpenTab

# It asks who you are, or has come to an end without that.
SETTLED = """() => !document.getElementById("sign-in").hidden
  || ["done", "failed"].includes(document.documentElement.dataset.state)"""


class Recorder(BaseHTTPRequestHandler):
    """Accepts everything from every origin, and keeps the bodies."""

    bodies: list[str]

    def do_OPTIONS(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._reply(b'{"user_id": "@ana:localhost", "access_token": "token"}')

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in (("Origin", "*"), ("Headers", "*, Content-Type"), ("Methods", "*")):
            self.send_header(f"Access-Control-Allow-{name}", value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


@pytest.fixture
def other_host() -> Iterator[tuple[str, list[str]]]:
    """A server under a name that is not the page's, and the bodies that it was sent."""
    handler = type("Handler", (Recorder,), {"bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"other.localhost:{server.server_port}", handler.bodies
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.by_default("chromium", "firefox-private")
def test_the_demonstrations_password_goes_to_no_other_host(
    open_tab: OpenTab, other_host: tuple[str, list[str]]
) -> None:
    tab = open_tab()
    host, bodies = other_host
    for address in (f"http:\\\\{host}\\x://localhost", "https:evil.example:9443/x://localhost"):
        tab.page.goto(f"{tab.origin}/blob.html?homeserver={quote(address, safe='')}")
        tab.page.wait_for_function(SETTLED)
        assert bodies == []
        assert tab.page.locator("#sign-in").is_visible()
    tab = open_tab()  # the first one's form looks up, late or early, how one signs in there
    tab.page.goto(f"{tab.origin}/blob.html?homeserver=http://localhost:8008@{host}")
    tab.wait_until_settled()
    assert tab.state == "failed"
    assert "is not the address of a homeserver" in tab.page.locator("#problem").inner_text()
    assert [url for url in tab.requests if url.startswith((f"http://{host}", "https://evil"))] == []
    assert bodies == []
