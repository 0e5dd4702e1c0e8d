"""The homeserver session: errors, headers and preflights."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from authmedia import errors
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.http_dates import epoch_ms_of
from authmedia.matrix.preflight_counter import PreflightCounter
from authmedia.matrix.urls import percent_encode
from authmedia.media import MediaRequest
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import request_media
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, answer, error, run


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (lambda: error(401, "M_UNKNOWN_TOKEN", "Invalid access token"), errors.SessionExpired),
        (lambda: error(401, "M_MISSING_TOKEN", "Missing access token"), errors.ProxyRefused),
        (lambda: error(401, "M_USER_LOCKED", "User account has been locked", soft_logout=True), errors.UserLocked),
        (lambda: error(403, "M_USER_SUSPENDED", "You can't do this"), errors.UserSuspended),
        (lambda: error(403, "M_USER_DEACTIVATED", "This account has been deactivated"), errors.UserDeactivated),
        (lambda: fake.Response(401, b"<html>Sign in to the hotel's network</html>"), errors.ProxyRefused),
        (lambda: fake.Response(403, b"<html>nginx</html>"), errors.ProxyRefused),
        (lambda: error(401, "M_UNAUTHORIZED", "No"), errors.Forbidden),
        (lambda: error(404, "M_NOT_FOUND", "Not found"), errors.MediaNotFound),
        (lambda: error(404, "M_UNRECOGNIZED", "Unrecognized request"), errors.LinksUnsupported),
        (lambda: error(403, "M_FORBIDDEN", "No"), errors.Forbidden),
        (lambda: error(429, "M_LIMIT_EXCEEDED", "Slow", retry_after_ms=2500), errors.RateLimited),
        (lambda: error(500, "M_UNKNOWN", "Internal server error"), errors.ServerFailure),
        (lambda: fake.Response(502, b"<html>Bad gateway</html>"), errors.ServerFailure),
        (lambda: fake.Response(404, b"nothing here"), errors.MediaNotFound),
        (lambda: fake.BrowserError("TypeError", "Failed to fetch"), errors.HomeserverUnreachable),
    ],
)
def test_each_error_response_has_its_own_error(
    script: Script, homeserver: Homeserver, reply: Any, expected: type[errors.AuthMediaError]
) -> None:
    script.instead = lambda request: reply()
    with pytest.raises(errors.AuthMediaError) as caught:
        run(request_media(homeserver, MediaRequest(MXC), Traffic()))
    assert type(caught.value) is expected
    assert caught.value.mxc == MXC
    assert caught.value.words


def test_retry_after_is_read_from_header_or_body(script: Script, homeserver: Homeserver) -> None:
    body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Slow"}
    cases: list[tuple[dict[str, str], object, float | None]] = [
        ({}, 2500, 2.5),
        ({"Retry-After": "7"}, 2500, 7.0),
        ({"Retry-After": "Wed, 25 Nov 2026 21:00:00 GMT"}, 2500, 2.5),
        ({"Retry-After": "²"}, None, None),
        ({}, float("nan"), None),
        ({}, 10**400, None),
    ]
    for headers, wait_ms, seconds in cases:
        reply = answer({**body, "retry_after_ms": wait_ms}, 429, headers)
        script.instead = lambda request, reply=reply: reply
        with pytest.raises(errors.RateLimited) as caught:
            run(homeserver.request_json("GET", "/x"))
        assert caught.value.retry_after_s == seconds


def test_a_response_that_is_not_matrix_is_a_server_failure(script: Script, homeserver: Homeserver) -> None:
    script.instead = lambda request: fake.Response(200, b"<html>welcome</html>")
    with pytest.raises(errors.ServerFailure, match="not JSON"):
        run(homeserver.request_json("GET", "/x"))


def test_the_token_travels_in_the_header_alone(script: Script, homeserver: Homeserver, browser: Any) -> None:
    run(request_media(homeserver, MediaRequest(MXC, width=96, height=96, method="crop"), Traffic()))
    (request,) = browser.requests
    assert request.headers["Authorization"] == "Bearer secret-token"
    assert "secret-token" not in request.url
    assert "secret-token" not in repr(homeserver)
    assert request.url.endswith("/thumbnail/example.org/abc?width=96&height=96&method=crop&animated=false")


def test_a_gateway_for_media_gets_requests_for_links_and_no_others(browser: Any) -> None:
    homeserver = Homeserver(
        "https://matrix.example.org", "@ana:example.org", "token", media_base_url="https://gateway.example.org/"
    )
    browser.server = lambda request: answer({})
    for path in (AUTHMEDIA_PREFIX + "/config", "/_matrix/client/v3/sync"):
        run(homeserver.request_json("GET", path))
    assert [request.url for request in browser.requests] == [
        "https://gateway.example.org" + AUTHMEDIA_PREFIX + "/config",
        "https://matrix.example.org/_matrix/client/v3/sync",
    ]
    with pytest.raises(errors.MalformedAddress):
        Homeserver("https://matrix.example.org", "@ana:example.org", "token", media_base_url="gateway")


def test_preflights_follow_the_fetch_standard(browser: Any) -> None:
    preflights = PreflightCounter("http://home.test")
    header = {"Authorization": "x"}
    assert preflights.count("http://home.test/a", header) == 1
    assert preflights.count("http://home.test/a", header) == 0, "remembered for five seconds"
    assert preflights.count("http://home.test/b", header) == 1, "remembered by URL"
    assert preflights.count("http://home.test/c", {}) == 0, "a plain GET has none"
    assert PreflightCounter("http://page.test").count("http://page.test/a", header) == 0, "the same origin has none"
    browser.clock += 6000
    assert preflights.count("http://home.test/a", header) == 1


def test_percent_encoding_leaves_only_unreserved_characters() -> None:
    assert percent_encode("!a:b/ü") == "%21a%3Ab%2F%C3%BC"


@pytest.mark.parametrize("method", ["request_json", "request_json_list"])
def test_a_response_that_breaks_off_is_unreachable(script: Script, homeserver: Homeserver, method: str) -> None:
    reset = fake.BrowserError("TypeError", "network error")
    script.instead = lambda request: fake.Response(200, b"{", breaks=reset)
    with pytest.raises(errors.HomeserverUnreachable, match='The answer broke off: "TypeError: network error"'):
        run(getattr(homeserver, method)("GET", "/_matrix/client/versions"))


@pytest.mark.parametrize(("status", "errcode"), [(404, "M_NOT_FOUND"), (404, ""), (405, "")])
def test_a_missing_endpoint_of_the_module_is_unsupported(
    script: Script, homeserver: Homeserver, status: int, errcode: str
) -> None:
    script.instead = lambda request: error(status, errcode, "No such resource")
    with pytest.raises(errors.LinksUnsupported):
        run(homeserver.request_json("POST", AUTHMEDIA_PREFIX + "/links", {}))


@pytest.mark.parametrize(
    ("date", "left_s"),
    [
        ("Fri, 15 Jan 2027 08:00:07 GMT", 7.0),
        ("Fri, 15 Jan 2027 07:59:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:00:07 CET", None),
        ("Friday, 15-Jan-27 08:00:07 GMT", None),
        ("soon", None),
        ("Fri, 15 Jan 2027 08:00:0x GMT", None),
    ],
)
def test_retry_after_may_be_a_date(
    script: Script, homeserver: Homeserver, browser: Any, date: str, left_s: float | None
) -> None:
    browser.clock = 1_800_000_000_000.0  # 2027-01-15 08:00:00 UTC
    script.instead = lambda request: fake.Response(503, b"<html>busy</html>", {"Retry-After": date})
    with pytest.raises(errors.ServerFailure) as caught:
        run(homeserver.request_json("GET", "/x"))
    assert caught.value.retry_after_s == left_s


def test_a_failing_server_says_when_to_ask_again(script: Script, homeserver: Homeserver) -> None:
    script.instead = lambda request: fake.Response(503, b"", {"Retry-After": "11"})
    with pytest.raises(errors.ServerFailure) as caught:
        run(homeserver.request_json("GET", "/x"))
    assert caught.value.retry_after_s == 11.0


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2024, 2026, 2100])
def test_a_date_is_what_the_standard_library_takes_it_for(year: int) -> None:
    for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
        moment = datetime(year, month, day, 13, 37, 59, tzinfo=UTC)
        assert epoch_ms_of(format_datetime(moment, usegmt=True)) == moment.timestamp() * 1000
