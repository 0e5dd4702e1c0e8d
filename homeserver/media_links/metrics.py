"""Counters for Prometheus, which Synapse's own listener for metrics shows.

https://element-hq.github.io/synapse/latest/metrics-howto.html
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prometheus_client import Counter
from synapse.api.errors import SynapseError
from synapse.http.servlet import RestServlet
from synapse.http.site import SynapseRequest
from synapse.metrics import SERVER_NAME_LABEL

_Handler = Callable[..., Awaitable[Any]]

LINKS = Counter("media_links_minted", "Links that the server has signed", [SERVER_NAME_LABEL])
RESPONSES = Counter("media_links_responses", "Responses, by endpoint", [SERVER_NAME_LABEL, "endpoint", "status"])
SENT_BYTES = Counter("media_links_sent_bytes", "Bytes of media sent, by endpoint", [SERVER_NAME_LABEL, "endpoint"])
REFUSALS = Counter("media_links_refusals", "Matrix errors, by endpoint", [SERVER_NAME_LABEL, "endpoint", "errcode"])

_METHODS = ("on_GET", "on_POST", "on_DELETE")


def count_responses(servlets: Iterable[RestServlet], server_name: str) -> None:
    """Has servlets count what they respond with. Called before they are registered."""
    for servlet in servlets:
        endpoint = type(servlet).__name__.removesuffix("Servlet")
        for method in _METHODS:
            handler = getattr(servlet, method, None)
            if handler:
                setattr(servlet, method, _counting(handler, server_name, endpoint))


def _counting(handler: _Handler, server_name: str, endpoint: str) -> _Handler:
    async def handle(request: SynapseRequest, *arguments: Any, **named: Any) -> Any:
        try:
            answer = await handler(request, *arguments, **named)
        except SynapseError as error:
            REFUSALS.labels(server_name, endpoint, getattr(error.errcode, "value", error.errcode)).inc()
            RESPONSES.labels(server_name, endpoint, str(error.code)).inc()
            raise
        if isinstance(answer, tuple):
            RESPONSES.labels(server_name, endpoint, str(answer[0])).inc()
        else:  # it has sent the response by itself
            RESPONSES.labels(server_name, endpoint, str(request.code)).inc()
            SENT_BYTES.labels(server_name, endpoint).inc(request.sentLength)
        return answer

    return handle
