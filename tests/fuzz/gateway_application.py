"""The gateway's application in front of a homeserver of a few lines, to which requests go without a network."""

import asyncio
import json
import logging
import tempfile
from typing import Any
from unittest import mock
from urllib.parse import unquote

import httpx

from gateway.application import create_application
from gateway.config import GatewayConfig

#: The access token that the homeserver accepts.
TOKEN = "the-token-of-ana"
SECRET = "a secret of the gateway, of thirty-two bytes or more"
MEDIA_ID = "a" * 24


class FuzzedGateway:
    """The application, with an event loop of its own."""

    def __init__(self) -> None:
        logging.disable()  # what is logged is not looked at, and takes longer than the rest
        self._loop = asyncio.new_event_loop()
        self._state = tempfile.TemporaryDirectory()
        self.transport: Any = _answer
        values = {
            "homeserver": "http://home.test",
            "secrets": [{"id": "1", "secret": SECRET}],
            "state_directory": self._state.name,
            "links_per_second": 1_000_000,
            "links_burst": 1_000_000,
        }
        with (
            mock.patch("httpx.AsyncClient", self._client),
            mock.patch("httpx.AsyncHTTPTransport", self._open_transport),
        ):
            self._application = create_application(GatewayConfig.parse(values))

    def request(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[int, bytes]:
        """Sends one request; returns status and body.

        :param target: as in the request's first line, and as uvicorn lets it through.
        """
        return self._loop.run_until_complete(asyncio.wait_for(self._request(method, target, headers, body), 5))

    async def _request(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes]:
        raw_path, _, query = target.partition(b"?")
        messages = iter([{"type": "http.request", "body": body}])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            for message in messages:
                return message
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        await self._application(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

    def _client(self, **_options: object) -> httpx.AsyncClient:
        return _RealClient(transport=self._open_transport())

    def _open_transport(self, **_options: object) -> httpx.MockTransport:
        return httpx.MockTransport(lambda request: self.transport(request))


_RealClient = httpx.AsyncClient


def response(status: int, headers: Any, body: bytes) -> httpx.Response:
    """Returns a response that is still to be read, as one from a network is."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def _answer(request: httpx.Request) -> httpx.Response:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return response(401, {}, b'{"errcode": "M_UNKNOWN_TOKEN", "error": "x"}')
    if request.url.path.endswith("/whoami"):
        return response(200, {}, b'{"user_id": "@ana:localhost", "device_id": "A"}')
    if request.url.path.endswith(MEDIA_ID):
        return response(200, {"Content-Type": "image/png", "Content-Length": "9"}, b"a picture")
    return response(404, {}, b'{"errcode": "M_NOT_FOUND", "error": "x"}')


def is_error_that_tells_nothing(body: bytes, *secrets: str) -> bool:
    """Whether a body is a Matrix error of fixed words, with nothing of a secret in it."""
    error = json.loads(body)
    known = {"errcode", "error", "retry_after_ms", "soft_logout"}
    return {"errcode", "error"} <= error.keys() <= known and not any(secret.encode() in body for secret in secrets)
