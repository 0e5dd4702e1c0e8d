"""What holds of the pipeline whatever is done to it in whatever order: a state machine that Hypothesis drives."""

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
from authmedia.pipeline import Pipeline, Waiter
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


class Pending(Strategy):
    """Opens nothing by itself: the machine says when, and what comes of it."""

    name = "pending"

    def __init__(self) -> None:
        super().__init__(Homeserver("http://home.test", "@ana:example.org", "token"))
        self.open_now: list[tuple[MediaRequest, asyncio.Future[None]]] = []

    def transfers_body_of(self, request: MediaRequest) -> bool:
        return SIZES[request.media_id] > 0

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        pending: tuple[MediaRequest, asyncio.Future[None]] = request, asyncio.get_running_loop().create_future()
        self.open_now.append(pending)
        try:
            await pending[1]
        finally:
            self.open_now.remove(pending)
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


class Place:
    """Where a media is to be shown: waits for it, and then holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Pipeline, key: str, visible: bool) -> None:
        self.key = key
        self.visible = visible
        self.media: Media | None = None
        self.failure: Exception | None = None
        self.task = loop.create_task(self._load(line))

    async def _load(self, line: Pipeline) -> None:
        try:
            self.media = await line.schedule(request(self.key), Waiter(lambda: self.visible))
        except (AuthMediaError, LookupError) as error:
            self.failure = error
            return
        assert self.media.request.media_id == self.key
        assert self.media.src in fake.STATE.object_urls, "nobody is given a media that was dropped"


def request(key: str) -> MediaRequest:
    return MediaRequest(f"mxc://example.org/{key}")


class PipelineMachine(RuleBasedStateMachine):
    """After each rule the event loop goes on by a few turns, which may be none: so rules meet what is half done."""

    places = Bundle("places")

    def __init__(self) -> None:
        super().__init__()
        fake.reset()
        self.loop = asyncio.new_event_loop()
        self.unheard: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.unheard.append(context))
        self.strategy = Pending()
        self.all: list[Place] = []
        self.line = Pipeline(self.strategy, max_transfers=TRANSFERS, idle_budget=BUDGET)

    def go_on(self, count: int) -> None:
        """By exactly so many turns of the event loop, which stands still meanwhile."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @rule(target=places, key=KEYS, visible=st.booleans(), count=A_FEW)
    def load(self, key: str, visible: bool, count: int) -> Place:
        place = Place(self.loop, self.line, key, visible)
        self.all.append(place)
        self.go_on(count)
        return place

    @rule(target=places, key=KEYS, count=A_FEW)
    def load_what_comes(self, key: str, count: int) -> Place:
        place = Place(self.loop, self.line, key, True)
        self.all.append(place)
        self.go_on(4)
        for asked, pending in self.strategy.open_now:
            if asked.media_id == key and not pending.done():
                pending.set_result(None)
        self.go_on(count)
        return place

    @rule(place=consumes(places), count=A_FEW)
    def leave(self, place: Place, count: int) -> None:
        """Gives back what it holds, or waits no more."""
        self.all.remove(place)
        if not place.task.done():
            place.task.cancel()
        elif place.media:
            self.line.end_hold(place.media)
        self.go_on(count)

    @rule(place=places, count=A_FEW)
    def hurry(self, place: Place, count: int) -> None:
        place.visible = True
        self.line.prioritize(request(place.key))
        self.go_on(count)

    @rule(key=KEYS | st.none(), count=A_FEW)
    def forget(self, key: str | None, count: int) -> None:
        self.line.evict(key and request(key).key)
        self.go_on(count)

    @rule(place=places, count=A_FEW)
    def find_it_bad(self, place: Place, count: int) -> None:
        """What an element could not show is forgotten, unless it was opened anew since."""
        if place.media:
            self.line.evict_media(place.media)
        self.go_on(count)

    @precondition(lambda self: self.unsettled())
    @rule(number=st.integers(0, 9), outcome=OUTCOMES, count=A_FEW)
    def it_comes_to_something(self, number: int, outcome: Exception | None, count: int) -> None:
        unsettled = self.unsettled()
        pending = unsettled[number % len(unsettled)]
        if outcome:
            pending.set_exception(outcome)
        else:
            pending.set_result(None)
        self.go_on(count)

    def unsettled(self) -> list[asyncio.Future[None]]:
        return [pending for _, pending in self.strategy.open_now if not pending.done()]

    @rule(share=st.sampled_from([0.5, 1.0]))
    def time_passes(self, share: float) -> None:
        fake.STATE.clock += LIFETIME_MS * share

    @rule()
    def all_that_can_goes_on(self) -> None:
        self.loop.run_until_complete(turns(MANY))
        carried = [name for name, _ in self.strategy.open_now if self.strategy.transfers_body_of(name)]
        wanted = [key for key in self.line._in_flight if SIZES[key.rpartition("/")[2]]]
        assert len(carried) == min(TRANSFERS, len(wanted)), "no place is free while somebody waits for one"
        for kept in self.line._cache.values():
            holders = [place for place in self.all if self._holds(place, kept.media)]
            assert kept.holders == len(holders)

    def _holds(self, place: Place, media: Media) -> bool:
        return place.media is not None and place.media.opening_id == media.opening_id and place.media.src == media.src

    @invariant()
    def what_is_counted_is_what_is_kept(self) -> None:
        assert self.line.counters.opened - self.line.counters.released == len(self.line._cache)

    @invariant()
    def every_object_url_belongs_to_something_kept(self) -> None:
        assert set(fake.STATE.object_urls) == {kept.media.src for kept in self.line._cache.values()}

    @invariant()
    def no_flight_is_without_waiters(self) -> None:
        assert all(flight.waiters and not flight.done.is_set() for flight in self.line._in_flight.values())

    @invariant()
    def no_more_is_on_its_way_than_may_be(self) -> None:
        assert len([name for name, _ in self.strategy.open_now if self.strategy.transfers_body_of(name)]) <= TRANSFERS

    @invariant()
    def what_nobody_holds_is_within_the_budget(self) -> None:
        idle = [kept.media.size for kept in self.line._cache.values() if not kept.holders]
        assert sum(idle) == self.line._idle_bytes <= BUDGET
        assert all(idle), "what costs nothing is not kept for nobody"

    @invariant()
    def nothing_goes_wrong_unheard(self) -> None:
        for place in self.all:
            if place.task.done() and not place.task.cancelled():
                place.task.result()
        assert self.unheard == []

    def teardown(self) -> None:
        """After the end, which some meet as they begin, nobody waits for ever and nothing is left."""
        try:
            self.all_that_can_goes_on()
            self.all += [Place(self.loop, self.line, key, True) for key in SIZES]
            self.go_on(1)
            self.line.close()
            self.loop.run_until_complete(turns(MANY))
            assert all(place.task.done() for place in self.all)
            assert fake.STATE.object_urls == {}
            assert self.strategy.open_now == []
            assert asyncio.all_tasks(self.loop) == set()
            self.nothing_goes_wrong_unheard()
            self.what_is_counted_is_what_is_kept()
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
def test_the_pipeline_keeps_its_word_in_any_order() -> None:
    drive(PipelineMachine, 80, 50)
