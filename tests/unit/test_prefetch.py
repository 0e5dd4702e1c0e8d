"""Prefetching: its order, its priority, pause, resumption, cancellation and failures."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MEMORY, MediaRequest
from authmedia.prefetch import CANCELLED, DONE, PAUSED, RUNNING, Prefetch
from authmedia.support.retry_policy import RetryPolicy
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run, turns

COUNT = 6


class Gated:
    """A server that answers requests for media when a test says so."""

    def __init__(self, script: Script) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        script.media.update({f"example.org/m{number}": PICTURE for number in range(COUNT)})
        script.instead = self._answer

    def _answer(self, request: Any) -> Any:
        name = request.url.rpartition("/")[2].partition("?")[0]
        if "/download/" not in request.url and "/signed/" not in request.url:
            return None
        self.gates[name] = asyncio.Event()
        return fake.Response(200, PICTURE, {"Content-Type": "image/png"}, gate=self.gates[name])

    async def let(self, *names: str) -> None:
        """Answers these requests, once all that can has happened."""
        for name in names:
            self.gates[name].set()
        await turns(40)


@pytest.fixture
def server(script: Script) -> Gated:
    return Gated(script)


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("blob", homeserver, retry=RetryPolicy(attempts=1))


def requests(count: int = COUNT) -> list[MediaRequest]:
    return [MediaRequest(f"mxc://example.org/m{number}") for number in range(count)]


def test_media_are_loaded_in_their_order_and_stay_cached(loader: MediaLoader, server: Gated) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(loader, requests())
        await turns()
        assert (list(server.gates), prefetch.left, prefetch.state) == (["m0", "m1"], 4, RUNNING)
        await server.let("m1")
        assert list(server.gates) == ["m0", "m1", "m2"]
        for number in (0, 2, 3, 4, 5):
            await server.let(f"m{number}")
        await prefetch.done()
        assert (prefetch.loaded, prefetch.left, prefetch.state, prefetch.failures) == (6, 0, DONE, {})
        await loader.forget(requests()[1])
        assert len(fake.STATE.object_urls) == 5
        assert (await loader.load(requests()[3])).source == MEMORY
        loader._pipeline._idle_budget = 0
        loader.release(await loader.load(requests()[4]))
        assert len(fake.STATE.object_urls) == 1, "all others were released"
        assert loader.counters.opened == 6
        loader.close()

    run(scenario())
    assert fake.STATE.object_urls == {}


def test_what_is_visible_goes_first(loader: MediaLoader, server: Gated) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(loader, requests(), transfers=1)
        await turns()
        visible = asyncio.create_task(loader.load(MediaRequest(MXC), lambda: True))
        near = asyncio.create_task(loader.load(MediaRequest("mxc://example.org/m5"), lambda: False))
        await turns()
        await server.let("m0")
        assert sorted(server.gates) == ["abc", "m0", "m5"], "it waits for the visible one"
        await server.let("abc")
        await visible
        assert sorted(server.gates) == ["abc", "m0", "m1", "m5"], "and not for the one that is only near"
        prefetch.cancel()
        near.cancel()
        await turns()

    run(scenario())


def test_pause_resume_and_cancel(loader: MediaLoader, server: Gated, browser: Any) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(loader, requests())
        await turns()
        prefetch.pause()
        await server.let("m0", "m1")
        assert (list(server.gates), prefetch.loaded, prefetch.state) == (["m0", "m1"], 2, PAUSED)
        waiting = asyncio.create_task(prefetch.done())
        prefetch.resume()
        await turns()
        assert (list(server.gates), prefetch.state) == (["m0", "m1", "m2", "m3"], RUNNING)
        assert not waiting.done()
        prefetch.cancel()
        await waiting
        await turns()
        assert (prefetch.state, prefetch.left, prefetch.loaded) == (CANCELLED, 0, 2)
        assert len(browser.aborted) == 2
        prefetch.resume()
        prefetch.pause()
        assert prefetch.state == CANCELLED
        assert list(server.gates) == ["m0", "m1", "m2", "m3"]

    run(scenario())
    assert loader.counters.aborted == 2


def test_a_pause_holds_while_something_visible_loads(loader: MediaLoader, server: Gated) -> None:
    async def scenario() -> None:
        visible = asyncio.create_task(loader.load(MediaRequest(MXC)))
        await turns()
        prefetch = Prefetch(loader, requests())
        await turns()
        prefetch.pause()
        await server.let("abc")
        await visible
        await turns()
        assert list(server.gates) == ["abc"]
        prefetch.cancel()

    run(scenario())


def test_a_failure_is_reported_and_the_others_go_on(loader: MediaLoader, script: Script) -> None:
    script.media.update({f"example.org/m{number}": PICTURE for number in (0, 2)})

    async def scenario() -> None:
        prefetch = Prefetch(loader, requests(3))
        await prefetch.done()
        assert (prefetch.loaded, prefetch.state) == (2, DONE)
        assert isinstance(prefetch.failures["mxc://example.org/m1"], errors.MediaNotFound)

    run(scenario())


def test_the_end_of_the_session_ends_it(loader: MediaLoader, script: Script) -> None:
    script.instead = lambda request: error(401, "M_UNKNOWN_TOKEN", "Signed out")

    async def scenario() -> None:
        prefetch = Prefetch(loader, requests(), transfers=1)
        await prefetch.done()
        assert (prefetch.state, list(prefetch.failures)) == (CANCELLED, ["mxc://example.org/m0"])

    run(scenario())


def test_closing_the_loader_ends_it(loader: MediaLoader, server: Gated, browser: Any) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(loader, requests())
        await turns()
        loader.close()
        await prefetch.done()
        assert prefetch.state == CANCELLED

    run(scenario())
    assert browser.object_urls == {}


def test_elements_have_from_memory_what_auto_has_prefetched(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("auto", homeserver)
    small = MediaRequest(MXC, width=32, height=32)

    async def scenario() -> None:
        await Prefetch(loader, [small]).done()
        assert (await loader.load(small)).source == MEMORY

    run(scenario())


def test_a_links_body_goes_into_the_http_cache(script: Script, server: Gated, homeserver: Homeserver) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(open_loader("link", homeserver), requests(1))
        await turns(40)
        (sent,) = [request for request in fake.STATE.requests if "/signed/" in request.url]
        assert (sent.cache, sent.credentials, sent.priority) == ("default", "same-origin", "low")
        assert "Authorization" not in sent.headers
        assert prefetch.loaded == 0
        await server.let("m0")
        assert (prefetch.loaded, prefetch.state) == (1, DONE)

    run(scenario())


def test_a_links_body_that_breaks_off_is_a_failure(script: Script, homeserver: Homeserver) -> None:
    broken = fake.BrowserError("TypeError", "network error")
    script.media["example.org/m0"] = PICTURE
    script.instead = lambda request: fake.Response(200, b"", breaks=broken) if "/signed/" in request.url else None

    async def scenario() -> None:
        prefetch = Prefetch(open_loader("link", homeserver), requests(1))
        await prefetch.done()
        assert isinstance(prefetch.failures["mxc://example.org/m0"], errors.HomeserverUnreachable)

    run(scenario())


def test_an_empty_list_is_done(loader: MediaLoader) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(loader, [])
        await prefetch.done()
        assert prefetch.state == DONE

    run(scenario())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"transfers": 0}, "Prefetch: transfers is 0; it must be a whole number, at least 1"),
        ({"limit": 3}, "Prefetch has no option 'limit'; its options are: transfers"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], words: str, loader: MediaLoader) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Prefetch(loader, [], **options)
    with pytest.raises(ValueError, match="it must be a list of MediaRequest"):
        Prefetch(loader, [MXC])  # type: ignore[list-item]
