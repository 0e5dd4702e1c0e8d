"""Links that must not work: altered, expired, of a session that has ended, of a media that is gone."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from development.synapse import Synapse
from media_links.signed_query import signature
from tests.homeserver.support import (
    PAGE,
    PASSWORD,
    PREFIX,
    Account,
    Answer,
    Mxc,
    log_with,
    on_linux,
    picture,
    send,
    wait_for,
)


def refused(url: str, errcode: str = "M_FORBIDDEN", **options: Any) -> bool:
    answer = send(url, **options)
    if answer.status == 200:
        return False
    assert (answer.status, answer.error) == (403, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    return True


# --- altered ----------------------------------------------------------------------------------------------------------


def parts(query: str) -> list[str]:
    return query.split("&")


def parameter(name: str, value: Callable[[str], str]) -> Callable[[str, str, str], tuple[str, str]]:
    """Changes the value of one parameter."""

    def change(path: str, query: str, other: str) -> tuple[str, str]:
        assert re.search(f"(^|&){name}=", query)
        return path, re.sub(f"(^|&){name}=([^&]*)", lambda found: f"{found[1]}{name}={value(found[2])}", query, count=1)

    return change


def flip(text: str) -> str:
    """Another letter in the middle."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def forged(url: str) -> str:
    rest, _, signature = url.partition("&sig=")
    return f"{rest}&sig={flip(signature)}"


def last_bits(text: str) -> str:
    """The last letter of base64 has bits that decode to nothing: another letter, the same bytes."""
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
    "to be saved": lambda p, q, o: (p, q.replace("&sig=", "&d=1&sig=")),
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


# One and the same, whatever was altered: nobody learns from it how near they came.
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
    assert without_date(answer) == without_date(send(forged(url), method))
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
def test_other_spelling_of_the_path_is_nothing(ana: Account, photo: Mxc, path: str) -> None:
    url = ana.link(photo)
    assert send(url.replace(f"{PREFIX}/signed/", path)).status in (403, 404)


def test_link_of_another_homeserver(brief: Synapse, synapse: Synapse, ana: Account) -> None:
    """Both are called `localhost`, and name their key `1`: only the secrets differ."""
    elsewhere = Account.new(brief)
    url = elsewhere.link(elsewhere.upload(b"x", "text/plain"))
    assert refused(url.replace(f":{brief.port}/", f":{synapse.port}/"))


def test_link_grants_nothing_but_reading(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo)
    for method in ("POST", "PUT", "DELETE"):
        assert send(url, method).status in (404, 405)


def test_token_does_not_mend_a_link(ana: Account, photo: Mxc) -> None:
    assert refused(forged(ana.link(photo)), headers={"Authorization": f"Bearer {ana.token}"})


# --- expired ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expired(brief: Synapse) -> str:
    account = Account.new(brief)
    url = account.link(account.upload(b"x", "text/plain"))
    assert send(url).status == 200
    wait_for(lambda: send(url).status == 403, what="the link's expiry")
    return url


def test_expired_link(expired: str) -> None:
    assert refused(expired, "DEV.AUTHMEDIA.LINK_EXPIRED")
    assert send(expired, "HEAD").status == 403
    assert send(expired, headers={"If-None-Match": "*"}).status == 403
    assert send(expired, headers={"Range": "bytes=0-"}).status == 403


def test_expired_and_altered_link_is_an_altered_one(expired: str) -> None:
    """Nobody learns from the answer whether a forged link was made of real parts."""
    assert refused(forged(expired))


def test_link_is_not_kept_beyond_its_expiry(brief: Synapse) -> None:
    account = Account.new(brief)
    found = re.search(r"max-age=(\d+)", send(account.link(account.upload(b"x"))).headers["cache-control"])
    assert found
    assert int(found[1]) <= 3


# --- what a person sees -----------------------------------------------------------------------------------------------


