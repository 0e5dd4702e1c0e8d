"""The gateway with a scripted homeserver: what a real one does seldom or never."""

import asyncio
import errno
import gc
import hashlib
import json
import resource
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from starlette.applications import Starlette
from starlette.requests import Request

from gateway import command
from gateway.application import create_application
from gateway.body_cache import BodyCache, Head, cache_key
from gateway.command import load_config
from gateway.config import ConfigError, GatewayConfig
from gateway.endpoints import now_ms
from gateway.errors import MatrixError
from gateway.homeserver import Homeserver
from gateway.media_client import MediaClient
from gateway.media_response import MediaResponse, content_disposition
from gateway.media_source import MediaSource, OpenMedia
from gateway.metrics import Metrics
from gateway.sessions import Caller, Session, Sessions
from gateway.token_store import SqliteDatabase, TokenStore
from media_protocol.delegation import DelegatedLink, sign_delegated
from media_protocol.limits import ByteBudget, LimitReached
from media_protocol.signing import PREFIX, InvalidSignature, Keyring, Link, Media

SECRET = "a secret of thirty-two bytes or more"
KEYRING = Keyring([("1", SECRET.encode())])
MEDIA = Media("localhost", "abc")
Answer = Callable[[str, str], "tuple[bytes, ...]"]


