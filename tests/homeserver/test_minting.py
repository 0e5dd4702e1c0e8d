"""Minting links: batches, single links, authentication, limits and errors."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK
from tests.homeserver.links import is_refused, with_altered_signature
from tests.homeserver.support import PREFIX, Account, Mxc, picture, readable, send, wait_for
from tests.relay import free_port

MISSING = "AAAAAAAAAAAAAAAAAAAAAAAA"


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert isinstance(body["error"], str)
    return answer.status_code, body["errcode"]


# --- batches ----------------------------------------------------------------------------------------------------------


def test_batch_keeps_its_order_and_bad_entries_fail_alone(ana: Account, photo: Mxc) -> None:
    other = ana.upload(b"other", "text/plain")
    entries: list[Any] = [
        {"mxc": photo.uri},
        {"mxc": f"mxc://localhost/{MISSING}"},
        {"mxc": other.uri},
        "mxc://localhost/x",
        {"mxc": "https://localhost/x"},
        {"mxc": photo.uri, "thumbnail": {"width": 0, "height": 1}},
        {"mxc": photo.uri, "thumbnail": {"width": 32, "height": 32}},
        {"mxc": "mxc://elsewhere.example/abc"},
        {"mxc": photo.uri},
    ]
    links = ana.links(*entries)
    assert [link.get("errcode") for link in links] == [
        None,
        "M_NOT_FOUND",
        None,
        "M_BAD_JSON",
        "M_INVALID_PARAM",
        "M_INVALID_PARAM",
        None,
        None,
        None,
    ]
    assert send(links[0]["url"]).body == picture()
    assert send(links[2]["url"]).body == b"other"
    assert send(links[6]["url"]).headers["content-type"] == "image/png"
    assert links[8] == links[0]
    for link in links:
        assert set(link) == ({"errcode", "error"} if "errcode" in link else {"url", "expires_ts", "expires_in_ms"})


def test_minting_sends_no_request_to_other_servers(ana: Account) -> None:
    """Whether another server has the media turns out when it is fetched, not when a link to it is minted."""
    (link,) = ana.links({"mxc": "mxc://[2001:db8::1]:8448/abc"})
    assert "%5B2001:db8::1%5D:8448/abc?" in link["url"]


def test_empty_batch(ana: Account) -> None:
    assert ana.links() == []


@pytest.mark.parametrize(
    "mxc",
    [
        "",
        "mxc://",
        "mxc://localhost",
        "mxc://localhost/",
        "mxc:///abc",
        "mxc://localhost/a/b",
        "mxc://localhost/a?b",
        "mxc://localhost/a%62",
        "mxc://localhost/ä",
        "mxc://localhost/a b",
        "mxc://localhost/..",
        "mxc://../abc",
        "mxc://./abc",
        "mxc://[..]/abc",
        "mxc://local host/abc",
        "mxc://localhost:port/abc",
        "mxc://user@localhost/abc",
        "mxc://localhost/abc\n",
        "MXC://localhost/abc",
        "mxc://localhost/" + "a" * 256,
        "mxc://" + "a" * 256 + "/abc",
    ],
)
def test_malformed_media(ana: Account, mxc: str) -> None:
    (link,) = ana.links({"mxc": mxc})
    assert link["errcode"] == "M_INVALID_PARAM"


@pytest.mark.parametrize("entry", [None, 1, "mxc://localhost/abc", [], {}, {"mxc": None}, {"mxc": 7}, {"mxc": ["a"]}])
def test_malformed_entry(ana: Account, entry: Any) -> None:
    (link,) = ana.links(entry)
    assert link["errcode"] == "M_BAD_JSON"


@pytest.mark.parametrize(
    ("thumbnail", "errcode"),
    [
        ({}, "M_INVALID_PARAM"),
        ({"width": 10}, "M_INVALID_PARAM"),
        ({"width": 10, "height": "10"}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 10.5}, "M_INVALID_PARAM"),
        ({"width": 10, "height": True}, "M_INVALID_PARAM"),
        ({"width": -1, "height": 10}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 2049}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 10, "method": "stretch"}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 10, "method": ["crop"]}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 10, "method": {}}, "M_INVALID_PARAM"),
        ({"width": 10, "height": 10, "animated": 1}, "M_INVALID_PARAM"),
        ("10x10", "M_BAD_JSON"),
        ([10, 10], "M_BAD_JSON"),
        (False, "M_BAD_JSON"),
    ],
)
def test_malformed_thumbnail(ana: Account, photo: Mxc, thumbnail: Any, errcode: str) -> None:
    (link,) = ana.links({"mxc": photo.uri, "thumbnail": thumbnail})
    assert link["errcode"] == errcode


@pytest.mark.parametrize("name", [7, [], "a" * 256, "я" * 128])
def test_malformed_file_name(ana: Account, photo: Mxc, name: object) -> None:
    (link,) = ana.links({"mxc": photo.uri, "download": True, "filename": name})
    assert link["errcode"] == "M_INVALID_PARAM"


def test_malformed_download(ana: Account, photo: Mxc) -> None:
    (link,) = ana.links({"mxc": photo.uri, "download": "yes"})
    assert link["errcode"] == "M_BAD_JSON"


def test_largest_batch_and_one_more(ana: Account, photo: Mxc) -> None:
    entry = {"mxc": photo.uri}
    assert len(ana.links(*[entry] * 100)) == 100
    assert error(ana.ask({"media": [entry] * 101})) == (413, "M_TOO_LARGE")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"\xff", "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
        (b"{}", "M_BAD_JSON"),
        (b'{"media": {}}', "M_BAD_JSON"),
        (b'{"media": "mxc://localhost/abc"}', "M_BAD_JSON"),
        (b'{"media": [], "fresh": "yes"}', "M_BAD_JSON"),
    ],
)
def test_malformed_body(ana: Account, body: bytes, errcode: str) -> None:
    assert error(ana.http.post(f"{PREFIX}/links", content=body)) == (400, errcode)


# --- one link ---------------------------------------------------------------------------------------------------------


def without_remaining_time(link: dict[str, Any]) -> dict[str, Any]:
    """Returns a link without its remaining time, which differs each time."""
    return {name: value for name, value in link.items() if name != "expires_in_ms"}


def test_single_link(ana: Account, photo: Mxc) -> None:
    answer = ana.http.get(f"{PREFIX}/link/{photo.names}")
    assert answer.status_code == 200
    assert without_remaining_time(answer.json()) == without_remaining_time(ana.links({"mxc": photo.uri})[0])
    assert send(answer.json()["url"]).body == picture()


@pytest.mark.parametrize(
    "wanted",
    [
        {"width": 64, "height": 48},
        {"width": 64, "height": 48, "method": "crop"},
        {"width": 64, "height": 48, "method": "scale", "animated": True},
    ],
)
def test_single_thumbnail_link(ana: Account, photo: Mxc, wanted: dict[str, Any]) -> None:
    query = {key: str(value).lower() for key, value in wanted.items()}
    answer = ana.http.get(f"{PREFIX}/link/thumbnail/{photo.names}", params=query)
    assert answer.status_code == 200
    assert without_remaining_time(answer.json()) == without_remaining_time(
        ana.links({"mxc": photo.uri, "thumbnail": wanted})[0]
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"link/localhost/{MISSING}", (404, "M_NOT_FOUND")),
        (f"link/thumbnail/localhost/{MISSING}?width=9&height=9", (404, "M_NOT_FOUND")),
        ("link/localhost/a%20b", (400, "M_INVALID_PARAM")),
        ("link/local%20host/abc", (400, "M_INVALID_PARAM")),
        ("link/localhost/a%2Fb", (400, "M_INVALID_PARAM")),
        ("link/localhost/%FF", (400, "M_INVALID_PARAM")),
        ("link/thumbnail/localhost/abc", (400, "M_MISSING_PARAM")),
        ("link/thumbnail/localhost/abc?width=9", (400, "M_MISSING_PARAM")),
        ("link/thumbnail/localhost/abc?width=9&height=x", (400, "M_INVALID_PARAM")),
        ("link/thumbnail/localhost/abc?width=9&height=9999", (400, "M_INVALID_PARAM")),
        ("link/thumbnail/localhost/abc?width=9&height=9&method=fit", (400, "M_INVALID_PARAM")),
        ("link/thumbnail/localhost/abc?width=9&height=9&animated=maybe", (400, "M_INVALID_PARAM")),
        ("link/localhost", (404, "M_UNRECOGNIZED")),
        ("link/localhost/abc/def/ghi", (404, "M_UNRECOGNIZED")),
    ],
)
def test_invalid_requests_for_a_single_link(ana: Account, path: str, expected: tuple[int, str]) -> None:
    assert error(ana.http.get(f"{PREFIX}/{path}")) == expected


# --- authentication ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "links"), ("GET", "link/localhost/abc"), ("GET", "link/thumbnail/localhost/abc"), ("GET", "config")],
)
@pytest.mark.parametrize(
    ("headers", "errcode"),
    [
        ({}, "M_MISSING_TOKEN"),
        ({"Authorization": "Bearer nonsense"}, "M_UNKNOWN_TOKEN"),
        ({"Authorization": "Basic YTpi"}, "M_MISSING_TOKEN"),
    ],
)
def test_minting_requires_an_access_token(
    synapse: Synapse, method: str, path: str, headers: dict[str, str], errcode: str
) -> None:
    answer = httpx.request(method, f"{synapse.base_url}{PREFIX}/{path}", headers=headers, json={"media": []})
    assert error(answer) == (401, errcode)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_token_of_a_session_that_has_ended(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert error(account.ask({"media": [{"mxc": photo.uri}]})) == (401, "M_UNKNOWN_TOKEN")


def test_token_of_another_homeserver(short_lived: Synapse, ana: Account) -> None:
    account = Account.new(short_lived).with_token(ana.token)
    assert error(account.ask({"media": []})) == (401, "M_UNKNOWN_TOKEN")


def test_minted_links_are_not_cached(ana: Account, photo: Mxc) -> None:
    for answer in (ana.ask({"media": []}), ana.http.get(f"{PREFIX}/link/{photo.names}")):
        assert answer.headers["cache-control"] == "no-store"


def test_links_of_application_services(ana: Account, photo: Mxc) -> None:
    """Its sender is not registered as a user. Synapse's own download allows it nevertheless."""
    bridge = ana.with_token("bridge-token")
    assert bridge.download(photo).status_code == 200
    assert send(bridge.link(photo)).status == 200


