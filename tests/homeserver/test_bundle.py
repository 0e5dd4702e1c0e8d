"""Many small media in one answer: its format, its limits, what fails alone, and what does not hold up the rest."""

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
from tests.homeserver.support import (
    PREFIX,
    Account,
    Mxc,
    log_with,
    noise,
    on_linux,
    open_media,
    picture,
    wait_for,
)
from tests.relay import free_port

# One of Synapse's own sizes.
THUMBNAIL = {"thumbnail": {"width": 32, "height": 32, "method": "crop"}}
MISSING = "mxc://localhost/AAAAAAAAAAAAAAAAAAAAAAAA"
LIMITS = {"bundle_limit": 5, "bundle_part_bytes": "10K", "bundle_bytes": "25K"}


def asked(account: Account, *entries: Any) -> httpx.Response:
    return account.http.post(f"{PREFIX}/bundle", json={"media": list(entries)})


def parts(content: bytes) -> dict[int, tuple[int, str, bytes]]:
    """Status, type and body of each part, by its number."""
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
    """The parts in the order in which they were asked for."""
    answer = asked(account, *entries)
    assert answer.status_code == 200
    found = parts(answer.content)
    assert sorted(found) == list(range(len(entries)))
    return [found[number] for number in range(len(entries))]


def errors(found: list[tuple[int, str, bytes]]) -> list[tuple[int, str]]:
    assert {content_type for _, content_type, _ in found} == {"application/json"}
    return [(status, json.loads(body)["errcode"]) for status, _, body in found]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Somebody on a homeserver whose bundles are small."""
    module = {**LIMITS, "rc_links": {"per_second": 1000, "burst_count": 1000}}
    directory = tmp_path_factory.mktemp("narrow")
    synapse = Synapse(directory, free_port(), module_config=module, extra_config=QUICK)
    with running(synapse):
        yield Account.new(synapse)


def test_parts_are_what_synapse_itself_sends(ana: Account, photo: Mxc) -> None:
    other = ana.upload(b"line one\nline two\n", "text/plain")
    wanted = {"width": 48, "height": 48, "method": "crop"}
    found = bundle(ana, {"mxc": photo.uri}, {"mxc": other.uri}, {"mxc": photo.uri, "thumbnail": wanted})
    assert found == [
        (200, "image/png", picture()),
        (200, "text/plain", b"line one\nline two\n"),
        (200, "image/png", ana.thumbnail(photo, **wanted).content),
    ]


def test_headers(ana: Account, photo: Mxc) -> None:
    answer = asked(ana, {"mxc": photo.uri})
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
def test_type_that_an_uploader_chose_makes_no_line_longer(ana: Account, photo: Mxc, given: str, sent: str) -> None:
    """Clients take a bundle for broken where a line is longer than 1,024 bytes."""
    strange = ana.upload(b"x", given)
    assert bundle(ana, {"mxc": strange.uri}, {"mxc": photo.uri}) == [(200, sent, b"x"), (200, "image/png", picture())]


def test_media_that_is_announced_and_not_uploaded_is_not_waited_for(ana: Account, photo: Mxc) -> None:
    announced = ana.http.post("/_matrix/media/v1/create").raise_for_status().json()["content_uri"]
    found = bundle(ana, {"mxc": announced}, {"mxc": photo.uri})
    assert errors(found[:1]) == [(504, "M_NOT_YET_UPLOADED")]
    assert found[1][0] == 200


def test_the_database_is_asked_once_for_all(brief: Synapse) -> None:
    account = Account.new(brief)
    entries = [{"mxc": account.upload(picture(), "image/png").uri, **THUMBNAIL} for _ in range(5)]
    entries.append({"mxc": entries[0]["mxc"]})
    before = len(wait_for(lambda: log_with(brief, "[TXN START] {store_local_thumbnail")))
    assert [status for status, *_ in bundle(account, *entries)] == [200] * 6
    said = wait_for(lambda: log_with(brief, "[TXN START] {media_links_look_up_thumbnails"))[before:]
    assert said.count("[TXN START] {media_links_look_up") == 2
    assert "[TXN START] {get_local_media" not in said


def test_nothing_asked_for(ana: Account) -> None:
    assert asked(ana).content == b""


@pytest.mark.parametrize("body", [[], {}, {"media": {}}, {"media": None}])
def test_body_that_is_no_bundle(ana: Account, body: Any) -> None:
    answer = ana.http.post(f"{PREFIX}/bundle", json=body)
    assert (answer.status_code, answer.json()["errcode"]) == (400, "M_BAD_JSON")


def test_without_a_token(ana: Account, photo: Mxc) -> None:
    answer = httpx.post(f"http://127.0.0.1:{ana.synapse.port}{PREFIX}/bundle", json={"media": [{"mxc": photo.uri}]})
    assert (answer.status_code, answer.json()["errcode"]) == (401, "M_MISSING_TOKEN")


def test_offer(ana: Account, narrow: Account) -> None:
    offers = [account.http.get(f"{PREFIX}/config").json()["bundle"] for account in (ana, narrow)]
    assert offers == [
        {"limit": 200, "part_bytes": 524_288, "bytes": 8_388_608},
        {"limit": 5, "part_bytes": 10_240, "bytes": 25_600},
    ]


def test_too_many(narrow: Account) -> None:
    answer = asked(narrow, *[{"mxc": MISSING}] * 6)
    assert (answer.status_code, answer.json()["errcode"]) == (413, "M_TOO_LARGE")


def test_too_large_and_too_full(narrow: Account) -> None:
    large = narrow.upload(noise(10_241, "large"))
    good = [narrow.upload(noise(10_240, str(number))) for number in range(3)]
    small = narrow.upload(noise(5_000, "small"))
    found = bundle(narrow, *[{"mxc": mxc.uri} for mxc in (large, *good, small)])
    assert errors([found[0]]) == [(413, "M_TOO_LARGE")]
    # Which of them comes too late is a matter of which is read first; all but one fit.
    full = [part for part in found[1:] if part[0] != 200]
    assert errors(full) == [(413, "DEV.AUTHMEDIA.BUNDLE_FULL")]
    assert sum(len(body) for status, _, body in found if status == 200) <= 25_600
    assert bundle(narrow, {"mxc": good[0].uri})[0][2] == noise(10_240, "0")


def test_rate_limit_of_bundles_is_each_users_own_and_apart_from_that_of_links(bound: Synapse) -> None:
    account = Account.new(bound)
    mxc = account.upload(b"x", "text/plain")
    entry = {"mxc": mxc.uri}
    for _ in range(4):
        assert asked(account, entry).status_code == 200
    for session in (account, account.again()):
        refused = asked(session, entry)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert 0 < refused.json()["retry_after_ms"] <= 100_000
    assert asked(Account.new(bound), entry).status_code == 200
    assert account.link(mxc)


def test_what_has_to_be_fetched_does_not_hold_up_what_is_there(federation: tuple[Synapse, Synapse]) -> None:
    near = Account.new(federation[0])
    photo = near.upload(picture(), "image/png")
    made = {"mxc": photo.uri, "thumbnail": {"width": 33, "height": 33}}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says anything
        slow = [{"mxc": f"mxc://localhost:{silent.getsockname()[1]}/{number}"} for number in range(20)]
        media = [*slow, made, {"mxc": photo.uri}]
        with near.http.stream("POST", f"{PREFIX}/bundle", json={"media": media}) as answer:
            content = b""
            for chunk in answer.iter_raw():
                content += chunk
                if len(content) > len(picture()) and b'"part": 20' in content:
                    break
    assert list(parts(content)) == [21, 20]


def test_somebody_who_hangs_up_leaves_nothing_behind(impatient: Synapse) -> None:
    """One who takes nothing is cut off, and what was not sent is not read any more."""
    eva = Account.new(impatient)
    mxc = eva.upload(noise(500_000), "image/png")
    body = json.dumps({"media": [{"mxc": mxc.uri}] * 16}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        head = f"POST {PREFIX}/bundle HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {eva.token}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        wait_for(lambda: _ended(impatient), what="the bundle's end")


def test_slow_client_that_takes_a_bundle_steadily_is_given_all_of_it(impatient: Synapse) -> None:
    """For longer than a client is waited for that takes nothing."""
    eva = Account.new(impatient)
    content = noise(500_000, "steadily")
    body = {"media": [{"mxc": eva.upload(content).uri}] * 16}
    # What the machine would keep for the client is little, so that the homeserver sees its pace.
    transport = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)])
    with httpx.Client(base_url=eva.http.base_url, headers=eva.http.headers, transport=transport) as slow:
        pace = Event()  # never set: two megabytes in a second
        received = b""
        with slow.stream("POST", f"{PREFIX}/bundle", json=body) as answer:
            for chunk in answer.iter_raw(100_000):
                received += chunk
                pace.wait(0.05)
    assert {part[2] for part in parts(received).values()} == {content}
    assert len(parts(received)) == 16


@on_linux
def test_client_that_hangs_up_in_the_middle_of_a_bundle_leaves_no_file_open(synapse: Synapse, ana: Account) -> None:
    entry = {"mxc": ana.upload(noise(500_000, "middle"), "image/png").uri}
    before = _ended(synapse)
    with ana.http.stream("POST", f"{PREFIX}/bundle", json={"media": [entry] * 16}) as answer:
        assert next(answer.iter_raw(1000)).startswith(b'{"part": ')
    wait_for(lambda: _ended(synapse) > before, what="the bundle's end")
    assert open_media(synapse) == []
    assert bundle(ana, entry)[0][0] == 200


def _ended(synapse: Synapse) -> int:
    """How many bundles Synapse has written into its log that it was done with."""
    log = Path(synapse.log_path).read_text()
    return sum("/bundle HTTP" in line and "Processed request" in line for line in log.splitlines())