def test_person_sees_a_page(expired: str, ana: Account, photo: Mxc) -> None:
    cases = ((expired, "This link has expired"), (forged(ana.link(photo)), "This link does not work"))
    for url, title in cases:
        answer = send(url, headers=dict(PAGE))
        text = answer.body.decode()
        assert answer.status == 403
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<title>{title}</title>" in text
        assert "What you can do" in text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_page_repeats_nothing_of_the_link(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo).replace("/localhost/", "/<script>/")
    text = send(url, headers=dict(PAGE)).body.decode()
    assert "<script>" not in text
    assert photo.media_id not in text
    assert urlsplit(url).query not in text


def test_page_of_a_media_that_is_gone(ana: Account, admin: Account) -> None:
    mxc = ana.upload(picture(40, 40), "image/png")
    url = ana.link(mxc)
    admin.quarantine(mxc)
    answer = send(url, headers=dict(PAGE))
    assert answer.status == 404
    assert "<title>This file is not available</title>" in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "image/avif,image/webp,*/*;q=0.8", "Sec-Fetch-Mode": "no-cors"},
        {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
        {"Accept": b"\xff"},
    ],
)
def test_program_sees_a_matrix_error(expired: str, headers: dict[str, str | bytes]) -> None:
    answer = send(expired, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error == "DEV.AUTHMEDIA.LINK_EXPIRED"


def test_person_sees_the_media_of_a_good_link(ana: Account, photo: Mxc) -> None:
    assert send(ana.link(photo), headers=dict(PAGE)).body == picture()


# --- sessions that end ------------------------------------------------------------------------------------------------


def _logout(account: Account, admin: Account) -> None:
    account.http.post("/_matrix/client/v3/logout").raise_for_status()


def _logout_everywhere(account: Account, admin: Account) -> None:
    account.again().http.post("/_matrix/client/v3/logout/all").raise_for_status()


def _delete_device(account: Account, admin: Account) -> None:
    path = f"/_matrix/client/v3/devices/{account.device_id}"
    account.again().http.request("DELETE", path, json={"auth": _proof(account)}).raise_for_status()


def _deactivate(account: Account, admin: Account) -> None:
    account.http.post("/_matrix/client/v3/account/deactivate", json={"auth": _proof(account)}).raise_for_status()


def _change_password(account: Account, admin: Account) -> None:
    body = {"auth": _proof(account), "new_password": PASSWORD + "!", "logout_devices": True}
    account.again().http.post("/_matrix/client/v3/account/password", json=body).raise_for_status()


def _lock(account: Account, admin: Account) -> None:
    admin.http.put(f"/_synapse/admin/v2/users/{account.user_id}", json={"locked": True}).raise_for_status()


def _proof(account: Account) -> dict[str, Any]:
    user = {"type": "m.id.user", "user": account.user_id}
    return {"type": "m.login.password", "identifier": user, "password": PASSWORD}


ENDINGS = {
    "logout": _logout,
    "logout everywhere": _logout_everywhere,
    "device deleted": _delete_device,
    "deactivated": _deactivate,
    "password changed": _change_password,
    "locked": _lock,
}


@pytest.fixture(scope="module")
def dying(synapse: Synapse, admin: Account, photo: Mxc) -> dict[str, tuple[str, str]]:
    """Links of sessions that have all just ended, each way, and beside each that of a session that goes on.

    All at once, so that waiting for one is waiting for all.
    """
    links = {}
    for name, end in ENDINGS.items():
        account, onlooker = Account.new(synapse), Account.new(synapse)
        links[name] = account.link(photo), onlooker.link(photo)
        assert [send(url).status for url in links[name]] == [200, 200]
        end(account, admin)
    return links


@pytest.mark.parametrize("ending", ENDINGS)
def test_link_dies_with_its_session(dying: dict[str, tuple[str, str]], ending: str) -> None:
    link, onlooker = dying[ending]
    wait_for(lambda: refused(link), seconds=5, what="the link's end")
    assert send(onlooker).status == 200


def test_other_sessions_of_the_user_go_on(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    other = account.again()
    links = account.link(photo), other.link(photo)
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert refused(links[0])
    assert send(links[1]).status == 200


def test_session_without_a_device(synapse: Synapse, admin: Account, photo: Mxc) -> None:
    """An administrator's login as somebody else hangs on its token alone."""
    user = Account.new(synapse)
    answer = admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/login", json={})
    puppet = user.with_token(answer.raise_for_status().json()["access_token"])
    links = puppet.link(photo), user.link(photo)
    assert [send(link).status for link in links] == [200, 200]
    puppet.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: refused(links[0]), what="the link's end")
    assert send(links[1]).status == 200


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


# --- bound to an address ----------------------------------------------------------------------------------------------


@pytest.fixture
def visitor(bound: Synapse) -> Iterator[Account]:
    account = Account.new(bound)
    yield account
    account.http.close()


@on_linux
def test_link_bound_to_an_address(visitor: Account) -> None:
    url = visitor.link(visitor.upload(b"x", "text/plain"))
    assert send(url).body == b"x"
    assert refused(url, source="127.0.0.2")


@on_linux
def test_links_are_not_bound_unless_configured(ana: Account, photo: Mxc) -> None:
    assert send(ana.link(photo), source="127.0.0.2").status == 200


@on_linux
def test_what_a_client_says_of_its_address_is_not_believed(visitor: Account) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    assert refused(visitor.link(mxc), source="127.0.0.2", headers={"X-Forwarded-For": "127.0.0.1"})
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = visitor.link(mxc)
    assert send(url).status == 200
    assert refused(url, source="127.0.0.2", headers={"X-Forwarded-For": "203.0.113.7"})


@on_linux
def test_what_a_reverse_proxy_says_of_its_client_is_believed(visitor: Account, bound: Synapse, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = visitor.link(mxc)
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}).status == 200
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}, source="127.0.0.2").status == 200
    assert refused(url, headers={"X-Forwarded-For": "203.0.113.8"})
    assert refused(url)


