"""The session that links and cookies belong to: dead when it ends, dead after the next login, alive when renewed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver import test_cookie
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.support import PASSWORD, PREFIX, Account, Mxc, picture, send, wait_for
from tests.relay import free_port

DEVICE = "CHOSEN"
NEW_PASSWORD = PASSWORD + "!"


@pytest.fixture(scope="module")
def keeper(baselines: Synapse) -> Account:
    return Account.new(baselines, admin=True)


@pytest.fixture(scope="module")
def still(keeper: Account) -> Mxc:
    return keeper.upload(picture(), "image/png")


def login(account: Account, *, renewable: bool, password: str = PASSWORD) -> tuple[Account, str]:
    """The same user, signed in with a device id that the client chooses; and the refresh token."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user_id},
        "password": password,
        "device_id": DEVICE,
        "refresh_token": renewable,
    }
    made = httpx.post(f"http://127.0.0.1:{account.synapse.port}/_matrix/client/v3/login", json=body, timeout=30)
    answer = made.raise_for_status().json()
    return Account._of(account.synapse, answer), str(answer.get("refresh_token", ""))


def refresh(account: Account, refresh_token: str) -> tuple[Account, str]:
    answer = account.http.post("/_matrix/client/v3/refresh", json={"refresh_token": refresh_token})
    made = answer.raise_for_status().json()
    return account.with_token(made["access_token"]), str(made["refresh_token"])


def proofs(account: Account, mxc: Mxc) -> dict[str, Callable[[], int]]:
    """A link and a cookie of one session, each to be tried again and again: gives the status."""
    link, cookie = account.link(mxc), test_cookie.cookie(account)
    return {
        "link": lambda: send(link).status,
        "cookie": lambda: test_cookie.get(account.synapse, mxc, cookie).status,
    }


def _proof(account: Account) -> dict[str, Any]:
    user = {"type": "m.id.user", "user": account.user_id}
    return {"type": "m.login.password", "identifier": user, "password": PASSWORD}


# --- each way in which a session ends; gives the password of the next login -------------------------------------------


def _logout(account: Account, keeper: Account) -> str:
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    return PASSWORD


def _logout_everywhere(account: Account, keeper: Account) -> str:
    account.http.post("/_matrix/client/v3/logout/all").raise_for_status()
    return PASSWORD


def _delete_device(account: Account, keeper: Account) -> str:
    path = f"/_matrix/client/v3/devices/{account.device_id}"
    account.http.request("DELETE", path, json={"auth": _proof(account)}).raise_for_status()
    return PASSWORD


def _administrator_deletes_device(account: Account, keeper: Account) -> str:
    path = f"/_synapse/admin/v2/users/{account.user_id}/devices/{account.device_id}"
    keeper.http.delete(path).raise_for_status()
    return PASSWORD


def _change_password(account: Account, keeper: Account) -> str:
    body = {"auth": _proof(account), "new_password": NEW_PASSWORD, "logout_devices": True}
    account.again().http.post("/_matrix/client/v3/account/password", json=body).raise_for_status()
    return NEW_PASSWORD


def _reset_password(account: Account, keeper: Account) -> str:
    body = {"new_password": NEW_PASSWORD, "logout_devices": True}
    keeper.http.post(f"/_synapse/admin/v1/reset_password/{account.user_id}", json=body).raise_for_status()
    return NEW_PASSWORD


def _reset_password_from_a_device_of_the_same_id(account: Account, keeper: Account) -> str:
    """Synapse then deletes the user's tokens and leaves the user's device."""
    return _reset_password(account, login(keeper, renewable=False)[0])


ENDINGS = [
    _logout,
    _logout_everywhere,
    _delete_device,
    _administrator_deletes_device,
    _change_password,
    _reset_password,
    _reset_password_from_a_device_of_the_same_id,
]


