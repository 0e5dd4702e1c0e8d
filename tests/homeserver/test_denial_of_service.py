"""Requests that are cheap for the client and must not be expensive for the homeserver."""

import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest
from PIL import Image

from development.synapse import Synapse
from tests.evidence.load.process_stats import memory_bytes
from tests.homeserver import cookies, signed_queries
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.support import PAGE, PREFIX, Account, Answer, Mxc, noise, on_linux, picture, send, wait_for
from tests.homeserver.test_bundle import bundle, errors, request_bundle
from tests.relay import free_port

# A pattern of cubic complexity took ten seconds for this one, and blocked the reactor meanwhile.
BLANKS = "bytes=" + " " * 1200 + "-" + " " * 2000 + "x"
MAX_S = 2.0


def _by_link(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return send(account.link(mxc), headers=headers)


def _by_delegated_link(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return send(delegated_link(issued_key(account), mxc), headers=headers)


def _by_cookie(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return cookies.get(account.synapse, mxc, cookies.cookie(account), **headers)


def _by_signed_query(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return signed_queries.get(account.synapse, mxc, signed_queries.signed_query(account), **headers)


PROOFS = {"link": _by_link, "delegated": _by_delegated_link, "cookie": _by_cookie, "signed_query": _by_signed_query}


@pytest.mark.parametrize("header", [BLANKS, "bytes=" + " " * 12_000 + "-", '"' * 12_000, "W/" * 6_000])
@pytest.mark.parametrize("proof", PROOFS)
def test_any_header_is_parsed_in_bounded_time(baselines: Synapse, proof: str, header: str) -> None:
    account = Account.new(baselines)
    mxc = account.upload(picture(), "image/png")
    headers = {"Range": header} if header.startswith("bytes") else {"If-None-Match": header}
    start = time.monotonic()
    answer = PROOFS[proof](account, mxc, headers)
    assert (answer.status, answer.body) == (200, picture())
    assert time.monotonic() - start < MAX_S


# --- bundles that are not read ----------------------------------------------------------------------------------------

SOCKETS = 60
BUDGET_BYTES = 40_000_000
# Without a limit, each of them held ten megabytes.
MAX_GROWTH_BYTES = 60_000_000


@pytest.fixture(scope="module")
def low_limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver with low limits of bundles in flight, and of bytes for each session."""
    config = {"bundles_per_user": 2, "bundles_at_once": 3, "session_bytes_per_hour": BUDGET_BYTES}
    config.update(cookie=True, signed_query=True)
    synapse = Synapse(tmp_path_factory.mktemp("low_limits"), free_port(), module_config=config, extra_config=QUICK)
    with running(synapse):
        yield synapse


def large_bundle(account: Account) -> bytes:
    """Returns a request body for eight megabytes, which is more than the kernel buffers for a client."""
    entries = [{"mxc": account.upload(noise(500_000, str(number))).uri} for number in range(16)]
    return json.dumps({"media": entries}).encode()


def unread_bundle(account: Account, body: bytes) -> socket.socket:
    """Requests a bundle and does not read the response."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", account.synapse.port))
    head = f"POST {PREFIX}/bundle HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.token}\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(15).split()[1])


@on_linux
def test_unread_bundles_hold_bounded_memory(synapse: Synapse) -> None:
    greedy, other = Account.new(synapse), Account.new(synapse)
    body, mxc = large_bundle(greedy), other.upload(picture(), "image/png")
    bundle(greedy, {"mxc": mxc.uri})
    process_id = synapse.process_id
    assert process_id
    before = memory_bytes(process_id)
    with ExitStack() as stack:
        unread = [stack.enter_context(closing(unread_bundle(greedy, body))) for _ in range(SOCKETS)]
        found = [status(connection) for connection in unread]
        assert sorted(found) == [200] * 10 + [429] * (SOCKETS - 10)
        assert bundle(other, {"mxc": mxc.uri}) == [(200, "image/png", picture())]
        assert memory_bytes(process_id) - before < MAX_GROWTH_BYTES
    wait_for(lambda: request_bundle(greedy, {"mxc": mxc.uri}).status_code == 200, what="a free slot for a bundle")


def test_bundles_in_flight_are_limited_per_user_and_in_total(low_limits: Synapse) -> None:
    greedy, second, third = (Account.new(low_limits) for _ in range(3))
    body = large_bundle(greedy)
    entry = {"mxc": greedy.upload(picture(), "image/png").uri}
    with ExitStack() as stack:
        for account in (greedy, greedy):
            assert status(stack.enter_context(closing(unread_bundle(account, body)))) == 200
        refused = request_bundle(greedy, entry)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert (refused.json()["retry_after_ms"], refused.headers["retry-after"]) == (1000, "1")
        assert status(stack.enter_context(closing(unread_bundle(second, body)))) == 200
        assert request_bundle(third, entry).status_code == 429
    wait_for(lambda: request_bundle(third, entry).status_code == 200, what="a free slot for a bundle")


# --- thumbnails that are too large for a bundle -----------------------------------------------------------------------


def noise_picture() -> bytes:
    """Returns an incompressible PNG."""
    file = io.BytesIO()
    Image.frombytes("RGB", (300, 300), noise(300 * 300 * 3)).save(file, "PNG")
    return file.getvalue()


def thumbnail_files(synapse: Synapse, mxc: Mxc) -> list[str]:
    folder = synapse.directory / "media/local_thumbnails" / mxc.media_id[:2] / mxc.media_id[2:4] / mxc.media_id[4:]
    return sorted(path.name for path in folder.glob("*"))


def test_thumbnail_too_large_for_a_bundle_is_not_created(synapse: Synapse) -> None:
    account = Account.new(synapse)
    mxc = account.upload(picture(), "image/png")
    sizes = [{"width": 2048, "height": 2048 - number, "method": "crop"} for number in range(20)]
    found = bundle(account, *[{"mxc": mxc.uri, "thumbnail": size} for size in sizes])
    assert errors(found) == [(413, "M_TOO_LARGE")] * 20
    assert thumbnail_files(synapse, mxc) == []


def test_thumbnails_are_created_within_the_budget_of_a_bundle(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The maximum size is reserved while a thumbnail is created, and then its actual size is counted."""
    limits = {"bundle_part_bytes": "100K", "bundle_bytes": "100K"}
    synapse = Synapse(tmp_path_factory.mktemp("budget"), free_port(), module_config=limits, extra_config=QUICK)
    with running(synapse):
        account = Account.new(synapse)
        mxc = account.upload(noise_picture(), "image/png")
        wanted = [{"mxc": mxc.uri, "thumbnail": {"width": 150, "height": 150 - number}} for number in range(4)]
        found = bundle(account, *wanted)
        sent = [part for part in found if part[0] == 200]
        assert 1 <= len(sent) < len(found)
        assert {json.loads(body)["errcode"] for code, _, body in found if code != 200} == {"DEV.AUTHMEDIA.BUNDLE_FULL"}
        assert len(thumbnail_files(synapse, mxc)) == len(sent)


# --- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", PROOFS)
def test_session_that_has_spent_its_bytes_waits(low_limits: Synapse, proof: str) -> None:
    account = Account.new(low_limits)
    mxc = account.upload(noise(15_000_000, proof), "application/octet-stream")
    answers = [PROOFS[proof](account, mxc, {}) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    spent = answers[3]
    assert spent.error == "M_LIMIT_EXCEEDED"
    # Five million too many, of forty million an hour: a good seven minutes, less the time that this test has taken.
    assert 380 < int(spent.headers["retry-after"]) <= 451
    assert spent.headers["cache-control"] == "no-store"
    assert not {"content-range", "etag", "accept-ranges"} & set(spent.headers)
    unchanged = PROOFS[proof](account, mxc, {"If-None-Match": answers[0].headers["etag"]})
    assert unchanged.status == 304, "which sends nothing"
    assert PROOFS[proof](account.again(), mxc, {}).status == 200, "another session has a budget of its own"


def test_person_is_told_that_a_link_was_opened_too_often(low_limits: Synapse) -> None:
    account = Account.new(low_limits)
    link = account.link(account.upload(noise(21_000_000, "often"), "application/octet-stream"))
    assert [send(link).status, send(link).status] == [200, 200]
    page = send(link, headers=PAGE)
    assert (page.status, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert b"This was opened too often" in page.body


def test_what_a_client_does_not_read_is_not_counted(low_limits: Synapse) -> None:
    """A player requests a video from a position to the end, and stops to read it when the user seeks."""
    account = Account.new(low_limits)
    content = noise(BUDGET_BYTES - 1_000_000, "seek")
    link = urlsplit(account.link(account.upload(content, "video/mp4")))
    for _ in range(3):
        with closing(socket.create_connection(("127.0.0.1", low_limits.port), timeout=30)) as connection:
            connection.sendall(f"GET {link.path}?{link.query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
    wait_for(lambda: send(link.geturl(), headers={"Range": "bytes=0-9"}).status == 206)
    assert send(link.geturl()).body == content
