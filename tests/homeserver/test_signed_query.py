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
from tests.homeserver.signed_queries import WINDOW_MS, get, is_refused, now_ms, offer, query_hash, signed_query, without
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


def test_token_id_reveals_nothing(mia: Account) -> None:
    """Nor the row id of the access token, which is a small number."""
    token_id = offer(mia)["token_id"]
    for secret in (mia.token, mia.user_id.split(":")[0].strip("@"), mia.device_id):
        assert secret.encode() not in readable(token_id)
    assert not any(part.strip().isdigit() for part in readable(token_id).split(b"\n"))
    assert len(token_id) == len(offer(mia.again())["token_id"])


def test_query_is_valid_for_all_media(baselines: Synapse, mia: Account, video: Mxc, still: Mxc) -> None:
    """As proposed, the hash does not cover the media. The README describes the consequences."""
    parts = signed_query(mia)
    answer = get(baselines, video, parts)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(FILM).digest()
    assert get(baselines, still, parts).body == picture()


def test_headers_of_media_by_query(baselines: Synapse, mia: Account, video: Mxc) -> None:
    answer = get(baselines, video, signed_query(mia, now_ms() - 20_000), Origin="https://app.example")
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
    answer = get(baselines, mia.upload(b"x", content_type, name), signed_query(mia))
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


def test_range_tag_and_head(baselines: Synapse, mia: Account, video: Mxc) -> None:
    parts = signed_query(mia)
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
    answer = get(baselines, still, {**signed_query(mia), **query(thumbnail)})
    assert answer.body == mia.thumbnail(still, **thumbnail).content
    assert image(answer.body).size == size


def test_incomplete_thumbnail_parameters(baselines: Synapse, mia: Account, still: Mxc) -> None:
    assert is_refused(get(baselines, still, {**signed_query(mia), "width": "64"}), "M_MISSING_PARAM", 400)


def test_missing_media_by_query(baselines: Synapse, mia: Account) -> None:
    assert is_refused(get(baselines, Mxc("mxc://localhost/nothing"), signed_query(mia)), "M_NOT_FOUND", 404)
    assert is_refused(get(baselines, Mxc("mxc://localhost/%00"), signed_query(mia)), "M_INVALID_PARAM", 400)


# --- the window -------------------------------------------------------------------------------------------------------


def respond_promptly(send_request: Callable[[], Answer]) -> Answer:
    """Repeats a request until its response takes less than a second, the margin to the limits of the window."""
    for _ in range(10):
        begun = time.monotonic()
        answer = send_request()
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
def test_window_of_a_query(baselines: Synapse, mia: Account, still: Mxc, offset_ms: int, good: bool) -> None:
    answer = respond_promptly(lambda: get(baselines, still, signed_query(mia, now_ms() + offset_ms)))
    if good:
        assert (answer.status, answer.body) == (200, picture())
    else:
        assert is_refused(answer, "DEV.AUTHMEDIA.QUERY_EXPIRED")


@pytest.mark.parametrize(
    ("offset_ms", "left_s"), [(-WINDOW_MS + 2000, 2), (WINDOW_MS - 1000, 2 * WINDOW_MS // 1000 - 1)]
)
def test_media_is_cached_as_long_as_the_query_is_valid(
    baselines: Synapse, mia: Account, still: Mxc, offset_ms: int, left_s: int
) -> None:
    """A query with a future time is valid for up to twice the window."""
    answer = respond_promptly(lambda: get(baselines, still, signed_query(mia, now_ms() + offset_ms)))
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert left_s - 1 <= int(found[1]) <= left_s


def test_invalid_query_in_a_navigation_gets_a_page(baselines: Synapse, mia: Account, still: Mxc) -> None:
    old = get(baselines, still, signed_query(mia, now_ms() - 2 * WINDOW_MS), **PAGE)
    wrong = get(baselines, still, {**signed_query(mia), "h": "x"}, **PAGE)
    for answer, title in ((old, "This link has expired"), (wrong, "This link does not work")):
        assert answer.status == 403
        assert f"<title>{title}</title>" in answer.body.decode()


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_query_is_invalid_after_its_access_token(baselines: Synapse, still: Mxc) -> None:
    """Immediately: the access token is not cached."""
    account = Account.new(baselines)
    other = account.again()
    parts, others = signed_query(account), signed_query(other)
    assert [get(baselines, still, one).status for one in (parts, others)] == [200, 200]
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert is_refused(get(baselines, still, parts))
    assert get(baselines, still, others).status == 200


def test_locked_account(baselines: Synapse, still: Mxc) -> None:
    admin, account = Account.new(baselines, admin=True), Account.new(baselines)
    parts = signed_query(account)
    admin.http.put(f"/_synapse/admin/v2/users/{account.user_id}", json={"locked": True}).raise_for_status()
    assert is_refused(get(baselines, still, parts))


def test_session_without_a_device(baselines: Synapse, still: Mxc) -> None:
    """An administrator's login as another user has a token and no device."""
    admin, user = Account.new(baselines, admin=True), Account.new(baselines)
    answer = admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/login", json={})
    puppet = user.with_token(answer.raise_for_status().json()["access_token"])
    parts = signed_query(puppet)
    assert get(baselines, still, parts).status == 200
    puppet.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert is_refused(get(baselines, still, parts))


def test_application_service_gets_no_query_parameters(baselines: Synapse, mia: Account) -> None:
    bridge = mia.with_token("bridge-token")
    config = bridge.http.get(f"{PREFIX}/config").json()
    assert config["baselines"]["signed_query"] is True
    assert config["signed_query"] is None


# --- log, and disabled ------------------------------------------------------------------------------------------------


def test_log_has_no_signed_query(baselines: Synapse, still: Mxc) -> None:
    account = Account.new(baselines)
    parts = signed_query(account)
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


def test_disabled_query_endpoint(synapse: Synapse, ana: Account, mia: Account, photo: Mxc) -> None:
    at = str(now_ms())
    answer = get(synapse, photo, {**signed_query(mia), "time": at, "h": query_hash(ana.token, at)})
    assert (answer.status, answer.error) == (404, "M_UNRECOGNIZED")
    assert "signed_query" not in ana.http.get(f"{PREFIX}/config").json()
