"""Requests that cost a client little and could cost the homeserver much."""

import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from PIL import Image

from development.synapse import Synapse
from tests.evidence.load.process_stats import memory_bytes
from tests.homeserver import cookies, signed_queries
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import PREFIX, Account, Answer, Mxc, noise, on_linux, picture, send, wait_for
from tests.homeserver.test_bundle import asked, bundle, errors
from tests.relay import free_port

# In proportion to the cube of its length this one took ten seconds, during which the homeserver answered nobody.
BLANKS = "bytes=" + " " * 1200 + "-" + " " * 2000 + "x"
MOST_S = 2.0


def _by_link(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return send(account.link(mxc), headers=headers)


def _by_cookie(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return cookies.get(account.synapse, mxc, cookies.cookie(account), **headers)


def _by_signed_query(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return signed_queries.get(account.synapse, mxc, signed_queries.signed(account), **headers)


PROOFS = {"link": _by_link, "cookie": _by_cookie, "signed_query": _by_signed_query}


@pytest.mark.parametrize("header", [BLANKS, "bytes=" + " " * 12_000 + "-", '"' * 12_000, "W/" * 6_000])
@pytest.mark.parametrize("proof", PROOFS)
def test_header_of_any_form_takes_no_time(baselines: Synapse, proof: str, header: str) -> None:
    account = Account.new(baselines)
    mxc = account.upload(picture(), "image/png")
    headers = {"Range": header} if header.startswith("bytes") else {"If-None-Match": header}
    start = time.monotonic()
    answer = PROOFS[proof](account, mxc, headers)
    assert (answer.status, answer.body) == (200, picture())
    assert time.monotonic() - start < MOST_S


# --- bundles that are not read ----------------------------------------------------------------------------------------

SOCKETS = 60
# Without a bound each of them held ten megabytes.
MOST_GROWTH = 60_000_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """Few bundles at a time, and few of each user."""
    limits = {"bundles_per_user": 2, "bundles_at_once": 3}
    synapse = Synapse(tmp_path_factory.mktemp("narrow"), free_port(), module_config=limits, extra_config=QUICK)
    with running(synapse):
        yield synapse


def large_bundle(account: Account) -> bytes:
    """A body that asks for eight megabytes: more than the machine keeps for a client that reads nothing."""
    entries = [{"mxc": account.upload(noise(500_000, str(number))).uri} for number in range(16)]
    return json.dumps({"media": entries}).encode()


def unread_bundle(account: Account, body: bytes) -> socket.socket:
    """Asks for a bundle, reads the first line of the answer, and nothing more."""
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
def test_bundles_that_are_not_read_hold_no_memory(synapse: Synapse) -> None:
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
        assert memory_bytes(process_id) - before < MOST_GROWTH
    wait_for(lambda: asked(greedy, {"mxc": mxc.uri}).status_code == 200, what="room for another bundle")


def test_bundles_in_flight_are_bounded_for_each_user_and_in_all(narrow: Synapse) -> None:
    greedy, second, third = (Account.new(narrow) for _ in range(3))
    body = large_bundle(greedy)
    entry = {"mxc": greedy.upload(picture(), "image/png").uri}
    with ExitStack() as stack:
        for account in (greedy, greedy):
            assert status(stack.enter_context(closing(unread_bundle(account, body)))) == 200
        refused = asked(greedy, entry)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert (refused.json()["retry_after_ms"], refused.headers["retry-after"]) == (1000, "1")
        assert status(stack.enter_context(closing(unread_bundle(second, body)))) == 200
        assert asked(third, entry).status_code == 429
    wait_for(lambda: asked(third, entry).status_code == 200, what="room for another bundle")


# --- thumbnails that are too large for a bundle -----------------------------------------------------------------------


def noise_picture() -> bytes:
    """A PNG that cannot be compressed."""
    file = io.BytesIO()
    Image.frombytes("RGB", (300, 300), noise(300 * 300 * 3)).save(file, "PNG")
    return file.getvalue()


def thumbnail_files(synapse: Synapse, mxc: Mxc) -> list[str]:
    folder = synapse.directory / "media/local_thumbnails" / mxc.media_id[:2] / mxc.media_id[2:4] / mxc.media_id[4:]
    return sorted(path.name for path in folder.glob("*"))


def test_thumbnail_that_is_too_large_for_a_bundle_is_not_made(synapse: Synapse) -> None:
    account = Account.new(synapse)
    mxc = account.upload(picture(), "image/png")
    sizes = [{"width": 2048, "height": 2048 - number, "method": "crop"} for number in range(20)]
    found = bundle(account, *[{"mxc": mxc.uri, "thumbnail": size} for size in sizes])
    assert errors(found) == [(413, "M_TOO_LARGE")] * 20
    assert thumbnail_files(synapse, mxc) == []


def test_thumbnails_are_made_as_far_as_the_bundle_has_room(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each of them may become as large as its pixels are; what is made is counted as it is."""
    limits = {"bundle_part_bytes": "100K", "bundle_bytes": "100K"}
    synapse = Synapse(tmp_path_factory.mktemp("room"), free_port(), module_config=limits, extra_config=QUICK)
    with running(synapse):
        account = Account.new(synapse)
        mxc = account.upload(noise_picture(), "image/png")
        wanted = [{"mxc": mxc.uri, "thumbnail": {"width": 150, "height": 150 - number}} for number in range(4)]
        found = bundle(account, *wanted)
        sent = [part for part in found if part[0] == 200]
        assert 1 <= len(sent) < len(found)
        assert {json.loads(body)["errcode"] for code, _, body in found if code != 200} == {"DEV.AUTHMEDIA.BUNDLE_FULL"}
        assert len(thumbnail_files(synapse, mxc)) == len(sent)
