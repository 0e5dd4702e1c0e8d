"""The pipeline's invariants, in any order of calls: a state machine that Hypothesis drives."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authmedia.errors import AuthMediaError, HomeserverUnreachable, MediaNotFound
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import NETWORK, Media, MediaRequest
from authmedia.pipeline import CacheEntry, Pipeline, Waiter
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from tests.unit import fake_browser as fake
from tests.unit.support import turns

# Of each media its bytes, and how long it is good for; what has no bytes here stands for a link.
SIZES: dict[str, int] = {"a": 1, "b": 2, "c": 4, "d": 8, "link": 0}
BUDGET = 5
TRANSFERS = 2
LIFETIME_MS = 1000
MANY = 40

KEYS = st.sampled_from(sorted(SIZES))
# What comes of a transfer: mostly all of it.
FAILURES = (HomeserverUnreachable("It broke off"), MediaNotFound("There is no such media"), LookupError("a mistake"))
OUTCOMES = st.sampled_from([None, None, None, *FAILURES])
A_FEW = st.sampled_from([0, 1, 2, 3, 4, 8])
POLICIES = st.sampled_from(["default", "default", "default", "reload", "no-store", "only-if-cached"])


class Pending(Strategy):
    """Opens nothing by itself: the machine says when, and what comes of it."""

    name = "pending"

    def __init__(self) -> None:
        super().__init__(Homeserver("http://home.test", "@ana:example.org", "token"))
        self.opening: list[tuple[MediaRequest, asyncio.Future[None]]] = []

    def transfers_body_of(self, request: MediaRequest) -> bool:
        return SIZES[request.media_id] > 0

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        pending: tuple[MediaRequest, asyncio.Future[None]] = request, asyncio.get_running_loop().create_future()
        self.opening.append(pending)
        try:
            await pending[1]
        finally:
            self.opening.remove(pending)
        size = SIZES[request.media_id]
        body = fake.Blob(bytes(size))
        until_ms = None if size else fake.epoch_ms() + LIFETIME_MS
        return Media(
            request,
            body.create_object_url(),
            strategy=self.name,
            source=NETWORK,
            traffic=traffic,
            size=size,
            valid_until_ms=until_ms,
        )

    def dispose(self, media: Media) -> None:
        assert media.src in fake.STATE.object_urls, "released once, and no more"
        fake.revoke_object_url(media.src)


class Holder:
    """Where a media is to be shown: waits for it, and then holds it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pipeline: Pipeline, key: str, visible: bool, cache: str = "default"
    ) -> None:
        self.key = key
        self.cache = cache
        self.visible = visible
        self.media: Media | None = None
        self.failure: Exception | None = None
        self.task = loop.create_task(self._schedule(pipeline))

    async def _schedule(self, pipeline: Pipeline) -> None:
        try:
            self.media = await pipeline.schedule(request(self.key, self.cache), Waiter(lambda: self.visible))
        except (AuthMediaError, LookupError) as error:
            self.failure = error
            return
        assert self.media.request.media_id == self.key
        assert self.media.src in fake.STATE.object_urls, "nobody is given a media that was dropped"


def request(key: str, cache: str = "default") -> MediaRequest:
    return MediaRequest(f"mxc://example.org/{key}", cache=cache)


