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
from tests.homeserver.signed_queries import WINDOW_MS, get, is_refused, now_ms, offer, query_hash, signed, without
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
def test_altered(baselines: Synapse, mia: Account, still: Mxc, alter: Callable[..., dict[str, str]]) -> None:
    parts = signed(mia)
    assert alter(parts) != parts
    assert is_refused(get(baselines, still, alter(parts)))


@pytest.mark.parametrize("result", [True, False])
def test_nothing_but_a_comparison_in_constant_time_tells_whether_a_hash_is_good(
    monkeypatch: pytest.MonkeyPatch, result: bool
) -> None:
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
    assert get(baselines, still, {**signed(mia), "h": "\N{GREEK SMALL LETTER ALPHA}"}).status in (400, 403)


@pytest.mark.parametrize("name", ["token_id", "time", "h"])
def test_part_left_out(baselines: Synapse, mia: Account, still: Mxc, name: str) -> None:
    assert is_refused(get(baselines, still, without(signed(mia), name)), "M_MISSING_PARAM", 400)


@pytest.mark.parametrize("at", ["", "now", "-1", "1.5", "0", "01795525729830", " 1795525729830", "1" * 17])
def test_time_that_is_none(baselines: Synapse, mia: Account, still: Mxc, at: str) -> None:
    """One moment has one spelling, also where the hash is right for another."""
    parts = {**signed(mia), "time": at, "h": query_hash(mia.token, at)}
    assert is_refused(get(baselines, still, parts), "M_INVALID_PARAM", 400)


def test_token_id_of_somebody_else(baselines: Synapse, mia: Account, still: Mxc) -> None:
    other = Account.new(baselines)
    assert is_refused(get(baselines, still, {**signed(mia), "token_id": offer(other)["token_id"]}))


def test_altered_and_too_old_is_altered(baselines: Synapse, mia: Account, still: Mxc) -> None:
    """Nobody learns from the answer whether what he made up was made of real parts."""
    parts = signed(mia, now_ms() - 2 * WINDOW_MS)
    assert is_refused(get(baselines, still, {**parts, "h": flip(parts["h"])}))


def test_secret_that_is_being_changed(baselines: Synapse, mia: Account, still: Mxc) -> None:
    new, old = (Keyring([(key_id, secret.encode())]) for key_id, secret in BASELINE_SECRETS.items())
    parts = signed(mia)
    token_id = old.seal_token(new.open_token(parts["token_id"], "token id"), "token id")
    assert token_id.startswith("old.")
    assert get(baselines, still, {**parts, "token_id": token_id}).status == 200


def test_token_id_of_no_row(baselines: Synapse, mia: Account, still: Mxc) -> None:
    keyring = Keyring([("new", BASELINE_SECRETS["new"].encode())])
    for row in (b"999999999", b"0"):
        assert is_refused(get(baselines, still, {**signed(mia), "token_id": keyring.seal_token(row, "token id")}))


def test_what_was_sealed_for_something_else_is_no_token_id(baselines: Synapse, mia: Account, still: Mxc) -> None:
    found = re.search(r"k=(\w+)&e=\d+&s=([\w-]+)", mia.link(still))
    assert found
    cookie = mia.http.post(f"{PREFIX}/cookie").headers["set-cookie"].partition("=")[2].partition(";")[0]
    for token_id in (f"{found[1]}.{found[2]}", cookie):
        assert is_refused(get(baselines, still, {**signed(mia), "token_id": token_id}))
