"""Error classes for Matrix error responses.

https://spec.matrix.org/latest/client-server-api/#standard-error-response
"""

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    LinksUnsupported,
    MediaNotFound,
    RateLimited,
    ServerFailure,
    SessionExpired,
)
from authmedia.support.untrusted import finite_number, json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def error_from_response(response: browser.Response) -> AuthMediaError:
    """Returns the error for a response with a status of 400 or more.

    :raises BrowserError: if its body breaks off.
    """
    body = json_object(parse_json(await response.text()))
    errcode = str(body.get("errcode", ""))
    words = f"{errcode}: {body.get('error', '')}" if errcode else f"HTTP {response.status}"
    if errcode == "M_LIMIT_EXCEEDED" or response.status == 429:
        return RateLimited("Too many requests", words=words, retry_after_s=_retry_after_s(response, body))
    return error_from_errcode(errcode, words, response.status)


def error_from_errcode(errcode: str, words: str, status: int = 0) -> AuthMediaError:
    """Returns the error for a Matrix error code, as it stands in a response or in one entry of a batch.

    :param words: the server's message.
    :param status: the HTTP status, 0 where there is none.
    """
    if errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") or status == 401:
        return SessionExpired("The homeserver does not know this session", words=words)
    if errcode == "M_UNRECOGNIZED" or status == 405:
        return LinksUnsupported("The homeserver does not have this endpoint", words=words)
    if errcode == "M_NOT_FOUND" or status == 404:
        return MediaNotFound("There is no such media", words=words)
    if errcode in ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN") or status == 403:
        return Forbidden("The homeserver refused", words=words)
    if errcode == "M_LIMIT_EXCEEDED":
        return RateLimited("Too many requests", words=words)
    if status >= 500 or errcode == "M_UNKNOWN":
        return ServerFailure("The homeserver failed", words=words)
    return AuthMediaError("The homeserver refused", words=words)


def _retry_after_s(response: browser.Response, body: "dict[str, Any]") -> float | None:
    """Returns the seconds to wait, by the header (whole seconds) or the body's older field (milliseconds)."""
    try:
        return finite_number(int(response.header("Retry-After")))
    except ValueError:  # it is missing, or a date
        return finite_number(body.get("retry_after_ms")) / 1000 or None
