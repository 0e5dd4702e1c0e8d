"""Bundles: their format and limits, errors of single parts, and the order of the parts."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import PREFIX, Account, Mxc, log_with, noise, on_linux, open_media, picture, wait_for
from tests.relay import free_port

# One of Synapse's own sizes.
THUMBNAIL = {"thumbnail": {"width": 32, "height": 32, "method": "crop"}}
MISSING = "mxc://localhost/AAAAAAAAAAAAAAAAAAAAAAAA"
LIMITS = {"bundle_limit": 5, "bundle_part_bytes": "10K", "bundle_bytes": "25K"}


def request_bundle(account: Account, *entries: Any) -> httpx.Response:
    return account.http.post(f"{PREFIX}/bundle", json={"media": list(entries)})


def parse_parts(content: bytes) -> dict[int, tuple[int, str, bytes]]:
    """Parses a bundle into status, type and content of each part, by its index."""
    found = {}
    while content:
        line, _, content = content.partition(b"\n")
        head = json.loads(line)
        assert set(head) == {"part", "status", "type", "length"}
        assert head["part"] not in found
        found[head["part"]] = head["status"], head["type"], content[: head["length"]]
        assert len(content) >= head["length"]
        content = content[head["length"] :]
    return found


def bundle(account: Account, *entries: Any) -> list[tuple[int, str, bytes]]:
    """Requests a bundle and returns its parts in the order of the request."""
    answer = request_bundle(account, *entries)
    assert answer.status_code == 200
    found = parse_parts(answer.content)
    assert sorted(found) == list(range(len(entries)))
    return [found[number] for number in range(len(entries))]


def errors(found: list[tuple[int, str, bytes]]) -> list[tuple[int, str]]:
    assert {content_type for _, content_type, _ in found} == {"application/json"}
    return [(status, json.loads(body)["errcode"]) for status, _, body in found]


@pytest.fixture(scope="module")
def low_limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account on a homeserver whose bundles have low limits."""
    module = {**LIMITS, "rc_links": {"per_second": 1000, "burst_count": 1000}}
    directory = tmp_path_factory.mktemp("low_limits")
    synapse = Synapse(directory, free_port(), module_config=module, extra_config=QUICK)
    with running(synapse):
        yield Account.new(synapse)


def test_parts_equal_synapses_own_responses(ana: Account, photo: Mxc) -> None:
    other = ana.upload(b"line one\nline two\n", "text/plain")
    wanted = {"width": 48, "height": 48, "method": "crop"}
    found = bundle(ana, {"mxc": photo.uri}, {"mxc": other.uri}, {"mxc": photo.uri, "thumbnail": wanted})
    assert found == [
        (200, "image/png", picture()),
        (200, "text/plain", b"line one\nline two\n"),
        (200, "image/png", ana.thumbnail(photo, **wanted).content),
    ]


def test_headers_of_a_bundle(ana: Account, photo: Mxc) -> None:
    answer = request_bundle(ana, {"mxc": photo.uri})
    assert {name: answer.headers.get(name) for name in ("content-type", "cache-control", "content-length")} == {
        "content-type": "application/vnd.authmedia.bundle",
        "cache-control": "no-store",
        "content-length": None,
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox;")


def test_bad_entries_fail_alone(ana: Account, photo: Mxc) -> None:
    found = bundle(
        ana,
        {"mxc": MISSING},
        "mxc://localhost/x",
        {"mxc": "https://localhost/x"},
        {"mxc": "mxc://../x"},
        {"mxc": "mxc://./x", **THUMBNAIL},
        {"mxc": photo.uri, "thumbnail": {"width": 0, "height": 1}},
        {"mxc": ana.upload(b"no picture", "image/png").uri, "thumbnail": {"width": 9, "height": 9}},
        {"mxc": photo.uri},
    )
    assert errors(found[:7]) == [
        (404, "M_NOT_FOUND"),
        (400, "M_BAD_JSON"),
        (400, "M_INVALID_PARAM"),
        (400, "M_INVALID_PARAM"),
        (400, "M_INVALID_PARAM"),
        (400, "M_INVALID_PARAM"),
        (400, "M_UNKNOWN"),
    ]
    assert found[7] == (200, "image/png", picture())


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("image/" + "x" * 2000, "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("image/p ng", "application/octet-stream"),
        ("Text/HTML; charset=utf-8", "text/html"),
    ],
)
def test_content_type_of_an_uploader_does_not_lengthen_a_head(ana: Account, photo: Mxc, given: str, sent: str) -> None:
    """Clients treat a bundle as broken if a head is longer than 1,024 bytes."""
    typed = ana.upload(b"x", given)
    assert bundle(ana, {"mxc": typed.uri}, {"mxc": photo.uri}) == [(200, sent, b"x"), (200, "image/png", picture())]


