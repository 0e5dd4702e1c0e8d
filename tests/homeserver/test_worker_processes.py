"""One homeserver of several processes: what one of them mints, the others serve, and sessions end in all of them."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from development.synapse import Synapse
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.support import PASSWORD, PREFIX, Account, Answer, Mxc, picture, send, wait_for
from tests.homeserver.test_bundle import bundle, request_bundle
from tests.homeserver.test_denial_of_service import large_bundle, status, unread_bundle
from tests.homeserver.test_sessions import DEVICE, login, refresh
from tests.homeserver.worker_deployment import Deployment, Worker, missing_requirement, running_deployment

BASE = "https://matrix.example.org"
OLD = {"id": "old", "secret": "an old secret, of thirty-two bytes or more"}
NEW = {"id": "new", "secret": "a new secret, of thirty-two bytes or more"}
MODULE = {
    "secrets": [OLD, NEW],
    "base_url": BASE,
    "bundles_per_user": 1,
    "rc_links": {"per_second": 0.01, "burst_count": 10},
    "cookie": True,
    "signed_query": True,
    "native_ranges": True,
}
HOMESERVER = Path(__file__).resolve().parents[2] / "homeserver"

Process = Synapse | Worker


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """All of it with one configuration, but for a worker whose secrets have changed their order."""
    missing = missing_requirement()
    if missing:
        pytest.skip(f"needs {missing}")
    with running_deployment(tmp_path_factory.mktemp("workers"), MODULE, {"secrets": [NEW, OLD]}) as found:
        yield found


@pytest.fixture(scope="module")
def admin(deployment: Deployment) -> Account:
    return Account.new(deployment.main, admin=True)


@pytest.fixture(scope="module")
def still(deployment: Deployment, admin: Account) -> Mxc:
    return at(deployment.media[0], admin).upload(picture(), "image/png")


def at(process: Process, account: Account) -> Account:
    """The same session, whose requests go to another process."""
    session = {"user_id": account.user_id, "device_id": account.device_id, "access_token": account.token}
    return Account._of(process, session)  # type: ignore[arg-type]


def opened(url: str, process: Process, **headers: str) -> Answer:
    return send(url.replace(BASE, f"http://127.0.0.1:{process.port}"), headers=headers)


def statuses(url: str, deployment: Deployment) -> list[int]:
    """What both media workers answer to a link."""
    return [opened(url, worker).status for worker in deployment.media]


def is_dead(url: str, deployment: Deployment) -> bool:
    return statuses(url, deployment) == [403, 403]


def is_alive(url: str, deployment: Deployment) -> bool:
    return statuses(url, deployment) == [200, 200]


def test_native_range_continues_at_another_worker(deployment: Deployment, admin: Account, still: Mxc) -> None:
    first, second = (at(worker, admin) for worker in deployment.media)
    begun = first.download(still, Range="bytes=0-99")
    rest = second.download(still, Range="bytes=100-", **{"If-Range": begun.headers["etag"]})
    assert (begun.status_code, rest.status_code) == (206, 206)
    assert begun.content + rest.content == picture()


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thumbnail", [{}, {"width": 32, "height": 32, "method": "crop"}], ids=["whole", "thumbnail"])
def test_any_process_mints_the_same_link_and_each_media_worker_serves_it(
    deployment: Deployment, still: Mxc, thumbnail: dict[str, Any]
) -> None:
    account = Account.new(deployment.main)
    urls = [at(process, account).link(still, **thumbnail) for process in deployment.minting]
    assert len(urls) == 4
    assert len(set(urls)) == 1
    keys = [issued_key(at(process, account)) for process in deployment.minting]
    assert len({key["key"] for key in keys}) == 1
    assert is_alive(delegated_link(keys[0], still, **thumbnail), deployment)
    first, second = (opened(urls[0], worker) for worker in deployment.media)
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert thumbnail or first.body == picture()
    # So a browser's cache, or a player that reads on, can go from one worker to the other.
    assert first.headers["etag"] == second.headers["etag"]
    assert opened(urls[0], deployment.media[1], **{"If-None-Match": first.headers["etag"]}).status == 304


def test_link_signed_with_a_new_secret_opens_on_workers_that_still_sign_with_the_old_one(
    deployment: Deployment, still: Mxc
) -> None:
    """In the middle of the second step of changing a secret: some processes have been restarted, others have not."""
    account = Account.new(deployment.main)
    old, new = (at(worker, account).link(still) for worker in (deployment.generic, deployment.rotated))
    assert ("?k=old&" in old, "?k=new&" in new) == (True, True)
    assert (statuses(old, deployment), statuses(new, deployment)) == ([200, 200], [200, 200])


def test_media_that_one_worker_quarantines_is_gone_from_the_other(deployment: Deployment, admin: Account) -> None:
    first, second = deployment.media
    # Synapse quarantines all media of the same content.
    mxc = at(first, admin).upload(b"quarantined", "text/plain")
    url = at(deployment.generic, admin).link(mxc)
    assert is_alive(url, deployment)
    at(first, admin).quarantine(mxc)
    refused = opened(url, second)
    assert (refused.status, refused.error) == (404, "M_NOT_FOUND")


# --- sessions ---------------------------------------------------------------------------------------------------------


def _log_out(deployment: Deployment, account: Account) -> None:
    account.http.post("/_matrix/client/v3/logout").raise_for_status()


def _delete_device_through_a_worker(deployment: Deployment, account: Account) -> None:
    path = f"/_matrix/client/v3/devices/{account.device_id}"
    at(deployment.generic, account).http.request("DELETE", path, json=_proof(account)).raise_for_status()


def _deactivate(deployment: Deployment, account: Account) -> None:
    account.http.post("/_matrix/client/v3/account/deactivate", json=_proof(account)).raise_for_status()


def _proof(account: Account) -> dict[str, Any]:
    user = {"type": "m.id.user", "user": account.user_id}
    return {"auth": {"type": "m.login.password", "identifier": user, "password": PASSWORD}}


ENDINGS = [_log_out, _delete_device_through_a_worker, _deactivate]


@pytest.fixture(scope="module")
def ended(deployment: Deployment, still: Mxc) -> dict[tuple[str, bool], tuple[list[str], Account | None]]:
    """For each way to end a session: its links, and the session of the login that followed, if there can be one.

    All at once, so that waiting for one is waiting for all.
    """
    found: dict[tuple[str, bool], tuple[list[str], Account | None]] = {}
    for end in ENDINGS:
        for renewable in (False, True):
            account, _ = login(Account.new(deployment.main), refreshable=renewable)
            worker = at(deployment.generic, account)
            urls = [worker.link(still), delegated_link(issued_key(worker), still)]
            assert all(is_alive(url, deployment) for url in urls), "both workers remember it now"
            end(deployment, account)
            again = None if end is _deactivate else login(account, refreshable=renewable)[0]
            found[end.__name__, renewable] = urls, again
    return found


@pytest.mark.parametrize("renewable", [False, True], ids=["token for good", "renewable token"])
@pytest.mark.parametrize("end", [end.__name__ for end in ENDINGS])
def test_link_is_dead_on_all_media_workers_once_its_session_has_ended(
    deployment: Deployment,
    still: Mxc,
    ended: dict[tuple[str, bool], tuple[list[str], Account | None]],
    end: str,
    renewable: bool,
) -> None:
    urls, again = ended[end, renewable]
    wait_for(lambda: all(is_dead(url, deployment) for url in urls), what="the links' end")
    if again:
        assert again.device_id == DEVICE, "which the ended session had"
        assert is_alive(at(deployment.generic, again).link(still), deployment)


def test_link_of_a_locked_user_is_dead_until_the_user_is_unlocked(
    deployment: Deployment, admin: Account, still: Mxc
) -> None:
    user = Account.new(deployment.main)
    url = at(deployment.generic, user).link(still)
    assert is_alive(url, deployment)
    for locked, state in ((True, is_dead), (False, is_alive)):
        body = {"locked": locked}
        admin.http.put(f"/_synapse/admin/v2/users/{user.user_id}", json=body).raise_for_status()
        wait_for(lambda reached=state: reached(url, deployment), what=f"locked={locked}")


def test_link_dies_with_its_session_while_redis_does_not_answer(deployment: Deployment, still: Mxc) -> None:
    """What ends a session is in the database; a worker needs to be told of nothing."""
    accounts = [login(Account.new(deployment.main), refreshable=renewable)[0] for renewable in (False, True)]
    urls = [at(deployment.generic, account).link(still) for account in accounts]
    assert [is_alive(url, deployment) for url in urls] == [True, True]
    with deployment.redis.paused():
        for account in accounts:
            _log_out(deployment, account)
        wait_for(lambda: all(is_dead(url, deployment) for url in urls), what="the links' end")


def test_link_outlives_the_renewal_of_its_token_on_all_media_workers(deployment: Deployment, still: Mxc) -> None:
    account, refresh_token = login(Account.new(deployment.main), refreshable=True)
    url = at(deployment.generic, account).link(still)
    assert is_alive(url, deployment)
    for _ in range(3):
        account, refresh_token = refresh(account, refresh_token)
        assert at(deployment.generic, account).link(still) == url
    # What both workers remember of another session, asked later, is forgotten: so is what they remember of this one.
    other = Account.new(deployment.main)
    ended = at(deployment.generic, other).link(still)
    assert is_alive(ended, deployment)
    _log_out(deployment, other)
    wait_for(lambda: is_dead(ended, deployment), what="the time for which an answer is remembered")
    assert is_alive(url, deployment)


# --- which process answers what ---------------------------------------------------------------------------------------


def documented_paths() -> list[re.Pattern[str]]:
    """Returns the guide's patterns: for processes with the media repository, and for any process."""
    guide = (HOMESERVER.parent / "docs" / "administrators.md").read_text(encoding="utf-8")
    section = guide.partition("## Workers")[2].partition("\n## ")[0]
    return [re.compile(found.replace(r"\|", "|")) for found in re.findall(r"^\| `(\^\S+)` \|", section, re.MULTILINE)]


