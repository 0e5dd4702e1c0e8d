"""The renewal of access tokens: once for all, ahead of time, and what ends a session."""

import asyncio
import json
import time
from collections.abc import Awaitable
from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix import token_renewal
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.tokens import Tokens
from authmedia.media import MediaRequest
from authmedia.support import backoff
from tests.unit import fake_browser as fake
from tests.unit.support import Script, answer, error, run, turns

WHOAMI = "/_matrix/client/v3/account/whoami"
LIFE_MS = 300_000.0
REFUSED = {"errcode": "M_UNKNOWN_TOKEN", "error": "Access token has expired"}


class Account:
    """A homeserver that knows one access token at a time, and what a client does to get the next one."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.number = 1
        #: The `refresh` calls so far.
        self.renewals = 0
        #: Raised by `refresh` instead.
        self.problem: Exception | None = None
        #: Whether it keeps refresh tokens waiting.
        self.gate: asyncio.Event | None = None
        self.life_ms: float | None = None
        self.told: list[errors.AuthMediaError] = []
        self.soft_logout = False
        #: Paths whose server knows no token at all.
        self.strangers: tuple[str, ...] = ()
        script.instead = self._instead

    @property
    def token(self) -> str:
        return f"token-{self.number}"

    def _instead(self, request: Any) -> Any:
        known = request.headers.get("Authorization") == f"Bearer {self.token}"
        if known and not any(path in request.url for path in self.strangers):
            return None
        return answer({**REFUSED, "soft_logout": self.soft_logout}, 401)

    def expire(self) -> None:
        self.number += 1

    async def refresh(self) -> Tokens | str | None:
        self.renewals += 1
        if self.gate:
            await self.gate.wait()
        if self.problem:
            raise self.problem
        return Tokens(self.token, expires_in_ms=self.life_ms) if self.life_ms else self.token

    def sign_in(self, *, refresh: bool = True, life_ms: float | None = None) -> Homeserver:
        return Homeserver(
            "http://home.test",
            "@ana:example.org",
            self.token,
            refresh=self.refresh if refresh else None,
            expires_in_ms=life_ms,
            on_session_failure=self.told.append,
        )


@pytest.fixture
def account(script: Script) -> Account:
    return Account(script)


def paths(browser: Any) -> list[str]:
    return [request.url.removeprefix("http://home.test") for request in browser.requests]


async def outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except errors.AuthMediaError as failure:
        return failure


async def outcomes(homeserver: Homeserver, count: int) -> list[Any]:
    return await asyncio.gather(*[outcome(homeserver.request("GET", f"/abc/{number}")) for number in range(count)])


def kinds(results: list[Any]) -> set[str]:
    return {type(result).__name__ for result in results}


@pytest.fixture(autouse=True)
def any_path(script: Script) -> None:
    script.media["/abc"] = b"picture"


def test_an_ended_token_is_renewed_once_for_all_that_wait(account: Account, browser: Any) -> None:
    homeserver = account.sign_in()
    account.expire()
    results = run(outcomes(homeserver, 100))
    assert kinds(results) == {"Response"}
    assert account.renewals == 1
    assert len(browser.requests) == 200, "each request is tried once more, and nothing asks whoami"
    assert homeserver.token_generation == 2


def test_three_renewals_in_a_row(account: Account) -> None:
    homeserver = account.sign_in()

    async def work() -> None:
        for _ in range(3):
            account.expire()
            assert kinds(await outcomes(homeserver, 5)) == {"Response"}

    run(work())
    assert account.renewals == 3


def test_a_token_that_ends_is_renewed_ahead(account: Account, browser: Any) -> None:
    homeserver = account.sign_in(life_ms=LIFE_MS)
    account.life_ms = LIFE_MS

    async def work() -> None:
        for elapsed_ms, renewals in ((LIFE_MS - 40_000, 0), (15_000, 1), (LIFE_MS - 40_000, 1), (15_000, 2)):
            browser.clock += elapsed_ms
            if renewals > account.renewals:
                account.expire()
            assert kinds(await outcomes(homeserver, 3)) == {"Response"}
            assert account.renewals == renewals

    run(work())
    assert len(browser.requests) == 12, "no request was refused"


def test_a_short_life_is_used_for_most_of_its_time(account: Account, browser: Any) -> None:
    homeserver = account.sign_in(life_ms=5000)
    browser.clock += 3500
    run(outcomes(homeserver, 1))
    assert account.renewals == 0
    browser.clock += 600
    run(outcomes(homeserver, 1))
    assert account.renewals == 1


def test_a_failed_renewal_ahead_goes_on_with_the_token_that_is_valid_still(account: Account, browser: Any) -> None:
    homeserver = account.sign_in(life_ms=LIFE_MS)
    account.problem = errors.HomeserverUnreachable("No answer")
    browser.clock += LIFE_MS - 10_000
    assert kinds(run(outcomes(homeserver, 3))) == {"Response"}
    assert kinds(run(outcomes(homeserver, 3))) == {"Response"}
    assert account.renewals == 1, "the next try waits, and requests do not"
    browser.clock += 1000
    account.problem = errors.SessionExpired("This refresh token was used before")
    assert kinds(run(outcomes(homeserver, 3))) == {"Response"}, "whoami knows the token"
    assert account.told == []


def test_a_request_that_an_old_token_was_refused_for_is_only_repeated(account: Account, browser: Any) -> None:
    homeserver = account.sign_in()

    async def work() -> Any:
        gate = asyncio.Event()
        late = answer(REFUSED, 401)
        late.gate = gate
        account.script.instead = lambda request: late
        waiting = asyncio.create_task(outcome(homeserver.request("GET", "/abc")))
        await turns()
        account.script.instead = account._instead
        account.expire()
        homeserver.set_access_token(account.token)
        gate.set()
        return await waiting

    assert run(work()).status == 200
    assert account.renewals == 0
    assert [request.headers["Authorization"][-1] for request in browser.requests] == ["1", "2"]


@pytest.mark.parametrize("count", [100, 10_000])
def test_elements_that_meet_a_dead_session_ask_once(
    account: Account, browser: Any, no_pauses: None, count: int
) -> None:
    homeserver = account.sign_in()
    account.problem = errors.SessionExpired("This refresh token is not known")
    account.expire()
    loader = open_loader("blob", homeserver)

    async def work() -> list[Any]:
        return await asyncio.gather(
            *[outcome(loader.load(MediaRequest(f"mxc://example.org/m{number}"))) for number in range(count)]
        )

    started = time.process_time()
    results = run(work())
    # Twenty times what an element takes on an idle machine; what grew with the square of them would take longer.
    assert time.process_time() - started < 1 + count * 0.003
    assert kinds(results) == {"SessionExpired"}
    assert results[17].mxc == "mxc://example.org/m17"
    assert account.renewals == 1
    assert paths(browser).count(WHOAMI) == 1
    assert len(browser.requests) <= 17, "those in flight, and whoami"
    assert [type(failure) for failure in account.told] == [errors.SessionExpired]


def test_after_a_session_has_ended_another_token_lets_it_go_on(account: Account, browser: Any) -> None:
    homeserver = account.sign_in(refresh=False)
    account.expire()
    assert kinds(run(outcomes(homeserver, 5))) == {"SessionExpired"}
    sent = len(browser.requests)
    assert kinds(run(outcomes(homeserver, 5))) == {"SessionExpired"}
    assert len(browser.requests) == sent
    homeserver.set_access_token(account.token)
    assert kinds(run(outcomes(homeserver, 5))) == {"Response"}
    account.expire()
    assert kinds(run(outcomes(homeserver, 5))) == {"SessionExpired"}
    assert len(account.told) == 2, "once for each token"


def test_setting_a_token_releases_what_waits_for_a_renewal_that_hangs(account: Account) -> None:
    homeserver = account.sign_in()
    account.expire()

    async def work() -> Any:
        account.gate = asyncio.Event()
        waiting = [asyncio.create_task(outcome(homeserver.request("GET", "/abc"))) for _ in range(3)]
        await turns()
        assert account.renewals == 1
        homeserver.set_access_token(account.token)
        results = [await task for task in waiting]
        account.number = 7  # what the renewal that hung returns in the end
        account.gate.set()
        await turns()
        account.number = 2
        return [*results, await outcome(homeserver.request("GET", "/abc"))]

    assert kinds(run(work())) == {"Response"}
    assert homeserver.token_generation == 2


def test_a_renewal_goes_on_when_what_waits_is_cancelled(account: Account) -> None:
    homeserver = account.sign_in()
    account.expire()

    async def work() -> Any:
        account.gate = asyncio.Event()
        waiting = asyncio.create_task(homeserver.request("GET", "/abc"))
        await turns()
        waiting.cancel()
        account.gate.set()
        await turns()
        return await outcome(homeserver.request("GET", "/abc"))

    assert run(work()).status == 200
    assert account.renewals == 1, "the refresh token was spent, and its token is not lost"


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (errors.HomeserverUnreachable("No answer"), "HomeserverUnreachable"),
        (ValueError("a bug"), "RenewalFailed"),
    ],
)
def test_a_temporary_failure_delays_the_next_renewal(
    account: Account, monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: str
) -> None:
    homeserver = account.sign_in()
    account.expire()
    account.problem = problem
    delays: list[int] = []
    monkeypatch.setattr(backoff, "retry_delay_s", lambda attempt, _: delays.append(attempt) or 0.1)
    began = time.monotonic()
    for _ in range(2):
        results = run(outcomes(homeserver, 20))
        assert kinds(results) == {expected}
        assert results[0].temporary
    assert account.renewals == 2
    assert delays == [0, 1]
    assert time.monotonic() - began > 0.1
    assert account.told == []
    account.problem = None
    assert kinds(run(outcomes(homeserver, 2))) == {"Response"}


def test_a_renewal_that_hangs_fails(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_renewal, "_REFRESH_TIMEOUT_S", 0.01)
    homeserver = account.sign_in()
    account.expire()

    async def work() -> list[Any]:
        account.gate = asyncio.Event()
        return await outcomes(homeserver, 2)

    (failure, _) = run(work())
    assert type(failure) is errors.RenewalFailed
    assert "took longer than" in failure.words


def test_refresh_may_set_the_token_itself_and_has_to_return_one_otherwise(account: Account) -> None:
    async def set_token() -> None:
        account.renewals += 1
        homeserver.set_access_token(account.token, expires_in_ms=LIFE_MS)

    homeserver = Homeserver("http://home.test", "@ana:example.org", account.token, refresh=set_token)
    account.expire()
    assert kinds(run(outcomes(homeserver, 2))) == {"Response"}

    async def nothing() -> None:
        return None

    homeserver = Homeserver("http://home.test", "@ana:example.org", "an old one", refresh=nothing)
    (failure,) = run(outcomes(homeserver, 1))
    assert type(failure) is errors.RenewalFailed
    assert "returned no token" in str(failure)


def test_an_endpoint_that_refuses_every_token_does_not_end_the_session(account: Account, browser: Any) -> None:
    """As a media server behind the same address does, which lost sight of the homeserver."""
    homeserver = account.sign_in()
    account.strangers = ("/abc/",)
    for _ in range(3):
        assert kinds(run(outcomes(homeserver, 10))) == {"TokenRefused"}
    assert account.renewals == 1
    assert paths(browser).count(WHOAMI) == 1
    assert account.told == []


def test_a_soft_logout_says_so(account: Account) -> None:
    homeserver = account.sign_in(refresh=False)
    account.expire()
    account.soft_logout = True
    (failure,) = run(outcomes(homeserver, 1))
    assert type(failure) is errors.SoftLoggedOut
    assert isinstance(failure, errors.SessionExpired)


def test_a_proxy_that_refuses_is_told_apart(account: Account, browser: Any) -> None:
    homeserver = account.sign_in()
    account.script.instead = lambda request: fake.Response(401, b"<html>Sign in to this network</html>")
    assert kinds(run(outcomes(homeserver, 3))) == {"ProxyRefused"}
    assert account.renewals == 0
    assert WHOAMI not in paths(browser)


@pytest.mark.parametrize("unknown", [502, 404])
def test_a_whoami_without_an_answer_signs_nobody_out(account: Account, unknown: int) -> None:
    homeserver = account.sign_in(refresh=False)
    account.expire()
    usual = account._instead
    account.script.instead = lambda request: (
        fake.Response(unknown, b"<html>") if request.url.endswith(WHOAMI) else usual(request)
    )
    assert kinds(run(outcomes(homeserver, 3))) == {"ServerFailure" if unknown == 502 else "TokenRefused"}
    assert account.told == []


def test_a_locked_account_is_asked_for_from_time_to_time(account: Account, browser: Any) -> None:
    homeserver = account.sign_in()
    account.script.instead = lambda request: error(401, "M_USER_LOCKED", "Locked", soft_logout=True)
    assert kinds(run(outcomes(homeserver, 5))) == {"UserLocked"}
    assert kinds(run(outcomes(homeserver, 5))) == {"UserLocked"}
    assert len(browser.requests) == 5
    assert len(account.told) == 1
    browser.clock += 31_000
    assert kinds(run(outcomes(homeserver, 1))) == {"UserLocked"}
    assert len(account.told) == 1
    browser.clock += 31_000
    account.script.instead = account._instead
    assert kinds(run(outcomes(homeserver, 5))) == {"Response"}


def test_no_token_is_in_a_message_or_a_repr(account: Account) -> None:
    homeserver = account.sign_in()
    account.expire()
    account.problem = errors.SessionExpired("This refresh token is not known")
    (failure,) = run(outcomes(homeserver, 1))
    tokens = Tokens("token-1", refresh_token="token-r", expires_in_ms=5)
    for text in (str(failure), repr(failure), repr(homeserver), repr(tokens), str(tokens)):
        assert "token-" not in text


def test_tokens_are_stored_by_the_time_that_they_end(browser: Any) -> None:
    tokens = Tokens("a", refresh_token="r", expires_in_ms=5000)
    browser.clock += 2000
    again = Tokens.from_json(json.loads(json.dumps(tokens.to_json())))
    assert (again.access_token, again.refresh_token, again.expires_in_ms) == ("a", "r", 3000)
    assert Tokens.from_json(Tokens("a").to_json()).expires_in_ms is None


def test_a_signed_query_is_made_anew_with_the_token(account: Account, browser: Any) -> None:
    homeserver = account.sign_in()
    usual = account._instead

    def with_offer(request: Any) -> Any:
        refused = usual(request)
        if refused or not request.url.endswith("/config"):
            return refused
        return answer(
            {"signed_query": {"token_id": f"id-{account.number}", "window_ms": 60_000, "now_ms": fake.epoch_ms()}}
        )

    account.script.instead = with_offer
    loader = open_loader("signed_query", homeserver)

    async def sources() -> list[str]:
        first = (await loader.load(MediaRequest("mxc://example.org/abc"))).src
        account.expire()
        await homeserver.request("GET", "/abc")
        second = (await loader.load(MediaRequest("mxc://example.org/abc", width=9, height=9))).src
        return [first, second]

    first, second = run(sources())
    assert "token_id=id-1&" in first
    assert "token_id=id-2&" in second
    assert first.partition("&h=")[2] != second.partition("&h=")[2].partition("&")[0]
    assert account.renewals == 1
