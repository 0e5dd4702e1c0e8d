"""The baseline `signed_query`: media for requests that a client has signed with its access token."""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import FILM
from tests.homeserver.signed_queries import WINDOW_MS, get, is_refused, now_ms, offer, query_hash, signed, without
from tests.homeserver.support import (
    NOT_SHOWN,
    PAGE,
    PREFIX,
    Account,
    Answer,
    Mxc,
    image,
    log_with,
    picture,
    query,
    readable,
    send,
    wait_for,
)


def test_offer(mia: Account) -> None:
    made = offer(mia)
    assert set(made) == {"token_id", "window_ms", "now_ms"}
    assert made["window_ms"] == WINDOW_MS
    assert abs(made["now_ms"] - now_ms()) < 10_000
    assert re.fullmatch(r"new\.[A-Za-z0-9_-]{40,}", made["token_id"])
    assert offer(mia)["token_id"] == made["token_id"] != offer(mia.again())["token_id"]


def test_nobody_can_read_the_token_id(mia: Account) -> None:
    """Not even which of the access tokens it was: the first of them have small numbers."""
    token_id = offer(mia)["token_id"]
    for secret in (mia.token, mia.user_id.split(":")[0].strip("@"), mia.device_id):
        assert secret.encode() not in readable(token_id)
    assert not any(part.strip().isdigit() for part in readable(token_id).split(b"\n"))
    assert len(token_id) == len(offer(mia.again())["token_id"])


def test_one_query_opens_everything(baselines: Synapse, mia: Account, video: Mxc, still: Mxc) -> None:
    """As it was proposed: the hash does not cover the media. The README result what that means."""
    parts = signed(mia)
    answer = get(baselines, video, parts)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(FILM).digest()
    assert get(baselines, still, parts).body == picture()


def test_headers(baselines: Synapse, mia: Account, video: Mxc) -> None:
    answer = get(baselines, video, signed(mia, now_ms() - 20_000), Origin="https://app.example")
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert 30 <= int(found[1]) <= 40
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(("content_type", "name"), NOT_SHOWN)
def test_what_a_browser_would_run_is_saved(baselines: Synapse, mia: Account, content_type: str, name: str) -> None:
    answer = get(baselines, mia.upload(b"x", content_type, name), signed(mia))
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


def test_range_tag_and_head(baselines: Synapse, mia: Account, video: Mxc) -> None:
    parts = signed(mia)
    part = get(baselines, video, parts, Range="bytes=1000-199999")
    assert (part.status, part.body) == (206, FILM[1000:200_000])
    assert part.headers["content-range"] == f"bytes 1000-199999/{len(FILM)}"
    head = get(baselines, video, parts, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(FILM)))
    assert get(baselines, video, parts, **{"If-None-Match": head.headers["etag"]}).status == 304


@pytest.mark.parametrize(
    ("thumbnail", "size"),
    [
        ({"width": 64, "height": 64}, (64, 40)),
        ({"width": 100, "height": 20, "method": "crop"}, (100, 20)),
        ({"width": 64, "height": 64, "method": "scale", "animated": True}, (64, 40)),
    ],
)
def test_thumbnail(
    baselines: Synapse, mia: Account, still: Mxc, thumbnail: dict[str, Any], size: tuple[int, int]
) -> None:
    answer = get(baselines, still, {**signed(mia), **query(thumbnail)})
    assert answer.body == mia.thumbnail(still, **thumbnail).content
    assert image(answer.body).size == size


def test_no_thumbnail(baselines: Synapse, mia: Account, still: Mxc) -> None:
    assert is_refused(get(baselines, still, {**signed(mia), "width": "64"}), "M_MISSING_PARAM", 400)


def test_media_that_is_not_there(baselines: Synapse, mia: Account) -> None:
    assert is_refused(get(baselines, Mxc("mxc://localhost/nothing"), signed(mia)), "M_NOT_FOUND", 404)
    assert is_refused(get(baselines, Mxc("mxc://localhost/%00"), signed(mia)), "M_INVALID_PARAM", 400)


# --- the window -------------------------------------------------------------------------------------------------------


def at_once(ask: Callable[[], Answer]) -> Answer:
    """An answer that took less than the second by which the tests keep away from the window's edges."""
    for _ in range(10):
        begun = time.monotonic()
        answer = ask()
        if time.monotonic() - begun < 0.9:
            return answer
    raise AssertionError("the homeserver is too slow for this test")


