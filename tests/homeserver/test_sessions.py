"""Links and cookies are invalid after their session, and stay so after the next login; token refreshes keep them."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver import cookies
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.support import PASSWORD, PREFIX, Account, Mxc, picture, send, wait_for
from tests.relay import free_port

DEVICE = "CHOSEN"
NEW_PASSWORD = PASSWORD + "!"
LIVE = {"link": 200, "delegated": 200, "cookie": 200}
_revisions = count(1)


@pytest.fixture(scope="module")
def baselines_admin(baselines: Synapse) -> Account:
    return Account.new(baselines, admin=True)


@pytest.fixture(scope="module")
def still(baselines_admin: Account) -> Mxc:
    return baselines_admin.upload(picture(), "image/png")


def login(account: Account, *, refreshable: bool, password: str = PASSWORD) -> tuple[Account, str]:
    """Logs a user in with a device id that the client chooses; returns the session and its refresh token."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user_id},
        "password": password,
        "device_id": DEVICE,
        "refresh_token": refreshable,
    }
    made = httpx.post(f"http://127.0.0.1:{account.synapse.port}/_matrix/client/v3/login", json=body, timeout=30)
    answer = made.raise_for_status().json()
    return Account._of(account.synapse, answer), str(answer.get("refresh_token", ""))


def refresh(account: Account, refresh_token: str) -> tuple[Account, str]:
    answer = account.http.post("/_matrix/client/v3/refresh", json={"refresh_token": refresh_token})
    made = answer.raise_for_status().json()
    return account.with_token(made["access_token"]), str(made["refresh_token"])


def minted_requests(account: Account, mxc: Mxc) -> dict[str, Callable[[], int]]:
    """Returns, for a link, a key and a cookie of one session, functions that use them and return the status."""
    link, key, cookie = account.link(mxc), issued_key(account), cookies.cookie(account)
    return {
        "link": lambda: send(link).status,
        # Signed when it is called: a key of an ended session signs nothing that is valid.
        "delegated": lambda: send(delegated_link(key, mxc, revision=next(_revisions))).status,
        "cookie": lambda: cookies.get(account.synapse, mxc, cookie).status,
    }


def _proof(account: Account) -> dict[str, Any]:
    user = {"type": "m.id.user", "user": account.user_id}
    return {"type": "m.login.password", "identifier": user, "password": PASSWORD}


# --- ways to end a session; each returns the password of the next login -----------------------------------------------


def _logout(account: Account, baselines_admin: Account) -> str:
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    return PASSWORD


def _logout_everywhere(account: Account, baselines_admin: Account) -> str:
    account.http.post("/_matrix/client/v3/logout/all").raise_for_status()
    return PASSWORD


def _delete_device(account: Account, baselines_admin: Account) -> str:
    path = f"/_matrix/client/v3/devices/{account.device_id}"
    account.http.request("DELETE", path, json={"auth": _proof(account)}).raise_for_status()
    return PASSWORD


def _administrator_deletes_device(account: Account, baselines_admin: Account) -> str:
    path = f"/_synapse/admin/v2/users/{account.user_id}/devices/{account.device_id}"
    baselines_admin.http.delete(path).raise_for_status()
    return PASSWORD


def _change_password(account: Account, baselines_admin: Account) -> str:
    body = {"auth": _proof(account), "new_password": NEW_PASSWORD, "logout_devices": True}
    account.again().http.post("/_matrix/client/v3/account/password", json=body).raise_for_status()
    return NEW_PASSWORD


def _reset_password(account: Account, baselines_admin: Account) -> str:
    body = {"new_password": NEW_PASSWORD, "logout_devices": True}
    baselines_admin.http.post(f"/_synapse/admin/v1/reset_password/{account.user_id}", json=body).raise_for_status()
    return NEW_PASSWORD


def _reset_password_from_a_device_of_the_same_id(account: Account, baselines_admin: Account) -> str:
    """Synapse then deletes the user's tokens and not the user's device."""
    return _reset_password(account, login(baselines_admin, refreshable=False)[0])


ENDINGS = [
    _logout,
    _logout_everywhere,
    _delete_device,
    _administrator_deletes_device,
    _change_password,
    _reset_password,
    _reset_password_from_a_device_of_the_same_id,
]


@pytest.fixture(scope="module", params=[False, True], ids=["permanent token", "refreshable token"])
def ended(
    request: pytest.FixtureRequest, baselines_admin: Account, still: Mxc
) -> dict[str, tuple[dict[str, Any], Account]]:
    """For each way to end a session, requests with its link and cookie, and the session of the next login.

    All sessions end at once, so that the tests wait for the homeserver's cache once.
    """
    found = {}
    for end in ENDINGS:
        account, _ = login(Account.new(baselines_admin.synapse), refreshable=request.param)
        before = minted_requests(account, still)
        assert {name: status() for name, status in before.items()} == LIVE
        password = end(account, baselines_admin)
        found[end.__name__] = before, login(account, refreshable=request.param, password=password)[0]
    return found