class PipelineMachine(RuleBasedStateMachine):
    """After each rule the event loop goes on by a few turns, which may be none: so rules meet what is half done."""

    holders = Bundle("holders")

    def __init__(self) -> None:
        super().__init__()
        fake.reset()
        self.loop = asyncio.new_event_loop()
        self.unhandled: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.unhandled.append(context))
        self.strategy = Pending()
        self.all: list[Holder] = []
        self.pipeline = Pipeline(self.strategy, max_transfers=TRANSFERS, idle_budget=BUDGET)

    def run_turns(self, count: int) -> None:
        """By exactly so many turns of the event loop, which stands still meanwhile."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @rule(target=holders, key=KEYS, visible=st.booleans(), cache=POLICIES, count=A_FEW)
    def load(self, key: str, visible: bool, cache: str, count: int) -> Holder:
        holder = Holder(self.loop, self.pipeline, key, visible, cache)
        self.all.append(holder)
        self.run_turns(count)
        return holder

    @rule(target=holders, key=KEYS, count=A_FEW)
    def load_and_complete(self, key: str, count: int) -> Holder:
        holder = Holder(self.loop, self.pipeline, key, True)
        self.all.append(holder)
        self.run_turns(4)
        for asked, pending in self.strategy.opening:
            if asked.media_id == key and not pending.done():
                pending.set_result(None)
        self.run_turns(count)
        return holder

    @rule(holder=consumes(holders), count=A_FEW)
    def cancel_or_release(self, holder: Holder, count: int) -> None:
        """Gives back what it holds, or waits no more."""
        self.all.remove(holder)
        if not holder.task.done():
            holder.task.cancel()
        elif holder.media:
            self.pipeline.end_hold(holder.media)
        self.run_turns(count)

    @rule(holder=holders, count=A_FEW)
    def prioritize(self, holder: Holder, count: int) -> None:
        holder.visible = True
        self.pipeline.prioritize(request(holder.key, holder.cache))
        self.run_turns(count)

    @rule(key=KEYS | st.none(), count=A_FEW)
    def evict(self, key: str | None, count: int) -> None:
        self.pipeline.evict(key and request(key).key)
        self.run_turns(count)

    @rule(holder=holders, count=A_FEW)
    def evict_media(self, holder: Holder, count: int) -> None:
        """What an element could not show is forgotten, unless it was opened anew since."""
        if holder.media:
            self.pipeline.evict_media(holder.media)
        self.run_turns(count)

    @precondition(lambda self: self.unsettled())
    @rule(number=st.integers(0, 9), outcome=OUTCOMES, count=A_FEW)
    def complete(self, number: int, outcome: Exception | None, count: int) -> None:
        unsettled = self.unsettled()
        pending = unsettled[number % len(unsettled)]
        if outcome:
            pending.set_exception(outcome)
        else:
            pending.set_result(None)
        self.run_turns(count)

    def unsettled(self) -> list[asyncio.Future[None]]:
        return [pending for _, pending in self.strategy.opening if not pending.done()]

    @rule(share=st.sampled_from([0.5, 1.0]))
    def time_passes(self, share: float) -> None:
        fake.STATE.clock += LIFETIME_MS * share

    @rule()
    def settle(self) -> None:
        self.loop.run_until_complete(turns(MANY))
        transferring = [name for name, _ in self.strategy.opening if self.strategy.transfers_body_of(name)]
        wanted = [key for key in self.pipeline._in_flight if SIZES[key.rpartition("/")[2].partition("#")[0]]]
        assert len(transferring) == min(TRANSFERS, len(wanted)), "no place is free while somebody waits for one"
        for entry in self.entries():
            holders = [holder for holder in self.all if self._holds(holder, entry.media)]
            assert entry.holders == len(holders)

    def entries(self) -> list[CacheEntry]:
        return [*self.pipeline._cache.values(), *self.pipeline._detached.values()]

    def _holds(self, holder: Holder, media: Media) -> bool:
        return (
            holder.media is not None and holder.media.opening_id == media.opening_id and holder.media.src == media.src
        )

    @invariant()
    def counters_match_the_cache(self) -> None:
        assert self.pipeline.counters.opened - self.pipeline.counters.released == len(self.entries())

    @invariant()
    def every_object_url_is_of_an_entry(self) -> None:
        assert set(fake.STATE.object_urls) == {entry.media.src for entry in self.entries()}

    @invariant()
    def what_is_not_for_others_has_holders(self) -> None:
        assert all(entry.holders for entry in self.pipeline._detached.values())
        assert not [entry for entry in self.pipeline._cache.values() if entry.media.request.cache == "no-store"]

    @invariant()
    def every_load_in_flight_has_waiters(self) -> None:
        assert all(load.waiters and not load.done.is_set() for load in self.pipeline._in_flight.values())

    @invariant()
    def transfers_stay_within_the_limit(self) -> None:
        assert len([name for name, _ in self.strategy.opening if self.strategy.transfers_body_of(name)]) <= TRANSFERS

    @invariant()
    def idle_bytes_stay_within_the_budget(self) -> None:
        idle = [entry.media.size for entry in self.pipeline._cache.values() if not entry.holders]
        assert sum(idle) == self.pipeline._idle_bytes <= BUDGET
        assert all(idle), "what costs nothing is not kept for nobody"

    @invariant()
    def no_exception_is_unhandled(self) -> None:
        for holder in self.all:
            if holder.task.done() and not holder.task.cancelled():
                holder.task.result()
        assert self.unhandled == []

    def teardown(self) -> None:
        """After the end, which some meet as they begin, nobody waits for ever and nothing is left."""
        try:
            self.settle()
            self.all += [Holder(self.loop, self.pipeline, key, True) for key in SIZES]
            self.run_turns(1)
            self.pipeline.close()
            self.loop.run_until_complete(turns(MANY))
            assert all(holder.task.done() for holder in self.all)
            assert fake.STATE.object_urls == {}
            assert self.strategy.opening == []
            assert asyncio.all_tasks(self.loop) == set()
            self.no_exception_is_unhandled()
            self.counters_match_the_cache()
        finally:
            self.loop.close()


def drive(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """In a thread of its own, since Playwright, in the same run of pytest, keeps an event loop in this one."""
    # The same each time, and told as it was found: to look for the shortest way to a failure takes minutes.
    quick = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run_state_machine_as_test, machine, settings=quick).result()


@pytest.mark.usefixtures("no_pauses")
def test_the_invariants_of_the_pipeline_hold_in_any_order() -> None:
    drive(PipelineMachine, 80, 50)
