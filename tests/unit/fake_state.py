"""The state of the fake browser, made anew for each test."""

import asyncio
from collections.abc import Callable
from typing import Any


class BrowserError(Exception):
    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self.words = f"{name}: {words}" if name else words
        super().__init__(self.words)


# Answers a request by a response, or by the error that the browser raises.
Server = Callable[[Any], Any]


class State:
    """Everything that the fake browser holds."""

    def __init__(self) -> None:
        self.server: Server = lambda request: BrowserError("TypeError", "Failed to fetch")
        self.requests: list[Any] = []
        self.aborted: list[Any] = []
        self.object_urls: dict[str, Any] = {}
        self.object_urls_made = 0
        self.files: dict[str, bytes] = {}
        self.changed: dict[str, int] = {}
        self.storage_refusal: BrowserError | None = None
        self.write_refusal: BrowserError | None = None
        self.loads: dict[str, Any] = {}
        self.emptied_timings = 0
        self.remembered: dict[str, str] = {}
        self.busy: set[str] = set()
        self.focused: Any = None
        self.clicked: list[Any] = []
        #: The URLs of other tabs, and whether the user's last gesture is recent enough to open one.
        self.tabs: list[str] = []
        self.opens_tabs = True
        self.pixel_ratio = 1.0
        #: The directive of the page's policy that refuses every link.
        self.violated_directive = ""
        #: Whether it refuses object URLs, too; and the directive that refuses every request.
        self.violates_blobs = False
        self.refused_request = ""
        self.locks: dict[str, asyncio.Lock] = {}
        self.channels: list[Any] = []
        self.clock = 1_800_000_000_000.0
        self.undecodable: set[str] = set()
        self.names = 0
        self.workers: list[Any] = []
        self.watches: list[Any] = []
        self.persists: bool | BrowserError = True
        self.hook_errors: list[Exception] = []
        self.worker_refusal: BrowserError | None = None
        #: Origins whose servers answer without headers of CORS.
        self.hidden_origins: set[str] = set()
        #: URLs that a server redirects to where no page may read.
        self.redirecting: set[str] = set()
        self.navigations: list[str] = []
        #: The listeners for what may bring the network back.
        self.connectivity: list[Any] = []
        self.fragment = ""
        #: What the user asked the browser for, and what is called when that changes.
        self.reduced_motion = self.save_data = False
        self.preference_listeners: list[Callable[[], None]] = []
        self.removed_parameters: list[str] = []


STATE = State()


def reset() -> State:
    STATE.__init__()  # type: ignore[misc]
    return STATE