@pytest.fixture(scope="module", params=[False, True], ids=["token for good", "renewable token"])
def ended(request: pytest.FixtureRequest, keeper: Account, still: Mxc) -> dict[str, tuple[dict[str, Any], Account]]:
    """For each way to end: what was minted before, and the session of the login that followed.

    All at once, so that waiting for one is waiting for all.
    """
    found = {}
    for end in ENDINGS:
        account, _ = login(Account.new(keeper.synapse), renewable=request.param)
        before = proofs(account, still)
        assert {name: status() for name, status in before.items()} == {"link": 200, "cookie": 200}
        password = end(account, keeper)
        found[end.__name__] = before, login(account, renewable=request.param, password=password)[0]
    return found


@pytest.mark.parametrize("end", [end.__name__ for end in ENDINGS])
def test_what_ended_stays_ended_after_a_login_with_the_same_device_id(
    ended: dict[str, tuple[dict[str, Any], Account]], still: Mxc, end: str
) -> None:
    before, again = ended[end]
    assert again.device_id == DEVICE
    wait_for(lambda: before["link"]() == 403, what="the link's end")
    wait_for(lambda: before["cookie"]() == 401, what="the cookie's end")
    assert {name: status() for name, status in proofs(again, still).items()} == {"link": 200, "cookie": 200}


def test_links_outlive_the_renewal_of_their_token(keeper: Account, still: Mxc) -> None:
    account, refresh_token = login(Account.new(keeper.synapse), renewable=True)
    before, url = proofs(account, still), account.link(still)
    for _ in range(3):
        account, refresh_token = refresh(account, refresh_token)
        assert account.link(still) == url, "it stays the same for the browser's cache"
    # By another way to the answer than what the homeserver has remembered for two seconds.
    other = login(Account.new(keeper.synapse), renewable=True)[0]
    ended = proofs(other, still)
    assert ended["link"]() == 200
    _logout(other, keeper)
    wait_for(lambda: ended["link"]() == 403, what="the time for which an answer is remembered")
    assert {name: status() for name, status in before.items()} == {"link": 200, "cookie": 200}


# --- sessions that end by themselves ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brief_sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """Its sessions end three seconds after the login, whatever is renewed."""
    extra = {**QUICK, "session_lifetime": "3s", "refreshable_access_token_lifetime": "1s"}
    synapse = Synapse(
        tmp_path_factory.mktemp("sessions"), free_port(), module_config={"cookie": True}, extra_config=extra
    )
    with running(synapse):
        yield synapse


@pytest.mark.parametrize("renewable", [False, True])
def test_nothing_outlives_a_session_that_ends_by_itself(brief_sessions: Synapse, renewable: bool) -> None:
    account, _ = login(Account.new(brief_sessions), renewable=renewable)
    mxc = account.upload(picture(), "image/png")
    before = proofs(account, mxc)
    (link,) = account.links({"mxc": mxc.uri})
    assert 0 < link["expires_in_ms"] <= 3000
    assert {name: status() for name, status in before.items()} == {"link": 200, "cookie": 200}
    wait_for(lambda: before["link"]() == 403, seconds=8, what="the link's end")
    wait_for(lambda: before["cookie"]() == 401, what="the cookie's end")


def test_link_of_an_application_service_dies_with_its_token(tmp_path: Path) -> None:
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
        url = bridge.link(user.upload(picture(), "image/png"))
        assert send(url).status == 200
    path.write_text(json.dumps({**registration, "as_token": "second-token"}))
    with Synapse(tmp_path / "synapse", port, extra_config=extra):
        assert send(url).status == 403


# --- users that are restricted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("restriction", ["suspend", "shadow_ban"])
def test_restricted_user_sees_by_a_link_what_a_download_gives(keeper: Account, still: Mxc, restriction: str) -> None:
    user = Account.new(keeper.synapse)
    if restriction == "suspend":
        keeper.http.put(f"/_synapse/admin/v1/suspend/{user.user_id}", json={"suspend": True}).raise_for_status()
    else:
        keeper.http.post(f"/_synapse/admin/v1/users/{user.user_id}/shadow_ban").raise_for_status()
    assert user.download(still).status_code == 200
    assert send(user.link(still)).status == 200
    assert user.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": still.uri}]}).content.endswith(picture())
