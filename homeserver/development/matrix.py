"""A client of the parts of the Matrix client-server API that seeding needs."""

import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

_TIMEOUT_S = 60.0
# Attempts of a rate-limited request, and the longest pause between two.
_MAX_ATTEMPTS = 10
_MAX_PAUSE_S = 5.0
_PAGE = 500
_CLIENT = "/_matrix/client/v3"


class SeedError(Exception):
    """Seeding failed: one sentence says what happened, one what to do."""


class MatrixError(SeedError):
    """The homeserver answered with a Matrix error."""

    def __init__(self, words: str, errcode: str) -> None:
        super().__init__(words)
        self.errcode = errcode


class Matrix:
    """A homeserver; each call names the access token to use."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        # The homeserver is on this machine, so proxies of the environment are ignored.
        self._http = httpx.Client(base_url=base_url, timeout=_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, method: str, path: str, token: str = "", body: dict[str, Any] | None = None) -> Any:
        """Sends a request below ``/_matrix/client/v3`` and returns the response's JSON.

        :raises MatrixError: if the homeserver answers with a Matrix error.
        :raises SeedError: if it does not answer.
        """
        return self._send(method, _CLIENT + path, token, json=body).json()

    def check(self) -> None:
        """Checks that a homeserver answers.

        :raises SeedError: if not.
        """
        self._send("GET", "/_matrix/client/versions", "")

    def find(self, path: str, token: str = "") -> dict[str, Any] | None:
        """Returns the JSON at a path, or None for ``M_NOT_FOUND``."""
        try:
            return dict(self.call("GET", path, token))
        except MatrixError as refusal:
            if refusal.errcode == "M_NOT_FOUND":
                return None
            raise

    def messages(self, room_id: str, token: str) -> list[dict[str, Any]]:
        """Returns all events of a room's history, newest first."""
        path = f"/rooms/{segment(room_id)}/messages?dir=b&limit={_PAGE}"
        events: list[dict[str, Any]] = []
        start: str | None = ""
        while start is not None:
            page = self.call("GET", path + (start and f"&from={start}"), token)
            events += page["chunk"]
            start = page.get("end")
        return events

    def reserve(self, token: str) -> str:
        """Creates an ``mxc://`` URI for a later upload."""
        return str(self._send("POST", "/_matrix/media/v1/create", token).json()["content_uri"])

    def upload(self, token: str, mxc: str, name: str, mimetype: str, content: bytes) -> None:
        """Uploads media to a created URI."""
        path = f"/_matrix/media/v3/upload/{mxc.removeprefix('mxc://')}?filename={segment(name)}"
        self._send("PUT", path, token, content=content, headers={"Content-Type": mimetype})

    def download(self, token: str, mxc: str) -> bytes:
        """Downloads media."""
        return self._send("GET", f"/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}", token).content

    def _send(
        self,
        method: str,
        path: str,
        token: str,
        *,
        json: dict[str, Any] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        request = self._http.build_request(
            method, path, json=json, content=content, headers=authorization | (headers or {})
        )
        for _ in range(_MAX_ATTEMPTS):
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                raise SeedError(
                    f"The homeserver at {self.base_url} does not answer ({error}). Start it, then seed it again."
                ) from error
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            time.sleep(_pause_s(answer))
        if answer.is_error:
            raise _error_from_response(method, path, answer)
        return answer


def segment(text: str) -> str:
    """Percent-encodes text as one path segment."""
    return quote(text, safe="")


def _pause_s(answer: httpx.Response) -> float:
    """Returns the seconds to wait after a 429 response."""
    try:
        return min(float(answer.json()["retry_after_ms"]) / 1000, _MAX_PAUSE_S)
    except (ValueError, TypeError, KeyError):
        return 1.0


def _error_from_response(method: str, path: str, answer: httpx.Response) -> MatrixError:
    try:
        told = answer.json()
        errcode, words = str(told["errcode"]), str(told["error"])
    except (ValueError, TypeError, KeyError):
        errcode, words = "", f"HTTP status {answer.status_code}"
    return MatrixError(
        f"The homeserver refused {method} {path.partition('?')[0]}: {words} ({errcode or 'no errcode'}). "
        "Its log says more; once that is mended, seed it again.",
        errcode,
    )
