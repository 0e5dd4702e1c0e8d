"""What is the gateway's own: whose right a link carries, one download for many clients, redirects, discovery."""

import concurrent.futures
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from development.synapse import Synapse
from tests.gateway.conftest import GatewayedSynapse
from tests.gateway.process import SECRET, Gateway
from tests.gateway.redirecting_peer import RedirectingPeer
from tests.homeserver.links import is_refused
from tests.homeserver.support import PAGE, PREFIX, Account, Mxc, noise, picture, readable, send, wait_for

# How long a session that has ended may still be served: `sessions.TOKEN_PROOF_MS`, and time to notice.
PROOF_S = 4.0


def account_on(synapse: Synapse, gateway: Gateway) -> Account:
    return Account.new(cast(Synapse, GatewayedSynapse(synapse, gateway)))


def downloads(gateway: Gateway) -> float:
    """How often the gateway has requested media of the homeserver."""
    return gateway.metric("homeserver_requests_total", kind="media", status="200")


# --- whose right ------------------------------------------------------------------------------------------------------


def test_link_dies_with_its_session_although_its_media_is_on_disk(synapse: Synapse, ana: Account) -> None:
    ben = Account.new(synapse)
    mxc = ben.upload(noise(100_000, "kept"), "video/mp4")
    url = ben.link(mxc)
    assert send(url).status == 200
    hers = ana.link(mxc)
    assert send(hers).body == noise(100_000, "kept")
    ben.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(url), PROOF_S, "the end of the link")
    assert is_refused(url, headers={"Range": "bytes=0-1"})
    assert is_refused(url, method="GET", headers={"If-None-Match": "*"})
    assert send(hers).status == 200
    assert ben.ask({"media": []}).json()["errcode"] == "M_UNKNOWN_TOKEN"


def test_another_session_of_the_user_revives_nothing(synapse: Synapse) -> None:
    first = Account.new(synapse)
    url = first.link(first.upload(picture(), "image/png"))
    second = first.again()
    first.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(url), PROOF_S, "the end of the link")
    second.links({"mxc": "mxc://localhost/abc"})
    assert is_refused(url)


def test_media_that_is_quarantined_is_served_no_longer_than_a_minute(
    plain_synapse: Synapse, gateway: Gateway, ana: Account
) -> None:
    """The proof of a session that has not requested the media before is the homeserver's own answer, at once."""
    admin = Account.new(plain_synapse, admin=True)
    # Synapse quarantines all media with the same content.
    mxc = ana.upload(noise(1000, "quarantined"), "image/png")
    assert send(ana.link(mxc)).status == 200
    admin.quarantine(mxc)
    other = account_on(plain_synapse, gateway)
    answer = send(other.link(mxc))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    # All others have their right proved anew.
    assert send(ana.link(mxc)).status == 404


def test_link_reveals_neither_user_nor_token(ana: Account, photo: Mxc) -> None:
    found = readable(ana.link(photo))
    assert ana.token.encode() not in found
    assert ana.user_id.encode() not in found
    assert ana.user_id.partition(":")[0].encode() not in found


def test_missing_media_has_a_link_that_leads_to_an_error(ana: Account) -> None:
    answer = send(ana.link(Mxc("mxc://localhost/AAAAAAAAAAAAAAAAAAAAAAAA")))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"
    assert set(httpx.Response(404, content=answer.body).json()) == {"errcode", "error"}


def test_bad_entries_of_a_batch_fail_alone_and_in_order(ana: Account, photo: Mxc) -> None:
    made = ana.links({"mxc": photo.uri}, {"mxc": "mxc://../abc"}, {"mxc": photo.uri, "thumbnail": {"width": 0}})
    assert ["url" in entry for entry in made] == [True, False, False]
    assert {entry["errcode"] for entry in made[1:]} == {"M_INVALID_PARAM"}


@pytest.mark.parametrize("path", ["link/localhost/a%2Fb", "link/../abc", "link/localhost/a.b", "signed/x", "nothing"])
def test_malformed_paths_are_refused(ana: Account, path: str) -> None:
    answer = send(
        f"http://127.0.0.1:{ana.synapse.port}{PREFIX}/{path}", headers={"Authorization": f"Bearer {ana.token}"}
    )
    assert answer.status in (400, 403, 404)
    assert answer.error in ("M_INVALID_PARAM", "M_UNRECOGNIZED", "M_FORBIDDEN")


