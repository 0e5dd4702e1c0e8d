"""Responses to signed links: whole media, ranges, and not modified."""

import hashlib
import re
import time
from urllib.parse import unquote

import pytest

from development.synapse import Synapse
from tests.homeserver.range_cases import IGNORED_RANGES, RANGES, SIZE, UNSATISFIABLE_RANGES
from tests.homeserver.support import (
    NOT_SHOWN,
    Account,
    Answer,
    Mxc,
    abandoned_download,
    noise,
    on_linux,
    open_media,
    picture,
    send,
    standing_still,
    wait_for,
)

CONTENT = noise(SIZE)

# Headers that differ between responses with the same media.
VARYING_HEADERS = {"date", "server", "etag", "cache-control"}


@pytest.fixture(scope="module")
def film(ana: Account) -> Mxc:
    return ana.upload(CONTENT, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def url(ana: Account, film: Mxc) -> str:
    return ana.link(film)


@pytest.fixture(scope="module")
def whole(url: str) -> Answer:
    return send(url)


# --- the whole --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 3 * 256 * 1024, 20_000_000])
def test_whole_media(ana: Account, size: int) -> None:
    content = noise(size)
    answer = send(ana.link(ana.upload(content, "video/mp4")))
    assert answer.status == 200
    assert answer.headers["content-length"] == str(size)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize(
    ("content_type", "name", "disposition"),
    [
        ("image/png", "inline.png", "attachment; filename=inline.png"),
        ("text/plain", None, "attachment"),
        ("text/html", "page.html", "attachment; filename=page.html"),
        ("text/html", "inline.html", "attachment; filename=inline.html"),
    ],
)
def test_download_link_is_an_attachment(ana: Account, content_type: str, name: str | None, disposition: str) -> None:
    mxc = ana.upload(picture(), content_type, name)
    answer = send(ana.download_link(mxc))
    assert (answer.status, answer.body) == (200, picture())
    assert answer.headers["content-disposition"] == disposition
    assert send(ana.download_link(mxc), "HEAD").headers["content-disposition"] == disposition


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("image/png", "photo.png"),
        ("text/plain", None),
        ("text/html", "page.html"),
        ("image/svg+xml", "drawing.svg"),
        ("application/pdf", "two words.pdf"),
        ("video/mp4", "Füße\"';.mp4"),
        ("audio/ogg", None),
    ],
)
def test_headers_equal_those_of_synapses_own_download(ana: Account, content_type: str, name: str | None) -> None:
    mxc = ana.upload(picture(), content_type, name)
    theirs = ana.download(mxc)
    ours = send(ana.link(mxc))
    assert (theirs.status_code, ours.status) == (200, 200)
    assert ours.body == theirs.content
    expected = {key: value for key, value in theirs.headers.items() if key not in VARYING_HEADERS}
    expected["access-control-expose-headers"] = ours.headers["access-control-expose-headers"]
    assert {key: ours.headers.get(key) for key in expected} == expected


def test_protective_headers(whole: Answer) -> None:
    """These are required even if Synapse's own responses should lose them."""
    assert whole.headers["access-control-allow-origin"] == "*"
    assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
    assert whole.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["referrer-policy"] == "no-referrer"
    assert whole.headers["x-robots-tag"].startswith("noindex")
    assert whole.headers["accept-ranges"] == "bytes"
    readable = whole.headers["access-control-expose-headers"].lower().split(", ")
    assert {"accept-ranges", "content-length", "content-range", "etag", "server-timing"} <= set(readable)


def test_media_is_cached_privately_until_the_link_expires(ana: Account, film: Mxc) -> None:
    (made,) = ana.links({"mxc": film.uri})
    answer = send(made["url"])
    found = re.fullmatch(r"private, max-age=(\d+), immutable", answer.headers["cache-control"])
    assert found
    left_s = made["expires_ts"] / 1000 - time.time()
    assert left_s - 10 < int(found[1]) <= left_s + 2
    assert 3600 - 5 < left_s <= 7 * 3600 + 5  # an hour's lifetime, and up to six hours' bucket


