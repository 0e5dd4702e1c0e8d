"""Patches Synapse where its module API has no hook.

1. Endpoints under ``/_matrix/client``: a module can add resources beside that path only, not below it.
2. Preflights: Synapse answers ``OPTIONS`` before it looks up the endpoint, without ``Access-Control-Max-Age``.
3. Logs: Synapse logs the URI of every request, and redacts only its own secrets.
4. CORS: Synapse allows pages of all origins to read its responses, but not their ``Retry-After``, and none of them to
   send cookies.

Requests for other paths than this module's are handled by Synapse's own code, unchanged, unless ``native_ranges`` or
``offload_downloads`` is configured.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

from collections.abc import Callable
from functools import partial

import synapse.rest
from synapse.http import server
from synapse.http.server import HttpServer, OptionsResource
from synapse.http.site import SynapseRequest
from synapse.rest.client import media
from synapse.server import HomeServer

from media_protocol.log_redaction import redact
from media_protocol.signing import PREFIX

from .config import REDIRECT, MediaLinksConfig
from .cookie import COOKIE_PATH, allow_credentials
from .endpoints import Endpoints
from .native_ranges import NATIVE_PATHS, NativeRanges
from .presigned_urls import require_provider
from .sessions import RevokedTokens

# The longest time for which any browser caches a preflight (https://fetch.spec.whatwg.org/#http-access-control-max-age).
_PREFLIGHT_MAX_AGE_S = 86400

_original_register_media_servlets = media.register_servlets
_original_render_options = OptionsResource.render_OPTIONS
_original_get_redacted_uri = SynapseRequest.get_redacted_uri
_original_set_cors_headers = server.set_cors_headers


def install(hs: HomeServer, config: MediaLinksConfig) -> None:
    """Installs all patches. Called once, while Synapse constructs its modules and before it opens a port."""
    _add_endpoints(hs, config)
    RevokedTokens(hs)
    # mypy forbids assignments to methods.
    OptionsResource.render_OPTIONS = _preflight_renderer(config)  # type: ignore[method-assign, assignment]
    SynapseRequest.get_redacted_uri = _get_redacted_uri  # type: ignore[method-assign]
    server.set_cors_headers = partial(_set_cors_headers, has_cookie=config.cookie)
    if hs.config.media.can_load_media_repo:
        if config.offload == REDIRECT:
            require_provider(hs)
        if config.native_ranges or config.offload_downloads:
            NativeRanges(hs, config).install()


def _add_endpoints(hs: HomeServer, config: MediaLinksConfig) -> None:
    endpoints = Endpoints(hs, config)

    def register_servlets(hs: HomeServer, http_server: HttpServer) -> None:
        endpoints.register(http_server)

    def register_all_servlets(hs: HomeServer, http_server: HttpServer) -> None:
        _original_register_media_servlets(hs, http_server)
        endpoints.register(http_server)

    # A listener with `media` but without `client` has the servlet group "media" alone, which Synapse creates with this
    # function for each listener. A process without the media repository has no such group; there we add one.
    if hs.config.media.can_load_media_repo:
        media.register_servlets = register_all_servlets
    else:
        synapse.rest.SERVLET_GROUPS["media_links"] = (register_servlets,)


def _preflight_renderer(config: MediaLinksConfig) -> Callable[[OptionsResource, SynapseRequest], bytes]:
    """Returns what answers ``OPTIONS`` of all paths, and lets browsers cache the answer for some of them."""
    prefixes = (PREFIX.encode(), *(NATIVE_PATHS if config.native_ranges else ()))

    def render_options(self: OptionsResource, request: SynapseRequest) -> bytes:
        body = _original_render_options(self, request)
        if request.path.startswith(prefixes):
            request.setHeader(b"Access-Control-Max-Age", str(_PREFLIGHT_MAX_AGE_S).encode())
            request.setHeader(
                b"Access-Control-Allow-Headers",
                b"X-Requested-With, Content-Type, Authorization, Date, Range, If-Range, If-None-Match",
            )
        return body

    return render_options


def _set_cors_headers(request: SynapseRequest, has_cookie: bool) -> None:
    """Replaces the function that Synapse calls for every response, preflights and errors included."""
    _original_set_cors_headers(request)
    if not request.path.startswith(PREFIX.encode()):
        return
    exposed = request.responseHeaders.getRawHeaders(b"Access-Control-Expose-Headers") or []
    request.setHeader(b"Access-Control-Expose-Headers", b", ".join([*exposed, b"Retry-After"]))
    if has_cookie and request.path == COOKIE_PATH.encode():
        allow_credentials(request)


def _get_redacted_uri(self: SynapseRequest) -> str:
    return redact(_original_get_redacted_uri(self))
