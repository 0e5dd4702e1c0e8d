"""Serves the built site in development, with compression, caching and ranges, by ServeStatic on uvicorn."""

import asyncio
import errno
import json
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from servestatic import ServeStaticASGI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from development.loopback import HOSTS

Application = Callable[..., Awaitable[None]]

# URLs with a content hash are immutable.
_IMMUTABLE = re.compile(r"^/assets/[\w.-]+\.[0-9a-f]{12}[./]").match


class Server:
    """Serves an ASGI application on this machine's loopback addresses, in its own thread.

    :param port: the port; 0 for a free one.
    :raises OSError: if the port is in use.
    """

    def __init__(self, application: Application, port: int) -> None:
        self._sockets = _loopback_sockets(port)
        self.port = int(self._sockets[0].getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(application, interface="asgi3", log_level="warning", access_log=False, lifespan="off")
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://localhost:{self.port}/"

    def start(self) -> None:
        """Serves until `stop`; the sockets accept connections from construction on."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the server and waits for its thread."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread:
            self._thread.join()
        for listener in self._sockets:
            listener.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=self._sockets))


class SiteServer(Server):
    """Serves the built site and the demonstration's account.

    :param site: the folder that `site.build` wrote.
    :param port: the port; 0 for a free one.
    :param demo: content of ``demo.json``: homeserver, account and room.
    :raises OSError: if the port is in use.
    """

    def __init__(self, site: Path, port: int, demo: Mapping[str, str] | None = None) -> None:
        super().__init__(site_application(site, demo or {}), port)


def site_application(site: Path, demo: Mapping[str, str]) -> Application:
    """Returns the ASGI application of the site's files and ``demo.json``, for requests to this machine's own names.

    All others get 400, whatever the path: no spelling of ``demo.json`` gets past the check, and no page of ours signs
    in under a name that is not this machine's.
    """
    files = ServeStaticASGI(
        None,
        root=site,
        prefix="/",
        index_file=True,
        max_age=0,
        allow_all_origins=False,
        immutable_file_test=lambda path, url: bool(_IMMUTABLE(url)),
    )
    return TrustedHostMiddleware(_with_demo(files, demo), HOSTS, www_redirect=False)


def _loopback_sockets(port: int) -> list[socket.socket]:
    """Returns listening sockets on 127.0.0.1 and, if available, ::1: browsers try both for ``localhost``."""
    listener = socket.create_server(("127.0.0.1", port))
    try:
        second = socket.create_server(("::1", listener.getsockname()[1]), family=socket.AF_INET6)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return [listener]
        listener.close()
        if port:
            raise  # browsers that prefer ::1 would reach the other program
        return _loopback_sockets(port)
    return [listener, second]


def _with_demo(files: Application, demo: Mapping[str, str]) -> Application:
    """Adds ``demo.json`` to the files; the account is never written into the site's folder."""
    body = json.dumps(dict(demo)).encode()

    async def application(scope: dict[str, Any], receive: object, send: Callable[..., Awaitable[None]]) -> None:
        if scope["path"] != "/demo.json":
            await files(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application
