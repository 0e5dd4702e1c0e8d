"""The module's checks of sessions: concurrent requests of one session share one query."""

from types import SimpleNamespace
from typing import Any

import pytest
from synapse.logging.context import SENTINEL_CONTEXT, make_deferred_yieldable, set_current_context
from synapse.util.clock import Clock
from twisted.internet import defer
from twisted.internet.task import Clock as Reactor

from media_links.sessions import Anchor, Session, Sessions, token_digest

SESSION = Session("@a:x", Anchor.TOKEN, "7", token_digest("syt_a"))
ROW = ("@a:x", None, "syt_a", None)


class Database:
    """Answers queries for tokens when the test says so."""

    def __init__(self) -> None:
        self.queries: list[defer.Deferred[Any]] = []

    async def simple_select_one(self, **_: object) -> Any:
        self.queries.append(defer.Deferred())
        return await make_deferred_yieldable(self.queries[-1])


class Users:
    async def get_userinfo_by_id(self, user_id: str) -> SimpleNamespace:
        return SimpleNamespace(is_deactivated=False, locked=False)

    async def is_user_expired(self, user_id: str) -> bool:
        return False


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def sessions(reactor: Reactor, database: Database, request: pytest.FixtureRequest) -> Sessions:
    homeserver: Any = SimpleNamespace(
        hostname=request.node.name,
        get_clock=lambda: Clock(reactor, server_name=request.node.name),  # type: ignore[arg-type]
        get_module_api=Users,
        get_account_validity_handler=Users,
        get_datastores=lambda: SimpleNamespace(main=SimpleNamespace(db_pool=database)),
    )
    return Sessions(homeserver)


def started(sessions: Sessions, session: Session = SESSION) -> "defer.Deferred[bool]":
    with_context = defer.ensureDeferred(sessions.is_alive(session))
    set_current_context(SENTINEL_CONTEXT)
    return with_context


def test_concurrent_checks_of_a_session_are_one_query(sessions: Sessions, database: Database) -> None:
    checks = [started(sessions) for _ in range(200)]
    other = started(sessions, Session("@b:x", Anchor.TOKEN, "8", ""))
    assert len(database.queries) == 2
    database.queries[0].callback(ROW)
    assert [check.result for check in checks] == [True] * 200
    database.queries[1].callback(None)
    assert other.result is False
    assert started(sessions).result is True
    assert len(database.queries) == 2


def test_result_is_cached_from_the_start_of_the_query(sessions: Sessions, database: Database, reactor: Reactor) -> None:
    first = started(sessions)
    reactor.advance(1.5)
    database.queries[0].callback(ROW)
    assert first.result is True
    reactor.advance(0.4)
    assert started(sessions).result is True
    reactor.advance(0.2)
    again = started(sessions)
    database.queries[1].callback(None)
    assert again.result is False


def test_failure_reaches_each_request_and_is_not_cached(sessions: Sessions, database: Database) -> None:
    checks = [started(sessions) for _ in range(3)]
    failures: list[Exception] = []
    for check in checks:
        check.addErrback(lambda failure: failures.append(failure.value))
    database.queries[0].errback(OSError("database is gone"))
    assert [str(failure) for failure in failures] == ["database is gone"] * 3
    again = started(sessions)
    database.queries[1].callback(ROW)
    assert again.result is True
