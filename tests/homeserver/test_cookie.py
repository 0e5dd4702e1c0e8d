"""The baseline `cookie`: requesting a cookie, its attributes, and its deletion."""

import re
import time
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.cookies import APP, ATTRIBUTES, cookie, preflight, request_cookie, set_cookie_parts
from tests.homeserver.support import PREFIX, Account, Mxc, readable


@pytest.mark.parametrize(("same_site", "partitioned"), ATTRIBUTES)
@pytest.mark.parametrize("secure", [False, True])
def test_attributes(
    baselines: Synapse, mia: Account, secure_port: int, same_site: str, partitioned: bool, secure: bool
) -> None:
    if secure:
        url = f"http://127.0.0.1:{secure_port}{PREFIX}/cookie"
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    else:
        url, headers = f"{PREFIX}/cookie", {"X-Forwarded-Proto": "https"}
    answer = mia.http.post(url, json={"same_site": same_site, "partitioned": partitioned}, headers=headers)
    value, *attributes = set_cookie_parts(answer)
    expected = {f"Path={PREFIX}/cookie/", "HttpOnly", f"SameSite={same_site}"}
    expected |= {"Secure"} if secure or partitioned or same_site == "None" else set()
    expected |= {"Partitioned"} if partitioned else set()
    expected |= {f"Max-Age={answer.json()['expires_in_ms'] // 1000}"}
    assert set(attributes) == expected
    assert len(attributes) == len(expected)
    assert re.fullmatch(r"media_links=new\.[A-Za-z0-9_-]+", value)


@pytest.mark.parametrize("body", [None, {}, {"partitioned": False}, {"same_site": "Lax"}])
def test_default_attributes(mia: Account, body: Any) -> None:
    attributes = set_cookie_parts(request_cookie(mia, body))
    assert "SameSite=Lax" in attributes
    assert not {"Secure", "Partitioned"} & set(attributes)


def test_request_without_a_body(mia: Account) -> None:
    assert "SameSite=Lax" in set_cookie_parts(mia.http.post(f"{PREFIX}/cookie"))


def test_cookie_expires_when_a_link_would(mia: Account, still: Mxc) -> None:
    (link,) = mia.links({"mxc": still.uri})
    left_ms = link["expires_ts"] - time.time() * 1000
    assert abs(request_cookie(mia).json()["expires_in_ms"] - left_ms) < 10_000


def test_cookie_is_deterministic_and_differs_between_sessions(mia: Account) -> None:
    """Responses vary by the cookie, so a new value would miss the browser's cache."""
    assert cookie(mia) == cookie(mia)
    others = [cookie(mia.again()), cookie(mia, {"same_site": "Strict"}), cookie(mia, Origin=APP)]
    assert len({cookie(mia), *others}) == 4


def test_cookie_reveals_nothing(mia: Account) -> None:
    value = readable(cookie(mia, Origin=APP))
    for secret in (mia.token, mia.user_id.split(":")[0].strip("@"), mia.device_id, "app.example", "Lax"):
        assert secret.encode() not in value


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"same_site": "lax"}, "M_INVALID_PARAM"),
        ({"same_site": None}, "M_INVALID_PARAM"),
        ({"same_site": "Lax; Domain=example"}, "M_INVALID_PARAM"),
        ({"same_site": ["Lax"]}, "M_INVALID_PARAM"),
        ({"partitioned": "true"}, "M_BAD_JSON"),
        ({"partitioned": 1}, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
    ],
)
def test_invalid_attributes(mia: Account, body: Any, errcode: str) -> None:
    answer = request_cookie(mia, body)
    assert (answer.status_code, answer.json()["errcode"]) == (400, errcode)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "errcode"), [({}, "M_MISSING_TOKEN"), ({"Authorization": "Bearer x"}, "M_UNKNOWN_TOKEN")]
)
def test_cookie_requires_an_access_token(mia: Account, method: str, headers: dict[str, str], errcode: str) -> None:
    answer = httpx.request(
        method,
        str(mia.http.base_url.join(f"{PREFIX}/cookie")),
        headers={"Cookie": cookie(mia), "Origin": APP, **headers},
    )
    assert (answer.status_code, answer.json()["errcode"]) == (401, errcode)
    assert "set-cookie" not in answer.headers
    # Otherwise the page could not read the error.
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_rate_limit_of_cookies_is_per_user_and_separate_from_links(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    assert [request_cookie(account).status_code for _ in range(4)] == [200] * 4
    for session in (account, account.again()):
        refused = request_cookie(session)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert "set-cookie" not in refused.headers
    assert request_cookie(Account.new(address_bound)).status_code == 200
    assert account.link(account.upload(b"x", "text/plain"))


def test_delete_expires_every_kind_of_cookie(mia: Account) -> None:
    answer = mia.http.delete(f"{PREFIX}/cookie")
    assert answer.json() == {}
    lines = answer.headers.get_list("set-cookie")
    for line in lines:
        assert line.startswith(f"media_links=; Path={PREFIX}/cookie/; Max-Age=0; HttpOnly; SameSite=")
    kinds = {("Secure" in line, "Partitioned" in line, "SameSite=None" in line) for line in lines}
    assert kinds == {(False, False, False), (True, False, True), (True, True, True)}


def test_disabled_cookie_endpoints(synapse: Synapse, ana: Account, photo: Mxc) -> None:
    answers = [
        request_cookie(ana, Origin=APP),
        ana.http.delete(f"{PREFIX}/cookie"),
        ana.http.get(f"{PREFIX}/cookie/{photo.names}"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["errcode"]) == (404, "M_UNRECOGNIZED")
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-credentials" not in preflight(synapse, f"{PREFIX}/cookie").headers


def test_config_names_enabled_baselines(mia: Account) -> None:
    assert mia.http.get(f"{PREFIX}/config").json()["baselines"] == {"cookie": True, "signed_query": True}