def test_invalid_link_in_a_navigation_gets_a_page(ana: Account, photo: Mxc) -> None:
    answer = send(ana.link(photo) + "x", headers=PAGE)
    assert answer.status == 403
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"This link does not work" in answer.body


# --- one download for all ---------------------------------------------------------------------------------------------


def test_many_clients_cost_one_download(synapse: Synapse, gateway: Gateway, ana: Account) -> None:
    """Also with ranges, while it is being received and afterwards."""
    content = noise(20_000_000, "popular")
    url = ana.link(ana.upload(content, "video/mp4"))
    before = downloads(gateway)
    headers = [{}, {"Range": "bytes=-1000"}, {"Range": "bytes=10000000-10000999"}, {"Range": "bytes=0-9"}] * 4
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        bodies = list(threads.map(lambda sent: send(url, headers=sent).body, headers))
    assert bodies == [content, content[-1000:], content[10_000_000:10_001_000], content[:10]] * 4
    assert send(url, headers={"Range": "bytes=5-9"}).body == content[5:10]
    assert downloads(gateway) - before == 1


def test_second_session_has_its_right_proved_and_receives_what_is_on_disk(
    synapse: Synapse, gateway: Gateway, ana: Account
) -> None:
    content = noise(5_000_000, "shared")
    mxc = ana.upload(content, "video/mp4")
    assert send(ana.link(mxc)).body == content
    ben = Account.new(synapse)
    before = gateway.metric("opened_media_total", source="disk"), downloads(gateway)
    assert send(ben.link(mxc)).body == content
    # The homeserver is asked for ben's right, by a request whose body is not received.
    assert (gateway.metric("opened_media_total", source="disk"), downloads(gateway)) == (before[0] + 1, before[1] + 1)


def test_cache_is_bounded_and_its_files_are_private(plain_synapse: Synapse, tmp_path: Path) -> None:
    homeserver = f"http://127.0.0.1:{plain_synapse.port}"
    with Gateway(tmp_path, homeserver, cache_bytes="4M") as gateway:
        account = account_on(plain_synapse, gateway)
        for number in range(8):
            content = noise(900_000, f"file {number}")
            assert send(account.link(account.upload(content, "video/mp4"))).body == content
        kept = wait_for(lambda: files_within(gateway, 4 * 1024**2), what="the end of all downloads, and the eviction")
        assert len(kept) >= 4
        assert {file.stat().st_mode & 0o077 for file in kept} == {0}
        # A body that would evict too much of what others use is passed on, with ranges all the same.
        large = noise(2_000_000, "large")
        url = account.link(account.upload(large, "video/mp4"))
        assert send(url).body == large
        assert send(url, headers={"Range": "bytes=1500000-1500009"}).body == large[1_500_000:1_500_010]
        assert max(file.stat().st_size for file in complete_files(gateway)) < 1_000_000


def complete_files(gateway: Gateway) -> list[Path]:
    """Returns the files on disk, if none is incomplete."""
    files = list(gateway.media_directory.iterdir())
    return [] if any(file.suffix == ".part" for file in files) else files


def files_within(gateway: Gateway, max_bytes: int) -> list[Path]:
    """Returns the files on disk, if none is incomplete and they have at most so many bytes."""
    files = complete_files(gateway)
    try:
        return files if sum(file.stat().st_size for file in files) <= max_bytes else []
    except FileNotFoundError:  # it has just been evicted
        return []


# --- tokens that are renewed ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def storing(plain_synapse: Synapse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("storing")
    with Gateway(directory, f"http://127.0.0.1:{plain_synapse.port}", tokens="stored") as gateway:
        yield gateway