def test_bundle_does_not_wait_for_uploads(ana: Account, photo: Mxc) -> None:
    announced = ana.http.post("/_matrix/media/v1/create").raise_for_status().json()["content_uri"]
    found = bundle(ana, {"mxc": announced}, {"mxc": photo.uri})
    assert errors(found[:1]) == [(504, "M_NOT_YET_UPLOADED")]
    assert found[1][0] == 200


def test_bundle_costs_one_query_per_table(short_lived: Synapse) -> None:
    account = Account.new(short_lived)
    entries = [{"mxc": account.upload(picture(), "image/png").uri, **THUMBNAIL} for _ in range(5)]
    entries.append({"mxc": entries[0]["mxc"]})
    before = len(wait_for(lambda: log_with(short_lived, "[TXN START] {store_local_thumbnail")))
    assert [status for status, *_ in bundle(account, *entries)] == [200] * 6
    said = wait_for(lambda: log_with(short_lived, "[TXN START] {media_links_look_up_thumbnails"))[before:]
    assert said.count("[TXN START] {media_links_look_up") == 2
    assert "[TXN START] {get_local_media" not in said


def test_empty_bundle(ana: Account) -> None:
    assert request_bundle(ana).content == b""


@pytest.mark.parametrize("body", [[], {}, {"media": {}}, {"media": None}])
def test_malformed_bundle_request(ana: Account, body: Any) -> None:
    answer = ana.http.post(f"{PREFIX}/bundle", json=body)
    assert (answer.status_code, answer.json()["errcode"]) == (400, "M_BAD_JSON")


def test_bundle_requires_an_access_token(ana: Account, photo: Mxc) -> None:
    answer = httpx.post(f"http://127.0.0.1:{ana.synapse.port}{PREFIX}/bundle", json={"media": [{"mxc": photo.uri}]})
    assert (answer.status_code, answer.json()["errcode"]) == (401, "M_MISSING_TOKEN")


def test_config_has_limits_of_bundles(ana: Account, low_limits: Account) -> None:
    offers = [account.http.get(f"{PREFIX}/config").json()["bundle"] for account in (ana, low_limits)]
    assert offers == [
        {"limit": 200, "part_bytes": 524_288, "bytes": 8_388_608},
        {"limit": 5, "part_bytes": 10_240, "bytes": 25_600},
    ]


def test_too_many_entries(low_limits: Account) -> None:
    answer = request_bundle(low_limits, *[{"mxc": MISSING}] * 6)
    assert (answer.status_code, answer.json()["errcode"]) == (413, "M_TOO_LARGE")


def test_media_too_large_for_a_bundle_and_full_bundle(low_limits: Account) -> None:
    large = low_limits.upload(noise(10_241, "large"))
    good = [low_limits.upload(noise(10_240, str(number))) for number in range(3)]
    small = low_limits.upload(noise(5_000, "small"))
    found = bundle(low_limits, *[{"mxc": mxc.uri} for mxc in (large, *good, small)])
    assert errors([found[0]]) == [(413, "M_TOO_LARGE")]
    # The order in which files are read decides which part does not fit any more.
    full = [part for part in found[1:] if part[0] != 200]
    assert errors(full) == [(413, "DEV.AUTHMEDIA.BUNDLE_FULL")]
    assert sum(len(body) for status, _, body in found if status == 200) <= 25_600
    assert bundle(low_limits, {"mxc": good[0].uri})[0][2] == noise(10_240, "0")


