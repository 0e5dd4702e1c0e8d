"""The pipeline: coalescing, the limit, retries, cancellation, the cache and counters."""

import asyncio
import random
from typing import Any

import pytest

from authmedia import errors, pipeline
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MEMORY, NETWORK, MediaRequest
from authmedia.support import backoff
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run, turns


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("blob", homeserver)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries at once; gives the delays that would have been waited."""
    delays: list[float] = []
    compute = backoff.retry_delay_s

    def at_once(attempt: int, retry_after_s: float | None) -> float:
        delays.append(compute(attempt, retry_after_s))
        return 0

    monkeypatch.setattr(backoff, "retry_delay_s", at_once)
    return delays


def test_equal_requests_at_the_same_time_are_one_load(loader: MediaLoader, browser: Any) -> None:
    async def scenario() -> None:
        medias = await asyncio.gather(*[loader.load(MediaRequest(MXC)) for _ in range(5)])
        assert len({media.src for media in medias}) == 1
        assert [media.source for media in medias] == [NETWORK] * 5
        again = await loader.load(MediaRequest(MXC))
        assert again.source == MEMORY
        assert again.traffic.requests == 0

    run(scenario())
    assert len(browser.requests) == 1
    assert loader.counters.coalesced == 4
    assert loader.counters.hits == 1


def test_shown_media_stay_and_closing_releases_all(loader: MediaLoader, browser: Any) -> None:
    async def scenario() -> None:
        first = await loader.load(MediaRequest(MXC))
        second = await loader.load(MediaRequest(MXC))
        loader.release(first)
        assert second.src in browser.object_urls
        assert browser.object_urls[second.src].content == PICTURE
        loader.close()

    run(scenario())
    assert browser.object_urls == {}
    assert loader.counters.opened == loader.counters.released == 1


def test_idle_media_are_evicted_beyond_the_budget(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media = {f"example.org/m{number}": bytes(1000) for number in range(5)}
    the_pipeline = pipeline.Pipeline(open_loader("blob", homeserver)._strategy, idle_budget=2500)

    async def scenario() -> None:
        for number in range(5):
            the_pipeline.end_hold(await the_pipeline.schedule(MediaRequest(f"mxc://example.org/m{number}")))

    run(scenario())
    assert len(browser.object_urls) == 2
    assert the_pipeline.counters.opened - the_pipeline.counters.released == 2


@pytest.mark.parametrize("seed", range(20))
def test_idle_bytes_stay_within_the_budget_in_any_order_of_holds(
    seed: int, script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_MAX_OUTDATED", 4)
    chance = random.Random(seed)
    script.media = {f"example.org/m{number}": bytes(1000 + number) for number in range(6)}
    the_pipeline = pipeline.Pipeline(open_loader("blob", homeserver)._strategy, idle_budget=3500)
    held: dict[str, list[Any]] = {f"mxc://{path}": [] for path in script.media}

    async def scenario() -> None:
        for _ in range(300):
            mxc = chance.choice(list(held))
            if held[mxc] and chance.random() < 0.5:
                the_pipeline.end_hold(held[mxc].pop())
            else:
                held[mxc].append(await the_pipeline.schedule(MediaRequest(mxc)))
            idle = [entry.media.size for entry in the_pipeline._cache.values() if not entry.holders]
            assert the_pipeline._idle_bytes == sum(idle) <= 3500
            assert [the_pipeline._cache[mxc].holders for mxc in held if held[mxc]] == [
                len(shown) for shown in held.values() if shown
            ]
        assert len(the_pipeline._idle) <= 2 * len(the_pipeline._cache) + pipeline._MAX_OUTDATED

    run(scenario())


def test_a_transfer_belongs_to_all_waiters_whichever_observes_it_first(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    """An element transfers after `load` is done; who asks meanwhile waits for the same transfer."""

    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        first, second = [await loader.load(MediaRequest(MXC)) for _ in range(2)]
        browser.loads[first.src] = fake.ResourceTimings(1, 1, 500)
        await loader.observe(second)
        await loader.observe(first)
        assert (first.source, second.source) == (NETWORK, NETWORK)
        assert first.traffic is second.traffic
        assert first.traffic.bytes == 500
        third = await loader.load(MediaRequest(MXC))
        await loader.observe(third)
        assert (third.source, third.traffic.bytes) == (MEMORY, 0)

    run(scenario())


def test_a_cancelled_load_aborts_its_transfer(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = lambda request: fake.Response(200, PICTURE, gate=asyncio.Event())
        task = asyncio.create_task(loader.load(MediaRequest(MXC)))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await turns()
        assert len(browser.aborted) == 1
        script.instead = None
        assert (await loader.load(MediaRequest(MXC))).source == NETWORK

    run(scenario())
    assert loader.counters.aborted == 1


def test_a_load_continues_while_another_waiter_is_left(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
        first, second = [asyncio.create_task(loader.load(MediaRequest(MXC))) for _ in range(2)]
        await turns()
        first.cancel()
        await turns()
        gate.set()
        assert (await second).source == NETWORK

    run(scenario())
    assert browser.aborted == []


def test_concurrent_transfers_stay_within_the_limit(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)
        tasks = [asyncio.create_task(loader.load(MediaRequest(f"mxc://example.org/m{n}"))) for n in range(30)]
        await turns()
        assert len(browser.requests) == 16
        tasks[20].cancel()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 1

    run(scenario())
    assert len(browser.requests) == 29


@pytest.mark.usefixtures("no_waiting")
def test_a_temporary_failure_is_retried(loader: MediaLoader, script: Script, browser: Any) -> None:
    replies = [error(503, "M_UNKNOWN", "busy"), fake.BrowserError("TypeError", "Failed to fetch"), None]
    script.instead = lambda request: replies.pop(0)
    media = run(loader.load(MediaRequest(MXC)))
    assert media.traffic.requests == 3
    assert loader.counters.retried == 2


def test_retry_after_is_respected(loader: MediaLoader, script: Script, no_waiting: list[float]) -> None:
    replies = [error(429, "M_LIMIT_EXCEEDED", "slow", retry_after_ms=1500), None]
    script.instead = lambda request: replies.pop(0)
    run(loader.load(MediaRequest(MXC)))
    assert 1.5 <= no_waiting[0] <= 1.7


def test_a_permanent_failure_is_not_retried(loader: MediaLoader, browser: Any) -> None:
    with pytest.raises(errors.MediaNotFound):
        run(loader.load(MediaRequest("mxc://example.org/nothing")))
    assert len(browser.requests) == 1


@pytest.mark.usefixtures("no_waiting")
def test_a_failure_reaches_all_waiters_and_is_not_cached(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = lambda request: error(500, "M_UNKNOWN", "broken")
        results = await asyncio.gather(*[loader.load(MediaRequest(MXC)) for _ in range(3)], return_exceptions=True)
        assert [type(result) for result in results] == [errors.ServerFailure] * 3
        script.instead = None
        await loader.load(MediaRequest(MXC))

    run(scenario())


@pytest.mark.usefixtures("no_waiting")
def test_an_interrupted_transfer_is_retried(loader: MediaLoader, script: Script) -> None:
    replies = [fake.Response(200, b"", breaks=fake.BrowserError("TypeError", "network error")), None]
    script.instead = lambda request: replies.pop(0)
    assert run(loader.load(MediaRequest(MXC))).size == len(PICTURE)


def test_closing_aborts_loads_in_flight(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = lambda request: fake.Response(200, PICTURE, gate=asyncio.Event())
        task = asyncio.create_task(loader.load(MediaRequest(MXC)))
        await turns()
        loader.close()
        with pytest.raises(errors.AuthMediaError):
            await task

    run(scenario())
    assert len(browser.aborted) == 1
    assert browser.object_urls == {}


def test_visible_loads_go_first(script: Script, homeserver: Homeserver) -> None:
    gate = asyncio.Event()
    names = [f"m{number}" for number in range(22)]
    script.media = {f"example.org/{name}": PICTURE for name in names}
    asked: list[str] = []

    def answer(request: Any) -> Any:
        asked.append(request.url.rsplit("/", 1)[1])
        return fake.Response(200, PICTURE, gate=gate)

    script.instead = answer
    loader = open_loader("blob", homeserver)
    visible = {"m19"}

    async def scenario() -> None:
        loads = [
            asyncio.create_task(
                loader.load(MediaRequest(f"mxc://example.org/{name}"), lambda name=name: name in visible)  # type: ignore[misc]
            )
            for name in names
        ]
        await turns()
        assert asked == names[:16], "so many at a time"
        visible.add("m21")  # scrolled into view while it waits
        loader.prioritize(MediaRequest("mxc://example.org/m21"))
        gate.set()
        await asyncio.gather(*loads)

    run(scenario())
    assert asked[16:18] == ["m19", "m21"]
    assert asked[18:] == ["m16", "m17", "m18", "m20"]


def test_on_count_is_called_for_every_count(loader: MediaLoader) -> None:
    told: list[tuple[str, int]] = []
    loader.counters.on_count = lambda name, value: told.append((name, value))

    async def scenario() -> None:
        medias = await asyncio.gather(*[loader.load(MediaRequest(MXC)) for _ in range(3)])
        for media in medias:
            loader.release(media)
        loader.close()

    run(scenario())
    assert told == [("coalesced", 1), ("coalesced", 2), ("opened", 1), ("released", 1)]


def test_a_waiter_cancelled_on_completion_holds_nothing(loader: MediaLoader, script: Script, browser: Any) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, PICTURE, gate=gate)

    async def scenario() -> None:
        the_pipeline = loader._pipeline
        task = asyncio.create_task(loader.load(MediaRequest(MXC)))
        await turns()
        in_flight = the_pipeline._in_flight[MXC]
        gate.set()
        while not in_flight.done.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await turns()
        (entry,) = the_pipeline._cache.values()
        assert entry.holders == 0

    run(scenario())


def test_a_completed_load_is_not_evicted_before_its_waiters_get_it(script: Script, homeserver: Homeserver) -> None:
    the_pipeline = pipeline.Pipeline(open_loader("blob", homeserver)._strategy, idle_budget=0)
    script.media["example.org/other"] = PICTURE

    async def scenario() -> None:
        shown = await the_pipeline.schedule(MediaRequest(MXC))
        loading = asyncio.create_task(the_pipeline.schedule(MediaRequest("mxc://example.org/other")))
        await turns(3)
        in_flight = the_pipeline._in_flight["mxc://example.org/other"]
        while not in_flight.done.is_set():
            await asyncio.sleep(0)
        the_pipeline.end_hold(shown)
        assert (await loading).src

    run(scenario())


def test_loading_by_a_closed_loader_fails(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        waiting = asyncio.create_task(loader.load(MediaRequest(MXC)))
        await asyncio.sleep(0)
        loader.close()
        with pytest.raises(errors.AuthMediaError, match="given up"):
            await waiting
        with pytest.raises(errors.AuthMediaError, match="closed"):
            await loader.load(MediaRequest(MXC))

    run(scenario())
    assert browser.object_urls == {}


@pytest.mark.parametrize("closed", [False, True])
def test_no_waiter_gets_a_media_that_was_evicted_meanwhile(
    loader: MediaLoader, script: Script, browser: Any, closed: bool
) -> None:
    async def scenario() -> None:
        the_pipeline = loader._pipeline
        waiting = asyncio.create_task(the_pipeline.schedule(MediaRequest(MXC)))
        while MXC not in the_pipeline._cache:
            await asyncio.sleep(0)
        assert not waiting.done()
        if closed:
            the_pipeline.close()
            with pytest.raises(errors.AuthMediaError, match="closed"):
                await waiting
            return
        the_pipeline.evict(MXC)
        assert (await waiting).src in browser.object_urls
        assert len(browser.requests) == 2

    run(scenario())
