"""Links of sessions that have ended."""

from typing import Any

import pytest

from development.synapse import Synapse
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.links import is_refused
from tests.homeserver.support import PASSWORD, Account, Mxc, send, wait_for


def _logout(account: Account, admin: Account) -> None:
    account.http.post("/_matrix/client/v3/logout").raise_for_status()


def _logout_everywhere(account: Account, admin: Account) -> None:
    account.again().http.post("/_matrix/client/v3/logout/all").raise_for_status()


def _delete_device(account: Account, admin: Account) -> None:
    path = f"/_matrix/client/v3/devices/{account.device_id}"
    account.again().http.request("DELETE", path, json={"auth": _proof(account)}).raise_for_status()


def _deactivate(account: Account, admin: Account) -> None:
    account.http.post("/_matrix/client/v3/account/deactivate", json={"auth": _proof(account)}).raise_for_status()


def _change_password(account: Account, admin: Account) -> None:
    body = {"auth": _proof(account), "new_password": PASSWORD + "!", "logout_devices": True}
    account.again().http.post("/_matrix/client/v3/account/password", json=body).raise_for_status()


def _lock(account: Account, admin: Account) -> None:
    admin.http.put(f"/_synapse/admin/v2/users/{account.user_id}", json={"locked": True}).raise_for_status()


def _proof(account: Account) -> dict[str, Any]:
    user = {"type": "m.id.user", "user": account.user_id}
    return {"type": "m.login.password", "identifier": user, "password": PASSWORD}


ENDINGS = {
    "logout": _logout,
    "logout everywhere": _logout_everywhere,
    "device deleted": _delete_device,
    "deactivated": _deactivate,
    "password changed": _change_password,
    "locked": _lock,
}


@pytest.fixture(scope="module")
def ended_sessions(synapse: Synapse, admin: Account, photo: Mxc) -> dict[str, tuple[str, str, str]]:
    """For each way to end a session, a link of it, one that its page has signed, and a link of another user's session.

    All sessions end at once, so that the tests wait for the homeserver's cache once.
    """
    links = {}
    for name, end in ENDINGS.items():
        account, other = Account.new(synapse), Account.new(synapse)
        links[name] = account.link(photo), delegated_link(issued_key(account), photo), other.link(photo)
        assert [send(url).status for url in links[name]] == [200, 200, 200]
        end(account, admin)
    return links


@pytest.mark.parametrize("ending", ENDINGS)
def test_link_is_invalid_after_its_session(ended_sessions: dict[str, tuple[str, str, str]], ending: str) -> None:
    *links, other = ended_sessions[ending]
    for link in links:
        wait_for(lambda link=link: is_refused(link), seconds=5, what="the link's end")
    assert send(other).status == 200


def test_links_of_other_sessions_of_the_user_stay_valid(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    other = account.again()
    links = account.link(photo), other.link(photo)
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    assert is_refused(links[0])
    assert send(links[1]).status == 200


def test_session_without_a_device(synapse: Synapse, admin: Account, photo: Mxc) -> None:
    """An administrator's login as another user has a token and no device."""
    user = Account.new(synapse)
    answer = admin.http.post(f"/_synapse/admin/v1/users/{user.user_id}/login", json={})
    puppet = user.with_token(answer.raise_for_status().json()["access_token"])
    links = puppet.link(photo), user.link(photo)
    assert [send(link).status for link in links] == [200, 200]
    puppet.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: is_refused(links[0]), what="the link's end")
    assert send(links[1]).status == 200
