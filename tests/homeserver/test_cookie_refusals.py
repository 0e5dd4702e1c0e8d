"""The baseline `cookie`: requests without a valid cookie."""

import json
import re
import time
from typing import Any

import pytest

from development.synapse import Synapse
from media_links.sessions import token_digest
from media_protocol.signing import Keyring
from tests.homeserver.conftest import FILM
from tests.homeserver.cookies import SECRETS, cookie, get, is_refused, sealed_cookie, token_id
from tests.homeserver.support import PAGE, PREFIX, Account, Mxc, wait_for


@pytest.mark.parametrize("cookie_header", ["", "other=1", "xmedia_links=1; media_links2=2", "media_link=s"])
def test_no_cookie(baselines: Synapse, mia: Account, video: Mxc, cookie_header: str) -> None:
    assert is_refused(get(baselines, video, cookie_header), "M_MISSING_TOKEN")
    assert is_refused(get(baselines, video, cookie_header, Authorization=f"Bearer {mia.token}"), "M_MISSING_TOKEN")


@pytest.mark.parametrize(
    "alter",
    [
        lambda value: "",
        lambda value: value[:-4],
        lambda value: value[:20] + ("A" if value[20] != "A" else "B") + value[21:],
        lambda value: value.replace("new.", "old."),
        lambda value: value.replace("new.", "none."),
        lambda value: value.replace("new.", ""),
        lambda value: "new.",
        lambda value: "\xff\xfe",
        lambda value: '"' + value,
    ],
)
def test_altered_cookie(baselines: Synapse, mia: Account, video: Mxc, alter: Any) -> None:
    name, _, value = cookie(mia).partition("=")
    assert is_refused(get(baselines, video, f"{name}={alter(value)}"))


def test_expired_cookie(baselines: Synapse, mia: Account, video: Mxc) -> None:
    now_ms = int(time.time() * 1000)
    assert get(baselines, video, sealed_cookie(mia, expires_ms=now_ms + 60_000)).status == 200
    assert is_refused(get(baselines, video, sealed_cookie(mia, expires_ms=now_ms)))
    assert is_refused(get(baselines, video, sealed_cookie(mia, expires_ms=now_ms), **{"If-None-Match": "*"}))


def test_cookie_of_the_previous_secret(baselines: Synapse, mia: Account, video: Mxc) -> None:
    assert get(baselines, video, sealed_cookie(mia, "old")).status == 200


def test_link_handle_and_token_id_are_no_cookies(baselines: Synapse, mia: Account, video: Mxc) -> None:
    """Both are sealed with the same key, for other purposes."""
    found = re.search(r"k=(\w+)&e=\d+&s=([\w-]+)", mia.link(video))
    assert found
    token_id = mia.http.get(f"{PREFIX}/config").json()["signed_query"]["token_id"]
    for value in (f"{found[1]}.{found[2]}", token_id):
        assert is_refused(get(baselines, video, f"media_links={value}"))


def sealed_parts(mia: Account, purpose: str | None = "cookie", **changes: Any) -> str:
    """Returns a `Cookie` header with these parts, sealed for this purpose."""
    now_ms = int(time.time() * 1000)
    parts = {"expires": now_ms + 60_000, "same_site": "Lax", "origin": None, "anchor": "t", "user": mia.user_id}
    parts |= {"token": token_id(mia), "digest": token_digest(mia.token), **changes}
    text = json.dumps([part for part in parts.values() if part != "omitted"]).encode()
    return f"media_links=new.{Keyring([('new', SECRETS['new'])]).seal(text, purpose)}"


def test_payload_that_is_sealed_for_another_purpose(baselines: Synapse, mia: Account, video: Mxc) -> None:
    assert get(baselines, video, sealed_parts(mia)).status == 200
    for purpose in (None, "token id"):
        assert is_refused(get(baselines, video, sealed_parts(mia, purpose)))


@pytest.mark.parametrize("changes", [{"same_site": "Other"}, {"anchor": "x"}, {"digest": "omitted"}, {"more": 1}])
def test_invalid_payload(baselines: Synapse, mia: Account, video: Mxc, changes: dict[str, Any]) -> None:
    assert is_refused(get(baselines, video, sealed_parts(mia, **changes)))


def test_valid_cookie_beside_an_expired_one(baselines: Synapse, mia: Account, video: Mxc) -> None:
    """A browser may send a partitioned and an unpartitioned cookie, in any order."""
    old, good = sealed_cookie(mia, expires_ms=1), cookie(mia)
    for cookie_header in (f"{old}; {good}", f"{good}; {old}", f"a=1;{good};b", f"{old}; x={good}; {good}"):
        assert get(baselines, video, cookie_header).status == 200
    assert is_refused(get(baselines, video, "; ".join([old] * 4 + [good])))


def test_cookie_is_invalid_after_its_session(baselines: Synapse, mia: Account, video: Mxc) -> None:
    account = Account.new(baselines)
    other = account.again()
    cookie_header, others = cookie(account), cookie(other)
    assert [get(baselines, video, one).status for one in (cookie_header, others)] == [200, 200]
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(get(baselines, video, cookie_header)), what="the cookie's end")
    assert get(baselines, video, others).status == 200


def test_invalid_cookie_in_a_navigation_gets_a_page(baselines: Synapse, mia: Account, video: Mxc) -> None:
    for cookie_header, site, status in (
        ("", "none", 401),
        ("media_links=x", "none", 401),
        (cookie(mia), "cross-site", 403),
    ):
        answer = get(baselines, video, cookie_header, **PAGE, **{"Sec-Fetch-Site": site})
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert "<title>This opens in your chat only</title>" in answer.body.decode()
        assert answer.headers["cache-control"] == "no-store"
    assert get(baselines, video, cookie(mia), **PAGE, **{"Sec-Fetch-Site": "none"}).body == FILM