def test_responses_with_media_are_cached_and_no_others(ana: Account, film: Mxc, whole: Answer) -> None:
    """For the remaining time of the link, by the browser only."""
    (made,) = ana.links({"mxc": film.uri})
    url, tag = made["url"], whole.headers["etag"]
    cached = {
        200: send(url),
        206: send(url, headers={"Range": "bytes=0-1"}),
        304: send(url, headers={"If-None-Match": tag}),
        "HEAD": send(url, "HEAD"),
        "download": send(ana.download_link(film)),
    }
    for answer in cached.values():
        found = re.fullmatch(r"private, max-age=(\d+), immutable", answer.headers["cache-control"])
        assert found
        assert int(found[1]) <= made["expires_in_ms"] // 1000
        assert "expires" not in answer.headers
        assert "pragma" not in answer.headers
    empty = ana.upload(b"", "text/plain")
    for answer in (
        send(url, headers={"Range": f"bytes={SIZE}-"}),
        send(url + "&x=1"),
        send(url.replace(film.media_id, empty.media_id)),
        send(ana.link(empty, width=9, height=9)),
    ):
        assert answer.status in (400, 403, 416)
        assert answer.headers["cache-control"] == "no-store"


# --- file names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content_type", "name"), NOT_SHOWN)
def test_what_a_browser_would_run_is_saved(ana: Account, content_type: str, name: str) -> None:
    """Required even if Synapse's own responses should change."""
    url = ana.link(ana.upload(b"x", content_type, name))
    for headers in ({}, {"Range": "bytes=0-0"}):
        answer = send(url, headers=headers)
        assert (answer.status in (200, 206), answer.body) == (True, b"x")
        assert answer.headers["content-disposition"] == f"attachment; filename={name}"


# RFC 6266, with a token or an extended value (RFC 8187).
DISPOSITION = re.compile(
    r"(?P<kind>inline|attachment)"
    r"(?:; filename=(?P<token>[!#$%&+.^_`|~0-9A-Za-z-]+)"
    r"|; filename\*=utf-8''(?P<encoded>(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-F]{2})+))?"
)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "..\\..\\windows\\system.ini",
        "C:\\autoexec.bat",
        "a\r\nSet-Cookie: media_links=x\r\n\r\n<script>",
        "a\nb",
        "nul\0.png",
        "bell\x07\x1b[2J\x7f\x85.png",
        "photo\u202egpj.exe",
        "\u2066photo\u2069\u200f.png",
        "line\u2028break\u2029.png",
        'a"; filename=b.exe; x="',
        "a; filename*=utf-8''b.exe",
        "%2e%2e%2fb",
        "\N{CYRILLIC SMALL LETTER A}" * 2000,
    ],
)
@pytest.mark.parametrize("saved", [False, True, "by the link's own name"])
def test_unsafe_file_names_are_sanitized(ana: Account, name: str, saved: bool | str) -> None:
    given = name[:120] if saved not in (False, True) else ""
    mxc = ana.upload(picture(), "image/png", "uploaded.png" if given else name)
    answer = send(ana.download_link(mxc, given) if saved else ana.link(mxc))
    assert (answer.status, answer.body) == (200, picture())
    assert "set-cookie" not in answer.headers
    disposition = answer.headers["content-disposition"]
    found = DISPOSITION.fullmatch(disposition)
    assert found, disposition
    assert found["kind"] == ("attachment" if saved else "inline")
    file_name = found["token"] or unquote(found["encoded"] or "", errors="strict")
    assert not re.search(r"[/\\\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", file_name)
    assert file_name not in (".", "..")


# --- entity tags ------------------------------------------------------------------------------------------------------


def test_entity_tag_is_strong_and_unique(ana: Account, whole: Answer) -> None:
    assert re.fullmatch(r'"[A-Za-z0-9_-]{16,}"', whole.headers["etag"])
    other = send(ana.link(ana.upload(noise(SIZE, "other"), "video/mp4")))
    assert other.headers["etag"] != whole.headers["etag"]


@pytest.mark.parametrize("header", ["{tag}", 'W/"other", {tag}', "W/{tag}", '"a","b" , {tag},"c"', "*", " * "])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_matching_if_none_match_is_not_modified(url: str, whole: Answer, header: str, method: str) -> None:
    answer = send(url, method, {"If-None-Match": header.format(tag=whole.headers["etag"]), "Range": "bytes=0-1"})
    assert (answer.status, answer.body) == (304, b"")
    for name in ("etag", "access-control-allow-origin", "cross-origin-resource-policy"):
        assert answer.headers[name] == whole.headers[name]
    assert answer.headers["cache-control"].startswith("private, max-age=")