def response(status: int, body: bytes, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if "Transfer_Encoding" not in headers and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def error(status: int, errcode: str) -> bytes:
    return response(status, json.dumps({"errcode": errcode, "error": "x"}).encode())


@asynccontextmanager
async def homeserver(answer: Answer, heads: list[str] | None = None) -> AsyncIterator[str]:
    """A server that answers each request, by path and token, with these parts; it closes after an empty one.

    :param heads: receives the head of each request.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if heads is not None:
                    heads.append(head)
                token = head.lower().partition("authorization: bearer ")[2].partition("\r\n")[0]
                for part in answer(head.split(" ")[1], token):
                    if not part:
                        return
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def media_source(
    answer: Answer, directory: Path, max_bytes: int = 4_000_000, bytes_per_hour: int = 0
) -> AsyncIterator[MediaSource]:
    async with homeserver(answer) as url:
        metrics = Metrics()
        client = Homeserver(url, frozenset(), metrics)
        budget = ByteBudget(now_ms, bytes_per_hour)
        sessions = Sessions(client, TokenStore(SqliteDatabase(directory / "tokens.db"), KEYRING), False)
        source = MediaSource(client, sessions, BodyCache(directory / "media", max_bytes, metrics), budget, metrics)
        try:
            yield source
        finally:
            await source.close()
            await client.close()


async def read(opened: OpenMedia, start: int = 0, length: int | None = None) -> bytes:
    try:
        size = opened.head.size - start if length is None else length
        return b"".join([chunk async for chunk in opened.read(start, size)])
    finally:
        await opened.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


# --- downloads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 700_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_body_of_any_framing_is_received_and_kept(tmp_path: Path, size: int, framing: str) -> None:
    content = hashlib.shake_128(b"x").digest(size)
    chunks = [content[start : start + 100_000] for start in range(0, size, 100_000)]
    requests = []

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        requests.append(path)
        if "whoami" in path:
            return (response(200, b'{"user_id": "@ana:localhost"}'),)
        if framing == "chunked":
            coded = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX: y\r\n\r\n"
            return (response(200, coded, Transfer_Encoding="chunked", Content_Type="video/mp4"),)
        if framing == "close":
            head, _, _ = response(200, b"", Content_Length="x").partition(b"Content-Length")
            return (head + b"Content-Type: video/mp4\r\n\r\n" + content, b"")
        return (response(200, content, Content_Type="video/mp4"),)

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            first = await source.open(MEDIA, Caller("token"))
            assert first.head == Head("video/mp4", "", size)
            assert await read(first) == content
            assert await read(await source.open(MEDIA, Caller("token")), 0, size // 2) == content[: size // 2]

    run(test)
    assert len([path for path in requests if "download" in path]) == 1


def test_body_that_ends_early_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return response(200, b"x" * 100_000, Content_Length="200000"), b""

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            opened = await source.open(MEDIA, Caller("token"))
            with pytest.raises(MatrixError) as raised:
                await read(opened)
            assert raised.value.status == 502

    run(test)
    assert list((tmp_path / "media").iterdir()) == []


def test_small_bodies_are_sent_at_once_and_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then they hold no connection to the homeserver, and a second reader joins the download."""
    monkeypatch.setattr("gateway.write_behind._QUIET_S", 3600.0)
    monkeypatch.setattr("gateway.media_client._MAX_CONNECTIONS_OF_TOKEN", 1)
    media = [replace(MEDIA, media_id=name) for name in ("a", "b", "c")]
    requests = []
    threads = []
    to_thread = asyncio.to_thread

    async def counted(*arguments: Any) -> Any:
        threads.append(arguments)
        return await to_thread(*arguments)

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        requests.append(path)
        if "whoami" in path:
            return (response(200, b'{"user_id": "@ana:localhost"}'),)
        return (response(200, path.partition("?")[0].rpartition("/")[2].encode()),)

    async def test() -> None:
        monkeypatch.setattr(asyncio, "to_thread", counted)
        async with media_source(answer, tmp_path) as source:
            for one in (*media, *media):
                assert await read(await source.open(one, Caller("token"))) == one.media_id.encode()
            assert list((tmp_path / "media").iterdir()) == []

    run(test)
    assert len([path for path in requests if "download" in path]) == 3
    assert len(threads) == 1
    assert len(list((tmp_path / "media").glob("*.small"))) == 3, "its close writes what is left"


@pytest.mark.parametrize(("limit", "value"), [("_MAX_DELAY_S", 0.2), ("_MAX_BYTES", 20_000)])
def test_burst_without_an_end_is_written_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr("gateway.write_behind._QUIET_S", 0.1)
    monkeypatch.setattr(f"gateway.write_behind.{limit}", value)
    folder = tmp_path / "media"

    async def test() -> None:
        async with media_source(lambda path, token: (response(200, bytes(1000)),), tmp_path) as source:
            for number in range(40):
                await read(await source.open(replace(MEDIA, media_id=str(number)), Caller("token")))
                await asyncio.sleep(0.02)
            assert len(list(folder.glob("*.small"))) > 5, "of a burst that goes on"

    run(test)
    assert len(list(folder.glob("*.small"))) == 40


def test_body_that_cannot_be_written_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BodyCache, "create", refuse)

    async def test() -> None:
        async with media_source(lambda path, token: (response(200, b"content"),), tmp_path) as source:
            assert await read(await source.open(MEDIA, Caller("token"))) == b"content"
            while source._downloads:
                await asyncio.sleep(0.01)

    run(test)
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("gateway")]
    assert logged == ["A media cannot be kept on disk: No space left on device"]


@pytest.mark.parametrize(
    ("status", "errcode"), [(401, "M_UNKNOWN_TOKEN"), (403, "M_FORBIDDEN"), (429, "M_LIMIT_EXCEEDED")]
)
def test_refusal_of_the_first_client_is_not_that_of_the_second(tmp_path: Path, status: int, errcode: str) -> None:
    def answer(path: str, token: str) -> tuple[bytes, ...]:
        if token == "ended":
            return (error(status, errcode),)
        return (response(200, b'{"user_id": "@ana:localhost"}' if "whoami" in path else b"content"),)

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            ended, alive = await asyncio.gather(
                source.open(MEDIA, Caller("ended")), source.open(MEDIA, Caller("alive")), return_exceptions=True
            )
            assert isinstance(ended, MatrixError)
            assert ended.status == {401: 403, 403: 404, 429: 429}[status]
            assert isinstance(alive, OpenMedia)
            assert await read(alive) == b"content"
            while source._downloads:
                await asyncio.sleep(0.01)
            # What is on disk by now is not given to the session that was refused.
            assert list((tmp_path / "media").glob("*.small"))
            with pytest.raises(MatrixError):
                await source.open(MEDIA, Caller("ended"))
            # Nor does that session evict it.
            assert await read(await source.open(MEDIA, Caller("alive"))) == b"content"
            assert list((tmp_path / "media").glob("*.small"))

    run(test)