# --- the link itself --------------------------------------------------------------------------------------------------


def test_link_stays_the_same_for_a_session_and_differs_between_sessions(ana: Account, photo: Mxc) -> None:
    assert ana.link(photo) == ana.link(photo)
    assert ana.link(photo, width=9, height=9) == ana.link(photo, width=9, height=9)
    assert len({ana.link(photo), ana.again().link(photo), ana.link(photo, width=9, height=9)}) == 3
    assert send(ana.again().link(photo)).status == 200


def test_link_changes_with_its_bucket(short_lived: Synapse) -> None:
    account = Account.new(short_lived)
    mxc = account.upload(b"x", "text/plain")
    first = account.link(mxc)
    wait_for(lambda: account.link(mxc) != first, what="the next bucket")


def test_fresh_link_is_in_no_cache(ana: Account, photo: Mxc) -> None:
    usual = ana.link(photo)
    (fresh,) = ana.ask({"media": [{"mxc": photo.uri}], "fresh": True}).json()["links"]
    assert fresh["url"] != usual
    assert fresh["expires_in_ms"] == pytest.approx(3_600_000, abs=5), "the minimum lifetime of a link"
    assert send(fresh["url"]).status == 200
    assert ana.link(photo) == usual


def test_link_reveals_no_user(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo)
    for secret in (ana.token, ana.user_id, ana.user_id[1:].partition(":")[0], ana.device_id):
        assert secret.encode() not in readable(url)


