"""A small identity provider for single sign-on: the protocol CAS, with one account.

https://apereo.github.io/cas/development/protocol/CAS-Protocol-Specification.html
"""

import secrets
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from web.server import Server

_VALID = "<cas:authenticationSuccess><cas:user>{user}</cas:user></cas:authenticationSuccess>"
_INVALID = "<cas:authenticationFailure code='INVALID_TICKET'>no such ticket</cas:authenticationFailure>"


class IdentityProvider:
    """Signs one account in, after a click, with tickets that are valid once.

    :param user: the name of the account.
    """

    def __init__(self, user: str) -> None:
        self._user = user
        self._tickets: set[str] = set()
        routes = [
            Route("/login", self._page),
            Route("/begin", self._begin),
            Route("/proxyValidate", self._validate),
        ]
        self._server = Server(Starlette(routes=routes), 0)
        self.url = self._server.url.rstrip("/")

    def __enter__(self) -> "IdentityProvider":
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.stop()

    async def _page(self, request: Request) -> Response:
        service = quote(request.query_params["service"], safe="")
        return HTMLResponse(f'<!doctype html><a id="sign-in" href="/begin?service={service}">Sign in</a>')

    async def _begin(self, request: Request) -> Response:
        ticket = "ST-" + secrets.token_hex(8)
        self._tickets.add(ticket)
        service = request.query_params["service"]
        return RedirectResponse(service + ("&" if "?" in service else "?") + f"ticket={ticket}")

    async def _validate(self, request: Request) -> Response:
        ticket = request.query_params["ticket"]
        body = _VALID.format(user=self._user) if ticket in self._tickets else _INVALID
        self._tickets.discard(ticket)
        namespace = "xmlns:cas='http://www.yale.edu/tp/cas'"
        return Response(f"<cas:serviceResponse {namespace}>{body}</cas:serviceResponse>", media_type="application/xml")