def test_clients_that_wait_for_an_upload_wait_together(tmp_path: Path) -> None:
    asked = []

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        if "whoami" in path:
            return (error(401, "M_UNKNOWN_TOKEN") if token == "ended" else response(200, b'{"user_id": "@a:b"}'),)
        asked.append(path)
        return (error(504, "M_NOT_YET_UPLOADED"),)

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            callers = [Caller(token) for token in ("one", "two", "three", "ended")]
            found = await asyncio.gather(*(source.open(MEDIA, caller) for caller in callers), return_exceptions=True)
            assert [getattr(error, "status", error) for error in found] == [504, 504, 504, 403]
            assert len(asked) == 1

    run(test)


def test_bundle_does_not_wait_for_an_upload_for_which_a_link_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.media_source._UNKNOWN_UPLOAD_S", 0.05)

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        if "whoami" in path:
            return (response(200, b'{"user_id": "@ana:localhost"}'),)
        return (error(504, "M_NOT_YET_UPLOADED"),) if "timeout_ms=0" in path else ()  # it waits

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            waits = asyncio.create_task(source.open(MEDIA, Caller("token")))
            while not source._downloads:
                await asyncio.sleep(0)
            with pytest.raises(MatrixError) as raised:
                await source.open(MEDIA, Caller("other"), wait=False)
            assert raised.value.status == 504
            assert not waits.done()
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)

    run(test)


def test_small_ranges_of_large_media_are_counted_as_what_is_downloaded(tmp_path: Path) -> None:
    others = [replace(MEDIA, media_id=f"other{number}") for number in range(5)]

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        # Its second half does not come.
        return (response(200, bytes(200_000), Content_Length="400000", Content_Type="video/mp4"),)

    async def test() -> None:
        async with media_source(answer, tmp_path, bytes_per_hour=1_000_000) as source:
            caller = Caller("token", session_key=b"a session")
            opened = [await source.open(media, caller) for media in others[:3]]
            for media in others[3:]:
                with pytest.raises(LimitReached):
                    await source.open(media, caller)
            assert len(source._downloads) == 3
            # Another session joins, and begins its own.
            other = Caller("other", session_key=b"another session")
            assert await read(await source.open(others[0], other), 0, 1) == b"\0"
            assert await read(await source.open(others[3], other), 0, 1) == b"\0"
            # What was not received is not counted.
            for one in opened:
                assert await read(one, 100_000, 1) == b"\0"
            await source.close()
            assert await read(await source.open(others[4], caller), 0, 1) == b"\0"

    run(test)


@pytest.mark.parametrize("kept_in", ["memory", "file"])
@pytest.mark.parametrize("failing", ["http.response.start", "http.response.body"])
def test_bytes_that_cannot_be_sent_are_refunded(tmp_path: Path, failing: str, kept_in: str) -> None:
    path = tmp_path / "body"
    path.write_bytes(bytes(1000))
    head, budget = Head("image/png", "", 1000), ByteBudget(now_ms, 1000)
    request = Request({"type": "http", "method": "GET", "headers": []})
    link = DelegatedLink(Link("1", MEDIA, 0, "handle"))

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        if message["type"] == failing:
            raise ConnectionResetError

    async def test() -> None:
        for _ in range(3):
            opened = OpenMedia(head, bytes(1000)) if kept_in == "memory" else OpenMedia(head, file=path.open("rb"))
            answer = MediaResponse(request, link, opened, "no-store", budget, b"a session", Metrics())
            with pytest.raises(ConnectionResetError):
                await answer(request.scope, receive, send)

    run(test)


def test_homeserver_sees_the_address_of_the_client(tmp_path: Path) -> None:
    heads: list[str] = []

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return (response(200, b'{"user_id": "@ana:localhost"}' if "whoami" in path else b"content"),)

    async def test() -> None:
        async with homeserver(answer, heads) as url:
            client = Homeserver(url, frozenset(), Metrics())
            await client.whoami("token", "192.0.2.7")
            await (await client.open_media(MEDIA, "token", address="192.0.2.7")).aclose()
            await client.close()

    run(test)
    assert ["x-forwarded-for: 192.0.2.7\r\n" in head.lower() for head in heads] == [True, True]