def test_link_has_the_host_of_the_request(synapse: Synapse, ana: Account, photo: Mxc) -> None:
    for host in ("127.0.0.1:1234", "matrix.example.org", "[::1]:8008"):
        answer = ana.http.get(f"{PREFIX}/link/{photo.names}", headers={"Host": host})
        assert urlsplit(answer.json()["url"]).netloc == host
    answer = ana.http.get(f"{PREFIX}/link/{photo.names}", headers={"Host": "a b/c?d"})
    assert urlsplit(answer.json()["url"]).netloc == urlsplit(synapse.base_url).netloc


def test_configured_base_url(tmp_path: Path) -> None:
    config = {"base_url": "https://matrix.example.org"}
    with Synapse(tmp_path, free_port(), module_config=config, extra_config=QUICK) as synapse:
        account = Account.new(synapse)
        link = account.link(account.upload(b"x"))
    assert link.startswith(f"https://matrix.example.org{PREFIX}/signed/")


def test_expiry_in_the_response_is_that_of_the_link(ana: Account, photo: Mxc) -> None:
    (link,) = ana.links({"mxc": photo.uri})
    assert parse_qs(urlsplit(link["url"]).query)["e"] == [str(link["expires_ts"])]
    left_s = link["expires_ts"] / 1000 - time.time()
    assert 3600 - 5 < left_s < 7 * 3600 + 5
    assert link["expires_in_ms"] / 1000 == pytest.approx(left_s, abs=5)


