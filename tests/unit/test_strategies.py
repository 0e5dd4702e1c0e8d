"""What is particular to each strategy."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authmedia import errors, strategies
from authmedia.elements.binding import FAILED, SHOWN, Binding
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import DISK, MEMORY, NETWORK, MediaRequest
from authmedia.support import backoff
from authmedia.traffic import Traffic
from authmedia.transport import file_index
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run, turns

SIZE = str(len(PICTURE))


def test_every_strategy_has_its_name_and_support(script: Script, homeserver: Homeserver) -> None:
    for name in strategies.NAMES:
        loader = open_loader(name, homeserver)
        assert loader.name == name
        assert run(loader.support()).works


def test_an_unknown_strategy_is_refused_by_name(homeserver: Homeserver) -> None:
    with pytest.raises(ValueError, match="link, opfs, blob, bundle"):
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


def test_opfs_requests_each_media_once(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        for source in (NETWORK, DISK):
            loader = open_loader("opfs", homeserver)
            media = await loader.load(MediaRequest(MXC))
            assert media.source == source
            assert browser.object_urls[media.src].content == PICTURE
            assert browser.object_urls[media.src].content_type == "image/png"
            loader.close()

    run(scenario())
    assert len(browser.requests) == 1
    assert browser.object_urls == {}


def test_two_tabs_transfer_the_same_media_once(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        tabs = [open_loader("opfs", homeserver) for _ in range(2)]
        sources = [media.source for media in await asyncio.gather(*[tab.load(MediaRequest(MXC)) for tab in tabs])]
        assert sorted(sources) == [DISK, NETWORK]

    run(scenario())
    assert len(browser.requests) == 1


def test_no_name_from_outside_and_no_other_account_reaches_a_file(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    other = Homeserver("http://home.test", "@eve:example.org", "other-token")

    async def scenario() -> None:
        await open_loader("opfs", homeserver).load(MediaRequest(MXC))
        assert (await open_loader("opfs", other).load(MediaRequest(MXC))).source == NETWORK

    run(scenario())
    files = [name for name in browser.files if name != "index.json"]
    assert len(files) == 2
    assert not any("abc" in name or "/" in name or "ana" in name for name in files)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"something else",
        b"authmedia/1 image/png 12\ncut",
        b"authmedia/1 image/png\n",
        b"authmedia/1 image/png -1",
        b"authmedia/1 text/html 4\npage",
        b"authmedia/1 image/\xc3\xa4 5\npage",
        "authmedia/1 image/png \u0665\npage".encode(),
    ],
)
def test_a_damaged_file_is_requested_again(script: Script, homeserver: Homeserver, browser: Any, damage: bytes) -> None:
    async def scenario() -> None:
        await open_loader("opfs", homeserver).load(MediaRequest(MXC))
        browser.files[the_file(browser)] = damage
        media = await open_loader("opfs", homeserver).load(MediaRequest(MXC))
        assert media.source == NETWORK
        assert browser.object_urls[media.src].content == PICTURE

    run(scenario())


def the_file(browser: Any) -> str:
    (name,) = [name for name in browser.files if name != "index.json"]
    return str(name)


def alter(browser: Any, name: str) -> None:
    """As somebody would by hand, so that its length and its first line stay what they were."""
    browser.files[name] = browser.files[name].replace(PICTURE, bytes(len(PICTURE)))
    browser.changed[name] += 1


@pytest.mark.parametrize("same_tab", [True, False])
def test_a_file_that_somebody_altered_is_fetched_again(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch, same_tab: bool
) -> None:
    monkeypatch.setattr(file_index, "_WRITE_DELAY_S", 0)

    async def scenario() -> None:
        first = open_loader("opfs", homeserver)
        first.release(await first.load(MediaRequest(MXC)))
        first._pipeline.evict(MediaRequest(MXC).key)
        await turns()
        second = first if same_tab else open_loader("opfs", homeserver)
        assert (await second.load(MediaRequest(MXC))).source == DISK
        second._pipeline.evict(MediaRequest(MXC).key)
        alter(browser, the_file(browser))
        third = first if same_tab else open_loader("opfs", homeserver)
        media = await third.load(MediaRequest(MXC))
        assert media.source == NETWORK
        assert browser.object_urls[media.src].content == PICTURE

    run(scenario())


def test_a_file_that_another_tab_wrote_anew_is_shown(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_index, "_WRITE_DELAY_S", 0)
    key = MediaRequest(MXC).key

    async def scenario() -> None:
        here, there = open_loader("opfs", homeserver), open_loader("opfs", homeserver)
        here.release(await here.load(MediaRequest(MXC)))
        here._pipeline.evict(key)
        await there.forget(MediaRequest(MXC))
        await there.load(MediaRequest(MXC))
        await turns()
        assert (await here.load(MediaRequest(MXC))).source == DISK

    run(scenario())


@pytest.mark.parametrize(
    "index",
    [
        *(b"", b"[1]", b'{"x": 1}', b'{"x": ["a", "b"]}', b"\xff", b'{"x": [0, 1e999]}', b'{"x": [0, NaN]}'),
        b'{"x": [1%s, 0]}' % (b"0" * 400),
        b"[" * 100_000,
    ],
    ids=lambda index: index[:16],
)
def test_a_missing_or_invalid_index_does_no_harm(
    script: Script, homeserver: Homeserver, browser: Any, index: bytes
) -> None:
    async def scenario() -> None:
        await open_loader("opfs", homeserver).load(MediaRequest(MXC))
        browser.files["index.json"] = index.replace(b"x", the_file(browser).encode())
        assert (await open_loader("opfs", homeserver).load(MediaRequest(MXC))).source == DISK

    run(scenario())


def test_forget_removes_this_accounts_files_alone(script: Script, homeserver: Homeserver, browser: Any) -> None:
    other = Homeserver("http://home.test", "@eve:example.org", "other-token")

    async def scenario() -> None:
        loader = open_loader("opfs", homeserver)
        await loader.load(MediaRequest(MXC))
        await open_loader("opfs", other).load(MediaRequest(MXC))
        await loader.forget()
        assert (await open_loader("opfs", other).load(MediaRequest(MXC))).source == DISK
        assert (await open_loader("opfs", homeserver).load(MediaRequest(MXC))).source == NETWORK

    run(scenario())


OTHER_PICTURE = b"\x89PNG other picture"
SAME_USER = "@ana:example.org"


@pytest.fixture
def two_servers(script: Script) -> tuple[Homeserver, Homeserver]:
    """Two homeservers that name the same user, and answer with different pictures for the same media."""
    headers = {"Content-Type": "image/png", "Content-Length": str(len(OTHER_PICTURE))}
    script.instead = lambda request: (
        fake.Response(200, OTHER_PICTURE, headers) if request.url.startswith("http://false.test") else None
    )
    return Homeserver("http://home.test", SAME_USER, "token"), Homeserver("http://false.test", SAME_USER, "other")


@pytest.mark.parametrize("first", [0, 1])
def test_a_homeserver_that_names_the_same_user_reads_no_file_of_the_others(
    two_servers: tuple[Homeserver, Homeserver], browser: Any, first: int
) -> None:
    expected = (PICTURE, OTHER_PICTURE)

    async def scenario() -> None:
        for which in (first, 1 - first):
            media = await open_loader("opfs", two_servers[which]).load(MediaRequest(MXC))
            assert media.source == NETWORK
            assert browser.object_urls[media.src].content == expected[which]
        await open_loader("opfs", two_servers[first]).forget()
        (kept,) = [content for name, content in browser.files.items() if name != "index.json"]
        assert kept.endswith(expected[1 - first]), "forgetting one session leaves the other's file"
        assert (await open_loader("opfs", two_servers[1 - first]).load(MediaRequest(MXC))).source == DISK

    run(scenario())


def test_a_homeserver_that_names_the_same_user_holds_no_lock_of_the_others(
    two_servers: tuple[Homeserver, Homeserver], browser: Any
) -> None:
    async def scenario() -> None:
        async with open_loader("opfs", two_servers[1])._strategy.inner._store.write_lock(MediaRequest(MXC).key):
            assert (await open_loader("opfs", two_servers[0]).load(MediaRequest(MXC))).source == NETWORK

    run(scenario())


def test_every_spelling_of_an_address_is_the_same_homeserver(script: Script, browser: Any) -> None:
    async def scenario() -> None:
        await open_loader("opfs", Homeserver("http://home.test", SAME_USER, "token")).load(MediaRequest(MXC))
        for spelling in ("HTTP://Home.Test:80/", "http:home.test//", "http:\\\\home.test"):
            loader = open_loader("opfs", Homeserver(spelling, SAME_USER, "token"))
            assert (await loader.load(MediaRequest(MXC))).source == DISK

    run(scenario())


def test_no_two_sessions_and_media_share_a_file_name(browser: Any) -> None:
    texts = ["", "a", "b", "ab", "1:a", "a,1:b", "a\n", "\na", "ä", '","', "http://home.test/1:a,"]
    sessions = [
        Homeserver(f"http://home.test/{path}", user, "token") for path in ("", "1:a,", "1:a,1:b,") for user in texts
    ]
    stores = [open_loader("opfs", each)._strategy.inner._store for each in sessions]
    names = [store._name(key) for store in stores for key in texts]
    assert len(set(names)) == len(names)
    assert all(len(name) == len(names[0]) and name.replace(".", "").isascii() for name in names)
    assert not [name for name in names if "/" in name or "\\" in name or ".." in name]


# As the version wrote them whose stores were one user's, whatever the homeserver.
OUTDATED = "Qm3pWbJ0aV7eRk2N.Xy8LrT5uQm3pWbJ0aV7eRk2NXy8LrT5uQm3pWbJ0aV7"


@pytest.mark.parametrize("way", ["write", "forget"])
def test_what_an_older_version_kept_is_removed(script: Script, homeserver: Homeserver, browser: Any, way: str) -> None:
    older = hashlib.sha256(SAME_USER.encode()).digest()
    digest = hashlib.sha256(f"{SAME_USER}\n{MediaRequest(MXC).key}".encode()).digest()
    own = urlsafe_b64encode(older).decode()[:16] + "." + urlsafe_b64encode(digest).decode().rstrip("=")
    assert len(OUTDATED) == len(own)
    browser.files = dict.fromkeys((own, OUTDATED, "probe-1", "index.json"), b"authmedia/1 image/png 7\npicture")

    async def scenario() -> None:
        loader = open_loader("opfs", homeserver)
        if way == "write":
            media = await loader.load(MediaRequest(MXC))
            assert media.source == NETWORK
            assert browser.object_urls[media.src].content == PICTURE
        else:
            await loader.forget()
        assert not browser.files.keys() & {own, OUTDATED}
        assert browser.files.keys() >= {"probe-1", "index.json"}

    run(scenario())


def test_the_store_evicts_the_least_recently_used_beyond_its_budget(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.media = {f"example.org/m{number}": bytes(1000) for number in range(4)}
    loader = open_loader("opfs", homeserver)
    loader._strategy.inner._store._budget = 3300

    async def visit(number: int) -> str:
        media = await loader.load(MediaRequest(f"mxc://example.org/m{number}"))
        loader.release(media)
        loader._pipeline.evict(media.request.key)
        browser.clock += 1000
        return media.source

    async def scenario() -> None:
        assert [await visit(number) for number in (0, 1, 2, 0, 3)] == [NETWORK, NETWORK, NETWORK, DISK, NETWORK]
        assert await visit(0) == DISK
        assert await visit(1) == NETWORK, "the one used longest ago was thrown out"

    run(scenario())


def test_bodies_without_a_length_count_for_the_stores_budget(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.instead = lambda request: fake.Response(200, bytes(1000)) if "/download/" in request.url else None
    loader = open_loader("opfs", homeserver)
    loader._strategy.inner._store._budget = 3300

    async def scenario() -> None:
        for number in range(10):
            loader.release(await loader.load(MediaRequest(f"mxc://example.org/m{number}")))
            loader._pipeline.evict(None)
        assert sum(map(len, browser.files.values())) <= 3300 + 1100, "but for the last, whose length nobody knew"

    run(scenario())


def test_an_announced_length_beyond_the_budget_evicts_nothing(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("opfs", homeserver)

    async def scenario() -> None:
        loader.release(await loader.load(MediaRequest(MXC)))
        loader._pipeline.evict(None)
        kept = dict(browser.files)
        broken = fake.BrowserError("TypeError", "network error")
        script.instead = lambda request: fake.Response(
            200, b"little", {"Content-Length": "100000000000"}, breaks=broken
        )
        with pytest.raises(errors.HomeserverUnreachable):
            await loader.load(MediaRequest("mxc://example.org/other"))
        assert browser.files.items() >= kept.items()

    run(scenario())


def test_forget_waits_for_what_another_tab_is_writing(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("opfs", homeserver)

    async def scenario() -> None:
        await loader.load(MediaRequest(MXC))
        (name,) = [name for name in browser.files if name != "index.json"]
        browser.busy.add(name)
        async with fake.Lock("authmedia:" + name):
            forgetting = asyncio.create_task(loader.forget())
            await turns()
            assert name in browser.files
            browser.busy.clear()
        await forgetting
        assert name not in browser.files

    run(scenario())


def test_a_refusing_storage_aborts_the_transfer(script: Script, homeserver: Homeserver, browser: Any) -> None:
    browser.write_refusal = fake.BrowserError("QuotaExceededError", "The quota has been exceeded.")
    with pytest.raises(errors.QuotaExceeded):
        run(open_loader("opfs", homeserver).load(MediaRequest(MXC)))
    assert len(browser.aborted) == 1


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (fake.BrowserError("QuotaExceededError", "The quota has been exceeded."), errors.QuotaExceeded),
        (fake.BrowserError("SecurityError", "Security error when calling GetDirectory"), errors.StorageRefused),
    ],
)
def test_a_refused_storage_has_its_own_errors(
    script: Script, homeserver: Homeserver, browser: Any, refusal: Any, expected: type[errors.AuthMediaError]
) -> None:
    browser.write_refusal = refusal
    with pytest.raises(expected, match=refusal.name):
        run(open_loader("opfs", homeserver).load(MediaRequest(MXC)))


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


async def never(src: str) -> bool:
    return False


def test_a_link_that_expired_is_renewed_once(script: Script, homeserver: Homeserver, browser: Any) -> None:
    def expire(request: Any) -> Any:
        return error(403, "DEV.AUTHMEDIA.LINK_EXPIRED", "The link has expired") if "batch=1" in request.url else None

    script.instead = expire

    async def scenario() -> None:
        element = fake.Element("img", data_mxc=MXC)
        element.shows = lambda src: shown_if("batch=2" in src)
        binding = Binding(element, open_loader("link", homeserver))
        binding.start()
        await binding.settled()
        assert binding.state == SHOWN

    run(scenario())
    assert len(script.batches) == 2
    assert not any(AUTHMEDIA_PREFIX in request.url and "secret" in request.url for request in browser.requests)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("good", [True, False])
def test_an_interrupted_element_gets_its_link_once_more(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    tried: list[str] = []

    async def is_good(url: str) -> bool:
        return good

    async def scenario() -> None:
        monkeypatch.setattr(fake, "can_decode_image", is_good)
        binding = await settled_binding(
            homeserver,
            lambda src: shown_if(tried.append(src) or len(tried) > 1),  # type: ignore[func-returns-value]
        )
        assert binding.state == (SHOWN if good else FAILED)
        assert len(tried) == (2 if good else 1)
        assert good or isinstance(binding.failure, errors.WrongContent)

    run(scenario())
    assert len(script.batches) == 1, "the link itself is good"
    assert browser.object_urls == {}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("cut", "expected"), [(2, SHOWN), (9, FAILED)])
def test_an_incomplete_image_does_not_count_as_shown(
    script: Script, homeserver: Homeserver, browser: Any, cut: int, expected: str
) -> None:
    tried: list[str] = []

    async def show(src: str) -> bool:
        tried.append(src)
        browser.loads[src] = fake.ResourceTimings(len(tried), len(tried), 50 * len(tried), complete=len(tried) > cut)
        return True

    async def scenario() -> None:
        binding = await settled_binding(homeserver, show)
        assert binding.state == expected
        assert expected == SHOWN or isinstance(binding.failure, errors.HomeserverUnreachable)

    run(scenario())
    assert len(tried) == min(cut, backoff.MAX_ATTEMPTS) + 1, "the one more is at once"
    assert [request.cache for request in browser.requests if "/signed/" in request.url] == ["reload"] * min(cut, 5)
    assert script.fresh == [MXC] * ((len(tried) - 1) // 2), "there is another link where this one brought no more"


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("cut", "expected"), [(1, SHOWN), (2, SHOWN), (9, FAILED)])
def test_an_incomplete_image_in_the_browsers_cache_gets_a_new_link(
    script: Script, homeserver: Homeserver, browser: Any, cut: int, expected: str
) -> None:
    tried: list[str] = []

    async def show(src: str) -> bool:
        tried.append(src)
        if src not in browser.loads:  # as Firefox has it, which loads no picture again that it has decoded
            browser.loads[src] = fake.ResourceTimings(1, 1, 50, complete=len(browser.loads) >= cut)
        return True

    async def scenario() -> None:
        binding = await settled_binding(homeserver, show)
        assert binding.state == expected
        assert expected == FAILED or tried == [src for src in browser.loads for _ in range(2)][:-1]

    run(scenario())
    assert script.fresh == [MXC] * (len(browser.loads) - 1)
    assert len(browser.loads) > 1


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("told", [("Content-Length", SIZE), ("Server-Timing", f'size;desc="{SIZE}"')])
def test_a_truncated_response_is_no_damaged_file(
    script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch, told: tuple[str, str]
) -> None:
    headers = {"Content-Type": "image/png", told[0]: told[1]}
    script.instead = lambda request: fake.Response(200, PICTURE[:5], headers) if "/signed/" in request.url else None

    async def can_decode_image(url: str) -> bool:
        return False

    async def scenario() -> None:
        monkeypatch.setattr(fake, "can_decode_image", can_decode_image)
        binding = await settled_binding(homeserver, never)
        assert isinstance(binding.failure, errors.HomeserverUnreachable), binding.failure

    run(scenario())


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", ["blob", "opfs"])
def test_a_body_without_a_length_is_requested_until_it_is_complete(
    script: Script, homeserver: Homeserver, browser: Any, name: str
) -> None:
    whole = b"\x89PNG\r\n\x1a\n" + b"pixels" * 9 + b"IEND" + b"\xaeB\x60\x82"
    came: list[int] = []

    def unannounced(request: Any) -> Any:
        came.append(0)
        return fake.Response(200, whole[: len(whole) * len(came) // 3], {"Content-Type": "image/png"})

    async def scenario() -> None:
        script.instead = unannounced
        media = await open_loader(name, homeserver).load(MediaRequest(MXC))
        assert browser.object_urls[media.src].content == whole

    run(scenario())
    assert len(came) == 3


@pytest.mark.parametrize(("unreachable", "expected"), [(3, SHOWN), (9, FAILED)])
def test_an_element_retries_while_the_homeserver_is_unreachable(
    script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch, unreachable: int, expected: str
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(backoff, "retry_delay_s", lambda attempt, retry_after_s: asked.append(attempt) or 0)

    async def scenario() -> None:
        broken = fake.BrowserError("TypeError", "Failed to fetch")
        script.instead = lambda request: broken if "/signed/" in request.url else None
        binding = await settled_binding(homeserver, lambda src: shown_if(len(asked) >= unreachable))
        assert binding.state == expected
        if expected == FAILED:
            assert isinstance(binding.failure, errors.HomeserverUnreachable)

    run(scenario())
    assert asked == [0, 1, 2]


def test_a_media_that_is_complete_at_the_last_attempt_is_shown(
    script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the browser's cache by then, so a homeserver that refuses everything else cannot stand in its way."""
    waited: list[int] = []
    monkeypatch.setattr(backoff, "retry_delay_s", lambda attempt, retry_after_s: waited.append(attempt) or 0)
    came: list[str] = []

    def busy(request: Any) -> Any:
        if "/signed/" not in request.url:
            return None
        if len(waited) < backoff.MAX_ATTEMPTS - 1:
            return error(429, "M_LIMIT_EXCEEDED", "Too many requests", retry_after_ms=10)
        came.append(request.url)
        return None

    async def scenario() -> None:
        script.instead = busy
        binding = await settled_binding(homeserver, lambda src: shown_if(bool(came)))
        assert binding.state == SHOWN, binding.failure

    run(scenario())
    assert len(came) == 1