def test_session_that_joins_a_download_has_its_right_proved(tmp_path: Path) -> None:
    content = bytes(700_000)

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return (error(403, "M_FORBIDDEN") if token == "other" else response(200, content),)

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            first = await source.open(MEDIA, Caller("token"))
            with pytest.raises(MatrixError) as raised:
                await source.open(MEDIA, Caller("other"))
            assert raised.value.status == 404
            assert await read(first) == content

    run(test)


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_media_that_one_session_does_not_find_is_proved_again_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_on_disk: bool
) -> None:
    monkeypatch.setattr("gateway.write_behind._QUIET_S", 0 if is_on_disk else 3600.0)
    is_quarantined = False

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        if "whoami" in path:
            return (response(200, b'{"user_id": "@ana:localhost"}'),)
        return (error(404, "M_NOT_FOUND") if is_quarantined else response(200, b"content"),)

    async def test() -> None:
        nonlocal is_quarantined
        async with media_source(answer, tmp_path) as source:
            await read(await source.open(MEDIA, Caller("ana")))
            while is_on_disk and source._downloads:
                await asyncio.sleep(0.01)
            is_quarantined = True
            for token in ("bob", "ana"):
                with pytest.raises(MatrixError) as raised:
                    await source.open(MEDIA, Caller(token))
                assert raised.value.status == 404

    run(test)


def test_proof_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        asked.append(path)
        if "whoami" in path:
            return (error(401, "M_UNKNOWN_TOKEN"),)
        return (response(200, b"content"),)

    async def test() -> None:
        async with media_source(answer, tmp_path) as source:
            assert await read(await source.open(MEDIA, Caller("token"))) == b"content"
            while source._downloads:
                await asyncio.sleep(0.01)
            # The download has proved the right to the media; that the token is still valid is asked at the next fetch.
            with pytest.raises(MatrixError) as raised:
                await source.open(MEDIA, Caller("token"))
            assert raised.value.status == 403

    run(test)
    assert [path.rpartition("/")[2] for path in asked] == ["abc", "whoami"]


async def receive(client: MediaClient) -> bytes:
    answer = await client.get("/", "token")
    try:
        return b"".join([chunk async for chunk in answer.aiter_raw()])
    finally:
        await answer.aclose()


@pytest.mark.parametrize(
    "malformed",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
    ],
)
def test_malformed_response_is_an_error(malformed: bytes) -> None:
    async def test() -> None:
        async with homeserver(lambda path, token: (malformed, b"")) as url:
            client = MediaClient(url)
            with pytest.raises(httpx.HTTPError):
                await receive(client)
            await client.close()

    run(test)


def test_request_is_repeated_once_where_a_connection_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.media_client._TIMEOUT", httpx.Timeout(5.0, read=0.2))
    heads: list[str] = []
    answers = {"/closed": b"", "/": response(200, b"x")}  # to any other path there is no answer

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return (answers[path],) if path in answers else ()

    async def test() -> None:
        async with homeserver(answer, heads) as url:
            client = MediaClient(url)
            assert await receive(client) == b"x"
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/silent", "token")
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/closed", "token")
            assert await receive(client) == b"x"
            await client.close()

    run(test)
    assert [head.split(" ")[1] for head in heads] == ["/", "/silent", "/closed", "/closed", "/"]


def test_session_with_media_that_never_come_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.media_client._MAX_CONNECTIONS", 4)
    monkeypatch.setattr("gateway.media_client._MAX_CONNECTIONS_OF_TOKEN", 3)

    async def test() -> None:
        async with homeserver(lambda path, token: () if token == "slow" else (response(200, b"x"),)) as url:
            client = MediaClient(url)
            slow = [asyncio.create_task(client.get("/", "slow")) for _ in range(9)]
            assert await receive(client) == b"x"
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            assert [await receive(client) for _ in range(9)] == [b"x"] * 9
            del task, slow[:]
            gc.collect()
            assert not client._open_of_token
            await client.close()

    run(test)


