"""Requests for the baseline `cookie`, and cookies that are sealed with the secrets of `baselines`."""

import time
from typing import Any

import httpx

from development.synapse import Synapse
from media_links.cookie import CookiePayload, SameSite
from media_links.sessions import Anchor, Session, token_digest
from media_protocol.signing import Keyring
from tests.homeserver.conftest import BASELINE_SECRETS
from tests.homeserver.support import PREFIX, Account, Answer, Mxc, query, send

APP = "https://app.example"
SECRETS = {key_id: secret.encode() for key_id, secret in BASELINE_SECRETS.items()}
ATTRIBUTES = [(same_site, partitioned) for same_site in ("Strict", "Lax", "None") for partitioned in (False, True)]


def request_cookie(account: Account, body: Any = None, **headers: str) -> httpx.Response:
    return account.http.post(f"{PREFIX}/cookie", json=body, headers=headers)


def set_cookie_parts(answer: httpx.Response) -> list[str]:
    """Returns name and value of the cookie that is set, and its attributes."""
    (line,) = answer.raise_for_status().headers.get_list("set-cookie")
    return [part.strip() for part in line.split(";")]


def cookie(account: Account, body: Any = None, **headers: str) -> str:
    """Returns the `Cookie` header that a browser would send."""
    return set_cookie_parts(request_cookie(account, body, **headers))[0]


def media_url(synapse: Synapse, mxc: Mxc, **thumbnail: Any) -> str:
    url = f"http://127.0.0.1:{synapse.port}{PREFIX}/cookie/{mxc.names}"
    return str(httpx.URL(url, params=query(thumbnail))) if thumbnail else url


def get(synapse: Synapse, mxc: Mxc, cookie_header: str, method: str = "GET", **headers: str) -> Answer:
    return send(media_url(synapse, mxc), method, {"Cookie": cookie_header, **headers})


def token_id(account: Account) -> str:
    """Returns the row id of the account's access token, from its cookie."""
    value = cookie(account).partition("=")[2]
    return CookiePayload.unseal(Keyring(SECRETS.items()), value).session.anchor_id


def sealed_cookie(account: Account, key_id: str = "new", **changes: Any) -> str:
    """Returns a `Cookie` header with this payload, sealed as the homeserver seals it."""
    parts = {
        "session": Session(account.user_id, Anchor.TOKEN, token_id(account), token_digest(account.token)),
        "expires_ms": int(time.time() * 1000) + 60_000,
        "same_site": SameSite.LAX,
        "origin": None,
    }
    payload = CookiePayload(**{**parts, **changes})
    return f"media_links={payload.seal(Keyring([(key_id, SECRETS[key_id])]))}"


def is_refused(answer: Answer, errcode: str = "M_UNKNOWN_TOKEN", status: int = 401) -> bool:
    if answer.status == 200:
        return False
    assert (answer.status, answer.error) == (status, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie"
    assert answer.headers["cross-origin-resource-policy"] == "same-site"
    assert "timing-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers
    return True


def probe(synapse: Synapse, cookie_header: str, method: str = "GET", **headers: str) -> Answer:
    """Requests the image by which a page detects whether the browser sends the cookie."""
    return send(f"http://127.0.0.1:{synapse.port}{PREFIX}/cookie/picture", method, {"Cookie": cookie_header, **headers})


def preflight(synapse: Synapse, path: str, origin: str | None = APP) -> Answer:
    headers: dict[str, str | bytes] = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    if origin:
        headers["Origin"] = origin
    return send(f"http://127.0.0.1:{synapse.port}{path}", "OPTIONS", headers)
