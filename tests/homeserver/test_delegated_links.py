"""Links that a page signs by itself: the key that the homeserver issues for them, and what they open."""

import time
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from development.synapse import Synapse
from tests.homeserver.delegated_links import Key, delegated_link, issued_key, signature
from tests.homeserver.links import is_refused
from tests.homeserver.support import PAGE, PREFIX, Account, Mxc, on_linux, picture, send, wait_for

# --- the key ----------------------------------------------------------------------------------------------------------


def test_key_is_the_same_in_both_answers_and_for_a_whole_bucket(ana: Account) -> None:
    answer = ana.http.get(f"{PREFIX}/config")
    offered, issued = answer.json()["delegated"], issued_key(ana)
    moving = ("expires_in_ms", "renew_in_ms", "now_ts")
    assert [issued.pop(name) < offered.pop(name) + 1 for name in moving[:2]] == [True, True]
    assert issued.pop("now_ts") >= offered.pop("now_ts") > (time.time() - 60) * 1000
    assert issued == offered
    assert issued_key(ana)["key"] == issued["key"]
    assert answer.headers["cache-control"] == "no-store"
    assert ana.http.post(f"{PREFIX}/key").headers["cache-control"] == "no-store"


def test_key_expires_and_is_renewed_when_links_are(ana: Account, photo: Mxc) -> None:
    key = issued_key(ana)
    (minted,) = ana.links({"mxc": photo.uri})
    assert key["expires_ts"] == minted["expires_ts"]
    assert key["now_ts"] + key["expires_in_ms"] == key["expires_ts"]
    assert key["expires_in_ms"] - key["renew_in_ms"] == 3_600_000, "the lifetime of a link"


def test_key_needs_an_access_token(ana: Account) -> None:
    url = f"{ana.http.base_url}{PREFIX}/key"
    for headers in ({}, {"Authorization": "Bearer x"}):
        answer = send(url, "POST", headers)
        assert answer.status == 401
        assert answer.headers["cache-control"] == "no-store"
    assert ana.http.get(f"{PREFIX}/key").status_code == 405


def test_keys_of_sessions_differ(ana: Account) -> None:
    other = ana.again()
    keys = [issued_key(account) for account in (ana, other)]
    assert keys[0]["key"] != keys[1]["key"]
    assert keys[0]["session"] != keys[1]["session"]


def test_rate_limit_of_keys(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    answers = [account.http.post(f"{PREFIX}/key") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[-1].json()["errcode"] == "M_LIMIT_EXCEEDED"
    assert account.http.get(f"{PREFIX}/config").json()["delegated"], "which costs no request of its own"


# --- the links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thumbnail", [{}, {"width": 64, "height": 48, "method": "crop", "animated": True}])
def test_delegated_link_answers_as_a_link_does(ana: Account, photo: Mxc, thumbnail: dict[str, Any]) -> None:
    minted, delegated = ana.link(photo, **thumbnail), delegated_link(issued_key(ana), photo, **thumbnail)
    for method, headers in (
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Range": "bytes=5-9"}),
        ("GET", {"Range": "bytes=999999999-"}),
        ("GET", {"If-None-Match": "*"}),
    ):
        one, other = send(minted, method, headers), send(delegated, method, headers)
        assert (one.status, one.body) == (other.status, other.body)
        changing = ("date", "cache-control")
        assert {k: v for k, v in one.headers.items() if k not in changing} == {
            k: v for k, v in other.headers.items() if k not in changing
        }
    assert send(delegated).headers["cache-control"].startswith("private, max-age=")


def test_revision_is_another_url_of_the_same_media(ana: Account, photo: Mxc) -> None:
    key = issued_key(ana)
    assert send(delegated_link(key, photo, revision=1_800_000_000_000)).body == picture()


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("", "a photo.png"),
        ("walk.gpx", "walk.gpx"),
        ("a b&c=d.txt", "a b&c=d.txt"),
        ("über.txt", "über.txt"),
        ("../../x", ".._.._x"),
        ('a"\r\nSet-Cookie: x', 'a"__Set-Cookie: x'),
    ],
)
def test_file_name_of_a_download(ana: Account, photo: Mxc, name: str, saved_as: str) -> None:
    answer = send(delegated_link(issued_key(ana), photo, file_name=name))
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    disposition = Message()
    disposition["Content-Disposition"] = answer.headers["content-disposition"]
    assert disposition.get_content_disposition() == "attachment"
    assert disposition.get_filename() == saved_as


def test_delegated_link_to_a_media_that_is_not_there(ana: Account, admin: Account) -> None:
    key = issued_key(ana)
    missing = send(delegated_link(key, Mxc("mxc://localhost/missing")))
    assert (missing.status, missing.error) == (404, "M_NOT_FOUND")
    mxc = ana.upload(picture(51, 51), "image/png")
    url = delegated_link(key, mxc)
    assert send(url).status == 200
    admin.quarantine(mxc)
    assert send(url).status == 404


def test_delegated_link_of_a_rotated_secret(baselines: Synapse) -> None:
    account = Account.new(baselines)
    mxc = account.upload(picture(), "image/png")
    key = issued_key(account)
    assert key["key_id"] == "new"
    assert send(delegated_link(key, mxc)).status == 200
    assert is_refused(delegated_link({**key, "key_id": "old"}, mxc))