@pytest.mark.parametrize("location", ["http://[::1/a", "/a\x01b", "http://localhost:99999/a", "mailto:a", ""])
def test_redirect_to_no_address_is_an_error(tmp_path: Path, location: str) -> None:
    async def test() -> None:
        async with media_source(lambda path, token: (response(307, b"", Location=location),), tmp_path) as source:
            with pytest.raises(MatrixError) as raised:
                await source._homeserver.open_media(MEDIA, "token")
            assert raised.value.status == 502

    run(test)


# --- the application --------------------------------------------------------------------------------------------------


def test_page_signs_links_with_the_key_of_its_session(tmp_path: Path) -> None:
    def answer(path: str, token: str) -> tuple[bytes, ...]:
        if "whoami" in path:
            return (response(200, b'{"user_id": "@ana:localhost", "device_id": "A"}'),)
        return (response(200, b"content", Content_Type="image/png", Content_Disposition="inline; filename=a.png"),)

    async def test() -> None:
        async with homeserver(answer) as url:
            values = {**VALID, "homeserver": url, "state_directory": str(tmp_path)}
            application = create_application(GatewayConfig.parse(values))
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
                answered = await client.post(PREFIX + "/key", headers={"Authorization": "Bearer token"})
                assert answered.headers["cache-control"] == "no-store"
                key = answered.json()
                media = replace(MEDIA, download=True, file_name="b c.png")
                link = Link(key["key_id"], media, key["expires_ts"], key["session"])
                path = sign_delegated(bytes.fromhex(key["key"]), DelegatedLink(link))
                opened = await client.get(key["base_url"] + path)
                assert (opened.status_code, opened.content) == (200, b"content")
                assert opened.headers["content-disposition"] == "attachment; filename*=utf-8''b%20c.png"
                asked = {"media": [], "probe": True}
                answered = await client.post(PREFIX + "/links", json=asked, headers={"Authorization": "Bearer token"})
                assert answered.json()["links"] == []
                assert (await client.get(PREFIX + "/key")).status_code == 405
                assert (await client.get(answered.json()["probe"]["url"])).status_code == 204
                forged = await client.get(path.replace("abc?", "abd?"))
                assert (forged.status_code, forged.json()["errcode"]) == (403, "M_FORBIDDEN")
                # Only where a client is a person, an error is a page.
                page = await client.get(path + "0", headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
                assert page.headers["content-type"].startswith("text/html")

    run(test)


def test_requests_that_are_passed_on_share_no_cookies(tmp_path: Path) -> None:
    heads: list[str] = []

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return (response(200, b"{}", Set_Cookie="session=ana; Path=/; HttpOnly"),)

    async def test() -> None:
        async with homeserver(answer, heads) as url:
            values = {**VALID, "homeserver": url, "state_directory": str(tmp_path)}
            transport = httpx.ASGITransport(create_application(GatewayConfig.parse(values)))
            for cookie in ("", "", "session=ben"):
                request = httpx.Request("GET", "http://gateway.example/_synapse/client/pick_username?a=%2F")
                if cookie:
                    request.headers["Cookie"] = cookie
                answered = await transport.handle_async_request(request)
                assert answered.headers["set-cookie"] == "session=ana; Path=/; HttpOnly"

    run(test)
    assert ["cookie: session=ben" in head.lower() for head in heads] == [False, False, True]
    assert not any("ana" in head for head in heads)
    assert all("accept-encoding: identity" in head.lower() for head in heads)
    assert all(head.startswith("GET /_synapse/client/pick_username?a=%2F HTTP/1.1") for head in heads)


async def passed_on(
    application: Starlette, target: bytes, *headers: tuple[bytes, bytes], leaves: asyncio.Event | None = None
) -> int:
    """Sends a request as it stands, which no client would, and returns the status.

    :param leaves: set when the client closes its connection.
    """
    statuses = []
    messages = iter([{"type": "http.request", "body": b""}])
    leaves = leaves or asyncio.Event()

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await application(
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(target.decode()),
            "raw_path": target,
            "query_string": b"",
            "headers": [(b"host", b"gateway.example"), *headers],
            "client": ("127.0.0.1", 1),
        },
        receive,
        send,
    )
    return int(statuses[0])