@pytest.mark.parametrize("header", ['"other"', "1", "", "garbage", '"1", W/"2"', b'"\xff\xfe"'])
def test_other_if_none_match_gets_the_whole(url: str, header: str | bytes) -> None:
    answer = send(url, headers={"If-None-Match": header})
    assert (answer.status, answer.body == CONTENT) == (200, True)


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "start", "end"), RANGES)
def test_range(url: str, whole: Answer, header: str, start: int, end: int) -> None:
    answer = send(url, headers={"Range": header})
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.body == CONTENT[start:end]
    own = {"content-range", "content-length", "date", "cache-control"}
    assert {k: v for k, v in answer.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }


@pytest.mark.parametrize("header", UNSATISFIABLE_RANGES)
def test_unsatisfiable_range(url: str, header: str) -> None:
    answer = send(url, headers={"Range": header})
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.headers["content-length"] == "0"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_unsatisfiable_range_is_not_cached(url: str) -> None:
    assert "immutable" not in send(url, headers={"Range": f"bytes={SIZE}-"}).headers["cache-control"]


@pytest.mark.parametrize("header", IGNORED_RANGES)
def test_multiple_or_malformed_ranges_get_the_whole(url: str, header: str | bytes) -> None:
    answer = send(url, headers={"Range": header})
    assert answer.status == 200
    assert "content-range" not in answer.headers
    assert answer.body == CONTENT


def test_matching_if_range_gets_the_range(url: str, whole: Answer) -> None:
    matching = send(url, headers={"Range": "bytes=5-9", "If-Range": whole.headers["etag"]})
    assert (matching.status, matching.body) == (206, CONTENT[5:10])


@pytest.mark.parametrize("header", ['"other"', "W/{tag}", "Tue, 15 Nov 2022 12:45:26 GMT", "", b"\xff"])
def test_other_if_range_gets_the_whole(url: str, whole: Answer, header: str | bytes) -> None:
    sent = header.format(tag=whole.headers["etag"]) if isinstance(header, str) else header
    answer = send(url, headers={"Range": "bytes=5-9", "If-Range": sent})
    assert (answer.status, len(answer.body)) == (200, SIZE)


def test_range_of_an_empty_file(ana: Account) -> None:
    answer = send(ana.link(ana.upload(b"", "text/plain")), headers={"Range": "bytes=0-"})
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */0"


# --- HEAD -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "bytes=0-1", "bytes=-1", f"bytes={SIZE}-"])
def test_head_equals_get(url: str, whole: Answer, header: str | None) -> None:
    """Ranges are defined for GET only (RFC 9110, section 14.2), so HEAD ignores them."""
    answer = send(url, "HEAD", {"Range": header} if header else {})
    assert (answer.status, answer.body) == (200, b"")
    varying = {"date", "cache-control"}
    assert {k: v for k, v in answer.headers.items() if k not in varying} == {
        k: v for k, v in whole.headers.items() if k not in varying
    }
    assert answer.headers["content-length"] == str(SIZE)


# --- files ------------------------------------------------------------------------------------------------------------


@on_linux
def test_clients_that_disconnect_leave_no_file_open(synapse: Synapse, ana: Account) -> None:
    """The homeserver reads a file at the client's pace: it pauses while the client reads nothing."""
    size = 20_000_000
    url = ana.link(ana.upload(noise(size, "abandoned"), "video/mp4"))
    for _ in range(2):
        with abandoned_download(url):
            read = wait_for(lambda: standing_still(synapse), what="a homeserver that waits for its client")
            assert read < size / 2
        wait_for(lambda: not open_media(synapse), what="all media files closed")


def test_connection_is_reused_after_a_long_response(ana: Account, url: str) -> None:
    """A producer that stays registered with its connection would break the next response."""
    path = url.partition("127.0.0.1")[2].partition("/")[2]
    for _ in range(3):
        assert ana.http.get("/" + path).content == CONTENT


def test_media_in_the_storage_provider_only(synapse: Synapse, ana: Account) -> None:
    content = noise(200_000, "provided")
    mxc = ana.upload(content, "video/mp4")
    (local,) = synapse.directory.glob(f"media/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*")
    (copy,) = synapse.directory.glob(f"provider/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*")
    local.unlink()
    part = send(ana.link(mxc), headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (206, content[1000:2000])
    local.unlink()
    whole = send(ana.link(mxc))
    assert (whole.status, whole.body) == (200, content)
    assert copy.exists()


def test_media_whose_file_is_lost(synapse: Synapse, ana: Account) -> None:
    mxc = ana.upload(b"lost", "text/plain")
    for file in synapse.directory.glob(f"*/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*"):
        file.unlink()
    answer = send(ana.link(mxc))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"