@pytest.mark.parametrize(
    ("offset_ms", "good"),
    [
        (-WINDOW_MS - 1000, False),
        (-WINDOW_MS + 1000, True),
        (0, True),
        (WINDOW_MS - 1000, True),
        (WINDOW_MS + 1000, False),
        (10**12, False),
        (-(10**12), False),
    ],
)
def test_window(baselines: Synapse, mia: Account, still: Mxc, offset_ms: int, good: bool) -> None:
    answer = at_once(lambda: get(baselines, still, signed(mia, now_ms() + offset_ms)))
    if good:
        assert (answer.status, answer.body) == (200, picture())
    else:
        assert is_refused(answer, "DEV.AUTHMEDIA.QUERY_EXPIRED")


@pytest.mark.parametrize(
    ("offset_ms", "left_s"), [(-WINDOW_MS + 2000, 2), (WINDOW_MS - 1000, 2 * WINDOW_MS // 1000 - 1)]
)
def test_kept_for_as_long_as_the_query_works(
    baselines: Synapse, mia: Account, still: Mxc, offset_ms: int, left_s: int
) -> None:
    """A time that is yet to come opens media for up to twice the window."""
    answer = at_once(lambda: get(baselines, still, signed(mia, now_ms() + offset_ms)))
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert left_s - 1 <= int(found[1]) <= left_s


def test_person_sees_a_page(baselines: Synapse, mia: Account, still: Mxc) -> None:
    old = get(baselines, still, signed(mia, now_ms() - 2 * WINDOW_MS), **PAGE)
    wrong = get(baselines, still, {**signed(mia), "h": "x"}, **PAGE)
    for answer, title in ((old, "This link has expired"), (wrong, "This link does not work")):
        assert answer.status == 403
        assert f"<title>{title}</title>" in answer.body.decode()


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_query_dies_with_its_access_token(baselines: Synapse, still: Mxc) -> None:
    """At once, not within seconds: the token is looked up each time."""
    account = Account.new(baselines)
    other = account.again()
    parts, others = signed(account), signed(other)
    assert [get(baselines, still, one).status for one in (parts, others)] == [200, 200]
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert is_refused(get(baselines, still, parts))
    assert get(baselines, still, others).status == 200


def test_locked_account(baselines: Synapse, still: Mxc) -> None:
    admin, account = Account.new(baselines, admin=True), Account.new(baselines)
    parts = signed(account)
    admin.http.put(f"/_synapse/admin/v2/users/{account.user_id}", json={"locked": True}).raise_for_status()
    assert is_refused(get(baselines, still, parts))


def test_session_without_a_device(baselines: Synapse, still: Mxc) -> None:
    """An administrator's login as somebody else hangs on its token alone."""
    admin, user = Account.new(baselines, admin=True), Account.new(baselines)
    answer = admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/login", json={})
    puppet = user.with_token(answer.raise_for_status().json()["access_token"])
    parts = signed(puppet)
    assert get(baselines, still, parts).status == 200
    puppet.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert is_refused(get(baselines, still, parts))


def test_application_service_has_no_offer(baselines: Synapse, mia: Account) -> None:
    bridge = mia.with_token("bridge-token")
    config = bridge.http.get(f"{PREFIX}/config").json()
    assert config["baselines"]["signed_query"] is True
    assert config["signed_query"] is None


# --- logs, and switched off -------------------------------------------------------------------------------------------


def test_log_has_nothing_that_opens_a_media(baselines: Synapse, still: Mxc) -> None:
    account = Account.new(baselines)
    parts = signed(account)
    base = f"http://127.0.0.1:{baselines.port}{PREFIX}"
    get(baselines, still, parts)
    get(baselines, still, parts, "HEAD")
    get(baselines, still, parts, **PAGE)
    get(baselines, still, parts, "POST")
    get(baselines, still, without(parts, "token_id"))
    for path in ("/%71uery/", "//query/", "/query/x/", "/queries/"):
        send(f"{base}{path}{still.names}?{urlencode(parts)}")
    last = Mxc(f"mxc://localhost/last{account.device_id}")
    get(baselines, last, parts)
    written = wait_for(lambda: log_with(baselines, last.media_id), what="the last request's line in the log")
    assert f"{PREFIX}/query/{still.names}?<redacted>" in written
    assert [secret for secret in (parts["h"], account.token) if secret in written] == []


def test_switched_off(synapse: Synapse, ana: Account, mia: Account, photo: Mxc) -> None:
    at = str(now_ms())
    answer = get(synapse, photo, {**signed(mia), "time": at, "h": query_hash(ana.token, at)})
    assert (answer.status, answer.error) == (404, "M_UNRECOGNIZED")
    assert "signed_query" not in ana.http.get(f"{PREFIX}/config").json()
