"""The link client: caching, renewal, clocks and batches."""

import asyncio
import json
from typing import Any

import pytest

from authmedia.errors import AuthMediaError
from authmedia.loader import forget_account, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.support import backoff
from authmedia.transport import link_cache, link_client
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, answer, run, turns

KEPT = "authmedia.links 16:http://home.test,16:@ana:example.org,"
HOUR_MS = 3_600_000.0


async def load(homeserver: Homeserver, mxc: str = MXC, kind: str = "image") -> str:
    """The link that a loader of its own gets, as after a reload of the page."""
    loader = open_loader("link", homeserver)
    media = await loader.load(MediaRequest(mxc, kind=kind))
    await turns()
    loader.close()
    return media.src


def test_links_survive_a_reload_in_session_storage(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.media["example.org/other"] = PICTURE

    async def scenario() -> None:
        first = await load(homeserver)
        assert await load(homeserver) == first
        assert len(script.batches) == 1
        await load(homeserver, "mxc://example.org/other")
        assert script.batches[1] == [{"mxc": "mxc://example.org/other"}], "only what is not at hand is asked for"
        browser.clock += script.lifetime_ms
        assert await load(homeserver) != first

    run(scenario())
    assert len(script.batches) == 3


def test_nobody_else_finds_them(script: Script, homeserver: Homeserver) -> None:
    async def scenario() -> None:
        first = await load(homeserver)
        await turns()
        assert await load(Homeserver("http://home.test", "@ben:example.org", "another token")) != first

    run(scenario())


def test_forget_removes_links_from_session_storage(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.media["example.org/other"] = PICTURE

    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        monkeypatch.setattr(link_cache, "_STORE_INTERVAL_S", 0)
        first, other = [(await loader.load(MediaRequest(mxc))).src for mxc in (MXC, "mxc://example.org/other")]
        await turns()
        await loader.forget(MediaRequest(MXC))
        await turns()
        (kept,) = browser.remembered.values()
        assert other in kept
        assert first not in kept
        await loader.forget()
        assert browser.remembered == {}
        assert await load(homeserver) != first

    run(scenario())


def test_the_latest_links_are_stored(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_cache, "_MAX_STORED_LINKS", 3)
    monkeypatch.setattr(link_cache, "_STORE_INTERVAL_S", 0)

    async def scenario() -> None:
        kept = link_cache.LinkCache("links")
        for number in range(20):
            kept.set(str(number), link_cache.Link(f"url {number}", fake.epoch_ms() + HOUR_MS))
        kept.set("18", link_cache.Link("another url", fake.epoch_ms() + HOUR_MS))
        kept.invalidate("19", "url 19")
        kept.invalidate("17", "another url")
        kept.store_soon()
        await turns()
        after = link_cache.LinkCache("links")
        await after.restore()
        found = [after.get(str(number)) for number in range(20)]
        assert [link.url for link in found if link] == ["url 16", "url 17", "another url"]
        assert kept.get("0"), "in memory there is room"

    run(scenario())
    assert browser.remembered.keys() == {"links"}


@pytest.mark.parametrize(
    "kept",
    [
        *("{}", "7", "[", '[["key", 7]]', '[["key", "url", "soon"]]', '[["key", "url", null]]', ""),
        f'[["key", "url", 1{"0" * 400}]]',
        "[" * 100_000,
    ],
    ids=lambda kept: kept[:30],
)
def test_an_invalid_session_item_is_ignored(kept: str, script: Script, homeserver: Homeserver, browser: Any) -> None:
    browser.remembered[KEPT] = kept

    async def scenario() -> None:
        assert await load(homeserver)
        await turns()
        assert [entry[0] for entry in json.loads(browser.remembered[KEPT])] == [MediaRequest(MXC).key]

    run(scenario())


@pytest.mark.parametrize("ahead_ms", [-HOUR_MS, -600_000.0, 600_000.0, HOUR_MS])
def test_a_wrong_device_clock_does_not_matter(
    ahead_ms: float, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    minted = 0

    def answer_links(request: Any) -> Any:
        nonlocal minted
        minted += 1
        url, left = f"http://home.test/signed/{minted}", script.lifetime_ms
        ends = {"expires_ts": fake.epoch_ms() + ahead_ms + left, "expires_in_ms": left}
        return answer({"links": [{"url": url, **ends}]})

    script.instead = answer_links

    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        first = await loader.load(MediaRequest(MXC))
        loader.release(first)
        assert (await loader.load(MediaRequest(MXC))).src == first.src
        browser.clock += script.lifetime_ms
        assert (await loader.load(MediaRequest(MXC))).src != first.src

    run(scenario())
    assert minted == 2


def test_a_link_about_to_expire_is_not_given_out(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        shown = await loader.load(MediaRequest(MXC))
        browser.clock += script.lifetime_ms - 20_000
        assert (await loader.load(MediaRequest(MXC))).src != shown.src

    run(scenario())


def test_the_link_of_a_video_is_renewed_before_it_expires(
    script: Script, homeserver: Homeserver, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def at_once(seconds: float) -> None:
        if seconds > 1:
            slept.append(seconds)
            browser.clock += seconds * 1000
        await sleep(0)

    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        video = await loader.load(MediaRequest(MXC, kind="video"))
        while len(script.batches) < 3:
            await sleep(0)
        assert slept[:2] == [pytest.approx(570, abs=1)] * 2, "half a minute before the end of ten"
        loader.release(video)
        await turns(60)
        known = len(script.batches)
        await turns(60)
        assert len(script.batches) == known, "nobody plays it any more"
        loader.close()

    monkeypatch.setattr(link_client.asyncio, "sleep", at_once)
    run(scenario())


def test_renewal_ends_with_the_loader_and_when_the_server_refuses(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.lifetime_ms = 5.0

    async def scenario() -> None:
        others = asyncio.all_tasks()
        loader = open_loader("link", homeserver)
        await loader.load(MediaRequest(MXC, kind="video"))
        browser.clock += 10
        script.instead = lambda request: answer({"errcode": "M_UNKNOWN_TOKEN", "error": "Signed out"}, 401)
        asked = len(browser.requests)
        await asyncio.sleep(0.05)
        assert len(browser.requests) <= asked + 1
        loader.close()
        await turns()
        assert asyncio.all_tasks() == others

    run(scenario())


def test_links_requested_during_forget_are_not_cached(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        waiting = asyncio.create_task(loader.load(MediaRequest(MXC)))
        while not browser.requests:
            await asyncio.sleep(0)
        loader.close()
        await forget_account(homeserver)
        await turns(60)
        assert browser.remembered == {}
        with pytest.raises(AuthMediaError):
            await waiting

    run(scenario())


# URLs that would run as a page of ours where the application opens or saves the media.
NO_LINKS = [
    "javascript:alert(1)",
    " javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "blob:x",
    "//evil",
    "",
]


@pytest.mark.parametrize(
    "entry", [None, 7, "a link", {"url": 7}, [], {"url": None}, *[{"url": url} for url in NO_LINKS]]
)
def test_an_invalid_entry_fails_its_media_alone(
    entry: object, script: Script, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "MAX_ATTEMPTS", 1)
    good = {"url": "http://home.test/signed/x", "expires_in_ms": 600_000}
    script.instead = lambda request: answer({"links": [entry, good]})

    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        wanted = [MediaRequest(mxc) for mxc in (MXC, "mxc://example.org/other")]
        bad, fine = await asyncio.gather(*[loader.load(request) for request in wanted], return_exceptions=True)
        assert isinstance(bad, AuthMediaError)
        assert fine.src == good["url"]

    run(scenario())


def test_a_load_cancelled_before_its_batch_is_not_requested(script: Script, homeserver: Homeserver) -> None:
    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        script.media["example.org/other"] = PICTURE
        given_up = asyncio.create_task(loader.load(MediaRequest(MXC)))
        wanted = asyncio.create_task(loader.load(MediaRequest("mxc://example.org/other")))
        await asyncio.sleep(0)
        given_up.cancel()
        await wanted
        assert [entry["mxc"] for batch in script.batches for entry in batch] == ["mxc://example.org/other"]

    run(scenario())


def test_a_response_that_breaks_off_is_requested_again(script: Script, homeserver: Homeserver) -> None:
    broken = [fake.Response(200, b"{", breaks=fake.BrowserError("TypeError", "network error"))]
    script.instead = lambda request: broken.pop() if broken else None
    assert run(load(homeserver)).startswith("http://home.test/signed/")
