"""What is particular to each strategy."""

import asyncio
from typing import Any

import pytest

from authmedia import errors, strategies
from authmedia.elements.binding import FAILED, SHOWN, Binding
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import DISK, MEMORY, NETWORK, MediaRequest
from authmedia.traffic import Traffic
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run


def test_every_strategy_has_its_name_and_support(script: Script, homeserver: Homeserver) -> None:
    for name in strategies.NAMES:
        loader = open_loader(name, homeserver)
        assert loader.name == name
        assert run(loader.support()).works


def test_an_unknown_strategy_is_refused_by_name(homeserver: Homeserver) -> None:
    with pytest.raises(ValueError, match="link, delegated, opfs, blob, bundle"):
        open_loader("telepathy", homeserver)


# --- link


def test_all_requests_of_one_turn_are_one_batch(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media = {f"example.org/m{number}": PICTURE for number in range(150)}
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        requests = [MediaRequest(f"mxc://example.org/m{number}") for number in range(150)]
        medias = await asyncio.gather(*[loader.load(request) for request in requests])
        assert all(media.request is request for media, request in zip(medias, requests, strict=True))
        assert all(f"/{request.media_id}?" in media.src for media, request in zip(medias, requests, strict=True))
        assert sum(media.traffic.requests for media in medias) == 2, "each batch is counted once"

    run(scenario())
    assert [len(batch) for batch in script.batches] == [100, 50]


@pytest.mark.parametrize("name", ["link", "bundle"])
def test_a_rate_limited_batch_is_retried_as_one(script: Script, homeserver: Homeserver, name: str) -> None:
    script.media = {f"example.org/m{number}": PICTURE for number in range(50)}
    loader = open_loader(name, homeserver)
    refusals = [error(429, "M_LIMIT_EXCEEDED", "Too many", retry_after_ms=30)] * 2
    script.instead = lambda request: refusals.pop() if refusals else None

    async def scenario() -> None:
        requests = [MediaRequest(f"mxc://example.org/m{number}", width=9, height=9) for number in range(50)]
        await asyncio.gather(*[loader.load(request) for request in requests])

    run(scenario())
    assert [len(asked) for asked in script.batches + script.bundles] == [50]
    assert len(fake.STATE.requests) == 3
    assert loader.counters.retried == 100


def test_a_bad_entry_fails_alone(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        wanted = [MXC, "mxc://example.org/missing"]
        good, bad = await asyncio.gather(*[loader.load(MediaRequest(mxc)) for mxc in wanted], return_exceptions=True)
        assert good.src.startswith("http://home.test/signed/")
        assert isinstance(bad, errors.MediaNotFound)
        assert bad.mxc == "mxc://example.org/missing"

    run(scenario())
    assert len(script.batches) == 1


def test_a_link_is_cached_while_valid_and_requested_anew_before_it_expires(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        strategy = loader._strategy
        first = await strategy.open(MediaRequest(MXC), Traffic())
        assert (await strategy.open(MediaRequest(MXC), Traffic())).src == first.src
        browser.clock += script.lifetime_ms - 1000
        assert (await strategy.open(MediaRequest(MXC), Traffic())).src != first.src

    run(scenario())
    assert len(script.batches) == 2


def test_a_homeserver_without_links_differs_from_one_that_is_down(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("link", homeserver)
    script.instead = lambda request: error(404, "M_UNRECOGNIZED", "Unrecognized request")
    support = run(loader.support())
    assert not support.works
    assert "M_UNRECOGNIZED" in support.words
    with pytest.raises(errors.LinksUnsupported, match="media_links"):
        run(loader.load(MediaRequest(MXC)))
    script.instead = lambda request: fake.BrowserError("TypeError", "Failed to fetch")
    assert "Failed to fetch" in run(loader.support()).words


def test_resource_timing_is_added_once(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        media = await loader.load(MediaRequest(MXC))
        browser.loads[media.src] = fake.ResourceTimings(1, 1, 500)
        await loader.observe(media)
        assert (media.traffic.requests, media.traffic.bytes, media.source) == (2, 500, NETWORK)
        browser.loads[media.src] = fake.ResourceTimings(2, 1, 500)
        again = await loader.load(MediaRequest(MXC))
        await loader.observe(again)
        assert (again.traffic.requests, again.traffic.bytes, again.source) == (0, 0, DISK)
        third = await loader.load(MediaRequest(MXC))
        await loader.observe(third)
        assert (third.traffic.requests, third.source) == (0, MEMORY), "nothing was loaded, so it was there already"

    run(scenario())


def test_observations_are_dropped_when_the_browser_clears_its_list(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        media = await loader.load(MediaRequest(MXC))
        browser.loads[media.src] = fake.ResourceTimings(2, 2, 500)
        await loader.observe(media)
        browser.emptied_timings += 1
        browser.loads[media.src] = fake.ResourceTimings(
            1, 1, 70
        )  # it was full, and the next load is the first that it lists
        again = await loader.load(MediaRequest(MXC))
        await loader.observe(again)
        assert (again.traffic.requests, again.traffic.bytes, again.source) == (1, 70, NETWORK)

    run(scenario())


def test_a_video_whose_request_never_ends_counts_as_one(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("link", homeserver)

    async def scenario() -> None:
        media = await loader.load(MediaRequest(MXC, kind="video"))
        for _ in range(2):
            await loader.observe(media)
            assert (media.traffic.requests, media.source) == (2, NETWORK), "the batch, and its own"
        browser.loads[media.src] = fake.ResourceTimings(3, 3, 900)
        await loader.observe(media)
        assert (media.traffic.requests, media.traffic.bytes, media.source) == (4, 900, NETWORK)

    run(scenario())


def test_a_failed_media_has_its_traffic(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        for name, requests in (("blob", 1), ("link", 1)):
            binding = Binding(fake.Element("img", data_mxc="mxc://example.org/missing"), open_loader(name, homeserver))
            binding.start()
            await binding.settled()
            assert binding.traffic
            assert binding.traffic.requests == requests

    run(scenario())


# --- opfs


def test_support_has_the_browsers_words(homeserver: Homeserver, browser: Any) -> None:
    browser.storage_refusal = fake.BrowserError("SecurityError", "Security error when calling GetDirectory")
    support = run(open_loader("opfs", homeserver).support())
    assert not support.works
    assert support.words == "SecurityError: Security error when calling GetDirectory"


# --- elements


def test_an_element_shows_its_media_and_says_where_it_came_from(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    async def scenario() -> None:
        element = fake.Element("img", data_mxc=MXC, data_width="96", data_height="96", data_method="crop")
        binding = Binding(element, open_loader("blob", homeserver))
        binding.start()
        await binding.settled()
        assert (element.get_attribute("data-state"), element.get_attribute("data-strategy")) == (SHOWN, "blob")
        assert element.get_attribute("data-source") == NETWORK
        assert element.src in browser.object_urls
        binding.close()
        assert element.src == ""

    run(scenario())


async def never(src: str) -> bool:
    return False


@pytest.mark.parametrize("name", strategies.NAMES)
@pytest.mark.parametrize(
    ("mxc", "expected"),
    [
        ("https://example.org/x.png", errors.MalformedMxc),
        ("mxc://example.org/missing", errors.MediaNotFound),
        ("mxc://example.org/garbage", errors.WrongContent),
    ],
)
def test_a_failed_element_is_followed_by_a_message(
    script: Script, homeserver: Homeserver, name: str, mxc: str, expected: type[errors.AuthMediaError]
) -> None:
    script.media["example.org/garbage"] = b"<html>"

    async def scenario() -> None:
        element = fake.Element("img", data_mxc=mxc)
        element.shows = never
        binding = Binding(element, open_loader(name, homeserver))
        binding.start()
        await binding.settled()
        assert type(binding.failure) is expected
        assert element.get_attribute("data-state") == FAILED
        assert [words.text for words in element.siblings] == [expected.user_message]
        assert element.src == ""

    run(scenario())
