"""Links that the homeserver refuses: altered ones, and those of media that are quarantined or deleted."""

import re
from collections.abc import Callable

import pytest

from development.synapse import Synapse
from tests.homeserver.links import flip, is_refused, with_altered_signature
from tests.homeserver.support import PREFIX, Account, Answer, Mxc, picture, send


def parts(query: str) -> list[str]:
    return query.split("&")


def parameter(name: str, value: Callable[[str], str]) -> Callable[[str, str, str], tuple[str, str]]:
    """Changes the value of one parameter."""

    def change(path: str, query: str, other: str) -> tuple[str, str]:
        assert re.search(f"(^|&){name}=", query)
        return path, re.sub(f"(^|&){name}=([^&]*)", lambda found: f"{found[1]}{name}={value(found[2])}", query, count=1)

    return change


def last_bits(text: str) -> str:
    """Replaces the last letter of base64 by another one that decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


Change = Callable[[str, str, str], tuple[str, str]]

# Each takes path and query of a link to a thumbnail, and the media id of another media.
ALTERED: dict[str, Change] = {
    "other media": lambda p, q, o: (p.rpartition("/")[0] + "/" + o, q),
    "media flipped": lambda p, q, o: (p.rpartition("/")[0] + "/" + flip(p.rpartition("/")[2]), q),
    "other server": lambda p, q, o: (p.replace("/localhost/", "/localhost:80/"), q),
    "server in capitals": lambda p, q, o: (p.replace("/localhost/", "/LOCALHOST/"), q),
    "server with dot": lambda p, q, o: (p.replace("/localhost/", "/localhost./"), q),
    "server encoded": lambda p, q, o: (p.replace("/localhost/", "/%6cocalhost/"), q),
    "media encoded": lambda p, q, o: (p[:-1] + f"%{ord(p[-1]):02x}", q),
    "media empty": lambda p, q, o: (p.rpartition("/")[0] + "/", q),
    "media with NUL": lambda p, q, o: (p + "%00", q),
    "media with newline": lambda p, q, o: (p + "%0A", q),
    "media not ASCII": lambda p, q, o: (p + "%FF", q),
    "thumbnail dropped": lambda p, q, o: (p, re.sub("&w=.*(?=&sig=)", "", q)),
    "method dropped": lambda p, q, o: (p, q.replace("&m=crop", "")),
    "animated dropped": lambda p, q, o: (p, q.replace("&a=1", "")),
    "animated off": lambda p, q, o: (p, q.replace("&a=1", "&a=0")),
    "download": lambda p, q, o: (p, q.replace("&sig=", "&d=1&sig=")),
    "method": lambda p, q, o: (p, q.replace("m=crop", "m=scale")),
    "method unknown": lambda p, q, o: (p, q.replace("m=crop", "m=other")),
    "width": lambda p, q, o: (p, q.replace("w=64", "w=65")),
    "width with zero": lambda p, q, o: (p, q.replace("w=64", "w=064")),
    "width with plus": lambda p, q, o: (p, q.replace("w=64", "w=+64")),
    "width and height swapped": lambda p, q, o: (p, q.replace("w=64", "w=48").replace("h=48", "h=64")),
    "digits moved": lambda p, q, o: (p, q.replace("w=64", "w=6").replace("h=48", "h=448")),
    "expires later": parameter("e", lambda v: str(int(v) + 1)),
    "expires much later": parameter("e", lambda v: v + "0"),
    "expires earlier": parameter("e", lambda v: str(int(v) - 1)),
    "expires with zero": parameter("e", lambda v: "0" + v),
    "expires never": parameter("e", lambda v: ""),
    "expires not in digits": parameter("e", lambda v: "%D9%A3" * 13),
    "key id": parameter("k", lambda v: "2"),
    "key id empty": parameter("k", lambda v: ""),
    "key id very long": parameter("k", lambda v: "1" * 5000),
    "session": parameter("s", flip),
    "session cut": parameter("s", lambda v: v[:-4]),
    "session empty": parameter("s", lambda v: ""),
    "session's last bits": parameter("s", last_bits),
    "signature": parameter("sig", flip),
    "signature cut": parameter("sig", lambda v: v[:-1]),
    "signature cut to one": parameter("sig", lambda v: v[:1]),
    "signature empty": parameter("sig", lambda v: ""),
    "signature padded": parameter("sig", lambda v: v + "="),
    "signature's last bits": parameter("sig", last_bits),
    "signature encoded": parameter("sig", lambda v: f"%{ord(v[0]):02X}{v[1:]}"),
    "signature in hex": parameter("sig", lambda v: "0" * 64),
    "signature twice": lambda p, q, o: (p, q + "&" + parts(q)[-1]),
    "signature dropped": lambda p, q, o: (p, q.rpartition("&")[0]),
    "key id dropped": lambda p, q, o: (p, "&".join(parts(q)[1:])),
    "expiry dropped": lambda p, q, o: (p, "&".join(x for x in parts(q) if x[:2] != "e=")),
    "session dropped": lambda p, q, o: (p, "&".join(x for x in parts(q) if x[:2] != "s=")),
    "expiry doubled before": lambda p, q, o: (p, "e=9999999999999&" + q),
    "expiry doubled after": lambda p, q, o: (p, q + "&e=9999999999999"),
    "width doubled": lambda p, q, o: (p, q.replace("&w=64", "&w=64&w=64")),
    "reversed": lambda p, q, o: (p, "&".join(reversed(parts(q)))),
    "rotated": lambda p, q, o: (p, "&".join(parts(q)[1:] + parts(q)[:1])),
    "parameter added": lambda p, q, o: (p, q + "&x=1"),
    "parameter added first": lambda p, q, o: (p, "x=1&" + q),
    "empty parameter added": lambda p, q, o: (p, q + "&"),
    "semicolons": lambda p, q, o: (p, q.replace("&", ";")),
    "name encoded": lambda p, q, o: (p, q.replace("sig=", "%73ig=")),
    "name in capitals": lambda p, q, o: (p, q.replace("e=", "E=")),
    "two question marks": lambda p, q, o: (p, "?" + q),
    "no query": lambda p, q, o: (p, ""),
}


# The response is the same for all alterations, and does not reveal which part is wrong.
REFUSAL = b'{"errcode":"M_FORBIDDEN","error":"This is not a link that can be used here"}'


def without_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.fixture(scope="module")
def other(ana: Account) -> Mxc:
    return ana.upload(picture(), "image/png")


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_altered_link(ana: Account, photo: Mxc, other: Mxc, change: Change, method: str) -> None:
    url = ana.link(photo, width=64, height=48, method="crop", animated=True)
    base = url.partition(PREFIX)[0]
    path, _, query = url.removeprefix(base).partition("?")
    changed = change(path, query, other.media_id)
    assert changed != (path, query)
    answer = send(f"{base}{changed[0]}?{changed[1]}", method)
    assert answer.status == 403
    assert answer.body == (b"" if method == "HEAD" else REFUSAL)
    assert without_date(answer) == without_date(send(with_altered_signature(url), method))
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        PREFIX.replace("/unstable", "//unstable") + "/signed/",
        PREFIX + "/signed//",
        PREFIX + "/%73igned/",
        PREFIX + "/x/../signed/",
        PREFIX + "/signed/../signed/",
    ],
)
def test_other_spelling_of_the_path_is_refused(ana: Account, photo: Mxc, path: str) -> None:
    url = ana.link(photo)
    assert send(url.replace(f"{PREFIX}/signed/", path)).status in (403, 404)


def test_link_of_another_homeserver(short_lived: Synapse, synapse: Synapse, ana: Account) -> None:
    """Both have the name `localhost` and the key id `1`. Only their secrets differ."""
    elsewhere = Account.new(short_lived)
    url = elsewhere.link(elsewhere.upload(b"x", "text/plain"))
    assert is_refused(url.replace(f":{short_lived.port}/", f":{synapse.port}/"))


def test_link_grants_nothing_but_reading(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo)
    for method in ("POST", "PUT", "DELETE"):
        assert send(url, method).status in (404, 405)


def test_token_does_not_authorize_an_invalid_link(ana: Account, photo: Mxc) -> None:
    assert is_refused(with_altered_signature(ana.link(photo)), headers={"Authorization": f"Bearer {ana.token}"})


# --- quarantine -------------------------------------------------------------------------------------------------------


def test_quarantined_media(ana: Account, admin: Account) -> None:
    mxc = ana.upload(picture(50, 50), "image/png")
    urls = ana.link(mxc), ana.link(mxc, width=32, height=32)
    assert [send(url).status for url in urls] == [200, 200]
    admin.quarantine(mxc)
    for url in urls:
        answer = send(url)
        assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
        assert answer.headers["cache-control"] == "no-store"
        assert send(url, headers={"If-None-Match": "*"}).status == 404
    (link,) = ana.links({"mxc": mxc.uri})
    assert link["errcode"] == "M_NOT_FOUND"
    assert ana.http.get(f"{PREFIX}/link/{mxc.names}").status_code == 404


def test_media_deleted_by_an_administrator(ana: Account, admin: Account) -> None:
    mxc = ana.upload(b"to be deleted", "text/plain")
    url = ana.link(mxc)
    admin.http.delete(f"/_synapse/admin/v1/media/{mxc.names}").raise_for_status()
    answer = send(url)
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