@pytest.mark.parametrize("end", [end.__name__ for end in ENDINGS])
def test_login_with_the_same_device_id_revives_nothing(
    ended: dict[str, tuple[dict[str, Any], Account]], still: Mxc, end: str
) -> None:
    before, again = ended[end]
    assert again.device_id == DEVICE
    wait_for(lambda: before["link"]() == before["delegated"]() == 403, what="the links' end")
    wait_for(lambda: before["cookie"]() == 401, what="the cookie's end")
    assert {name: status() for name, status in minted_requests(again, still).items()} == LIVE


def test_links_stay_valid_after_a_token_refresh(baselines_admin: Account, still: Mxc) -> None:
    account, refresh_token = login(Account.new(baselines_admin.synapse), refreshable=True)
    before, url, key = minted_requests(account, still), account.link(still), issued_key(account)["key"]
    for _ in range(3):
        account, refresh_token = refresh(account, refresh_token)
        assert account.link(still) == url, "the browser's cache needs the same URL"
        assert issued_key(account)["key"] == key
    # Wait until the homeserver's cache of sessions, which lasts two seconds, has expired.
    other = login(Account.new(baselines_admin.synapse), refreshable=True)[0]
    ended = minted_requests(other, still)
    assert ended["link"]() == 200
    _logout(other, baselines_admin)
    wait_for(lambda: ended["link"]() == 403, what="the expiry of the cache")
    assert {name: status() for name, status in before.items()} == LIVE


# --- sessions that expire ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """Its sessions expire three seconds after the login, regardless of refreshes."""
    extra = {**QUICK, "session_lifetime": "3s", "refreshable_access_token_lifetime": "1s"}
    synapse = Synapse(
        tmp_path_factory.mktemp("sessions"), free_port(), module_config={"cookie": True}, extra_config=extra
    )
    with running(synapse):
        yield synapse


@pytest.mark.parametrize("refreshable", [False, True])
def test_links_and_cookies_expire_with_their_session(short_sessions: Synapse, refreshable: bool) -> None:
    account, _ = login(Account.new(short_sessions), refreshable=refreshable)
    mxc = account.upload(picture(), "image/png")
    before = minted_requests(account, mxc)
    (link,) = account.links({"mxc": mxc.uri})
    key = issued_key(account)
    assert 0 < key["renew_in_ms"] <= key["expires_in_ms"] <= link["expires_in_ms"] <= 3000
    assert {name: status() for name, status in before.items()} == LIVE
    wait_for(lambda: before["link"]() == before["delegated"]() == 403, seconds=8, what="the links' end")
    wait_for(lambda: before["cookie"]() == 401, what="the cookie's end")


def test_link_of_an_application_service_is_invalid_after_its_token(tmp_path: Path) -> None:
    registration = {
        "id": "bridge",
        "as_token": "first-token",
        "hs_token": "unused",
        "sender_localpart": "bridge",
        "url": None,
        "rate_limited": False,
        "namespaces": {"users": [{"regex": "@bridged_.*", "exclusive": True}]},
    }
    path = tmp_path / "bridge.yaml"
    path.write_text(json.dumps(registration))
    port = free_port()
    extra = {**QUICK, "app_service_config_files": [str(path)]}
    with Synapse(tmp_path / "synapse", port, extra_config=extra) as synapse:
        user = Account.new(synapse)
        bridge = user.with_token("first-token")
        mxc = user.upload(picture(), "image/png")
        urls = bridge.link(mxc), delegated_link(issued_key(bridge), mxc)
        assert [send(url).status for url in urls] == [200, 200]
    path.write_text(json.dumps({**registration, "as_token": "second-token"}))
    with Synapse(tmp_path / "synapse", port, extra_config=extra):
        assert [send(url).status for url in urls] == [403, 403]


# --- restricted users -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restriction", ["suspend", "shadow_ban"])
def test_restricted_user_gets_by_link_what_a_download_gives(
    baselines_admin: Account, still: Mxc, restriction: str
) -> None:
    user = Account.new(baselines_admin.synapse)
    if restriction == "suspend":
        baselines_admin.http.put(
            f"/_synapse/admin/v1/suspend/{user.user_id}", json={"suspend": True}
        ).raise_for_status()
    else:
        baselines_admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/shadow_ban").raise_for_status()
    assert user.download(still).status_code == 200
    assert send(user.link(still)).status == 200
    assert send(delegated_link(issued_key(user), still)).status == 200
    assert user.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": still.uri}]}).content.endswith(picture())


def test_device_change_invalidates_links_of_a_refreshable_session_alone(baselines_admin: Account, still: Mxc) -> None:
    """Synapse records an upload of keys as it records a login. The session goes on, and a new link is valid."""
    for refreshable, status in ((True, 403), (False, 200)):
        account, _ = login(Account.new(baselines_admin.synapse), refreshable=refreshable)
        before = minted_requests(account, still)
        path = f"/_matrix/client/v3/devices/{account.device_id}"
        account.http.put(path, json={"display_name": "renamed"}).raise_for_status()
        wait_for(
            lambda before=before, status=status: before["link"]() == before["delegated"]() == status,
            what=f"a link's status {status}",
        )
        assert {name: request() for name, request in minted_requests(account, still).items()} == LIVE