@on_linux
@pytest.mark.parametrize(
    ("minted_for", "good", "bad"),
    [
        # The first of several is the client, as far as Synapse knows; those behind it are proxies.
        (
            "203.0.113.7, 198.51.100.1",
            ["203.0.113.7", "203.0.113.7,192.0.2.1"],
            ["198.51.100.1", "192.0.2.1, 203.0.113.7"],
        ),
        ("203.0.113.7", [" 203.0.113.7 , 198.51.100.1, 192.0.2.1"], ["198.51.100.1, 203.0.113.7"]),
        # One address, however it is written.
        (
            "::ffff:203.0.113.7",
            ["203.0.113.7", "::FFFF:cb00:7107"],
            ["203.0.113.8", "::203.0.113.7", "::ffff:203.0.113.8"],
        ),
        ("203.0.113.7", ["::ffff:203.0.113.7", "0:0:0:0:0:ffff:203.0.113.7, 192.0.2.1"], ["::ffff:192.0.2.1"]),
        ("2001:db8::7", ["2001:DB8:0:0::7"], ["2001:db8::8", "203.0.113.7"]),
        # What is no address is what it is.
        ("unknown", ["unknown"], ["unknown2", "", "203.0.113.7"]),
    ],
)
def test_link_is_bound_to_the_address_that_synapse_takes(
    visitor: Account, proxy_port: int, minted_for: str, good: list[str], bad: list[str]
) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers["X-Forwarded-For"] = minted_for
    url = visitor.link(mxc)
    for address in (minted_for, *good):
        assert send(url, headers={"X-Forwarded-For": address}).status == 200
    for address in bad:
        assert refused(url, headers={"X-Forwarded-For": address})
    assert refused(url)


