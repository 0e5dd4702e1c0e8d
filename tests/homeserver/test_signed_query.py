"""The baseline `signed_query`: what a client computes from its access token and the time opens media for a while."""

import asyncio
import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from synapse.api.errors import SynapseError

from development.synapse import Synapse
from media_links.signed_query import QueryServlet
from media_protocol.signing import Keyring
from tests.homeserver.conftest import BASELINE_SECRETS
from tests.homeserver.support import (
    NOT_SHOWN,
    PAGE,
    PREFIX,
    Account,
    Answer,
    Mxc,
    image,
    log_with,
    noise,
    picture,
    query,
    readable,
    send,
    wait_for,
)

FILM = noise(300_000, "query")
WINDOW_MS = 60_000


@pytest.fixture(scope="module")
def uma(baselines: Synapse) -> Account:
    """Somebody for the tests that leave a session as it is."""
    return Account.new(baselines)


@pytest.fixture(scope="module")
def film(uma: Account) -> Mxc:
    return uma.upload(FILM, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def still(uma: Account) -> Mxc:
    return uma.upload(picture(), "image/png", "still.png")


def offer(account: Account) -> dict[str, Any]:
    return dict(account.http.get(f"{PREFIX}/config").raise_for_status().json()["signed_query"])


def computed(token: str, at: str) -> str:
    """As a client computes it, in words of its own."""
    return urlsafe_b64encode(hmac.new(token.encode(), at.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def now_ms() -> int:
    return int(time.time() * 1000)


def signed(account: Account, at_ms: int | None = None) -> dict[str, str]:
    at = str(now_ms() if at_ms is None else at_ms)
    return {"token_id": offer(account)["token_id"], "time": at, "h": computed(account.token, at)}


def get(synapse: Synapse, mxc: Mxc, parts: dict[str, str], method: str = "GET", **headers: str) -> Answer:
    url = f"http://127.0.0.1:{synapse.port}{PREFIX}/query/{mxc.names}"
    return send(f"{url}?{urlencode(parts)}", method, {**headers})


def refused(answer: Answer, errcode: str = "M_FORBIDDEN", status: int = 403) -> bool:
    assert (answer.status, answer.error) == (status, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    return True


def without(parts: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parts.items() if key != name}


# --- media ------------------------------------------------------------------------------------------------------------


def test_offer(uma: Account) -> None:
    made = offer(uma)
    assert set(made) == {"token_id", "window_ms", "now_ms"}
    assert made["window_ms"] == WINDOW_MS
    assert abs(made["now_ms"] - now_ms()) < 10_000
    assert re.fullmatch(r"new\.[A-Za-z0-9_-]{40,}", made["token_id"])
    assert offer(uma)["token_id"] == made["token_id"] != offer(uma.again())["token_id"]


def test_nobody_can_read_the_token_id(uma: Account) -> None:
    """Not even which of the access tokens it was: the first of them have small numbers."""
    token_id = offer(uma)["token_id"]
    for secret in (uma.token, uma.user_id.split(":")[0].strip("@"), uma.device_id):
        assert secret.encode() not in readable(token_id)
    assert not any(part.strip().isdigit() for part in readable(token_id).split(b"\n"))
    assert len(token_id) == len(offer(uma.again())["token_id"])


def test_one_query_opens_everything(baselines: Synapse, uma: Account, film: Mxc, still: Mxc) -> None:
    """As it was proposed: the hash does not cover the media. The README says what that means."""
    parts = signed(uma)
    answer = get(baselines, film, parts)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(FILM).digest()
    assert get(baselines, still, parts).body == picture()


def test_headers(baselines: Synapse, uma: Account, film: Mxc) -> None:
    answer = get(baselines, film, signed(uma, now_ms() - 20_000), Origin="https://app.example")
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
def test_what_a_browser_would_run_is_saved(baselines: Synapse, uma: Account, content_type: str, name: str) -> None:
    answer = get(baselines, uma.upload(b"x", content_type, name), signed(uma))
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


def test_range_tag_and_head(baselines: Synapse, uma: Account, film: Mxc) -> None:
    parts = signed(uma)
    part = get(baselines, film, parts, Range="bytes=1000-199999")
    assert (part.status, part.body) == (206, FILM[1000:200_000])
    assert part.headers["content-range"] == f"bytes 1000-199999/{len(FILM)}"
    head = get(baselines, film, parts, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(FILM)))
    assert get(baselines, film, parts, **{"If-None-Match": head.headers["etag"]}).status == 304


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ({"width": 64, "height": 64}, (64, 40)),
        ({"width": 100, "height": 20, "method": "crop"}, (100, 20)),
        ({"width": 64, "height": 64, "method": "scale", "animated": True}, (64, 40)),
    ],
)
def test_thumbnail(baselines: Synapse, uma: Account, still: Mxc, wanted: dict[str, Any], size: tuple[int, int]) -> None:
    answer = get(baselines, still, {**signed(uma), **query(wanted)})
    assert answer.body == uma.thumbnail(still, **wanted).content
    assert image(answer.body).size == size


def test_no_thumbnail(baselines: Synapse, uma: Account, still: Mxc) -> None:
    assert refused(get(baselines, still, {**signed(uma), "width": "64"}), "M_MISSING_PARAM", 400)


def test_media_that_is_not_there(baselines: Synapse, uma: Account) -> None:
    assert refused(get(baselines, Mxc("mxc://localhost/nothing"), signed(uma)), "M_NOT_FOUND", 404)
    assert refused(get(baselines, Mxc("mxc://localhost/%00"), signed(uma)), "M_INVALID_PARAM", 400)


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
def test_window(baselines: Synapse, uma: Account, still: Mxc, offset_ms: int, good: bool) -> None:
    answer = at_once(lambda: get(baselines, still, signed(uma, now_ms() + offset_ms)))
    if good:
        assert (answer.status, answer.body) == (200, picture())
    else:
        assert refused(answer, "DEV.AUTHMEDIA.QUERY_EXPIRED")


@pytest.mark.parametrize(
    ("offset_ms", "left_s"), [(-WINDOW_MS + 2000, 2), (WINDOW_MS - 1000, 2 * WINDOW_MS // 1000 - 1)]
)
def test_kept_for_as_long_as_the_query_works(
    baselines: Synapse, uma: Account, still: Mxc, offset_ms: int, left_s: int
) -> None:
    """A time that is yet to come opens media for up to twice the window."""
    answer = at_once(lambda: get(baselines, still, signed(uma, now_ms() + offset_ms)))
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert left_s - 1 <= int(found[1]) <= left_s


def test_person_sees_a_page(baselines: Synapse, uma: Account, still: Mxc) -> None:
    old = get(baselines, still, signed(uma, now_ms() - 2 * WINDOW_MS), **PAGE)
    wrong = get(baselines, still, {**signed(uma), "h": "x"}, **PAGE)
    for answer, title in ((old, "This link has expired"), (wrong, "This link does not work")):
        assert answer.status == 403
        assert f"<title>{title}</title>" in answer.body.decode()


# --- queries that must not work ---------------------------------------------------------------------------------------


def flip(text: str) -> str:
    return text[:20] + ("A" if text[20] != "A" else "B") + text[21:]


ALTERED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "hash": lambda p: {**p, "h": flip(p["h"])},
    "hash empty": lambda p: {**p, "h": ""},
    "hash cut": lambda p: {**p, "h": p["h"][:-1]},
    "hash padded": lambda p: {**p, "h": p["h"] + "="},
    "hash in capitals": lambda p: {**p, "h": p["h"].upper()},
    "hash in plain base64": lambda p: {**p, "h": p["h"] + "+/"},
    "hash of another token": lambda p: {**p, "h": computed("syt_other", p["time"])},
    "hash with no key": lambda p: {**p, "h": computed("", p["time"])},
    "time later": lambda p: {**p, "time": str(int(p["time"]) + 1)},
    "time earlier": lambda p: {**p, "time": str(int(p["time"]) - 1)},
    "token id": lambda p: {**p, "token_id": flip(p["token_id"])},
    "token id empty": lambda p: {**p, "token_id": ""},
    "token id of a number": lambda p: {**p, "token_id": "1"},
    "token id without key": lambda p: {**p, "token_id": p["token_id"].partition(".")[2]},
    "token id with other key": lambda p: {**p, "token_id": p["token_id"].replace("new.", "old.")},
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED.keys())
def test_altered(baselines: Synapse, uma: Account, still: Mxc, alter: Callable[..., dict[str, str]]) -> None:
    parts = signed(uma)
    assert alter(parts) != parts
    assert refused(get(baselines, still, alter(parts)))


@pytest.mark.parametrize("says", [True, False])
def test_nothing_but_a_comparison_in_constant_time_tells_whether_a_hash_is_good(
    monkeypatch: pytest.MonkeyPatch, says: bool
) -> None:
    class Store:
        async def simple_select_one(self, **_: Any) -> tuple[str, str, None]:
            return "token", "@uma:localhost", None

    class Sessions:
        async def is_alive(self, _: Any) -> bool:
            return True

    servlet = QueryServlet.__new__(QueryServlet)
    servlet._keyring = Keyring([("new", b"n" * 32)])
    servlet._store = SimpleNamespace(db_pool=Store())  # type: ignore[assignment]
    servlet._sessions = Sessions()  # type: ignore[assignment]
    seen: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return says

    monkeypatch.setattr(hmac, "compare_digest", compare)
    good, shown = computed("token", "5"), "no such hash" if says else computed("token", "5")
    checking = servlet._verify(servlet._keyring.seal_token(b"1", "token id"), "5", shown)
    if says:
        asyncio.run(checking)
    else:
        with pytest.raises(SynapseError):
            asyncio.run(checking)
    assert seen == [(good.encode(), shown.encode())]


def test_hash_that_is_not_ascii(baselines: Synapse, uma: Account, still: Mxc) -> None:
    assert get(baselines, still, {**signed(uma), "h": "\N{GREEK SMALL LETTER ALPHA}"}).status in (400, 403)


@pytest.mark.parametrize("name", ["token_id", "time", "h"])
def test_part_left_out(baselines: Synapse, uma: Account, still: Mxc, name: str) -> None:
    assert refused(get(baselines, still, without(signed(uma), name)), "M_MISSING_PARAM", 400)


@pytest.mark.parametrize("at", ["", "now", "-1", "1.5", "0", "01795525729830", " 1795525729830", "1" * 17])
def test_time_that_is_none(baselines: Synapse, uma: Account, still: Mxc, at: str) -> None:
    """One moment has one spelling, also where the hash is right for another."""
    parts = {**signed(uma), "time": at, "h": computed(uma.token, at)}
    assert refused(get(baselines, still, parts), "M_INVALID_PARAM", 400)


def test_token_id_of_somebody_else(baselines: Synapse, uma: Account, still: Mxc) -> None:
    other = Account.new(baselines)
    assert refused(get(baselines, still, {**signed(uma), "token_id": offer(other)["token_id"]}))


def test_altered_and_too_old_is_altered(baselines: Synapse, uma: Account, still: Mxc) -> None:
    """Nobody learns from the answer whether what he made up was made of real parts."""
    parts = signed(uma, now_ms() - 2 * WINDOW_MS)
    assert refused(get(baselines, still, {**parts, "h": flip(parts["h"])}))


def test_secret_that_is_being_changed(baselines: Synapse, uma: Account, still: Mxc) -> None:
    new, old = (Keyring([(key_id, secret.encode())]) for key_id, secret in BASELINE_SECRETS.items())
    parts = signed(uma)
    token_id = old.seal_token(new.open_token(parts["token_id"], "token id"), "token id")
    assert token_id.startswith("old.")
    assert get(baselines, still, {**parts, "token_id": token_id}).status == 200


def test_token_id_of_no_row(baselines: Synapse, uma: Account, still: Mxc) -> None:
    keyring = Keyring([("new", BASELINE_SECRETS["new"].encode())])
    for row in (b"999999999", b"0"):
        assert refused(get(baselines, still, {**signed(uma), "token_id": keyring.seal_token(row, "token id")}))


def test_what_was_sealed_for_something_else_is_no_token_id(baselines: Synapse, uma: Account, still: Mxc) -> None:
    found = re.search(r"k=(\w+)&e=\d+&s=([\w-]+)", uma.link(still))
    assert found
    cookie = uma.http.post(f"{PREFIX}/cookie").headers["set-cookie"].partition("=")[2].partition(";")[0]
    for token_id in (f"{found[1]}.{found[2]}", cookie):
        assert refused(get(baselines, still, {**signed(uma), "token_id": token_id}))


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_query_dies_with_its_access_token(baselines: Synapse, still: Mxc) -> None:
    """At once, not within seconds: the token is looked up each time."""
    account = Account.new(baselines)
    other = account.again()
    parts, others = signed(account), signed(other)
    assert [get(baselines, still, one).status for one in (parts, others)] == [200, 200]
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert refused(get(baselines, still, parts))
    assert get(baselines, still, others).status == 200


def test_locked_account(baselines: Synapse, still: Mxc) -> None:
    admin, account = Account.new(baselines, admin=True), Account.new(baselines)
    parts = signed(account)
    admin.http.put(f"/_synapse/admin/v2/users/{account.user_id}", json={"locked": True}).raise_for_status()
    assert refused(get(baselines, still, parts))


def test_session_without_a_device(baselines: Synapse, still: Mxc) -> None:
    """An administrator's login as somebody else hangs on its token alone."""
    admin, user = Account.new(baselines, admin=True), Account.new(baselines)
    answer = admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/login", json={})
    puppet = user.with_token(answer.raise_for_status().json()["access_token"])
    parts = signed(puppet)
    assert get(baselines, still, parts).status == 200
    puppet.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert refused(get(baselines, still, parts))


def test_application_service_has_no_offer(baselines: Synapse, uma: Account) -> None:
    bridge = uma.with_token("bridge-token")
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


def test_switched_off(synapse: Synapse, ana: Account, uma: Account, photo: Mxc) -> None:
    at = str(now_ms())
    answer = get(synapse, photo, {**signed(uma), "time": at, "h": computed(ana.token, at)})
    assert (answer.status, answer.error) == (404, "M_UNRECOGNIZED")
    assert "signed_query" not in ana.http.get(f"{PREFIX}/config").json()
