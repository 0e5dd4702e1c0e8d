"""The baseline `signed_query`: queries that are altered, incomplete or not of a valid access token."""

import asyncio
import hmac
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from synapse.api.errors import SynapseError

from development.synapse import Synapse
from media_links.signed_query import QueryServlet
from media_protocol.signing import Keyring
from tests.homeserver.conftest import BASELINE_SECRETS
from tests.homeserver.links import flip
from tests.homeserver.signed_queries import WINDOW_MS, get, is_refused, now_ms, offer, query_hash, signed_query, without
from tests.homeserver.support import PREFIX, Account, Mxc

ALTERED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "hash": lambda p: {**p, "h": flip(p["h"])},
    "hash empty": lambda p: {**p, "h": ""},
    "hash cut": lambda p: {**p, "h": p["h"][:-1]},
    "hash padded": lambda p: {**p, "h": p["h"] + "="},
    "hash in capitals": lambda p: {**p, "h": p["h"].upper()},
    "hash in plain base64": lambda p: {**p, "h": p["h"] + "+/"},
    "hash of another token": lambda p: {**p, "h": query_hash("syt_other", p["time"])},
    "hash with no key": lambda p: {**p, "h": query_hash("", p["time"])},
    "time later": lambda p: {**p, "time": str(int(p["time"]) + 1)},
    "time earlier": lambda p: {**p, "time": str(int(p["time"]) - 1)},
    "token id": lambda p: {**p, "token_id": flip(p["token_id"])},
    "token id empty": lambda p: {**p, "token_id": ""},
    "token id of a number": lambda p: {**p, "token_id": "1"},
    "token id without key": lambda p: {**p, "token_id": p["token_id"].partition(".")[2]},
    "token id with other key": lambda p: {**p, "token_id": p["token_id"].replace("new.", "old.")},
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED.keys())
def test_altered_query(baselines: Synapse, mia: Account, still: Mxc, alter: Callable[..., dict[str, str]]) -> None:
    parts = signed_query(mia)
    assert alter(parts) != parts
    assert is_refused(get(baselines, still, alter(parts)))


@pytest.mark.parametrize("result", [True, False])
def test_comparison_alone_decides_whether_a_hash_is_valid(monkeypatch: pytest.MonkeyPatch, result: bool) -> None:
    class Store:
        async def simple_select_one(self, **_: Any) -> tuple[str, str, None]:
            return "token", "@mia:localhost", None

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
        return result

    monkeypatch.setattr(hmac, "compare_digest", compare)
    good, received = query_hash("token", "5"), "no such hash" if result else query_hash("token", "5")
    checking = servlet._verify(servlet._keyring.seal_token(b"1", "token id"), "5", received)
    if result:
        asyncio.run(checking)
    else:
        with pytest.raises(SynapseError):
            asyncio.run(checking)
    assert seen == [(good.encode(), received.encode())]


def test_hash_that_is_not_ascii(baselines: Synapse, mia: Account, still: Mxc) -> None:
    assert get(baselines, still, {**signed_query(mia), "h": "\N{GREEK SMALL LETTER ALPHA}"}).status in (400, 403)


@pytest.mark.parametrize("name", ["token_id", "time", "h"])
def test_missing_parameter(baselines: Synapse, mia: Account, still: Mxc, name: str) -> None:
    assert is_refused(get(baselines, still, without(signed_query(mia), name)), "M_MISSING_PARAM", 400)


@pytest.mark.parametrize("at", ["", "now", "-1", "1.5", "0", "01795525729830", " 1795525729830", "1" * 17])
def test_malformed_time(baselines: Synapse, mia: Account, still: Mxc, at: str) -> None:
    """A time has one spelling. Any other one is refused, even with its own valid hash."""
    parts = {**signed_query(mia), "time": at, "h": query_hash(mia.token, at)}
    assert is_refused(get(baselines, still, parts), "M_INVALID_PARAM", 400)


def test_token_id_of_another_user(baselines: Synapse, mia: Account, still: Mxc) -> None:
    other = Account.new(baselines)
    assert is_refused(get(baselines, still, {**signed_query(mia), "token_id": offer(other)["token_id"]}))


def test_altered_and_expired_query_is_refused_as_altered(baselines: Synapse, mia: Account, still: Mxc) -> None:
    """The response does not reveal whether a part of a forged query is valid."""
    parts = signed_query(mia, now_ms() - 2 * WINDOW_MS)
    assert is_refused(get(baselines, still, {**parts, "h": flip(parts["h"])}))


def test_query_of_the_previous_secret(baselines: Synapse, mia: Account, still: Mxc) -> None:
    new, old = (Keyring([(key_id, secret.encode())]) for key_id, secret in BASELINE_SECRETS.items())
    parts = signed_query(mia)
    token_id = old.seal_token(new.open_token(parts["token_id"], "token id"), "token id")
    assert token_id.startswith("old.")
    assert get(baselines, still, {**parts, "token_id": token_id}).status == 200


def test_token_id_of_a_missing_row(baselines: Synapse, mia: Account, still: Mxc) -> None:
    keyring = Keyring([("new", BASELINE_SECRETS["new"].encode())])
    for row in (b"999999999", b"0"):
        assert is_refused(get(baselines, still, {**signed_query(mia), "token_id": keyring.seal_token(row, "token id")}))


def test_link_handle_and_cookie_are_no_token_ids(baselines: Synapse, mia: Account, still: Mxc) -> None:
    found = re.search(r"k=(\w+)&e=\d+&s=([\w-]+)", mia.link(still))
    assert found
    cookie = mia.http.post(f"{PREFIX}/cookie").headers["set-cookie"].partition("=")[2].partition(";")[0]
    for token_id in (f"{found[1]}.{found[2]}", cookie):
        assert is_refused(get(baselines, still, {**signed_query(mia), "token_id": token_id}))
