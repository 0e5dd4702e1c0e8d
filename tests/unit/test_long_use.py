"""What the long use of pages counts as loaded twice."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from playwright.sync_api import Request, Response

from tests.evidence.long_use import (
    ENDS_WITH_TOKEN,
    MediaRequest,
    Outcome,
    RecordingProxy,
    Transfers,
    _note_refusal,
)

ORIGIN = "http://w1.localhost:8000"
PATH = "/_matrix/client/unstable/dev.authmedia/media/signed/example.org/one"
MEDIA = "example.org/one?"


@pytest.fixture
def proxy() -> RecordingProxy:
    return RecordingProxy("http://localhost:1")


def _request(proxy: RecordingProxy, at_s: float, status: int = 200, **headers: str) -> None:
    proxy.requests.append(MediaRequest(ORIGIN, MEDIA, headers, at_s, f"{PATH}?sig=1", status))


def _reported(url: str = f"http://localhost:1{PATH}?sig=1") -> Request:
    return cast(Request, cast(Any, SimpleNamespace(url=url)))


def test_media_requested_again_after_it_had_arrived_is_loaded_twice(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfers = Transfers()
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    transfers.finish(_reported())
    _request(proxy, 4.0)
    assert proxy.twice(ORIGIN, transfers) == []
    _request(proxy, 6.0)
    (words,) = proxy.twice(ORIGIN, transfers)
    assert "2 loads of 1 URLs, 1 expiries" in words
    assert proxy.twice(ORIGIN, transfers, after_s=7.0) == []


def test_media_whose_transfer_was_aborted_is_loaded_once(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfers = Transfers()
    _request(proxy, 4.0)
    transfers.fail(_reported())
    _request(proxy, 6.0)
    monkeypatch.setattr("time.monotonic", lambda: 7.0)
    transfers.finish(_reported())
    assert proxy.twice(ORIGIN, transfers) == []
    _request(proxy, 8.0)
    assert proxy.twice(ORIGIN, transfers)


def test_media_of_which_the_browser_reports_nothing_counts_from_its_first_request(proxy: RecordingProxy) -> None:
    _request(proxy, 4.0)
    _request(proxy, 6.0)
    assert proxy.twice(ORIGIN, Transfers())


def test_a_player_that_aborts_and_begins_anew_loads_twice(proxy: RecordingProxy) -> None:
    transfers = Transfers()
    transfers.fail(_reported())
    _request(proxy, 4.0, range="bytes=0-")
    _request(proxy, 6.0, range="bytes=100-")
    assert proxy.twice(ORIGIN, transfers) == []
    _request(proxy, 8.0, range="bytes=0-")
    assert proxy.twice(ORIGIN, transfers)


def test_media_whose_url_was_refused_is_not_loaded_twice(proxy: RecordingProxy) -> None:
    _request(proxy, 4.0, range="bytes=0-")
    _request(proxy, 6.0, 403, range="bytes=100-")
    _request(proxy, 7.0, range="bytes=0-")
    assert proxy.twice(ORIGIN, Transfers()) == []
    _request(proxy, 8.0, range="bytes=0-")
    assert proxy.twice(ORIGIN, Transfers())


def test_media_loaded_again_whose_token_had_ended_is_loaded_twice(proxy: RecordingProxy) -> None:
    _request(proxy, 4.0)
    _request(proxy, 6.0, 401)
    _request(proxy, 7.0)
    assert proxy.twice(ORIGIN, Transfers())


@pytest.mark.parametrize(
    ("page", "status", "ended", "problems"),
    [(ENDS_WITH_TOKEN, 403, 1, 0), (ENDS_WITH_TOKEN, 404, 0, 1), ("link", 403, 0, 1), ("link", 200, 0, 0)],
)
def test_a_refused_url_is_a_problem_unless_it_ends_with_the_token(
    page: str, status: int, ended: int, problems: int
) -> None:
    outcome = Outcome(page)
    _note_refusal(outcome, cast(Response, SimpleNamespace(status=status, url=f"http://localhost:1{PATH}?sig=1")))
    assert (outcome.ended_urls, len(outcome.problems)) == (ended, problems)