@pytest.mark.parametrize(
    "target",
    [
        b"/_matrix/../_synapse/admin/v1/users",
        b"/_matrix/%2e%2E/_synapse/admin/v1/users",
        b"/_matrix/..%2F_synapse/admin/v1/users",
        b"/_matrix/..%5C_synapse/admin/v1/users",
        b"/_matrix/client/./../../metrics",
        b"/_matrix/..",
        b"%2F_matrix/client/versions",
        b"/_matrix/client/versions#a",
        b"/_matrix/" + b"a" * 65_536,
    ],
)
def test_path_that_leads_out_of_what_is_passed_on_is_refused(tmp_path: Path, target: bytes) -> None:
    heads: list[str] = []

    async def test() -> None:
        async with homeserver(lambda path, token: (response(200, b"{}"),), heads) as url:
            application = create_application(
                GatewayConfig.parse({**VALID, "homeserver": url, "state_directory": str(tmp_path)})
            )
            assert await passed_on(application, target) == 400
            assert await passed_on(application, b"/_matrix/client/v3/rooms/!a..b:localhost/state/x/...") == 200

    run(test)
    assert [head.split(" ")[1] for head in heads] == ["/_matrix/client/v3/rooms/!a..b:localhost/state/x/..."]


@pytest.mark.parametrize(("is_trusted", "address"), [(True, "192.0.2.7"), (False, "127.0.0.1")])
def test_client_does_not_choose_the_address_that_the_homeserver_sees(
    tmp_path: Path, is_trusted: bool, address: str
) -> None:
    heads: list[str] = []
    sent = [
        (b"x-forwarded-for", b"198.51.100.1, 198.51.100.2"),
        (b"x-real-ip", b"198.51.100.3"),
        (b"forwarded", b"for=198.51.100.4"),
        (b"x-name", b"Jos\xe9"),
        (b"x-forwarded-for", b"198.51.100.5, 192.0.2.7"),  # the reverse proxy's own line
    ]

    async def test() -> None:
        async with homeserver(lambda path, token: (response(200, b"{}"),), heads) as url:
            values = {**VALID, "homeserver": url, "state_directory": str(tmp_path), "x_forwarded": is_trusted}
            application = create_application(GatewayConfig.parse(values))
            assert await passed_on(application, b"/_matrix/client/versions", *sent) == 200

    run(test)
    assert "198.51.100" not in heads[0]
    assert "x-name: Jos\xe9" in heads[0]
    assert [line for line in heads[0].lower().split("\r\n") if line.startswith(("x-forwarded-for", "x-real-ip"))] == [
        f"x-forwarded-for: {address}",
        f"x-real-ip: {address}",
    ]


def test_requests_that_wait_keep_no_others_waiting(tmp_path: Path) -> None:
    heads: list[str] = []
    waiting = 600  # of /sync: each client that is signed in has one
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, 4096), most))

    def answer(path: str, token: str) -> tuple[bytes, ...]:
        return () if "sync" in path else (response(200, b"{}"),)

    async def test() -> None:
        async with homeserver(answer, heads) as url:
            values = {**VALID, "homeserver": url, "state_directory": str(tmp_path)}
            application = create_application(GatewayConfig.parse(values))
            path = b"/_matrix/client/v3/sync"
            tasks = [asyncio.create_task(passed_on(application, path)) for _ in range(waiting)]
            while len(heads) < waiting:
                await asyncio.sleep(0.01)
            assert await passed_on(application, b"/_matrix/client/versions") == 200
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    run(test)


