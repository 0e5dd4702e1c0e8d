"""The places where Synapse has to be told about this module, because its module API has no words for them.

1. Endpoints under ``/_matrix/client``: a module can only add resources beside that path, not below it.
2. Preflights: Synapse answers ``OPTIONS`` before any endpoint is looked up, without ``Access-Control-Max-Age``.
3. Logs: Synapse writes every request's address into its log, and takes out only the secrets it knows of.
4. Where there are cookies: Synapse lets pages of all origins read its answers, and none of them send cookies.

Everything here is in the way of nobody else: what is not about our own paths goes to Synapse's own code untouched.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import synapse.rest
from synapse.http import server
from synapse.http.server import HttpServer, OptionsResource
from synapse.http.site import SynapseRequest
from synapse.rest.client import media
from synapse.server import HomeServer

from .config import MediaLinksConfig
from .cookie import COOKIE_PATH, allow_credentials
from .endpoints import Endpoints
from .redaction import redact
from .sessions import RevokedTokens
from .signing import PREFIX

# The longest that any browser keeps the answer to a preflight (https://fetch.spec.whatwg.org/#http-access-control-max-age).
_PREFLIGHT_S = 86400

_register_media = media.register_servlets
_render_options = OptionsResource.render_OPTIONS
_get_redacted_uri = SynapseRequest.get_redacted_uri
_set_cors_headers = server.set_cors_headers


def install(hs: HomeServer, config: MediaLinksConfig) -> None:
    """Tells Synapse. Called once, while Synapse constructs its modules, which is before it opens any port."""
    _add_endpoints(hs, config)
    RevokedTokens(hs)
    # mypy cannot see that a function that replaces a method is its equal.
    OptionsResource.render_OPTIONS = _answer_preflight  # type: ignore[method-assign]
    SynapseRequest.get_redacted_uri = _redact  # type: ignore[method-assign]
    if config.cookie:
        server.set_cors_headers = _share


def _add_endpoints(hs: HomeServer, config: MediaLinksConfig) -> None:
    endpoints = Endpoints(hs, config)

    def register_ours(hs: HomeServer, http_server: HttpServer) -> None:
        endpoints.register(http_server)

    def register_media_and_ours(hs: HomeServer, http_server: HttpServer) -> None:
        _register_media(hs, http_server)
        endpoints.register(http_server)

    # A listener with `media` but not `client` takes the group "media" alone, and Synapse makes that group from this
    # function each time. A process without the media repository never makes it; there we are a group of our own.
    if hs.config.media.can_load_media_repo:
        media.register_servlets = register_media_and_ours
    else:
        synapse.rest.SERVLET_GROUPS["media_links"] = (register_ours,)


def _answer_preflight(self: OptionsResource, request: SynapseRequest) -> bytes:
    body = _render_options(self, request)
    if request.path.startswith(PREFIX.encode()):
        request.setHeader(b"Access-Control-Max-Age", str(_PREFLIGHT_S).encode())
        request.setHeader(
            b"Access-Control-Allow-Headers",
            b"X-Requested-With, Content-Type, Authorization, Date, Range, If-Range, If-None-Match",
        )
    return body


def _share(request: SynapseRequest) -> None:
    """What Synapse calls for each of its answers, preflights and errors included, that pages may read."""
    _set_cors_headers(request)
    if request.path == COOKIE_PATH.encode():
        allow_credentials(request)


def _redact(self: SynapseRequest) -> str:
    return redact(_get_redacted_uri(self))
