"""The base class of the endpoints that serve media to requests without an ``Authorization`` header."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from dataclasses import dataclass

from synapse.api.errors import SynapseError
from synapse.http.server import finish_request, set_corp_headers, set_cors_headers
from synapse.http.servlet import RestServlet
from synapse.http.site import SynapseRequest
from synapse.server import HomeServer
from twisted.web.http import NO_CONTENT

from media_protocol.signing import Media

from . import html_errors
from .media_response import HeaderChanges, MediaResponder, clear_media_headers
from .sessions import Session


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission to receive one media.

    :param session: whose budget of bytes the media is counted in.
    :param headers: of the response, as far as they depend on the kind of permission.
    :param remaining_ms: how long it is valid.
    """

    media: Media
    session: Session
    headers: HeaderChanges
    remaining_ms: int


class MediaServlet(RestServlet):
    """Answers GET and HEAD with media. Subclasses implement ``_authorize``."""

    def __init__(self, hs: HomeServer, responder: MediaResponder) -> None:
        self._responder = responder
        self._server_name = hs.hostname

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> None:
        """Sends the media, a Matrix error, or an HTML page if a person has opened the URL in a browser."""
        self._set_common_headers(request)
        try:
            grant = await self._authorize(request, server_name, media_id)
            if grant is None:
                request.setResponseCode(NO_CONTENT)
                request.setHeader(b"Cache-Control", b"no-store")
                finish_request(request)
                return
            await self._responder.respond(request, grant.media, grant.session, grant.headers, grant.remaining_ms)
        except Exception as error:
            if request.startedWriting:
                raise
            clear_media_headers(request)
            if not isinstance(error, SynapseError) or not html_errors.prefers_html(request):
                raise
            for name, value in (error.headers or {}).items():
                request.setHeader(name, value)
            html_errors.respond(request, error.code, error.errcode, self._server_name)

    def _set_common_headers(self, request: SynapseRequest) -> None:
        """Sets the headers of every response, errors included."""
        set_cors_headers(request)
        set_corp_headers(request)
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")

    async def _authorize(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant | None:
        """Returns what the request is permitted to receive; ``None`` for no media, by a permission to try.

        :raises SynapseError: if that is nothing.
        """
        raise NotImplementedError
