"""Transfers that break off: the next request asks for the rest where the server has one, else for the whole."""

from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.traffic import PartialBody, Traffic
from authmedia.transport.resumption import request_rest
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, run

BODY = bytes(range(256)) * 4
RANGES = {"Accept-Ranges": "bytes", "ETag": '"one"', "Content-Type": "image/png"}


class RangeServer:
    """Serves one media, each of whose first ``breaks`` responses ends in the middle."""

    def __init__(self, body: bytes, headers: dict[str, str], breaks: int = 1) -> None:
        self.body, self.headers, self.breaks = body, headers, breaks
        #: The ranges that were asked for, empty for the whole.
        self.ranges: list[str] = []
        #: How many bytes were sent.
        self.sent = 0

    def __call__(self, request: Any) -> Any:
        if "example.org/abc" not in request.url:
            return None
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        return self.answer(int(asked[6:-1]) if asked else 0)

    def answer(self, start: int) -> Any:
        return self.respond(206, self.body[start:], start) if start else self.respond(200, self.body, 0)

    def respond(self, status: int, content: bytes, start: int, **more: str) -> Any:
        breaks = fake.BrowserError("TypeError", "network error") if len(self.ranges) <= self.breaks else None
        self.sent += len(content) // 2 if breaks else len(content)
        headers = {**self.headers, "Content-Length": str(len(content)), **more}
        if status == 206:
            total = str(len(self.body))
            headers["Content-Range"] = f"bytes {start}-{start + len(content) - 1}/{total}"
        return fake.Response(status, content, {**headers, **more}, breaks)


class IgnoresRanges(RangeServer):
    def answer(self, start: int) -> Any:
        return self.respond(200, self.body, 0)


class Refuses(RangeServer):
    def answer(self, start: int) -> Any:
        return fake.Response(416, b"") if start else super().answer(0)


class Changes(RangeServer):
    def answer(self, start: int) -> Any:
        if len(self.ranges) == 2:
            self.headers = {**self.headers, "ETag": '"two"'}
            self.body = self.body[::-1]
        return super().answer(start)


class Grows(RangeServer):
    def answer(self, start: int) -> Any:
        if not start:
            return super().answer(0)
        return self.respond(206, self.body[start:], start, **{"Content-Range": f"bytes {start}-1023/2048"})


class StartsElsewhere(RangeServer):
    def answer(self, start: int) -> Any:
        return super().answer(start and start - 1)


def loaded(name: str, homeserver: Homeserver, server: RangeServer, browser: Any) -> bytes:
    """Returns the body that a strategy loads."""
    request = MediaRequest(MXC)
    if name == "link":  # whose elements transfer by themselves what is not encrypted
        ciphertext, file = encrypt(server.body)
        server.body = ciphertext
        request = MediaRequest(MXC, encrypted=EncryptedFile({**file, "url": MXC}))

    async def scenario() -> bytes:
        loader = open_loader(name, homeserver)
        media = await loader.load(request)
        content = bytes(browser.object_urls[media.src].content)
        loader.close()
        return content

    return bytes(run(scenario()))


STRATEGIES = ("blob", "opfs", "link", "bundle")


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(
    ("kind", "headers", "ranges"),
    [
        (RangeServer, RANGES, ["", "bytes=512-"]),
        (RangeServer, {**RANGES, "ETag": 'W/"one"'}, ["", ""]),
        (RangeServer, {**RANGES, "ETag": ""}, ["", ""]),
        (RangeServer, {**RANGES, "ETag": "1"}, ["", ""]),  # Synapse's own
        (IgnoresRanges, RANGES, ["", "bytes=512-"]),
        (Refuses, RANGES, ["", "bytes=512-", ""]),
        (Grows, RANGES, ["", "bytes=512-", ""]),
        (StartsElsewhere, RANGES, ["", "bytes=512-", ""]),
    ],
)
def test_the_rest_is_requested_where_the_server_has_one(
    name: str,
    kind: type[RangeServer],
    headers: dict[str, str],
    ranges: list[str],
    script: Script,
    homeserver: Homeserver,
    browser: Any,
) -> None:
    server = kind(BODY, headers)
    script.instead = server
    assert loaded(name, homeserver, server, browser) == BODY
    assert server.ranges == ranges
    if (kind, headers) == (RangeServer, RANGES):
        assert server.sent == len(BODY), "nothing twice"


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", ["blob", "opfs"])
def test_a_media_that_has_changed_is_requested_anew(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    server = Changes(BODY, RANGES)
    script.instead = server
    assert loaded(name, homeserver, server, browser) == BODY[::-1]
    assert server.ranges == ["", "bytes=512-", ""]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_transfer_that_breaks_off_again_and_again_goes_on(
    name: str, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    """More often than attempts are made without progress."""
    server = RangeServer(BODY, RANGES, breaks=8)
    script.instead = server
    assert loaded(name, homeserver, server, browser) == BODY
    assert len(server.ranges) == 9
    assert server.sent == len(BODY)


@pytest.mark.usefixtures("no_pauses")
def test_without_progress_it_ends(script: Script, homeserver: Homeserver, browser: Any) -> None:
    server = RangeServer(BODY, {"Content-Type": "image/png"}, breaks=99)
    script.instead = server
    with pytest.raises(errors.HomeserverUnreachable):
        loaded("blob", homeserver, server, browser)
    assert len(server.ranges) == 4


@pytest.mark.parametrize(
    ("url", "condition"),
    [
        ("http://home.test/_matrix/client/v1/media/download/example.org/abc", None),
        (f"http://home.test{AUTHMEDIA_PREFIX}/signed/example.org/abc", '"one"'),
        ("http://page.test/_matrix/client/v1/media/download/example.org/abc", '"one"'),
        ("not a URL", None),
    ],
)
def test_the_condition_is_sent_where_it_is_allowed(url: str, condition: str | None, browser: Any) -> None:
    sent: list[dict[str, str]] = []

    async def send(headers: dict[str, str]) -> Any:
        sent.append(headers)
        return fake.Response(200, BODY)

    traffic = Traffic()
    traffic.partial = PartialBody(fake.Blob(BODY[:10]), len(BODY), '"one"')
    run(request_rest(send, url, traffic))
    assert sent == [{"Range": "bytes=10-", **({"If-Range": condition} if condition else {})}]
    assert traffic.partial is None
