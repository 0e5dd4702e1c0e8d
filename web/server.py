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

Application = Callable[..., Awaitable[None]]

# The names that mean this machine and no other. Any other name can be made to resolve to this machine while a page of
# that name is open, which then reads the site as its own origin: https://en.wikipedia.org/wiki/DNS_rebinding
# Names below `localhost` are never looked up in the DNS: https://www.rfc-editor.org/rfc/rfc6761#section-6.3
_HOSTS = ("localhost", "*.localhost", "127.0.0.1", "[::1]")
# A name with a hash in it never changes its content.
_IMMUTABLE = re.compile(r"^/assets/[\w.-]+\.[0-9a-f]{12}[./]").match


class Server:
    """An ASGI application on this machine's loopback addresses, in a thread of its own.

    :param port: where to listen; 0 takes a free one.
    :raises OSError: if the port is taken.
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
        """Serves until `stop`; connections are taken, if not answered, as soon as the object is made."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server and waits for it."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread:
            self._thread.join()
        for listener in self._sockets:
            listener.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=self._sockets))


class SiteServer(Server):
    """The site, with the demonstration's account beside it.

    :param site: the folder that `site.build` made.
    :param port: where to listen; 0 takes a free one.
    :param demo: what the pages are told in ``demo.json``: homeserver, account and room.
    :raises OSError: if the port is taken.
    """

    def __init__(self, site: Path, port: int, demo: Mapping[str, str] | None = None) -> None:
        super().__init__(site_application(site, demo or {}), port)


def site_application(site: Path, demo: Mapping[str, str]) -> Application:
    """The site's files and ``demo.json``, for requests whose ``Host`` is one of this machine's names, on any port.

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
    return TrustedHostMiddleware(_with_demo(files, demo), _HOSTS, www_redirect=False)


def _loopback_sockets(port: int) -> list[socket.socket]:
    """Listening sockets on 127.0.0.1 and, where the machine has it, ::1: browsers try both for ``localhost``."""
    listener = socket.create_server(("127.0.0.1", port))
    try:
        second = socket.create_server(("::1", listener.getsockname()[1]), family=socket.AF_INET6)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return [listener]
        listener.close()
        if port:
            raise  # some browsers would show what listens there
        return _loopback_sockets(port)
    return [listener, second]


def _with_demo(files: Application, demo: Mapping[str, str]) -> Application:
    """The files, and the demonstration's account, which is never written into the site's folder."""
    body = json.dumps(dict(demo)).encode()

    async def application(scope: dict[str, Any], receive: object, send: Callable[..., Awaitable[None]]) -> None:
        if scope["path"] != "/demo.json":
            await files(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application
