"""Errors as Matrix errors (https://spec.matrix.org/v1.16/client-server-api/#standard-error-response)."""

from typing import Any

LINK_EXPIRED = "DEV.AUTHMEDIA.LINK_EXPIRED"


class MatrixError(Exception):
    """An error that the client is told.

    :param status: of the HTTP response.
    :param extra: further fields of the body.
    """

    def __init__(self, status: int, errcode: str, message: str, **extra: Any) -> None:
        super().__init__(status, errcode, message)
        self.status = status
        self.errcode = errcode
        self.body: dict[str, Any] = {"errcode": errcode, "error": message, **extra}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the error: ``Retry-After``."""
        retry_after_ms = self.body.get("retry_after_ms")
        return {} if retry_after_ms is None else {"Retry-After": str(-(-retry_after_ms // 1000))}


def limit_exceeded(retry_after_ms: int) -> MatrixError:
    """Returns the error of a client that has requested too much."""
    return MatrixError(429, "M_LIMIT_EXCEEDED", "Too many requests", retry_after_ms=retry_after_ms)


def session_ended() -> MatrixError:
    """Returns the error of a link whose session the homeserver no longer accepts."""
    return MatrixError(403, "M_FORBIDDEN", "The session that this link belongs to has ended")


def homeserver_failed() -> MatrixError:
    """Returns the error of a homeserver that does not answer, or answers with nonsense."""
    return MatrixError(502, "M_UNKNOWN", "The homeserver did not answer as it should")
