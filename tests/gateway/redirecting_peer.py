"""A homeserver that redirects downloads of media to a storage of another origin, as matrix-media-repo does."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

import httpx


class RedirectingPeer:
    """Redirects downloads, and passes everything else on to a real homeserver.

    :param content: of every media in the storage.
    """

    def __init__(self, homeserver: str, content: bytes) -> None:
        #: The headers of each request to the storage.
        self.storage_headers: list[Mapping[str, str]] = []
        seen = self.storage_headers

        class Storage(_Handler):
            def do_GET(self) -> None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
                self.answer(200, content, {"Content-Type": "video/mp4"})

        self._storage = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
        self.storage_url = f"http://localhost:{self._storage.server_port}"
        target = f"{self.storage_url}/bucket/elsewhere?signature=abc"

        class Homeserver(_Handler):
            def do_GET(self) -> None:
                if "/media/download/" in self.path:
                    self.answer(307, b"", {"Location": target})
                else:
                    self.pass_on()

            def do_POST(self) -> None:
                self.pass_on()

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {"Authorization": self.headers.get("Authorization", "")}
                response = httpx.request(self.command, homeserver + self.path, content=body, headers=headers)
                self.answer(response.status_code, response.content, {"Content-Type": "application/json"})

        self._homeserver = ThreadingHTTPServer(("127.0.0.1", 0), Homeserver)
        self.url = f"http://127.0.0.1:{self._homeserver.server_port}"

    def __enter__(self) -> Self:
        for server in (self._storage, self._homeserver):
            Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for server in (self._storage, self._homeserver):
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""
