"""Requests to the homeserver: whose token it is, and media."""

import json
import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

import httpx

from media_protocol.origins import parse_origin
from media_protocol.signing import Media

from .errors import MatrixError, homeserver_failed, limit_exceeded, session_ended
from .media_client import MediaClient, MediaResponse, forwarded_for, no_cookies
from .metrics import Metrics

logger = logging.getLogger(__name__)

_WHOAMI = "/_matrix/client/v3/account/whoami"
_MEDIA = "/_matrix/client/v1/media"
# A homeserver that waits for another one gives up on it after some minutes.
_TIMEOUT = httpx.Timeout(30.0, read=300.0)
# No bound on connections: each client that is signed in holds one with its `/sync`, and would keep others waiting.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0)
_MAX_REDIRECTS = 3
_MAX_ERROR_BYTES = 64 * 1024
_ERRCODE = re.compile(r"[A-Z][A-Z0-9_.]{0,63}")
_MAX_RETRY_AFTER_MS = 3_600_000
# What the statuses of a homeserver's refusal mean for a link: status, errcode and message of the response.
_REFUSALS = {
    400: (400, "M_UNKNOWN", "The homeserver cannot make this of the media"),
    # Not its 403, on which clients would discard the link and request another one.
    403: (404, "M_NOT_FOUND", "There is no such media here"),
    404: (404, "M_NOT_FOUND", "There is no such media here"),
    413: (413, "M_TOO_LARGE", "This media is too large for the homeserver"),
    504: (504, "M_NOT_YET_UPLOADED", "This media has not been uploaded yet"),
}


#: A response whose body is read as it comes.
StreamedResponse = MediaResponse | httpx.Response


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose an access token is. A session without a device has an empty ``device_id``."""

    user_id: str
    device_id: str


class Homeserver:
    """The homeserver's client-server API.

    :param redirect_origins: the origins beside the homeserver's own that its redirects may lead to.
    """

    def __init__(self, base_url: str, redirect_origins: frozenset[str], metrics: Metrics) -> None:
        self.base_url = base_url
        self._origins = redirect_origins | {base_url}
        self._metrics = metrics
        self._media = MediaClient(base_url)
        self.http = httpx.AsyncClient(
            timeout=_TIMEOUT, limits=_LIMITS, follow_redirects=False, trust_env=False, cookies=no_cookies()
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._media.close()
        await self.http.aclose()

    async def whoami(self, token: str, address: str = "") -> Identity:
        """Returns whose a token is.

        :param address: of the client, for whom it is requested; empty if it is unknown.
        :raises MatrixError: the homeserver's own, if it does not accept the token.
        """
        headers = {"Authorization": f"Bearer {token}", **forwarded_for(address)}
        response = await self._send("whoami", self.base_url + _WHOAMI, headers)
        try:
            body = await _read_json(response)
        finally:
            await response.aclose()
        if response.status_code == 200:
            user_id, device_id = body.get("user_id"), body.get("device_id", "")
            if isinstance(user_id, str) and isinstance(device_id, str):
                return Identity(user_id, device_id)
        raise _authentication_error(response.status_code, body)

    async def open_media(self, media: Media, token: str, *, address: str = "", wait: bool = True) -> StreamedResponse:
        """Requests a media or a thumbnail. The caller closes the response.

        :param address: of the client, for whom it is requested; empty if it is unknown.
        :param wait: whether the homeserver is to wait for the upload of a media whose id is reserved.
        :raises MatrixError: as a link responds with it: 403 if the homeserver does not accept the token any more.
        """
        path = _media_path(media, wait)
        url = self.base_url + path
        response: StreamedResponse = await self._send_media(path, token, address)
        for _ in range(_MAX_REDIRECTS):
            if response.status_code not in (301, 302, 303, 307, 308):
                break
            await response.aclose()
            url = self._redirect_target(url, response)
            # Without the token: https://spec.matrix.org/v1.16/client-server-api/#content-repository
            response = await self._send("redirect", url)
        if response.status_code == 200:
            return response
        try:
            body = await _read_json(response)
        finally:
            await response.aclose()
        raise _refusal(response.status_code, body)

    async def _send_media(self, path: str, token: str, address: str) -> MediaResponse:
        try:
            response = await self._media.get(path, token, address)
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # which httpx finds in a redirect's target
            raise self._failed("media", error) from None
        self._metrics.homeserver_requests.labels("media", str(response.status_code)).inc()
        return response

    async def _send(self, kind: str, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        # A coded body would have another length than the media.
        request = self.http.build_request("GET", url, headers={"Accept-Encoding": "identity", **(headers or {})})
        try:
            response = await self.http.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # which httpx finds in a redirect's target
            raise self._failed(kind, error) from None
        self._metrics.homeserver_requests.labels(kind, str(response.status_code)).inc()
        return response

    def _failed(self, kind: str, error: Exception) -> MatrixError:
        self._metrics.homeserver_requests.labels(kind, "failed").inc()
        # Not the error's text, which may contain the URL.
        logger.warning("The homeserver did not answer a request (%s): %s", kind, type(error).__name__)
        return homeserver_failed()

    def _redirect_target(self, url: str, response: StreamedResponse) -> str:
        try:
            target: str = urljoin(url, response.headers.get("location", ""))
            httpx.URL(target)  # raises the error of what is no URL
        except (ValueError, httpx.InvalidURL):
            target = ""
        origin = parse_origin("/".join(target.split("/", 3)[:3]))
        if origin not in self._origins:
            logger.error(
                "The homeserver redirects media to %s; to follow, add it to 'redirect_origins'", origin or "no address"
            )
            raise homeserver_failed()
        return target


def _media_path(media: Media, wait: bool) -> str:
    names = f"{quote(media.server_name, safe=':')}/{media.media_id}"
    parameters = [] if wait else ["timeout_ms=0"]
    shape = media.thumbnail
    if shape:
        parameters += [f"width={shape.width}", f"height={shape.height}", f"method={shape.method}"]
        # Left out where it is false, which is the default.
        parameters += ["animated=true"] if shape.animated else []
    kind = "thumbnail" if shape else "download"
    return f"{_MEDIA}/{kind}/{names}" + ("?" + "&".join(parameters) if parameters else "")


async def _read_json(response: StreamedResponse) -> dict[str, Any]:
    """Returns a small JSON object; an empty one for any other body."""
    content = b""
    try:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _MAX_ERROR_BYTES:
                return {}
        body = json.loads(content)
    except (httpx.HTTPError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _authentication_error(status: int, body: dict[str, Any]) -> MatrixError:
    if status == 429:
        return limit_exceeded(_retry_after_ms(body))
    if status not in (401, 403):
        return homeserver_failed()
    # Clients renew their token on some errcodes, and by `soft_logout` they know whether they may.
    errcode = body.get("errcode")
    extra = {"soft_logout": True} if body.get("soft_logout") is True else {}
    if not isinstance(errcode, str) or not _ERRCODE.fullmatch(errcode):
        errcode = "M_UNKNOWN_TOKEN"
    return MatrixError(status, errcode, "The homeserver does not accept this access token", **extra)


def _refusal(status: int, body: dict[str, Any]) -> MatrixError:
    if status == 401:
        return session_ended()
    if status == 429:
        return limit_exceeded(_retry_after_ms(body))
    return MatrixError(*_REFUSALS[status]) if status in _REFUSALS else homeserver_failed()


def _retry_after_ms(body: dict[str, Any]) -> int:
    value = body.get("retry_after_ms")
    return min(value, _MAX_RETRY_AFTER_MS) if type(value) is int and value >= 0 else 1000