@on_linux
def test_connection_over_ipv6_from_an_ipv4_address_is_from_that_address(visitor: Account, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    url = visitor.link(mxc)
    assert send(url).status == 200
    assert send(url, headers={"X-Forwarded-For": "::ffff:127.0.0.1"}).status == 200
    assert refused(url, headers={"X-Forwarded-For": "::ffff:127.0.0.2"})
    visitor.http.headers["X-Forwarded-For"] = "::ffff:127.0.0.2"
    assert send(visitor.link(mxc), source="127.0.0.2").status == 200


def test_reverse_proxy_tells_the_scheme(visitor: Account, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers.update(
        {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "Host": "matrix.example.org"}
    )
    assert visitor.link(mxc).startswith("https://matrix.example.org/")


# --- logs -------------------------------------------------------------------------------------------------------------


def test_log_has_nothing_that_opens_a_media(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    url = account.link(photo, width=33, height=33)
    base, _, query = url.partition("?")
    values = dict(part.split("=", 1) for part in query.split("&"))
    send(url)
    send(url, "HEAD")
    send(url, headers=dict(PAGE))
    send(url + "&x=1")
    send(base + "?x=1&" + query)
    send(url.replace("/signed/", "/%73igned/"))
    send(url.replace("/signed/", "//signed/"))
    send(url.replace("/signed/", "/signed/x/"))
    send(url.replace("/_matrix/", "/x/_matrix/"))
    send(url, "POST")
    escaped = url.replace("?", "%3F", 1)
    for other in (escaped, escaped.replace("&", "%26"), escaped.replace("sig=", "%73ig="), escaped.replace("%", "%25")):
        send(other)
        send(other.replace("/signed/", "/%73igned/"))
        send(other.replace("%", "%2525252525252525252525252525"))
    for mark in (";", "&", "%20", "%EF%BC%9F", "%26", "/"):
        send(url.replace("?", mark, 1))
        send(url.replace("?", mark, 1).replace("dev.", "dev%2E"))
    account.http.get(f"{PREFIX}/link/{photo.names}", params={"access_token": account.token})
    last = f"/signed/localhost/last{account.device_id}"
    send(account.link(photo).partition("/signed/")[0] + last + "?" + query)
    log = wait_for(lambda: log_with(synapse, last), what="the last request's line in the log")
    assert f"{PREFIX}/signed/{photo.names}?<redacted>" in log
    own = [values["sig"], values["s"], account.token, *_secrets(synapse)]
    assert [secret for secret in own if secret in log] == []


def test_log_of_debugging_has_nothing_that_opens_a_media(brief: Synapse) -> None:
    """Its log is at DEBUG, where Synapse itself writes down access tokens; not links, cookies or queries."""
    account = Account.new(brief)
    mxc = account.upload(picture(), "image/png")
    url = account.link(mxc)
    base = url.partition("/signed/")[0]
    shown = account.http.post(f"{PREFIX}/cookie").headers["set-cookie"].partition(";")[0]
    offer = account.http.get(f"{PREFIX}/config").json()["signed_query"]
    asked = {"token_id": offer["token_id"], "time": str(offer["now_ms"])}
    asked["h"] = signature(account.token, asked["time"])
    to_query = f"{base}/query/{mxc.names}?{urlencode(asked)}"
    to_cookie = f"{base}/cookie/{mxc.names}"
    kinds: list[dict[str, str | bytes]] = [{}, dict(PAGE), {"Range": "bytes=0-9"}, {"X-Matrix": "x"}]
    for headers in kinds:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            send(url, method, headers)
            send(to_query, method, headers)
            send(to_cookie, method, {**headers, "Cookie": shown})
    send(forged(url))
    send(to_query.replace("&h=", "&h=x"))
    send(to_cookie, headers={"Cookie": shown[:-1]})
    last = f"/signed/localhost/last{account.device_id}"
    send(base + last)
    log = wait_for(lambda: log_with(brief, last), what="the last request's line in the log")
    assert " DEBUG " in log
    values = [value for name, value in parse_qsl(urlsplit(url).query) if name in ("sig", "s")]
    own = [*values, asked["h"], asked["token_id"], shown.partition("=")[2], *_secrets(brief)]
    assert [secret for secret in own if secret[:-1] in log] == []


def _secrets(synapse: Synapse) -> list[str]:
    return re.findall(r'"([A-Za-z0-9_-]{40,})"', Path(synapse.directory / "secrets.json").read_text())
