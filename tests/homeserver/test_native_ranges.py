"""Ranges, strong entity tags and 304 of Synapse's own downloads and thumbnails (`native_ranges`)."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from development.synapse import Synapse
from tests.homeserver.range_cases import IGNORED_RANGES, RANGES, SIZE, UNSATISFIABLE_RANGES
from tests.homeserver.support import (
    Account,
    Answer,
    Mxc,
    abandoned_download,
    animation,
    noise,
    on_linux,
    open_media,
    picture,
    send,
    standing_still,
    wait_for,
)

CONTENT = noise(SIZE, "native")
MEDIA = "/_matrix/client/v1/media"
CURL = shutil.which("curl") or ""
THUMBNAIL = {"width": 64, "height": 64, "method": "crop"}


@pytest.fixture(scope="module")
def nia(address_bound: Synapse) -> Account:
    return Account.new(address_bound, admin=True)


@pytest.fixture(scope="module")
def film(nia: Account) -> Mxc:
    return nia.upload(CONTENT, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def whole(nia: Account, film: Mxc) -> Answer:
    return get(nia, film)


def get(account: Account, mxc: Mxc, method: str = "GET", port: int | None = None, **headers: str | bytes) -> Answer:
    url = f"http://127.0.0.1:{port or account.synapse.port}{MEDIA}/download/{mxc.names}"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(url, method, {"Authorization": f"Bearer {account.token}", **given})


def without(answer: Answer, *names: str) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", *names)}


def test_whole_media_has_synapses_headers_and_a_strong_entity_tag(whole: Answer, ana: Account) -> None:
    as_shipped = get(ana, ana.upload(CONTENT, "video/mp4", "film.mp4"))
    assert whole.body == as_shipped.body == CONTENT
    added = "accept-ranges", "access-control-expose-headers", "etag"
    assert without(whole, *added) == without(as_shipped, *added)
    assert whole.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[A-Za-z0-9_-]{16,}"', whole.headers["etag"])
    readable = whole.headers["access-control-expose-headers"].split(", ")
    assert {*as_shipped.headers["access-control-expose-headers"].split(", "), "Content-Range", "ETag"} <= set(readable)


@pytest.mark.parametrize(("header", "start", "end"), RANGES)
def test_range(nia: Account, film: Mxc, whole: Answer, header: str, start: int, end: int) -> None:
    answer = get(nia, film, Range=header)
    assert (answer.status, answer.body == CONTENT[start:end]) == (206, True)
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    own = "content-range", "content-length"
    assert without(answer, *own) == without(whole, *own)


@pytest.mark.parametrize("header", UNSATISFIABLE_RANGES)
def test_unsatisfiable_range(nia: Account, film: Mxc, header: str) -> None:
    answer = get(nia, film, Range=header)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("header", IGNORED_RANGES)
def test_multiple_or_malformed_ranges_get_the_whole(nia: Account, film: Mxc, header: str | bytes) -> None:
    answer = get(nia, film, Range=header)
    assert (answer.status, answer.body == CONTENT) == (200, True)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("header", ["{tag}", "W/{tag}", '"a", {tag}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_matching_if_none_match_is_not_modified(
    nia: Account, film: Mxc, whole: Answer, header: str, method: str
) -> None:
    answer = get(nia, film, method, If_None_Match=header.format(tag=whole.headers["etag"]), Range="bytes=0-1")
    assert (answer.status, answer.body) == (304, b"")
    for name in ("etag", "cache-control", "access-control-allow-origin", "cross-origin-resource-policy"):
        assert answer.headers[name] == whole.headers[name]


def test_copies_from_before_stay_valid(nia: Account, film: Mxc) -> None:
    """Synapse's own entity tag, which is the same for all media, and which browsers' caches have."""
    assert get(nia, film, If_None_Match="1").status == 304


@pytest.mark.parametrize(("header", "status"), [("{tag}", 206), ("W/{tag}", 200), ("1", 200), ('"other"', 200)])
def test_if_range(nia: Account, film: Mxc, whole: Answer, header: str, status: int) -> None:
    answer = get(nia, film, Range="bytes=5-9", If_Range=header.format(tag=whole.headers["etag"]))
    assert (answer.status, answer.body) == (status, CONTENT[5:10] if status == 206 else CONTENT)


@pytest.mark.skipif(not CURL, reason="there is no curl here")
def test_curl_goes_on_with_a_download_and_does_not_repeat_it(nia: Account, film: Mxc, tmp_path: Path) -> None:
    file, etag = tmp_path / "film.mp4", tmp_path / "etag"
    file.write_bytes(CONTENT[:1000])
    url = f"http://127.0.0.1:{nia.synapse.port}{MEDIA}/download/{film.names}"

    def curl(*options: str) -> str:
        always = ["-sS", "-H", f"Authorization: Bearer {nia.token}", "-w", "%{http_code} %{size_download}"]
        command = [CURL, *always, "-o", str(file), *options, url]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    assert curl("-C", "-") == f"206 {SIZE - 1000}"
    assert file.read_bytes() == CONTENT
    assert curl("--etag-save", str(etag)) == f"200 {SIZE}"
    assert curl("--etag-compare", str(etag)) == "304 0"


def test_head_equals_get(nia: Account, film: Mxc, whole: Answer) -> None:
    answer = get(nia, film, "HEAD", Range="bytes=0-1")
    assert (answer.status, answer.body, without(answer)) == (200, b"", without(whole))


def test_entity_tags_differ_and_empty_media_have_no_range(nia: Account, whole: Answer) -> None:
    assert get(nia, nia.upload(CONTENT, "video/mp4")).headers["etag"] != whole.headers["etag"]
    empty = nia.upload(b"", "text/plain")
    answer = get(nia, empty, Range="bytes=0-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */0")
    assert (get(nia, empty).status, get(nia, empty).body) == (200, b"")


@pytest.mark.parametrize("fixed_sizes", [False, True])
@pytest.mark.parametrize("animated", [False, True])
def test_thumbnail(request: pytest.FixtureRequest, fixed_sizes: bool, animated: bool) -> None:
    """The response that creates a thumbnail has the entity tag of all later ones."""
    synapse: Synapse = request.getfixturevalue("short_lived" if fixed_sizes else "address_bound")
    account = Account.new(synapse)
    mxc = account.upload(animation(), "image/gif") if animated else account.upload(picture(), "image/png")
    asked = {**THUMBNAIL, "animated": animated}
    first = account.thumbnail(mxc, **asked)
    account.http.headers["Range"] = "bytes=10-19"
    part = account.thumbnail(mxc, **asked)
    assert (first.status_code, part.status_code, part.content) == (200, 206, first.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(first.content)}"
    assert first.headers["etag"] == part.headers["etag"]
    account.http.headers["If-None-Match"] = part.headers["etag"]
    assert account.thumbnail(mxc, **asked).status_code == 304
    assert account.thumbnail(mxc, **{**asked, "width": 32, "height": 32}).status_code == 206


def test_range_of_a_thumbnail_that_is_created_for_it(nia: Account) -> None:
    mxc = nia.upload(picture(), "image/png")
    url = f"{MEDIA}/thumbnail/{mxc.names}"
    part = nia.http.get(url, params={"width": 77, "height": 77}, headers={"Range": "bytes=-20"})
    assert (part.status_code, part.content) == (206, nia.thumbnail(mxc, width=77, height=77).content[-20:])


def test_refusals_are_synapses_own(nia: Account, film: Mxc, ana: Account, photo: Mxc) -> None:
    """Ranges change nothing about who receives a media."""
    hidden = nia.upload(b"hidden", "text/plain")
    tag = get(nia, hidden).headers["etag"]
    nia.quarantine(hidden)
    stranger = nia.with_token("unknown")
    conditions: dict[str, Any] = {"Range": "bytes=0-1", "If_None_Match": tag}
    for refused, status in (
        (get(stranger, film, **conditions), 401),
        (get(nia, hidden, **conditions), 404),
        (get(nia, Mxc("mxc://localhost/unknown"), **conditions), 404),
    ):
        assert (refused.status, refused.error[:2]) == (status, "M_")
        assert not {"accept-ranges", "content-range", "etag"} & set(refused.headers)
    bypassed = nia.http.get(
        f"{MEDIA}/download/{hidden.names}/given.txt?admin_unsafely_bypass_quarantine=true",
        headers={"Range": "bytes=0-1"},
    )
    assert (bypassed.status_code, bypassed.content) == (206, b"hi")
    assert bypassed.headers["content-disposition"] == "inline; filename=given.txt"


def test_listeners_for_media_alone_and_with_compression(
    nia: Account, film: Mxc, whole: Answer, media_port: int, compressing_port: int
) -> None:
    """A compressed response would be another file than its entity tag names."""
    for port in (media_port, compressing_port):
        part = get(nia, film, port=port, Range="bytes=7-99", Accept_Encoding="gzip")
        assert (part.status, part.body, part.headers["etag"]) == (206, CONTENT[7:100], whole.headers["etag"])
        again = get(nia, film, port=port, Accept_Encoding="gzip")
        assert (without(again), again.body == CONTENT) == (without(whole), True)
    link = nia.link(film).replace(f":{nia.synapse.port}/", f":{compressing_port}/")
    part = send(link, headers={"Range": "bytes=7-99", "Accept-Encoding": "gzip"})
    assert (part.status, part.body) == (206, CONTENT[7:100])


@on_linux
@pytest.mark.parametrize("requested", ["", "bytes=1-"])
def test_clients_that_disconnect_leave_no_file_open(nia: Account, requested: str) -> None:
    mxc = nia.upload(noise(20_000_000, "abandoned"), "video/mp4")
    url = f"http://127.0.0.1:{nia.synapse.port}{MEDIA}/download/{mxc.names}"
    headers = {"Authorization": f"Bearer {nia.token}", "Range": requested}
    with abandoned_download(url, headers):
        wait_for(lambda: standing_still(nia.synapse), what="a homeserver that waits for its client")
    wait_for(lambda: not open_media(nia.synapse), what="all media files closed")
