"""What the library says of an account that is locked, suspended or deactivated, by a real Synapse's answers."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.support import PASSWORD, Account
from tests.unit import fake_browser as fake
from tests.unit.support import run

from authmedia.errors import (  # isort: skip  (after the fake browser is in place)
    AuthMediaError,
    LoginRefused,
    SessionExpired,
    UserDeactivated,
    UserLocked,
    UserSuspended,
)
from authmedia.matrix.homeserver import Homeserver  # isort: skip
from authmedia.matrix.login import log_in  # isort: skip

WHOAMI = "/_matrix/client/v3/account/whoami"
ADMIN = "/_synapse/admin"
Ask = Callable[[], Coroutine[Any, Any, object]]


@pytest.fixture
def session(synapse: Synapse) -> Iterator[tuple[Account, Account, Homeserver]]:
    """A new account, an administrator, and the library's session, whose requests reach the real Synapse."""

    def forward(request: Any) -> Any:
        answered = httpx.request(request.method, request.url, headers=request.headers, content=request.body, timeout=30)
        return fake.Response(answered.status_code, answered.content, dict(answered.headers))

    fake.reset()
    fake.STATE.server = forward
    account, admin = Account.new(synapse), Account.new(synapse, admin=True)
    yield account, admin, Homeserver(synapse.base_url, account.user_id, account.token)
    fake.reset()


def refused(ask: Ask) -> AuthMediaError:
    with pytest.raises(AuthMediaError) as caught:
        run(ask())
    return caught.value


def test_locked_account_is_told_so_and_goes_on_when_it_is_unlocked(
    session: tuple[Account, Account, Homeserver], synapse: Synapse
) -> None:
    account, admin, homeserver = session

    def lock(locked: bool) -> None:
        admin.http.put(f"{ADMIN}/v2/users/{account.user_id}", json={"locked": locked}).raise_for_status()

    def whoami() -> Coroutine[Any, Any, object]:
        return homeserver.request_json("GET", WHOAMI)

    lock(True)
    for ask in (whoami, lambda: log_in(synapse.base_url, account.user_id, PASSWORD)):
        error = refused(ask)
        assert type(error) is UserLocked
        assert "M_USER_LOCKED" in error.words
        assert error.user_message == "Your account is locked. Ask the people who run your server."
    lock(False)
    fake.STATE.clock += 600_000  # requests are tried again from time to time
    assert run(whoami())["user_id"] == account.user_id  # type: ignore[index]


def test_suspended_account_may_read_and_is_told_what_it_may_not(session: tuple[Account, Account, Homeserver]) -> None:
    account, admin, homeserver = session
    room = account.http.post("/_matrix/client/v3/createRoom", json={}).raise_for_status().json()["room_id"]
    admin.http.put(f"{ADMIN}/v1/suspend/{account.user_id}", json={"suspend": True}).raise_for_status()
    run(homeserver.request_json("GET", WHOAMI))
    path, content = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "x"}
    error = refused(lambda: homeserver.request_json("PUT", path, content))
    assert type(error) is UserSuspended
    assert "M_USER_SUSPENDED" in error.words
    assert error.user_message == "Your account is suspended, so the server does not let it do this."
    run(homeserver.request_json("GET", WHOAMI))


def test_deactivated_account_has_no_session_and_no_way_to_sign_in(
    session: tuple[Account, Account, Homeserver], synapse: Synapse
) -> None:
    account, admin, homeserver = session
    admin.http.post(f"{ADMIN}/v1/deactivate/{account.user_id}", json={"erase": False}).raise_for_status()
    assert type(refused(lambda: homeserver.request_json("GET", WHOAMI))) is SessionExpired
    error = refused(lambda: log_in(synapse.base_url, account.user_id, PASSWORD))
    assert type(error) in (UserDeactivated, LoginRefused), error