# --- forgeries --------------------------------------------------------------------------------------------------------


Forge = Callable[[Key, Key, Mxc], str]


def _changed(key: Key, mxc: Mxc, change: Callable[[str], str]) -> str:
    """A URL with another spelling, signed with the session's own key."""
    path = change(delegated_link(key, mxc).removeprefix(key["base_url"]).partition("&dsig=")[0])
    return f"{key['base_url']}{path}&dsig={signature(key, path)}"


def _with_another_digit(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")


FORGED: dict[str, Forge] = {
    "handle of another session": lambda key, other, mxc: delegated_link({**key, "session": other["session"]}, mxc),
    "key of another session": lambda key, other, mxc: delegated_link({**key, "key": other["key"]}, mxc),
    "later bucket": lambda key, other, mxc: delegated_link({**key, "expires_ts": key["expires_ts"] + 1}, mxc),
    "earlier bucket": lambda key, other, mxc: delegated_link({**key, "expires_ts": key["expires_ts"] - 1}, mxc),
    "unknown key id": lambda key, other, mxc: delegated_link({**key, "key_id": "9"}, mxc),
    "altered key": lambda key, other, mxc: delegated_link({**key, "key": key["key"][::-1]}, mxc),
    "altered signature": lambda key, other, mxc: _with_another_digit(delegated_link(key, mxc)),
    "signature as the server's": lambda key, other, mxc: delegated_link(key, mxc).replace("&dsig=", "&sig="),
    "both signatures": lambda key, other, mxc: delegated_link(key, mxc) + "&sig=" + "A" * 43,
    "other media": lambda key, other, mxc: delegated_link(key, mxc).replace(mxc.media_id, mxc.media_id + "x"),
    "encoded": lambda key, other, mxc: _changed(key, mxc, lambda url: url.replace("localhost", "%6cocalhost")),
    "zero in front": lambda key, other, mxc: _changed(key, mxc, lambda url: url.replace("&e=", "&e=0")),
    "empty name": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&d=1&n="),
    "name of what is shown": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&n=a"),
    "name in lower case": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&d=1&n=%2f"),
    "name that is no text": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&d=1&n=%FF"),
    "name too long": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&d=1&n=" + "a" * 766),
    "revision zero": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&r=0"),
    "user": lambda key, other, mxc: _changed(key, mxc, lambda url: url + "&user_id=@a:localhost"),
}


@pytest.fixture(scope="module")
def other_key(synapse: Synapse) -> Key:
    return issued_key(Account.new(synapse))


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_forged_delegated_link(ana: Account, photo: Mxc, other_key: Key, forge: Forge) -> None:
    key = issued_key(ana)
    assert send(delegated_link(key, photo)).status == 200
    assert is_refused(forge(key, other_key, photo))


def test_delegated_link_of_another_homeserver(short_lived: Synapse, synapse: Synapse, ana: Account) -> None:
    elsewhere = Account.new(short_lived)
    url = delegated_link(issued_key(elsewhere), elsewhere.upload(b"x", "text/plain"))
    assert is_refused(url.replace(f":{short_lived.port}/", f":{synapse.port}/"))


def test_delegated_link_of_an_old_bucket(short_lived: Synapse) -> None:
    account = Account.new(short_lived)
    mxc = account.upload(b"x", "text/plain")
    key = issued_key(account)
    assert send(delegated_link(key, mxc)).status == 200
    wait_for(lambda: send(delegated_link(key, mxc)).status == 403, what="the key's end")
    assert is_refused(delegated_link(key, mxc), "DEV.AUTHMEDIA.LINK_EXPIRED")
    page = send(delegated_link(key, mxc), headers=dict(PAGE))
    assert b"<title>This link has expired</title>" in page.body
    later = issued_key(account)
    assert later["key"] != key["key"]
    assert later["session"] == key["session"]
    assert is_refused(delegated_link({**key, "expires_ts": later["expires_ts"]}, mxc))
    assert send(delegated_link(later, mxc)).status == 200


@on_linux
def test_key_bound_to_an_address(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    mxc = account.upload(b"x", "text/plain")
    url = delegated_link(issued_key(account), mxc)
    assert send(url).body == b"x"
    assert is_refused(url, source="127.0.0.2")
    elsewhere = send(
        f"{account.http.base_url}{PREFIX}/key", "POST", {"Authorization": f"Bearer {account.token}"}, "127.0.0.2"
    )
    assert elsewhere.status == 200


def test_log_has_no_key_and_no_delegated_link(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    key = issued_key(account)
    account.http.get(f"{PREFIX}/config").raise_for_status()
    url = delegated_link(key, photo, file_name="walk.gpx")
    dsig = url.rpartition("=")[2]
    for seen in (
        url,
        url + "&x=1",
        url.replace("?", "%3F"),
        url.replace("/signed/", "/%73igned/"),
        url.replace("?", ";"),
    ):
        send(seen)
        send(seen, "HEAD")
    last = f"/signed/localhost/last{account.device_id}"
    send(f"{key['base_url']}{PREFIX}{last}?{url.partition('?')[2]}")
    log = wait_for(
        lambda: synapse.log_path.read_text() if last in synapse.log_path.read_text() else "", what="its line"
    )
    assert f"{PREFIX}/signed/{photo.names}?<redacted>" in log
    assert [secret for secret in (key["key"], key["session"], dsig) if secret in log] == []