def test_request_whose_client_leaves_is_aborted(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        assert await reader.read() == b""
        closed.set()
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            values = {**VALID, "homeserver": url, "state_directory": str(tmp_path)}
            application = create_application(GatewayConfig.parse(values))
            path, leaves = b"/_matrix/client/v3/sync", asyncio.Event()
            left = asyncio.create_task(passed_on(application, path, leaves=leaves))
            await asked.wait()
            leaves.set()
            await closed.wait()
            assert await left == 499
            asked.clear()
            closed.clear()
            stays = asyncio.create_task(passed_on(application, path))
            await asked.wait()
            application.state.proxy.abort()  # as the process does when it ends
            await closed.wait()
            assert await stays == 503

    asked = asyncio.Event()
    run(test)


@pytest.mark.parametrize("size", [60_000, 700_000])
def test_folder_of_the_cache_is_listed_on_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    threads = []
    evict = BodyCache.evict

    def recorded(cache: BodyCache) -> None:
        threads.append(threading.current_thread())
        evict(cache)

    async def test() -> None:
        async with media_source(lambda path, token: (response(200, bytes(size)),), tmp_path, 2_900_000) as source:
            monkeypatch.setattr(BodyCache, "evict", recorded)
            assert await read(await source.open(MEDIA, Caller("token"))) == bytes(size)
            while source._downloads:
                await asyncio.sleep(0.01)

    run(test)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


# --- sessions and cache -----------------------------------------------------------------------------------------------


def test_handle_opens_for_its_secret_alone() -> None:
    session = Session("t", "@ana:localhost", "token")
    handle = session.seal(KEYRING)
    assert Session.unseal(KEYRING, "1", handle) == session
    assert "token" not in repr(session)
    other = Keyring([("1", b"another secret, of thirty-two bytes")])
    for keyring, sealed in ((other, handle), (KEYRING, handle[:-2]), (KEYRING, KEYRING.seal(b'["d", 1, 2]'))):
        with pytest.raises((InvalidSignature, InvalidTag)):
            Session.unseal(keyring, "1", sealed)


@pytest.mark.parametrize("user_length", [20, 255])
@pytest.mark.parametrize("token", ["a" * 40, "a" * 480, "a" * 501, '"' * 500])
@pytest.mark.parametrize("device_id", ["DEVICE", "", "a" * 700])
def test_handle_of_any_session_fits_into_a_link(tmp_path: Path, user_length: int, token: str, device_id: str) -> None:
    user_id = "@" + "a" * (user_length - 1)
    identity = json.dumps({"user_id": user_id, "device_id": device_id}).encode()

    async def test() -> None:
        async with media_source(lambda path, token: (response(200, identity),), tmp_path) as source:
            session = None
            with suppress(MatrixError):
                session = await source._sessions.of(token)
            if session is None:
                assert device_id != "DEVICE"
                return
            handle = session.seal(KEYRING)
            uri = KEYRING.sign(Link("1", MEDIA, 2, handle)).encode()
            assert Session.unseal(KEYRING, "1", KEYRING.verify(uri, 1).session) == session
            assert (await source._sessions.caller(session, "")).token == token

    run(test)


def test_stored_token_is_that_of_its_own_session_alone(tmp_path: Path) -> None:
    """Whoever writes to the database: in Redis, that may be another program."""

    async def test() -> None:
        database = SqliteDatabase(tmp_path / "tokens.db")
        await TokenStore(database, KEYRING).put("@ana:localhost", "A", "token of ana")
        sealed = await database.get("@ana:localhost", "A")
        assert sealed
        await database.put("@ben:localhost", "B", sealed)
        store = TokenStore(database, KEYRING)
        assert await store.get("@ana:localhost", "A") == "token of ana"
        assert await store.get("@ben:localhost", "B") is None
        await store.close()

    run(test)


def test_file_names_of_the_cache_are_digests() -> None:
    keys = {cache_key(Media(server, media)) for server in ("a", "b.c") for media in ("x", "y")}
    assert len(keys) == 4
    assert all(len(key) == 64 and key.isalnum() for key in keys)


@pytest.mark.parametrize(
    ("content_type", "given", "sent"),
    [
        ("image/png", "inline; filename=a.png", "inline; filename=a.png"),
        ("text/html", "inline; filename=a.html", "attachment; filename=a.html"),
        ("image/svg+xml", "inline", "attachment"),
        ("image/png", "", "attachment"),
        ("image/png", 'inline; filename="../a b.png"', "inline; filename*=utf-8''.._a%20b.png"),
        ("image/png", "inline; filename*=utf-8''%E2%80%AEgpj.exe", "inline; filename=_gpj.exe"),
        ("image/png", "nonsense\x00;;=", "attachment"),
        ("image/png", "inline; filename*=idna''%FF", "inline"),
        ("image/png", "inline; filename*=punycode''%FF", "inline"),
        ("image/png", "inline; filename*=a; filename*1=b", "inline"),
    ],
)
def test_homeserver_cannot_have_browsers_run_a_media(content_type: str, given: str, sent: str) -> None:
    assert content_disposition(Head(content_type, given, 1), False) == sent


# --- command and configuration ----------------------------------------------------------------------------------------

VALID: dict[str, Any] = {
    "homeserver": "https://matrix.example.org",
    "state_directory": "/tmp/state",
    "secrets": [{"id": "1", "secret": SECRET}],
}


def test_defaults() -> None:
    config = GatewayConfig.parse(VALID)
    assert (config.lifetime_ms, config.bucket_ms, config.cache_bytes) == (3_600_000, 21_600_000, 10 * 1024**3)
    assert config.base_url is None


def test_base_url_may_have_a_path() -> None:
    assert GatewayConfig.parse({**VALID, "base_url": "https://example.org/matrix/"}).base_url == (
        "https://example.org/matrix"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("homeserver", "matrix.example.org"),
        ("homeserver", "https://matrix.example.org/path"),
        ("homeserver", None),
        ("base_url", "https://matrix.example.org/a/../b"),
        ("base_url", 5),
        ("secrets", []),
        ("secrets", [{"id": "1", "secret": "short"}]),
        ("secrets", [{"id": "1", "secret": SECRET}, {"id": "1", "secret": SECRET}]),
        ("lifetime", "1 hour"),
        ("lifetime", 0),
        ("cache_bytes", "1K"),
        ("tokens", "kept"),
        ("redirect_origins", "https://a.example"),
        ("redirect_origins", ["https://a.example/b"]),
        ("bind_ip", "yes"),
        ("batch_limit", 0),
        ("batch_limit", True),
        ("bundle_part_bytes", "16M"),
        ("unknown", 1),
    ],
)
def test_invalid_configuration_names_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key if key != "secrets" else "secret"):
        GatewayConfig.parse({**VALID, key: value})