def operations() -> list[tuple[str, str]]:
    """Methods and paths of the whole HTTP interface."""
    described = yaml.safe_load((HOMESERVER / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    methods = {"get", "post", "put", "delete", "head"}
    return [(method.upper(), path) for path, item in described.items() for method in methods & item.keys()]


@pytest.mark.parametrize(("method", "path"), sorted(operations()))
def test_each_path_is_answered_by_the_processes_that_the_guide_names(
    deployment: Deployment, admin: Account, still: Mxc, method: str, path: str
) -> None:
    asked_path = PREFIX + path.format(serverName=still.server_name, mediaId=still.media_id)
    of_media, of_any = (bool(pattern.search(asked_path)) for pattern in documented_paths())
    assert of_media != of_any, "one of the two patterns"

    def answers(process: Process) -> bool:
        # A HEAD has no body; where a GET is unknown, so is the HEAD.
        answer = at(process, admin).http.request("GET" if method == "HEAD" else method, asked_path)
        return answer.status_code != 404 or answer.json()["errcode"] != "M_UNRECOGNIZED"

    assert [answers(process) for process in deployment.media] == [True, True]
    assert [answers(process) for process in (deployment.main, deployment.generic)] == [of_any, of_any]


def test_bundle_is_answered_by_the_media_workers_alone(deployment: Deployment, still: Mxc) -> None:
    account = Account.new(deployment.main)
    for worker in deployment.media:
        assert bundle(at(worker, account), {"mxc": still.uri}) == [(200, "image/png", picture())]
    link = at(deployment.generic, account).link(still)
    for process in (deployment.main, deployment.generic):
        refused = request_bundle(at(process, account), {"mxc": still.uri})
        assert (refused.status_code, refused.json()["errcode"]) == (404, "M_UNRECOGNIZED")
        assert (opened(link, process).status, opened(link, process).error) == (404, "M_UNRECOGNIZED")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_each_process_counts_bundles_for_itself(deployment: Deployment, still: Mxc) -> None:
    account = Account.new(deployment.main)
    first, second = (at(worker, account) for worker in deployment.media)
    with closing(unread_bundle(first, large_bundle(first))) as unread:
        assert status(unread) == 200
        assert request_bundle(first, {"mxc": still.uri}).status_code == 429
        assert request_bundle(second, {"mxc": still.uri}).status_code == 200
    wait_for(lambda: request_bundle(first, {"mxc": still.uri}).status_code == 200, what="room for another bundle")


def test_each_process_counts_requests_for_links_for_itself(deployment: Deployment, still: Mxc) -> None:
    account = Account.new(deployment.main)

    def mint(process: Process) -> int:
        return at(process, account).ask({"media": [{"mxc": still.uri}]}).status_code

    assert [mint(deployment.generic) for _ in range(11)] == [200] * 10 + [429]
    assert [mint(process) for process in (deployment.main, *deployment.media)] == [200, 200, 200]
