"""Error classes for Matrix error responses.

https://spec.matrix.org/latest/client-server-api/#standard-error-response
"""

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    LinksUnsupported,
    MediaBlocked,
    MediaNotFound,
    MediaTooLarge,
    NotYetUploaded,
    ProxyRefused,
    RateLimited,
    RequestRefused,
    ServerFailure,
    TokenRefused,
    UserDeactivated,
    UserLocked,
    UserSuspended,
)
from authmedia.support.untrusted import finite_number, json_object, parse_digits, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# 4xx of which a later attempt may succeed (a timeout, and one that came too early), and 5xx of which none does.
_TEMPORARY, _NOT_IMPLEMENTED = (408, 425), 501
# The states of an account that some requests are refused for.
_ACCOUNT_ERRORS = {
    "M_USER_LOCKED": (UserLocked, "This account is locked"),
    "M_USER_SUSPENDED": (UserSuspended, "This account is suspended"),
    "M_USER_DEACTIVATED": (UserDeactivated, "This account is deactivated"),
}


async def error_from_response(response: browser.Response) -> AuthMediaError:
    """Returns the error for a response with a status of 400 or more.

    :raises BrowserError: if its body breaks off.
    """
    body = json_object(parse_json(await response.text()))
    errcode = str(body.get("errcode", ""))
    words = f"{errcode}: {body.get('error', '')}" if errcode else f"HTTP {response.status}"
    if errcode == "M_LIMIT_EXCEEDED" or response.status == 429:
        return RateLimited("Too many requests", words=words, retry_after_s=_retry_after_s(response, body))
    error = error_from_errcode(errcode, words, response.status)
    if error.temporary:
        error.retry_after_s = _retry_after_s(response, body)
    if isinstance(error, TokenRefused):
        error.soft_logout = body.get("soft_logout") is True
    return error


def error_from_errcode(errcode: str, words: str, status: int = 0) -> AuthMediaError:
    """Returns the error for a Matrix error code, as it stands in a response or in one entry of a batch.

    :param words: the server's message.
    :param status: the HTTP status, 0 where there is none.
    """
    if errcode == "M_UNKNOWN_TOKEN":
        return TokenRefused("The homeserver refused the access token", words=words)
    if errcode in _ACCOUNT_ERRORS:
        kind, summary = _ACCOUNT_ERRORS[errcode]
        return kind(summary, words=words)
    if errcode == "M_MISSING_TOKEN":
        return ProxyRefused("The access token did not arrive at the homeserver", words=words)
    if not errcode and status in (401, 403):
        return ProxyRefused("A server that is no Matrix homeserver refused", words=words)
    if errcode == "M_UNRECOGNIZED" or status == 405:
        return LinksUnsupported("The homeserver does not have this endpoint", words=words)
    if errcode == "M_NOT_FOUND" or status == 404:
        return MediaNotFound("There is no such media", words=words)
    if errcode in ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN") or status in (401, 403):
        return Forbidden("The homeserver refused", words=words)
    if errcode == "M_LIMIT_EXCEEDED":
        return RateLimited("Too many requests", words=words)
    if errcode == "M_NOT_YET_UPLOADED":
        return NotYetUploaded("The media has not been uploaded yet", words=words)
    if errcode == "M_TOO_LARGE" or status == 413:
        return MediaTooLarge("The media is too large for the homeserver", words=words)
    if status == 451:
        return MediaBlocked("The homeserver may not give it out", words=words)
    failed = status >= 500 and status != _NOT_IMPLEMENTED
    if failed or status in _TEMPORARY or (errcode == "M_UNKNOWN" and not status):
        return ServerFailure("The homeserver failed", words=words)
    return RequestRefused("The homeserver refused", words=words)


def _retry_after_s(response: browser.Response, body: "dict[str, Any]") -> float | None:
    """Returns the seconds to wait, by the header in seconds, the body's older field (milliseconds), or a date."""
    text = response.header("Retry-After")
    seconds = parse_digits(text)
    if seconds is not None:
        return finite_number(seconds)
    wait_s = finite_number(body.get("retry_after_ms")) / 1000 or None
    if wait_s or not text:
        return wait_s
    from authmedia.matrix.http_dates import seconds_until  # most servers send a number

    return seconds_until(text)
