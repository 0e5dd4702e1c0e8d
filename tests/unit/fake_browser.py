"""A browser in plain Python, in the place of `authmedia.browser`: same names, no JavaScript.

Only what the library asks of a browser is here. Tests look at what is left over: object URLs, files, aborted requests.
"""

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from ada_url import URL
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from authmedia.support.untrusted import content_length, is_resumable
from authmedia.traffic import PartialBody
from tests.unit.fake_dom import (
    Element,
    ElementHandler,
    ElementObserver,
    EventListener,
    as_element,
    create_element,
    document_element,
    listen_for_activation,
)
from tests.unit.fake_state import STATE, BrowserError, State, reset

# What the other two modules of the fake define.
__all__ = (
    "BrowserError",
    "Element",
    "ElementHandler",
    "ElementObserver",
    "EventListener",
    "State",
    "as_element",
    "create_element",
    "document_element",
    "listen_for_activation",
    "reset",
)

TRANSFER_ERRORS = ("TypeError", "NetworkError", "AbortError")


class Blob:
    def __init__(self, content: bytes, content_type: str = "") -> None:
        self.content = content
        self.content_type = content_type

    @property
    def size(self) -> int:
        return len(self.content)

    def slice(self, start: int, content_type: str) -> "Blob":
        return Blob(self.content[start:], content_type)

    async def first_line(self, max_bytes: int) -> str:
        return self.content[:max_bytes].decode("utf-8", "replace").split("\n")[0]

    async def read_bytes(self, start: int, length: int) -> bytes:
        return self.content[start : start + length]

    async def contains_pair(self, pair: bytes, start: int) -> bool:
        return pair in self.content[start:]

    def create_object_url(self) -> str:
        STATE.object_urls_made += 1
        url = f"blob:page/{STATE.object_urls_made}"
        STATE.object_urls[url] = self
        return url


class ResourceTimings:
    def __init__(self, entries: int = 0, requests: int = 0, wire_bytes: int = 0, complete: bool = True) -> None:
        self.entries, self.requests = entries, requests
        self.wire_bytes, self.complete = wire_bytes, complete