# --- config and limits ------------------------------------------------------------------------------------------------


def test_config(ana: Account, address_bound: Synapse) -> None:
    config = ana.http.get(f"{PREFIX}/config").json()
    assert set(config.pop("delegated")) >= {"key", "session"}
    assert config == {
        "batch_limit": 100,
        "lifetime_ms": 3_600_000,
        "bucket_ms": 21_600_000,
        "bind_ip": False,
        "bundle": {"limit": 200, "part_bytes": 524_288, "bytes": 8_388_608},
        "baselines": {"cookie": False, "signed_query": False},
    }
    other = Account.new(address_bound).http.get(f"{PREFIX}/config").json()
    assert (other["bind_ip"], other["batch_limit"]) == (True, 3)


def test_configured_batch_limit(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    entry = {"mxc": account.upload(b"x", "text/plain").uri}
    assert len(account.links(*[entry] * 3)) == 3
    assert error(account.ask({"media": [entry] * 4})) == (413, "M_TOO_LARGE")


def test_rate_limit_is_per_user(address_bound: Synapse) -> None:
    account = Account.new(address_bound)
    mxc = account.upload(b"x", "text/plain")
    for _ in range(4):
        account.link(mxc)
    refused = account.ask({"media": [{"mxc": mxc.uri}]})
    assert error(refused) == (429, "M_LIMIT_EXCEEDED")
    assert 0 < refused.json()["retry_after_ms"] <= 100_000
    assert error(account.http.get(f"{PREFIX}/link/{mxc.names}")) == (429, "M_LIMIT_EXCEEDED")
    # The limit is shared by the sessions of a user.
    assert error(account.again().ask({"media": [{"mxc": mxc.uri}]})) == (429, "M_LIMIT_EXCEEDED")
    assert send(Account.new(address_bound).link(mxc)).status == 200


def test_rate_limit_is_shared_by_the_listeners_of_a_process(
    address_bound: Synapse, proxy_port: int, media_port: int
) -> None:
    account = Account.new(address_bound)
    mxc = account.upload(b"x", "text/plain")
    statuses = []
    for port in (address_bound.port, proxy_port, media_port, address_bound.port, proxy_port, media_port):
        account.http.base_url = f"http://127.0.0.1:{port}"
        statuses.append(account.ask({"media": [{"mxc": mxc.uri}]}).status_code)
    assert statuses == [200] * 4 + [429] * 2


# --- the link to try links by -----------------------------------------------------------------------------------------


def test_probe_is_a_link_to_no_media(ana: Account, photo: Mxc) -> None:
    answer = ana.ask({"media": [{"mxc": photo.uri}], "probe": True})
    (link,), probe = answer.json()["links"], answer.json()["probe"]
    assert send(link["url"]).body == picture()
    tried = send(probe["url"])
    assert (tried.status, tried.body, tried.headers["cache-control"]) == (204, b"", "no-store")
    assert tried.headers["access-control-allow-origin"] == "*"
    assert send(probe["url"], "HEAD").status == 204
    assert "probe" not in ana.ask({"media": []}).json()
    assert error(ana.ask({"media": [], "probe": "yes"})) == (400, "M_BAD_JSON")


def test_altered_probe_is_refused(ana: Account, photo: Mxc) -> None:
    """The page learns how its query arrived; of a link to a media it learns nothing."""
    url = ana.ask({"media": [], "probe": True}).json()["probe"]["url"]
    stripped, _, query = url.partition("?")
    names = [part.partition("=")[0] for part in query.split("&")]
    for altered, received in (
        (stripped, []),
        (f"{stripped}?{'&'.join(sorted(query.split('&')))}", sorted(names)),
        (f"{url}&secret=1", [*names, "?"]),
        (with_altered_signature(url), names),
    ):
        assert is_refused(altered)
        assert json.loads(send(altered).body)["query"] == received
    assert "query" not in json.loads(send(with_altered_signature(ana.link(photo))).body)
