"""The ASGI application: its routes, and how it answers errors."""

import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from media_protocol.error_page import CONTENT_SECURITY_POLICY, prefers_html, render
from media_protocol.limits import ByteBudget, LimitReached
from media_protocol.media_requests import InvalidRequest
from media_protocol.signing import PREFIX, SIGNED_PREFIX

from . import metrics as prometheus
from .body_cache import BodyCache
from .config import GatewayConfig
from .endpoints import Endpoints, now_ms
from .errors import MatrixError, limit_exceeded
from .homeserver import Homeserver
from .media_response import CORS_HEADERS, MEDIA_SERVLET_HEADERS
from .media_source import MediaSource
from .metrics import Metrics
from .reverse_proxy import ReverseProxy
from .sessions import Sessions
from .token_store import RedisDatabase, SqliteDatabase, TokenStore

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

# The longest time for which any browser caches a preflight (https://fetch.spec.whatwg.org/#http-access-control-max-age).
_PREFLIGHT_HEADERS = {
    **CORS_HEADERS,
    "Access-Control-Allow-Headers": (
        "X-Requested-With, Content-Type, Authorization, Date, Range, If-Range, If-None-Match"
    ),
    "Access-Control-Max-Age": "86400",
}
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def create_application(config: GatewayConfig) -> Starlette:
    """Creates the application. Its connections and files are closed at its shutdown.

    ``state.proxy`` is the application's `ReverseProxy`.

    :raises ConfigError: if what the configuration needs is not installed.
    """
    metrics = Metrics()
    config.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    homeserver = Homeserver(config.homeserver, config.redirect_origins, metrics)
    database = RedisDatabase(config.redis) if config.redis else SqliteDatabase(config.state_directory / "tokens.db")
    tokens = TokenStore(database, config.keyring)
    sessions = Sessions(homeserver, tokens, config.tokens == "stored")
    cache = BodyCache(config.state_directory / "media", config.cache_bytes, metrics)
    # Of its own: what is downloaded for a session is sent to it, or was requested in small ranges.
    downloads = ByteBudget(now_ms, config.session_bytes_per_hour)
    source = MediaSource(homeserver, sessions, cache, downloads, metrics)
    endpoints = Endpoints(config, sessions, source, metrics)
    proxy = ReverseProxy(homeserver, endpoints.base_url, endpoints.client_address)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await source.close()
        await homeserver.close()
        await tokens.close()

    async def show_metrics(request: Request) -> Response:
        if not _is_local(request):
            raise HTTPException(404)
        return Response(metrics.render(), headers={"Content-Type": prometheus.CONTENT_TYPE})

    media_path = "/{server_name}/{media_id}"
    own = {
        # The first one, because most requests are for it, and each route is a regular expression.
        SIGNED_PREFIX + "{rest:path}": ("signed", "GET", endpoints.signed),
        PREFIX + "/config": ("config", "GET", endpoints.config),
        PREFIX + "/links": ("links", "POST", endpoints.links),
        PREFIX + "/key": ("key", "POST", endpoints.key),
        PREFIX + "/bundle": ("bundle", "POST", endpoints.bundle),
        PREFIX + "/link" + media_path: ("link", "GET", endpoints.link),
        PREFIX + "/link/thumbnail" + media_path: ("link", "GET", endpoints.thumbnail_link),
    }
    routes = [
        Route(path, _counted(endpoint, name, metrics), methods=[method, "OPTIONS"])
        for path, (name, method, endpoint) in own.items()
    ]
    routes += [Route(path, _method_not_allowed, methods=_ALL_METHODS) for path in own]
    routes += [
        Route(PREFIX + "{rest:path}", _unrecognized, methods=_ALL_METHODS),
        Route("/.well-known/matrix/client", proxy.well_known, methods=["GET"]),
        Route("/_matrix/{rest:path}", _counted_proxy(proxy.pass_on, metrics), methods=_ALL_METHODS),
        # The pages of single sign-on.
        Route("/_synapse/client/{rest:path}", _counted_proxy(proxy.pass_on, metrics), methods=_ALL_METHODS),
        # For a reverse proxy that sends the bytes itself.
        Route("/check" + SIGNED_PREFIX + "{rest:path}", _counted(endpoints.check, "check", metrics), methods=["GET"]),
        Route("/metrics", show_metrics, methods=["GET"]),
        Route("/health", _health, methods=["GET"]),
    ]
    errors = {MatrixError: _matrix_error, InvalidRequest: _invalid_request, LimitReached: _limit_reached}
    application = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={**errors, HTTPException: _http_error, Exception: _internal_error},
    )
    application.state.proxy = proxy
    return application


def _counted(endpoint: Endpoint, name: str, metrics: Metrics) -> Endpoint:
    """Answers preflights, and counts all other responses."""

    async def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT_HEADERS)
        try:
            response = await endpoint(request)
        except (MatrixError, InvalidRequest) as error:
            metrics.responses.labels(name, str(error.status)).inc()
            raise
        except LimitReached:
            metrics.responses.labels(name, "429").inc()
            raise
        metrics.responses.labels(name, str(response.status_code)).inc()
        return response

    return respond


def _counted_proxy(endpoint: Endpoint, metrics: Metrics) -> Endpoint:
    async def respond(request: Request) -> Response:
        response = await endpoint(request)
        metrics.responses.labels("proxy", str(response.status_code)).inc()
        return response

    return respond


async def _health(request: Request) -> Response:
    return Response("OK", media_type="text/plain")


async def _method_not_allowed(request: Request) -> Response:
    raise MatrixError(405, "M_UNRECOGNIZED", "Unrecognized request")


async def _unrecognized(request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=_PREFLIGHT_HEADERS)
    raise MatrixError(404, "M_UNRECOGNIZED", "Unrecognized request")


def _is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a reverse proxy."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _matrix_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MatrixError)
    headers = {**MEDIA_SERVLET_HEADERS, "Cache-Control": "no-store", **error.headers}
    is_page = request.url.path.startswith(SIGNED_PREFIX) and prefers_html(
        request.headers.get("Accept", ""), request.headers.get("Sec-Fetch-Mode")
    )
    if not is_page:
        return JSONResponse(error.body, error.status, headers)
    headers |= {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Frame-Options": "DENY"}
    host = request.headers.get("Host", "")
    return HTMLResponse(render(error.status, error.errcode, host), error.status, headers)


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRequest)
    return await _matrix_error(request, MatrixError(error.status, error.errcode, error.message))


async def _limit_reached(request: Request, error: Exception) -> Response:
    assert isinstance(error, LimitReached)
    return await _matrix_error(request, limit_exceeded(error.retry_after_ms))


async def _http_error(request: Request, error: Exception) -> Response:
    """Answers what Starlette itself refuses: an unknown path, or a method that an endpoint does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return await _matrix_error(request, MatrixError(status, "M_UNRECOGNIZED", "Unrecognized request"))


async def _internal_error(request: Request, error: Exception) -> Response:
    return await _matrix_error(request, MatrixError(500, "M_UNKNOWN", "Internal server error"))
