"""What guests and application services may do: as much as with Synapse's own download, and no more."""

from collections.abc import Iterator

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver import cookies
from tests.homeserver.conftest import QUICK, bridge_registration, running
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.support import PREFIX, Account, Mxc, picture, send, wait_for
from tests.relay import free_port

CLIENT = "/_matrix/client/v3"
BRIDGE_TOKEN = "bridge-token"


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver that admits guests and has an application service."""
    directory = tmp_path_factory.mktemp("open_house")
    extra = {**QUICK, "allow_guest_access": True, "app_service_config_files": [bridge_registration(directory)]}
    synapse = Synapse(directory, free_port(), module_config={"cookie": True}, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="module")
def admin(open_house: Synapse) -> Account:
    return Account.new(open_house, admin=True)


@pytest.fixture(scope="module")
def sunset(admin: Account) -> Mxc:
    return admin.upload(picture(), "image/png")


def deactivate(admin: Account, user_id: str) -> None:
    admin.http.post(f"/_synapse/admin/v1/deactivate/{user_id}", json={"erase": False}).raise_for_status()


# --- guests -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guest(open_house: Synapse) -> Account:
    url = f"http://127.0.0.1:{open_house.port}{CLIENT}/register?kind=guest"
    made = httpx.post(url, json={}).raise_for_status().json()
    account = Account.new(open_house)
    account.user_id, account.device_id = made["user_id"], made["device_id"]
    account.token = made["access_token"]
    account.http.headers["Authorization"] = f"Bearer {account.token}"
    return account


def test_guest_has_links_bundles_and_cookies_as_it_has_downloads(guest: Account, sunset: Mxc) -> None:
    assert guest.download(sunset).status_code == 200
    assert send(guest.link(sunset)).body == picture()
    assert send(delegated_link(issued_key(guest), sunset)).body == picture()
    assert cookies.get(guest.synapse, sunset, cookies.cookie(guest)).status == 200
    bundle = guest.http.post(f"{PREFIX}/bundle", json={"media": [{"mxc": sunset.uri}]})
    assert picture() in bundle.raise_for_status().content
    assert guest.http.get(f"{PREFIX}/config").status_code == 200


def test_links_of_a_guest_end_with_its_account(guest: Account, admin: Account, sunset: Mxc) -> None:
    links = guest.link(sunset), delegated_link(issued_key(guest), sunset)
    assert [send(link).status for link in links] == [200, 200]
    deactivate(admin, guest.user_id)
    wait_for(lambda: [send(link).status for link in links] == [403, 403], what="the links' end")


# --- application services ---------------------------------------------------------------------------------------------


def bridge(synapse: Synapse, user_id: str = "") -> httpx.Client:
    """The application service's client, which acts as one of its users by ``?user_id=``."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{synapse.port}",
        headers={"Authorization": f"Bearer {BRIDGE_TOKEN}"},
        params={"user_id": user_id} if user_id else None,
    )


def register_puppet(synapse: Synapse, name: str) -> str:
    body = {"type": "m.login.application_service", "username": name}
    answer = bridge(synapse).post(f"{CLIENT}/register", json=body)
    return str(answer.raise_for_status().json()["user_id"])


def link_as(synapse: Synapse, user_id: str, mxc: Mxc) -> str:
    answer = bridge(synapse, user_id).post(f"{PREFIX}/links", json={"media": [{"mxc": mxc.uri}]})
    return str(answer.raise_for_status().json()["links"][0]["url"])


def test_puppets_have_links_of_their_own(open_house: Synapse, admin: Account, sunset: Mxc) -> None:
    one, other = (register_puppet(open_house, name) for name in ("bridged_one", "bridged_other"))
    links = [link_as(open_house, user_id, sunset) for user_id in (one, other, "")]
    keys = [bridge(open_house, user_id).post(f"{PREFIX}/key").json() for user_id in (one, other, "")]
    links += [delegated_link(key, sunset) for key in keys]
    assert len(set(links)) == 6
    assert [send(link).status for link in links] == [200] * 6
    deactivate(admin, one)
    ended = [403, 200, 200] * 2
    wait_for(lambda: [send(link).status for link in links] == ended, what="the end of the deactivated puppet's links")


@pytest.mark.parametrize("path", ["links", "key", "bundle", "cookie"])
def test_bridge_acts_as_no_user_outside_of_its_namespace(open_house: Synapse, admin: Account, path: str) -> None:
    answer = bridge(open_house, admin.user_id).post(f"{PREFIX}/{path}", json={"media": []})
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")


def test_user_of_a_link_is_not_chosen_by_its_query(open_house: Synapse, admin: Account, sunset: Mxc) -> None:
    """``?user_id=`` has a meaning beside an application service's token alone."""
    link = link_as(open_house, register_puppet(open_house, "bridged_third"), sunset)
    assert send(f"{link}&user_id={admin.user_id}").status == 403
    ordinary = Account.new(open_house)
    answer = ordinary.http.post(
        f"{PREFIX}/links", params={"user_id": admin.user_id}, json={"media": [{"mxc": sunset.uri}]}
    )
    link = answer.raise_for_status().json()["links"][0]["url"]
    deactivate(admin, ordinary.user_id)
    wait_for(lambda: send(link).status == 403, what="the end of the link of the one who asked")
