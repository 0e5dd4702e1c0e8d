"""Signed queries for the baseline `signed_query`, computed as a client computes them."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import urlencode

from development.synapse import Synapse
from tests.homeserver.support import PREFIX, Account, Answer, Mxc, send

WINDOW_MS = 60_000


def offer(account: Account) -> dict[str, Any]:
    return dict(account.http.get(f"{PREFIX}/config").raise_for_status().json()["signed_query"])


def query_hash(token: str, at: str) -> str:
    """Computes the hash as a client does, independently of the module."""
    return urlsafe_b64encode(hmac.new(token.encode(), at.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def now_ms() -> int:
    return int(time.time() * 1000)


def signed_query(account: Account, at_ms: int | None = None) -> dict[str, str]:
    at = str(now_ms() if at_ms is None else at_ms)
    return {"token_id": offer(account)["token_id"], "time": at, "h": query_hash(account.token, at)}


def get(synapse: Synapse, mxc: Mxc, parts: dict[str, str], method: str = "GET", **headers: str) -> Answer:
    url = f"http://127.0.0.1:{synapse.port}{PREFIX}/query/{mxc.names}"
    return send(f"{url}?{urlencode(parts)}", method, {**headers})


def is_refused(answer: Answer, errcode: str = "M_FORBIDDEN", status: int = 403) -> bool:
    assert (answer.status, answer.error) == (status, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    return True


def without(parts: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parts.items() if key != name}
