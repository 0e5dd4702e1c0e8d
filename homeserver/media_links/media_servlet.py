"""What every endpoint has in common that sends media to a browser without an ``Authorization`` header."""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from dataclasses import dataclass

from synapse.api.errors import SynapseError
from synapse.http.server import set_corp_headers, set_cors_headers
from synapse.http.servlet import RestServlet
from synapse.http.site import SynapseRequest
from synapse.server import HomeServer

from media_protocol.signing import Media

from . import html_errors
from .media_response import Delivery, Headers, clear_media_headers


@dataclass(frozen=True, slots=True)
class Grant:
    """That somebody may have a media, and what the answer has to say because of how they proved it."""

    media: Media
    headers: Headers


class MediaServlet(RestServlet):
    """Answers GET and HEAD with a media; how somebody proves that they may have it, each kind says in ``_admit``."""

    def __init__(self, hs: HomeServer, delivery: Delivery) -> None:
        self._delivery = delivery
        self._server_name = hs.hostname

    async def on_GET(self, request: SynapseRequest, server_name: str, media_id: str) -> None:
        """A failure is a Matrix error, or a page where a person is looking."""
        self._prepare(request)
        try:
            grant = await self._admit(request, server_name, media_id)
            await self._delivery.serve(request, grant.media, grant.headers)
        except Exception as error:
            if request.startedWriting:
                raise
            clear_media_headers(request)
            if not isinstance(error, SynapseError) or not html_errors.wants_page(request):
                raise
            for name, value in (error.headers or {}).items():
                request.setHeader(name, value)
            html_errors.show(request, error.code, error.errcode, self._server_name)

    def _prepare(self, request: SynapseRequest) -> None:
        """The headers of whatever is answered, errors included."""
        set_cors_headers(request)
        set_corp_headers(request)
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        request.setHeader(b"Timing-Allow-Origin", b"*")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")

    async def _admit(self, request: SynapseRequest, server_name: str, media_id: str) -> Grant:
        """Checks the proof.

        :raises SynapseError: where it does not hold.
        """
        raise NotImplementedError