class Response:
    """An answer of the scripted server; ``breaks`` is raised in the middle of the body."""

    def __init__(
        self,
        status: int = 200,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        breaks: BrowserError | None = None,
        gate: asyncio.Event | None = None,
    ) -> None:
        self.status = status
        self.content = content
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.breaks = breaks
        self.gate = gate
        self.aborted = False
        self.content_length = content_length(self.header)
        self.partial: PartialBody | None = None
        self.before = b""
        #: Where the scripted server has sent the request to.
        self.redirected_url = ""

    def resume(self, before: Blob) -> None:
        self.before = before.content
        self.content_length = len(self.before) + len(self.content)

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")

    async def _body(self) -> bytes:
        try:
            if self.gate:
                await self.gate.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.abort()
            raise
        received = self.before + self.content
        if self.breaks:
            if is_resumable(self.status, self.header):
                half = received[: len(self.before) + len(self.content) // 2]
                self.partial = PartialBody(Blob(half), len(received), self.header("ETag"))
            raise self.breaks
        return received

    async def decrypt(
        self, key: str, counter: bytes, sha256: bytes, on_progress: Callable[[int, int], None] | None = None
    ) -> Blob | None:
        ciphertext = await self.read_all(on_progress)
        if hashlib.sha256(ciphertext).digest() != sha256:
            return None
        cipher = Cipher(AES(urlsafe_b64decode(key + "=")), CTR(counter))
        return Blob(cipher.decryptor().update(ciphertext))

    async def text(self) -> str:
        return (await self._body()).decode()

    async def blob(self, on_progress: Callable[[int, int], None] | None = None) -> Blob:
        body = await self._body()
        if on_progress and body:
            on_progress(len(body) // 2, len(body))
        return Blob(body, self.header("Content-Type"))

    def reader(self) -> "BodyReader":
        return BodyReader(self)

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            STATE.aborted.append(self)

    async def read_all(self, on_progress: Callable[[int, int], None] | None = None) -> bytes:
        return (await self.blob(on_progress)).content


class BodyReader:
    """``content`` of the response, cut up; where it ``breaks``, it does so at its end."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._rest = response.content
        self._begun = False

    async def read_line(self, max_characters: int) -> str:
        await self._begin()
        line, newline, rest = self._rest.partition(b"\n")
        if len(line) > max_characters:
            raise BrowserError("SyntaxError", f"a line of more than {max_characters} characters")
        self._rest = rest
        if not newline:
            self._end()
        return line.decode("utf-8", "replace") if newline else ""

    async def read_blob(self, length: int, content_type: str) -> Blob | None:
        await self._begin()
        if len(self._rest) < length:
            self._end()
            return None
        content, self._rest = self._rest[:length], self._rest[length:]
        return Blob(content, content_type)

    async def _begin(self) -> None:
        gate = self._response.gate
        if gate and not self._begun:
            self._begun = True
            try:
                await gate.wait()
            except asyncio.CancelledError:
                self._response.abort()
                raise

    def _end(self) -> None:
        if self._response.breaks:
            raise self._response.breaks


class Request:
    def __init__(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: str | None,
        credentials: str = "omit",
        cache: str = "no-store",
    ) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body
        self.credentials, self.cache = credentials, cache
        self.priority = "auto"


def device_pixel_ratio() -> float:
    return STATE.pixel_ratio


def now_ms() -> float:
    return STATE.clock - 1_800_000_000_000.0 + 1


def epoch_ms() -> float:
    return STATE.clock


def page_origin() -> str:
    return "http://page.test"


def page_url() -> str:
    return "http://page.test/blob.html"


class Url:
    def __init__(self, href: str, protocol: str, hostname: str, origin: str, path: str) -> None:
        self.href, self.protocol, self.hostname, self.origin, self.path = href, protocol, hostname, origin, path


def parse_url(text: str) -> Url | None:
    """By Ada, a parser of the same standard, which Node.js has, too."""
    if not URL.can_parse(text):
        return None
    url = URL(text)
    return Url(url.href, url.protocol, url.hostname, url.origin, url.pathname)


def query_parameter(name: str) -> str:
    return ""


async def is_redirected(url: str, headers: dict[str, str]) -> bool:
    return url in STATE.redirecting


async def is_reachable(url: str) -> bool:
    return any(url.startswith(origin) for origin in STATE.hidden_origins)


class ConnectivityEvents:
    def __init__(self, handler: Callable[[], object]) -> None:
        self.handler = handler
        STATE.connectivity.append(self)

    def close(self) -> None:
        STATE.connectivity.remove(self)


def navigate(url: str) -> None:
    STATE.navigations.append(url)


def page_url_with(name: str, value: str) -> str:
    return f"{page_url()}?{name}={value}" if name else page_url()


def page_fragment() -> str:
    return STATE.fragment


def take_fragment_parameters(names: "tuple[str, ...]") -> dict[str, str]:
    parameters, STATE.fragment = dict(parse_qsl(STATE.fragment[1:])), ""
    return {name: parameters.get(name, "") for name in names}


def format_time(epoch_ms: float) -> str:
    return f"{epoch_ms:.0f}"


def remove_query_parameter(name: str) -> None:
    STATE.removed_parameters.append(name)


def create_task(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.create_task(work)


def call_hook(hook: Callable[..., Any], *arguments: object) -> Any:
    try:
        return hook(*arguments)
    except Exception as error:
        STATE.hook_errors.append(error)
        return None


async def contain_svg(svg: Blob) -> Blob | None:
    return Blob(b"contained " + svg.content, "image/svg+xml") if svg.content.startswith(b"<svg") else None


async def capture_frame(element: Element) -> str:
    return Blob(b"frame").create_object_url() if element.tag == "video" else ""


def open_tab(url: str) -> bool:
    STATE.tabs += [url] if STATE.opens_tabs else []
    return STATE.opens_tabs


def blank_media(element: Element) -> Blob:
    return Blob(b"blank", f"{element.tag}/blank")


async def violated_directive(url: str, tag: str) -> str:
    return "" if url.startswith("blob:") and not STATE.violates_blobs else STATE.violated_directive


async def refused_request(url: str) -> str:
    return STATE.refused_request


async def persist_storage() -> bool:
    if isinstance(STATE.persists, BrowserError):
        raise STATE.persists
    return STATE.persists


def plural_category(language: str, number: int) -> str:
    """By the rules of Polish; other languages have none."""
    if language != "pl" or number == 1:
        return "one" if number == 1 else "other"
    return "few" if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else "many"


def format_bytes(language: str, size: int) -> str:
    return f"{size / 1e6:g} MB"


class Preferences:
    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        STATE.preference_listeners.append(on_change)

    @property
    def reduced_motion(self) -> bool:
        return STATE.reduced_motion

    @property
    def save_data(self) -> bool:
        return STATE.save_data

    def close(self) -> None:
        STATE.preference_listeners.remove(self._on_change)


async def draw_still(src: str, crossorigin: str) -> str:
    if not await can_decode_image(src):
        return ""
    return Blob(b"first frame").create_object_url()


def format_number(language: str, number: int) -> str:
    return f"{number:,}"


async def yield_to_browser() -> None:
    await asyncio.sleep(0)


def blob_response(blob: Blob) -> Response:
    return Response(200, blob.content, {"Content-Length": str(blob.size), "Content-Type": blob.content_type})


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: str | None = None,
    credentials: str = "omit",
    cache: str = "no-store",
    priority: str = "auto",
) -> Response:
    request = Request(method, url, headers or {}, body, credentials, cache)
    request.priority = priority
    STATE.requests.append(request)
    await asyncio.sleep(0)
    if url.startswith("blob:"):
        blob = STATE.object_urls.get(url)
        return Response(200, blob.content, {"Content-Length": str(blob.size)}) if blob else Response(404)
    answer: Response | BrowserError = STATE.server(request)
    if isinstance(answer, BrowserError):
        raise answer
    return answer


def resource_timing_generation() -> int:
    return STATE.emptied_timings


def resource_timings(url: str) -> ResourceTimings:
    timings: ResourceTimings = STATE.loads.get(url, ResourceTimings())
    return timings


def text_blob(text: str, content_type: str) -> Blob:
    return Blob(text.encode(), content_type)


def bytes_blob(content: bytes, content_type: str) -> Blob:
    return Blob(content, content_type)


def random_uuid() -> str:
    STATE.names += 1
    return f"name-{STATE.names}"


async def hmac_sha256(key: str, text: str) -> str:
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


class MediaServiceWorker:
    def __init__(
        self,
        script: str,
        headers_for: Callable[[str, str, str], Awaitable[dict[str, str] | None]],
        on_response: Callable[[str, int], None],
    ) -> None:
        self.script, self.headers_for, self.on_response = script, headers_for, on_response
        self.closed = False
        STATE.workers.append(self)

    async def register(self, timeout_s: float) -> None:
        if STATE.worker_refusal:
            raise STATE.worker_refusal

    def close(self) -> None:
        self.closed = True


def revoke_object_url(url: str) -> None:
    STATE.object_urls.pop(url, None)


async def can_decode_image(url: str) -> bool:
    blob = STATE.object_urls.get(url)
    return url not in STATE.undecodable and not (blob and blob.content.startswith(b"<html"))


async def set_session_item(name: str, text: str) -> None:
    STATE.remembered[name] = text


async def get_session_item(name: str) -> str:
    return STATE.remembered.get(name, "")


async def remove_session_item(name: str) -> None:
    STATE.remembered.pop(name, None)


class File(Blob):
    def __init__(self, content: bytes, last_modified: int, max_head_bytes: int) -> None:
        super().__init__(content)
        self.last_modified = last_modified
        self.head = content[:max_head_bytes].decode("utf-8", "replace").split("\n")[0]


class Directory:
    @classmethod
    async def get(cls, name: str) -> "Directory":
        if STATE.storage_refusal:
            raise STATE.storage_refusal
        return cls()

    async def read(self, name: str, max_head_bytes: int = 0) -> File | None:
        content = STATE.files.get(name)
        return None if content is None else File(content, STATE.changed.get(name, 0), max_head_bytes)

    async def write(
        self,
        name: str,
        head: str,
        response: Response | None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if STATE.write_refusal:
            raise STATE.write_refusal
        body = await response.read_all(on_progress) if response else b""
        STATE.files[name] = head.encode() + body
        STATE.changed[name] = STATE.changed.get(name, 0) + 1

    async def remove(self, name: str) -> bool:
        if name in STATE.busy:
            return False
        STATE.files.pop(name, None)
        return True

    async def file_names(self) -> list[str]:
        return list(STATE.files)


class Lock:
    def __init__(self, name: str) -> None:
        self._lock = STATE.locks.setdefault(name, asyncio.Lock())

    async def __aenter__(self) -> "Lock":
        await self._lock.acquire()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._lock.release()


class Channel:
    def __init__(self, name: str, on_message: Callable[[str], None]) -> None:
        self.name, self._on_message = name, on_message
        STATE.channels.append(self)

    def post(self, text: str) -> None:
        for other in STATE.channels:
            if other is not self and other.name == self.name:
                asyncio.get_running_loop().call_soon(other._on_message, text)

    def close(self) -> None:
        if self in STATE.channels:
            STATE.channels.remove(self)


def open_channel(name: str, on_message: Callable[[str], None]) -> Channel:
    return Channel(name, on_message)