def test_a_busy_homeserver_is_the_cause_although_the_diagnosis_succeeded(
    script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(backoff, "retry_delay_s", lambda attempt, retry_after_s: waited.append(attempt) or 0)

    def busy(request: Any) -> Any:
        refused = "/signed/" in request.url and not waited
        return error(429, "M_LIMIT_EXCEEDED", "Too many requests", retry_after_ms=10) if refused else None

    async def scenario() -> None:
        script.instead = busy
        binding = await settled_binding(homeserver, never)
        assert isinstance(binding.failure, errors.RateLimited), binding.failure

    run(scenario())
    assert len(waited) == backoff.MAX_ATTEMPTS - 1


@pytest.mark.usefixtures("no_pauses")
def test_a_link_that_expires_after_its_transfer_broke_off_is_renewed(script: Script, homeserver: Homeserver) -> None:
    examined: list[str] = []

    def expire(request: Any) -> Any:
        if "batch=1" not in request.url:
            return None
        examined.append(request.url)
        return error(403, "DEV.AUTHMEDIA.LINK_EXPIRED", "The link has expired") if len(examined) > 1 else None

    async def scenario() -> None:
        script.instead = expire
        binding = await settled_binding(homeserver, lambda src: shown_if("batch=2" in src))
        assert binding.state == SHOWN, binding.failure

    run(scenario())
    assert len(examined) == 2


def test_a_stalled_image_fails_as_unreachable(script: Script, homeserver: Homeserver) -> None:
    async def stall(src: str) -> bool:
        raise fake.BrowserError("TimeoutError", "no whole picture came within 295 seconds")

    async def scenario() -> None:
        binding = await settled_binding(homeserver, stall)
        assert isinstance(binding.failure, errors.HomeserverUnreachable)
        assert "295 seconds" in str(binding.failure)

    run(scenario())


async def shown_if(value: bool) -> bool:
    return value


async def settled_binding(homeserver: Homeserver, shows: Callable[[str], Coroutine[Any, Any, bool]]) -> Binding:
    """A picture by a link, once its element shows it or has failed.

    :param shows: whether the element shows what a URL leads to.
    """
    element = fake.Element("img", data_mxc=MXC)
    element.shows = shows
    binding = Binding(element, open_loader("link", homeserver))
    binding.start()
    await binding.settled()
    return binding


def test_closing_a_binding_cancels_its_load(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        script.instead = lambda request: fake.Response(200, PICTURE, gate=asyncio.Event())
        loader = open_loader("blob", homeserver)
        binding = Binding(fake.Element("img", data_mxc=MXC), loader)
        binding.start()
        await turns()
        binding.close()
        await turns()
        assert loader.counters.aborted == 1

    run(scenario())
    assert len(browser.aborted) == 1
