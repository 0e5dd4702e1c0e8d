"""A reverse proxy that can hold, refuse, rate-limit and slow down requests."""

import asyncio
import json
import threading
import time
from typing import Any

from tests.evidence.compare.counting_proxy import CountingProxy, Receive, Send


class ThrottlingProxy(CountingProxy):
    """Forwards requests to a homeserver; tests select requests by a part of their path, ``mark``.

    >>> with ThrottlingProxy("http://localhost:8008") as proxy:
    ...     proxy.hold("/download/example.org/abc")
    """

    def __init__(self, homeserver: str) -> None:
        super().__init__(homeserver)
        self._asked: list[tuple[float, str]] = []
        self.bytes_per_s = 0
        self._held: set[str] = set()
        self._refused: set[str] = set()
        self._early: dict[str, float] = {}
        self._lock = threading.Lock()

    def hold(self, mark: str) -> None:
        """Holds matching requests until they are released."""
        with self._lock:
            self._held.add(mark)

    def refuse(self, mark: str) -> None:
        """Answers matching requests with 404."""
        with self._lock:
            self._refused.add(mark)

    def rate_limit_next(self, mark: str, seconds: float) -> None:
        """Answers the next matching request with 429 and a delay in seconds."""
        with self._lock:
            self._early[mark] = seconds

    def release(self, mark: str) -> None:
        """Releases requests that were held by the same ``mark``."""
        with self._lock:
            self._held.discard(mark)

    def release_all(self) -> None:
        """Releases all requests and removes all limits."""
        with self._lock:
            self._held.clear()
            self._refused.clear()
            self._early.clear()
        self.bytes_per_s = 0

    @property
    def requested_paths(self) -> list[str]:
        """Paths of all requests, in order of arrival."""
        return [path for _, path in self._asked]

    def request_count(self, mark: str) -> int:
        """Returns the number of matching requests."""
        return len(self.request_times(mark))

    def request_times(self, mark: str) -> list[float]:
        """Returns the arrival times of matching requests, in seconds of a monotonic clock."""
        return [at_s for at_s, path in self._asked if mark in path]

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] != "OPTIONS":
            self._asked.append((time.monotonic(), scope["path"]))
        refusal = None if scope["method"] == "OPTIONS" else self._refusal(scope["path"])
        if not refusal:
            await super()._answer(scope, receive, send)
            return
        status, error = refusal
        headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": "Refused by a test", **error}).encode()})

    def _refusal(self, path: str) -> tuple[int, dict[str, object]] | None:
        with self._lock:
            early = next((mark for mark in self._early if mark in path), None)
            if early:
                return 429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": round(self._early.pop(early) * 1000)}
        return (404, {"errcode": "M_NOT_FOUND"}) if self._is_in(path, self._refused) else None

    async def before_request(self, path: str, gone: "asyncio.Task[Any]") -> None:
        # Polls, because another thread changes the set.
        while self._is_in(path, self._held) and not gone.done():
            await asyncio.sleep(0.02)

    async def before_chunk(self, path: str, size: int) -> None:
        if self.bytes_per_s and "/media/" in path:
            await asyncio.sleep(size / self.bytes_per_s)

    def _is_in(self, path: str, marks: set[str]) -> bool:
        with self._lock:
            return any(mark in path for mark in marks)
