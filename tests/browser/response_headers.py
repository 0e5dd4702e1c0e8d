"""Adds headers to the responses of a site, as its administrator may configure them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from web.server import Application


def with_headers(application: Application, headers: Mapping[str, str]) -> Application:
    """Returns an ASGI application whose responses have the headers, too."""
    added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def adapted(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        async def send_more(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await application(scope, receive, send_more)

    return adapted
