"""The baselines: what they request of the homeserver, and what they keep secret."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, answer, error, run

# --- service_worker


def test_the_worker_gets_the_header_of_its_own_session_alone(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("service_worker", homeserver)
    media = run(loader.load(MediaRequest(MXC, width=96, height=96, method="crop")))
    (worker,) = browser.workers
    handle = parse_qs(urlsplit(media.src).query)["authmedia-session"][0]
    assert run(worker.headers_for(handle, "http://home.test", "")) == {"Authorization": "Bearer secret-token"}
    assert run(worker.headers_for("another", "http://home.test", "")) is None
    for elsewhere in ("http://home.test.example.org", "https://home.test", "http://home.test:8080", "null"):
        assert run(worker.headers_for(handle, elsewhere, "")) is None
    assert "secret-token" not in media.src
    assert media.src.startswith("http://home.test/_matrix/client/v1/media/thumbnail/example.org/abc?width=96")
    worker.on_response(media.src, 500)
    worker.on_response("http://home.test/elsewhere", 500)
    assert media.traffic.bytes == 500
    loader.close()
    assert worker.closed


def test_without_a_worker_support_has_the_browsers_words(homeserver: Homeserver, browser: Any) -> None:
    browser.worker_refusal = fake.BrowserError("SecurityError", "The operation is insecure.")
    loader = open_loader("service_worker", homeserver)
    support = run(loader.support())
    assert (support.works, support.words) == (False, "SecurityError: The operation is insecure.")
    with pytest.raises(errors.StrategyUnsupported, match="The operation is insecure"):
        run(loader.load(MediaRequest(MXC)))


# --- cookie


class CookieServer:
    """A homeserver that sets cookies, in front of a browser that takes only some of them."""

    def __init__(self, browser: Any, taken: dict[str, Any] | None) -> None:
        self._browser = browser
        self._taken = taken
        self.asked: list[dict[str, Any]] = []
        self.is_removed = False

    def __call__(self, request: Any) -> Any:
        if request.url.endswith("/cookie"):
            assert request.credentials == "include"
            if request.method == "POST":
                self.asked.append(json.loads(request.body))
            return answer({"expires_in_ms": 600_000})
        return None

    async def can_decode_image(self, url: str) -> bool:
        if url.startswith("blob:"):
            return self._browser.object_urls[url].content == PICTURE
        assert url.startswith(f"http://home.test{AUTHMEDIA_PREFIX}/cookie/picture?try=")
        if self.is_removed:
            return False
        return bool(self.asked) and self.asked[-1] == self._taken


@pytest.mark.parametrize(
    ("taken", "tries"),
    [
        ({"same_site": "Lax"}, 1),
        ({"same_site": "None"}, 2),
        ({"same_site": "None", "partitioned": True}, 3),
    ],
)
def test_the_strictest_cookie_that_is_sent_is_used(
    script: Script,
    homeserver: Homeserver,
    browser: Any,
    monkeypatch: pytest.MonkeyPatch,
    taken: dict[str, Any],
    tries: int,
) -> None:
    server = script.instead = CookieServer(browser, taken)
    monkeypatch.setattr(fake, "can_decode_image", server.can_decode_image)
    loader = open_loader("cookie", homeserver)
    media = run(loader.load(MediaRequest(MXC)))
    assert len(server.asked) == tries
    assert media.src == f"http://home.test{AUTHMEDIA_PREFIX}/cookie/example.org/abc"
    browser.clock += 600_000
    run(loader.load(MediaRequest("mxc://example.org/other")))
    assert server.asked[tries:] == [taken], "renewed as it was, once its time was over"
    run(loader.forget())
    assert browser.requests[-1].method == "DELETE"


def test_a_cookie_that_is_never_sent_is_not_supported(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = script.instead = CookieServer(browser, None)
    monkeypatch.setattr(fake, "can_decode_image", server.can_decode_image)
    support = run(open_loader("cookie", homeserver).support())
    assert not support.works
    assert "does not send the cookie back" in support.words


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (error(401, "M_UNKNOWN_TOKEN", "Token is not active"), errors.SessionExpired),
        (fake.BrowserError("TypeError", "Failed to fetch"), errors.HomeserverUnreachable),
        (error(404, "M_NOT_FOUND", "Not found"), errors.MediaNotFound),
        (answer({"no": "picture"}), errors.WrongContent),
        (None, errors.TransferInterrupted),
    ],
)
def test_the_cause_of_a_failure_is_requested_by_the_header(
    script: Script,
    homeserver: Homeserver,
    browser: Any,
    monkeypatch: pytest.MonkeyPatch,
    response: Any,
    cause: type[errors.AuthMediaError],
) -> None:
    server = script.instead = CookieServer(browser, {"same_site": "Lax"})
    monkeypatch.setattr(fake, "can_decode_image", server.can_decode_image)
    loader = open_loader("cookie", homeserver)
    media = run(loader.load(MediaRequest(MXC)))
    script.instead = lambda request: response if "/media/download/" in request.url else None
    script.signed_out = cause is errors.SessionExpired
    failure = run(loader.examine(media))
    assert type(failure) is cause
    assert failure.mxc == MXC
    asked = [request for request in browser.requests if "/media/download/" in request.url]
    assert {request.headers["Authorization"] for request in asked} == {"Bearer secret-token"}


def test_a_cookie_that_is_gone_is_set_again(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = script.instead = CookieServer(browser, {"same_site": "Lax"})
    monkeypatch.setattr(fake, "can_decode_image", server.can_decode_image)
    loader = open_loader("cookie", homeserver)
    media = run(loader.load(MediaRequest(MXC)))
    server.is_removed = True
    failure = run(loader.examine(media))
    assert type(failure) is errors.LinkExpired
    assert failure.retry_at_once
    run(loader.load(MediaRequest(MXC)))
    assert len(server.asked) == 2


# --- signed_query


def test_the_proof_is_an_hmac_that_is_stable_for_half_a_window(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    server_ahead = 3_600_000
    offer = {"token_id": "t1", "window_ms": 300_000, "now_ms": browser.clock + server_ahead}
    script.instead = lambda request: (
        answer({"signed_query": offer}) if request.url.endswith(AUTHMEDIA_PREFIX + "/config") else None
    )
    loader = open_loader("signed_query", homeserver)
    first = run(loader.load(MediaRequest(MXC, width=96, height=96)))
    values = parse_qs(urlsplit(first.src).query)
    moment = int(values["time"][0])
    assert 0 <= browser.clock + server_ahead - moment < 150_000, "by the server's clock, not by ours"
    assert values["h"] == [run(fake.hmac_sha256("secret-token", str(moment)))]
    assert values["token_id"] == ["t1"]
    assert values["width"] == ["96"]
    second = run(loader.load(MediaRequest("mxc://example.org/other")))
    assert parse_qs(urlsplit(second.src).query)["h"] == values["h"]
    assert len(browser.requests) == 1, "asked once, whatever the number of media"
    browser.clock += 150_000
    third = run(loader.load(MediaRequest("mxc://example.org/third")))
    assert parse_qs(urlsplit(third.src).query)["h"] != values["h"]
    assert "secret-token" not in first.src + second.src + third.src


def test_a_homeserver_without_cookies_is_told_from_one_that_fails(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    config: dict[str, Any] = {"baselines": {"cookie": False}}

    def serve(request: fake.Request) -> fake.Response:
        if request.url.endswith("/config"):
            return answer(config)
        raise fake.BrowserError("TypeError", "Failed to fetch")  # no page may read the refusal

    browser.server = serve
    assert run(open_loader("cookie", homeserver).support()).words == "cookie is off"
    config.clear()
    assert run(open_loader("cookie", homeserver).support()).words == "TypeError: Failed to fetch"


@pytest.mark.parametrize("name", ["cookie", "signed_query"])
def test_concurrent_loads_share_one_config_request(
    script: Script, homeserver: Homeserver, browser: Any, name: str
) -> None:
    offer = {"token_id": "t1", "window_ms": 300_000, "now_ms": browser.clock}

    def usual(request: Any) -> Any:
        return answer({"signed_query": offer, "expires_in_ms": 600_000})

    script.instead = usual
    loader = open_loader(name, homeserver)

    async def scenario() -> None:
        requests = [MediaRequest(f"mxc://example.org/m{number}") for number in range(20)]
        await asyncio.gather(*[loader.load(request) for request in requests])

    run(scenario())
    assert len(browser.requests) == 1


def test_a_homeserver_without_signed_queries_is_not_supported(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("signed_query", homeserver)
    assert run(loader.support()).words == "signed_query is off"
    script.instead = lambda request: error(404, "M_UNRECOGNIZED", "Unrecognized request")
    assert "M_UNRECOGNIZED" in run(open_loader("signed_query", homeserver).support()).words


# --- blocking


def test_blocking_names_the_interpreter_it_needs(homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.implementation.name", "micropython")
    support = run(open_loader("blocking", homeserver).support())
    assert not support.works
    assert "?interpreter=pyodide" in support.words
