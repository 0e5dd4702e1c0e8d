"""Renders errors as HTML for a person who has opened the URL of a media in a browser."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest

from media_protocol import error_page

from .request_parsing import header


def prefers_html(request: SynapseRequest) -> bool:
    """Whether the response is shown to a person."""
    return error_page.prefers_html(header(request, "Accept") or "", header(request, "Sec-Fetch-Mode"))


def respond(request: SynapseRequest, status: int, errcode: str, server_name: str) -> None:
    """Sends an HTML page that says what happened and what the user can do.

    :param server_name: of this homeserver, so that the user knows which administrator to ask.
    """
    if request._disconnected:
        return
    body = error_page.render(status, errcode, server_name).encode()
    request.setResponseCode(status)
    for name, value in (
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Content-Security-Policy", error_page.CONTENT_SECURITY_POLICY.encode("ascii")),
        (b"X-Frame-Options", b"DENY"),
    ):
        request.setHeader(name, value)
    request.write(body)
    finish_request(request)
