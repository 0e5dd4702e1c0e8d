"""A gateway in front of the homeserver that a test can hold requests back at, refuse them, and slow down."""

import asyncio
import json
import threading
from typing import Any

from tests.compare.gateway import Gateway, Receive, Send


class Brake(Gateway):
    """Passes requests on to a homeserver, unless it is told to wait or to refuse.

    >>> with Brake("http://localhost:8008") as brake:
    ...     brake.hold("/download/example.org/abc")
    """

    def __init__(self, homeserver: str) -> None:
        super().__init__(homeserver)
        self.asked: list[str] = []
        self.bytes_per_s = 0
        self._held: set[str] = set()
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def hold(self, mark: str) -> None:
        """Holds back the requests whose path has this in it."""
        with self._lock:
            self._held.add(mark)

    def refuse(self, mark: str) -> None:
        """Knows nothing of what has this in its path."""
        with self._lock:
            self._refused.add(mark)

    def let_go(self) -> None:
        """Holds nothing back and refuses nothing any more."""
        with self._lock:
            self._held.clear()
            self._refused.clear()
        self.bytes_per_s = 0

    def asked_for(self, mark: str) -> int:
        """How many requests came whose path has this in it."""
        return len([path for path in self.asked if mark in path])

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] != "OPTIONS":
            self.asked.append(scope["path"])
        if scope["method"] == "OPTIONS" or not self._is_in(scope["path"], self._refused):
            await super()._answer(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        body = json.dumps({"errcode": "M_NOT_FOUND", "error": "Refused by a test"}).encode()
        await send({"type": "http.response.body", "body": body})

    async def before(self, path: str, gone: "asyncio.Task[Any]") -> None:
        # Told by another thread, so there is no event of this loop's to wait for.
        while self._is_in(path, self._held) and not gone.done():
            await asyncio.sleep(0.02)

    async def between(self, path: str, size: int) -> None:
        if self.bytes_per_s and "/media/" in path:
            await asyncio.sleep(size / self.bytes_per_s)

    def _is_in(self, path: str, marks: set[str]) -> bool:
        with self._lock:
            return any(mark in path for mark in marks)
