"""Hands the sending of media over to others, once Synapse has decided that a request may have them (``offload``).

``redirect``: the response is a 307 to a presigned URL of the storage. ``x-accel``: nginx, in front of Synapse, sends
the file from the media store (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers).

Whatever can not be handed over, Synapse sends itself: small media, files that are incomplete, images of URL previews.
"""

# Twisted has no annotations on its requests.
# mypy: allow-untyped-calls

import os
from typing import BinaryIO
from urllib.parse import quote

from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.media._base import FileInfo
from synapse.server import HomeServer
from twisted.web.http import TEMPORARY_REDIRECT

from .config import REDIRECT, X_ACCEL, MediaLinksConfig
from .presigned_urls import PresignedUrls
from .request_parsing import header

# A cached redirect is followed only while this part of the URL's life is left.
_CACHED_PART = 0.9
_RESPONSE_HEADERS = ("Content-Type", "Content-Disposition")
# What describes the body that another server sends.
_BODY_HEADERS = (
    b"Accept-Ranges",
    b"Content-Disposition",
    b"Content-Length",
    b"Content-Type",
    b"ETag",
    b"Server-Timing",
)


class Offload:
    """Hands over what the configuration says."""

    def __init__(self, hs: HomeServer, config: MediaLinksConfig) -> None:
        self._min_bytes = config.offload_min_bytes
        self._lifetime_ms = config.redirect_lifetime_ms
        self._urls = PresignedUrls(hs, config.redirect_endpoint) if config.offload == REDIRECT else None
        self._location = config.x_accel_location if config.offload == X_ACCEL else None
        self._directory = hs.get_media_repository().media_storage.local_media_directory

    def redirects(self, size: int) -> bool:
        """Whether a file of this size may be redirected to the storage."""
        return self._urls is not None and size >= self._min_bytes

    def is_local(self, path: str) -> bool:
        """Whether a file is on this machine's disk.

        :param path: relative to the media store.
        """
        return self._directory is not None and os.path.isfile(os.path.join(self._directory, path))

    async def stores(self, info: FileInfo) -> bool:
        """Whether the storage has a file that is large enough to be redirected."""
        return self._urls is not None and self.redirects(await self._urls.stored_size(info) or 0)

    async def redirect(self, request: SynapseRequest, info: FileInfo, size: int, remaining_ms: int | None) -> bool:
        """Answers with a redirect to the storage, if that has the file; returns whether it does.

        :param request: whose response has the headers of the file already.
        :param size: of the complete file, in bytes.
        :param remaining_ms: how long the permission for the file is valid; ``None`` for as long as a redirect is.
        """
        assert self._urls
        valid_s = (self._lifetime_ms if remaining_ms is None else min(remaining_ms, self._lifetime_ms)) // 1000
        if valid_s < 1:
            return False
        headers = {name: _response_header(request, name) for name in _RESPONSE_HEADERS}
        headers["Cache-Control"] = f"private, max-age={valid_s}, immutable"
        url = await self._urls.make(request.method, info, size, valid_s, headers)
        if url is None:
            return False
        if not request._disconnected:
            for name in _BODY_HEADERS:
                request.responseHeaders.removeHeader(name)
            request.setResponseCode(TEMPORARY_REDIRECT)
            request.setHeader(b"Location", url.encode("ascii"))
            request.setHeader(b"Cache-Control", f"private, max-age={int(valid_s * _CACHED_PART)}".encode())
            request.setHeader(b"Content-Length", b"0")
            finish_request(request)
        return True

    def accelerates(self, request: SynapseRequest, size: int) -> bool:
        """Whether nginx is there to send a file of this size.

        nginx says so by a header. Without it the client itself would receive the location, and no media.
        """
        if self._location is None or size < self._min_bytes:
            return False
        return header(request, "X-Sendfile-Type") == "X-Accel-Redirect"

    def accelerate(self, request: SynapseRequest, file: BinaryIO) -> bool:
        """Has nginx send a file that is open, and complete; returns whether the file is in the media store.

        Conditions and ranges are nginx's, and so is the entity tag: it compares tags with its own alone.

        :param request: whose response has the headers of the file already.
        """
        path = os.path.relpath(file.name, self._directory) if self._directory else os.pardir
        if path.startswith(os.pardir):
            return False
        request.setHeader(b"X-Accel-Redirect", f"{self._location}{quote(path)}".encode("ascii"))
        for name in (b"Accept-Ranges", b"Content-Length", b"ETag"):
            request.responseHeaders.removeHeader(name)
        finish_request(request)
        return True


def _response_header(request: SynapseRequest, name: str) -> str:
    values = request.responseHeaders.getRawHeaders(name.encode("ascii")) or [b""]
    return str(values[-1].decode("latin-1"))