def renewable_login(account: Account) -> dict[str, str]:
    """Signs in once more, with a token that can be renewed."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user_id},
        "password": "correct horse battery staple",
        "refresh_token": True,
    }
    answer = account.http.post("/_matrix/client/v3/login", json=body).raise_for_status()
    return dict(answer.json())


def test_links_outlive_the_renewal_of_a_token(plain_synapse: Synapse, storing: Gateway) -> None:
    made = account_on(plain_synapse, storing)
    login = renewable_login(made)
    mxc = made.upload(picture(), "image/png")
    first = made.with_token(login["access_token"])
    url = first.link(mxc)
    assert send(url).status == 200
    renewed = made.http.post("/_matrix/client/v3/refresh", json={"refresh_token": login["refresh_token"]}).json()
    second = made.with_token(renewed["access_token"])
    assert second.link(mxc) == url
    time.sleep(2.1)  # the proof of the first token has expired
    assert send(url).status == 200
    assert login["access_token"].encode() not in b"".join(file.read_bytes() for file in _databases(storing))
    second.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(url), PROOF_S, "the end of the link")


def _databases(gateway: Gateway) -> list[Path]:
    files = list((gateway.directory / "state").glob("tokens.db*"))
    assert files
    assert {os.stat(file).st_mode & 0o077 for file in files} == {0}
    return files


# --- the homeserver's redirects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False])
def test_redirects_are_followed_where_they_are_allowed(plain_synapse: Synapse, tmp_path: Path, allowed: bool) -> None:
    """As those of matrix-media-repo, to another origin, without the token."""
    content = noise(50_000, "elsewhere")
    with RedirectingPeer(f"http://127.0.0.1:{plain_synapse.port}", content) as peer:
        options: dict[str, Any] = {"redirect_origins": [peer.storage_url]} if allowed else {}
        with Gateway(tmp_path, peer.url, **options) as gateway:
            account = account_on(plain_synapse, gateway)
            answer = send(account.link(Mxc("mxc://localhost/elsewhere")))
            if allowed:
                assert (answer.status, answer.body) == (200, content)
                assert peer.storage_headers
                assert not [headers for headers in peer.storage_headers if "authorization" in headers]
            else:
                assert (answer.status, answer.error) == (502, "M_UNKNOWN")
                assert peer.storage_url in gateway.log_path.read_text()
                assert not peer.storage_headers


# --- the rest of the client-server API --------------------------------------------------------------------------------


def test_discovery_names_the_gateway(gateway: Gateway) -> None:
    body = httpx.get(gateway.url + "/.well-known/matrix/client").json()
    assert body["m.homeserver"] == {"base_url": gateway.url}
    assert body["dev.authmedia.media"] == {"base_url": gateway.url}


def test_other_requests_are_passed_on(plain_synapse: Synapse, gateway: Gateway, ana: Account) -> None:
    direct = f"http://127.0.0.1:{plain_synapse.port}"
    ours, theirs = (httpx.get(base + "/_matrix/client/versions") for base in (gateway.url, direct))
    assert ours.json() == theirs.json()
    assert ours.headers.get("access-control-allow-origin") == "*"
    for path in ("/_matrix/client/v3/nothing", "/_matrix/client/v3/profile/%40a%2Fb%3Alocalhost?x=%26"):
        ours, theirs = (httpx.get(base + path) for base in (gateway.url, direct))
        assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    assert httpx.options(gateway.url + "/_matrix/client/v3/sync").status_code in (200, 204)
    room = ana.http.post("/_matrix/client/v3/createRoom", json={"name": "a room"}).raise_for_status().json()
    assert room["room_id"] in ana.http.get("/_matrix/client/v3/joined_rooms").json()["joined_rooms"]
    assert httpx.get(gateway.url + "/_synapse/admin/v1/server_version").status_code == 404


def test_homeserver_that_does_not_answer(tmp_path: Path) -> None:
    with Gateway(tmp_path, "http://127.0.0.1:9") as gateway:
        answer = httpx.post(f"{gateway.url}{PREFIX}/links", json={"media": []}, headers={"Authorization": "Bearer x"})
        assert (answer.status_code, answer.json()["errcode"]) == (502, "M_UNKNOWN")
        assert httpx.get(gateway.url + "/_matrix/client/versions").status_code == 502


def test_log_has_nothing_that_opens_a_media(gateway: Gateway, ana: Account, photo: Mxc) -> None:
    url = ana.link(photo)
    send(url)
    send(url + "x")
    log = gateway.log_path.read_text()
    assert log
    for secret in (url.rpartition("sig=")[2], ana.token, SECRET):
        assert secret not in log


def test_metrics_are_for_this_machine_alone(gateway: Gateway) -> None:
    assert gateway.metric("links_total") >= 0
    assert httpx.get(gateway.url + "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