def test_rate_limit_of_bundles_is_per_user_and_separate_from_links(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    mxc = account.upload(b"x", "text/plain")
    entry = {"mxc": mxc.uri}
    for _ in range(4):
        assert request_bundle(account, entry).status_code == 200
    for session in (account, account.again()):
        refused = request_bundle(session, entry)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert 0 < refused.json()["retry_after_ms"] <= 100_000
    assert request_bundle(Account.new(address_bound), entry).status_code == 200
    assert account.link(mxc)


def test_remote_media_does_not_delay_local_media(federation: tuple[Synapse, Synapse]) -> None:
    local = Account.new(federation[0])
    photo = local.upload(picture(), "image/png")
    made = {"mxc": photo.uri, "thumbnail": {"width": 33, "height": 33}}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never responds
        slow = [{"mxc": f"mxc://localhost:{silent.getsockname()[1]}/{number}"} for number in range(20)]
        media = [*slow, made, {"mxc": photo.uri}]
        with local.http.stream("POST", f"{PREFIX}/bundle", json={"media": media}) as answer:
            content = b""
            for chunk in answer.iter_raw():
                content += chunk
                if len(content) > len(picture()) and b'"part": 20' in content:
                    break
    assert list(parse_parts(content)) == [21, 20]


def test_bundle_of_a_client_that_does_not_read_is_aborted(short_timeouts: Synapse) -> None:
    """Its connection is aborted, and the other files are not read."""
    eva = Account.new(short_timeouts)
    mxc = eva.upload(noise(500_000), "image/png")
    body = json.dumps({"media": [{"mxc": mxc.uri}] * 16}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", short_timeouts.port))
        head = f"POST {PREFIX}/bundle HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {eva.token}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        wait_for(lambda: _finished_bundles(short_timeouts), what="the bundle's end")


def test_slow_client_that_reads_steadily_gets_the_whole_bundle(short_timeouts: Synapse) -> None:
    """It takes longer than the timeout of a client that does not read."""
    eva = Account.new(short_timeouts)
    content = noise(500_000, "steadily")
    body = {"media": [{"mxc": eva.upload(content).uri}] * 16}
    # With a small receive buffer, so that the homeserver notices the client's pace.
    transport = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)])
    with httpx.Client(base_url=eva.http.base_url, headers=eva.http.headers, transport=transport) as slow:
        pace = Event()  # never set: 2 MB/s
        received = b""
        with slow.stream("POST", f"{PREFIX}/bundle", json=body) as answer:
            for chunk in answer.iter_raw(100_000):
                received += chunk
                pace.wait(0.05)
    assert {part[2] for part in parse_parts(received).values()} == {content}
    assert len(parse_parts(received)) == 16


@on_linux
def test_client_that_disconnects_during_a_bundle_leaves_no_file_open(synapse: Synapse, ana: Account) -> None:
    entry = {"mxc": ana.upload(noise(500_000, "middle"), "image/png").uri}
    before = _finished_bundles(synapse)
    with ana.http.stream("POST", f"{PREFIX}/bundle", json={"media": [entry] * 16}) as answer:
        assert next(answer.iter_raw(1000)).startswith(b'{"part": ')
    wait_for(lambda: _finished_bundles(synapse) > before, what="the bundle's end")
    assert open_media(synapse) == []
    assert bundle(ana, entry)[0][0] == 200


def _finished_bundles(synapse: Synapse) -> int:
    """Returns the number of finished bundles in Synapse's log."""
    log = Path(synapse.log_path).read_text()
    return sum("/bundle HTTP" in line and "Processed request" in line for line in log.splitlines())