def test_path_of_a_secret_has_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "secret").write_text(SECRET + "\n")
    config = GatewayConfig.parse({**VALID, "secrets": [{"id": "1", "secret_path": "$CREDENTIALS_DIRECTORY/secret"}]})
    assert config.keyring.open("1", KEYRING.seal(b"x")) == b"x"


def test_command_keeps_a_secret_of_its_own(tmp_path: Path) -> None:
    first = load_config("https://matrix.example.org", None, tmp_path / "state")
    again = load_config("https://matrix.example.org", None, tmp_path / "state")
    assert first.homeserver == "https://matrix.example.org"
    assert Session.unseal(again.keyring, "1", Session("t", "@a:b", "token").seal(first.keyring)).anchor == "token"
    assert (tmp_path / "state" / "secret").stat().st_mode & 0o077 == 0


def test_processes_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    started = threading.Barrier(8)

    def start() -> str:
        started.wait()
        return command._own_secret(tmp_path / "state")

    with ThreadPoolExecutor(8) as threads:
        secrets = [future.result() for future in [threads.submit(start) for _ in range(8)]]
    assert len(set(secrets)) == 1
    assert len(secrets[0]) > 32
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secret"]


def test_option_replaces_the_homeserver_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'homeserver = "https://one.example"\n[[secrets]]\nid = "1"\nsecret = "{SECRET}"\n')
    assert load_config(None, file, tmp_path).homeserver == "https://one.example"
    assert load_config("https://two.example", file, tmp_path).homeserver == "https://two.example"
    for invalid in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(None, invalid, tmp_path)
