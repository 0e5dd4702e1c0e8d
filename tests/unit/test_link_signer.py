"""The link signer: links that the module accepts, without a request for each, and the renewal of their key."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import Media, MediaRequest
from authmedia.traffic import Traffic
from authmedia.transport import link_signer
from authmedia.transport.link_signer import LinkKey, LinkSigner
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, answer, error, run, turns

MINUTE_MS = 60_000.0


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("delegated", homeserver)


@pytest.fixture
def renews_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_signer, "_MAX_RENEWAL_S", 0)
    monkeypatch.setattr(link_signer, "_MIN_RENEWAL_S", 0)


def ours(browser: Any) -> list[str]:
    """The requests to the module's endpoints so far."""
    sent = [request for request in browser.requests if AUTHMEDIA_PREFIX in request.url and "dsig=" not in request.url]
    return [f"{request.method} {request.url.rpartition('/')[2]}" for request in sent]


async def renewals(script: Script, browser: Any, count: int) -> None:
    """Ends so many buckets, and waits for the key of each."""
    for number in range(1, count + 1):
        browser.clock += script.bucket_ms
        while script.keys < number:
            await asyncio.sleep(0)
        await turns()


def signed_by(url: str) -> str:
    """The key id, the expiry and the session of a link."""
    return url.partition("?")[2].partition("&dsig=")[0]


async def load(loader: MediaLoader, mxc: str = MXC, **request: Any) -> Media:
    return await loader.load(MediaRequest(mxc, **request))


@pytest.mark.parametrize(
    ("mxc", "request_options"),
    [
        (MXC, {}),
        (MXC, {"kind": "video"}),
        (MXC, {"kind": "file"}),
        (MXC, {"width": 96, "height": 64, "method": "crop"}),
        (MXC, {"width": 2048, "height": 1, "animated": True}),
        (MXC, {"width": 5, "height": 0}),
        (MXC, {"width": 2049, "height": 9.5}),
        (MXC, {"width": 9, "height": 9, "method": "crop&d=1"}),
        (MXC, {"width": 96, "height": 96, "kind": "file", "cache": "reload"}),
        ("mxc://[2001:db8::7]:8448/a-b_C", {"width": 1, "height": 1}),
        ("mxc://matrix.example.org:8448/" + "a" * 255, {"cache": "reload"}),
    ],
)
def test_server_accepts_what_the_page_signs(
    loader: MediaLoader, script: Script, mxc: str, request_options: dict[str, Any]
) -> None:
    """By the module's own verification, which compares the whole URL."""
    media = run(load(loader, mxc, **request_options))
    assert script.grants(media.src)
    assert not script.grants(media.src[:-1] + ("0" if media.src[-1] != "0" else "1"))
    assert ("&r=" in media.src) == (request_options.get("cache") == "reload")
    assert ("&a=1" in media.src) == request_options.get("animated", False)
    assert ("&d=1" in media.src) == (request_options.get("kind") == "file")


def test_two_hundred_links_need_one_request_and_then_none(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        names = [f"mxc://example.org/m{number}" for number in range(200)]
        medias = await asyncio.gather(*[load(loader, mxc) for mxc in names])
        assert len({media.src for media in medias}) == 200
        assert all(script.grants(media.src) for media in medias)
        assert sum(media.traffic.requests for media in medias) == 1
        opening = loader._strategy.open(MediaRequest("mxc://example.org/later"), Traffic())
        with pytest.raises(StopIteration) as caught:
            opening.send(None)
        assert script.grants(caught.value.value.src), "without a turn of the event loop"

    run(scenario())
    assert ours(browser) == ["GET config"]


def test_urls_are_stable_for_a_bucket_and_over_reloads(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        first = (await load(open_loader("delegated", homeserver))).src
        browser.clock += MINUTE_MS
        after_reload = Homeserver("http://home.test", "@ana:example.org", "another token")
        assert (await load(open_loader("delegated", after_reload))).src == first
        browser.clock += script.bucket_ms
        again = Homeserver("http://home.test", "@ana:example.org", "another token")
        assert (await load(open_loader("delegated", again))).src != first

    run(scenario())


def test_key_is_stored_nowhere_and_in_no_repr(loader: MediaLoader, script: Script, browser: Any) -> None:
    run(load(loader))
    assert (browser.remembered, browser.files) == ({}, {})
    key = LinkKey(script.key(), fake.epoch_ms())
    assert script.key()["key"] not in repr(key)


def test_renewed_token_changes_nothing(loader: MediaLoader, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        first = (await load(loader)).src
        homeserver.set_access_token("the next one")
        assert signed_by((await load(loader, "mxc://example.org/other")).src) == signed_by(first)

    run(scenario())
    assert ours(browser) == ["GET config"]


def test_key_is_renewed_when_its_bucket_ends_before_it_expires(
    loader: MediaLoader, script: Script, browser: Any, renews_at_once: None
) -> None:

    async def scenario() -> None:
        first = (await load(loader)).src
        await turns()
        assert script.keys == 0
        await renewals(script, browser, 1)
        assert script.grants(first), "the old key is still valid"
        fresh = (await load(loader, "mxc://example.org/other")).src
        assert signed_by(fresh) != signed_by(first)
        assert script.grants(fresh)
        assert script.keys == 1
        loader.close()

    run(scenario())


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_keep_their_urls_while_their_key_is_valid(
    script: Script, homeserver: Homeserver, browser: Any, renews_at_once: None, count: int
) -> None:
    script.lifetime_ms = 2 * script.bucket_ms
    picture, video = MediaRequest(MXC), MediaRequest("mxc://example.org/video", kind="video")

    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        first = [await signer.request_link(request, Traffic()) for request in (picture, video)]
        await renewals(script, browser, count)
        again = [await signer.request_link(request, Traffic()) for request in (picture, video)]
        assert (again[0].url, again[0].valid_until_ms) == (first[0].url, first[0].valid_until_ms)
        assert again[1].url != first[1].url, "a player takes the link that is valid for longer"
        assert again[1].valid_until_ms > first[1].valid_until_ms
        signer.invalidate(picture.key, first[0].url, True)
        refused = await signer.request_link(picture, Traffic())
        assert signed_by(refused.url) == signed_by(again[1].url)
        signer.close()

    run(scenario())


def test_expired_key_signs_no_more(script: Script, homeserver: Homeserver, browser: Any, renews_at_once: None) -> None:
    picture = MediaRequest(MXC)

    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        first = await signer.request_link(picture, Traffic())
        await renewals(script, browser, 1)
        browser.clock += first.valid_until_ms - fake.epoch_ms() + 1
        assert not first.is_valid
        assert script.grants((await signer.request_link(picture, Traffic())).url)
        signer.close()

    run(scenario())


def test_renewal_that_brings_nothing_new_is_not_repeated_at_once(
    loader: MediaLoader, script: Script, browser: Any, renews_at_once: None
) -> None:
    ended = {**script.key(), "renew_in_ms": 0}
    answers = [answer(ended), error(500, "M_UNKNOWN", "Down"), answer(ended)]
    script.instead = lambda request: (
        answers.pop(0)
        if request.url.endswith("/key")
        else (answer({"delegated": ended}) if request.url.endswith("/config") else None)
    )

    async def scenario() -> None:
        first = (await load(loader)).src
        for left in (2, 1, 0):
            while len(answers) > left:
                await asyncio.sleep(0)
            await turns(50)
            assert len(answers) == left, "a minute passes between two attempts"
            browser.clock += MINUTE_MS
        script.instead = None
        assert signed_by((await load(loader, "mxc://example.org/other")).src) == signed_by(first)
        loader.close()

    run(scenario())


def test_expired_key_is_replaced_before_a_link_is_signed(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        await load(loader)
        browser.clock += script.bucket_ms + script.lifetime_ms
        media = await load(loader, "mxc://example.org/other")
        assert script.grants(media.src)
        assert media.traffic.requests == 1

    run(scenario())
    assert ours(browser) == ["GET config", "POST key"]


def test_offer_that_has_expired_is_not_used(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        await homeserver.request_config()
        browser.clock += script.bucket_ms + script.lifetime_ms
        assert script.grants((await load(open_loader("delegated", homeserver))).src)

    run(scenario())
    assert ours(browser) == ["GET config", "POST key"]


@pytest.mark.parametrize("ahead_ms", [-86_400_000, 86_400_000])
def test_clock_of_the_device_may_differ(
    loader: MediaLoader, script: Script, browser: Any, monkeypatch: pytest.MonkeyPatch, ahead_ms: int
) -> None:
    issued = script.key()
    for name in ("expires_ts", "now_ts"):
        issued[name] -= ahead_ms
    script.instead = lambda request: answer({"delegated": issued}) if request.url.endswith("/config") else None
    media = run(load(loader))
    assert f"&e={issued['expires_ts']}&" in media.src
    assert media.valid_until_ms is not None
    assert 0 < fake.epoch_ms() + issued["expires_in_ms"] - media.valid_until_ms <= 30_000


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_key_that_the_homeserver_refuses_is_replaced(loader: MediaLoader, script: Script, browser: Any) -> None:
    async def scenario() -> None:
        media = await load(loader)
        script.instead = lambda request: error(403, "M_FORBIDDEN", "Over") if request.url == media.src else None
        failure = await loader.examine(media)
        assert isinstance(failure, errors.LinkExpired)
        browser.clock += script.bucket_ms
        assert script.grants((await load(loader)).src)
        # What an older key has signed says nothing of this one.
        await loader.examine(media)
        await load(loader, "mxc://example.org/other")

    run(scenario())
    assert ours(browser) == ["GET config", "POST key"]


def test_missing_media_leaves_the_key(loader: MediaLoader, browser: Any) -> None:
    async def scenario() -> None:
        missing = await load(loader, "mxc://example.org/missing")
        assert isinstance(await loader.examine(missing), errors.MediaNotFound)
        await load(loader, "mxc://example.org/other")

    run(scenario())
    assert ours(browser) == ["GET config"]


def test_without_keys_the_strategy_says_so(script: Script, browser: Any) -> None:
    def words(config: dict[str, Any] | None) -> str:
        script.instead = lambda request: (
            answer(config) if config is not None else error(404, "M_UNRECOGNIZED", "Unrecognized request")
        )
        return run(open_loader("delegated", Homeserver("http://home.test", "@a:b", "token")).support()).words

    assert words({}) == "delegated is off"
    assert words({"delegated": None}) == "delegated is null for this session"
    assert words(None).startswith("M_UNRECOGNIZED")
    assert ours(browser) == ["GET config"] * 3


WRONG: list[Any] = [
    {"key": "x"},
    {"key": "ab" * 31},
    {"key": None},
    {"expires_ts": "soon"},
    {"expires_ts": None},
    {"base_url": "javascript:alert(1)//"},
    {"base_url": 7},
    {"session": "\ud800"},
    {"key_id": "a b"},
    {"expires_in_ms": "1e400"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_invalid_key_is_a_failure_of_the_server(script: Script, homeserver: Homeserver, wrong: dict[str, Any]) -> None:
    issued = {**script.key(), **wrong}
    script.instead = lambda request: (
        answer({"delegated": issued})
        if request.url.endswith("/config")
        else answer(issued)
        if request.url.endswith("/key")
        else None
    )

    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        if "expires_in_ms" in wrong:  # it is worth nothing
            link = await signer.request_link(MediaRequest(MXC), Traffic())
            assert not link.is_valid
        else:
            with pytest.raises(errors.ServerFailure, match="no key for links"):
                await signer.request_link(MediaRequest(MXC), Traffic())
        signer.close()

    run(scenario())


def test_failed_request_for_a_key_fails_all_that_wait_and_is_repeated_for_the_next(
    loader: MediaLoader, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.instead = lambda request: error(403, "M_FORBIDDEN", "No")

    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        names = [f"mxc://example.org/m{number}" for number in range(50)]
        waits = [signer.request_link(MediaRequest(mxc), Traffic()) for mxc in names]
        failures = await asyncio.gather(*waits, return_exceptions=True)
        assert [getattr(failure, "mxc", "") for failure in failures] == names
        assert {type(failure) for failure in failures} == {errors.Forbidden}
        script.instead = None
        assert (await signer.request_link(MediaRequest(MXC), Traffic())).is_valid
        signer.close()

    run(scenario())
    assert ours(browser) == ["GET config", "GET config"]


def test_request_for_a_key_waits_after_a_429(script: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        script.instead = lambda request: error(429, "M_LIMIT_EXCEEDED", "Slow down", retry_after_ms=40)
        with pytest.raises(errors.RateLimited):
            await signer.request_link(MediaRequest(MXC), Traffic())
        script.instead = None
        waiting = asyncio.create_task(signer.request_link(MediaRequest(MXC), Traffic()))
        await turns()
        assert ours(browser) == ["GET config"]
        assert (await waiting).is_valid
        signer.close()

    run(scenario())


# --- revisions, and the end -------------------------------------------------------------------------------------------


def test_incomplete_response_in_the_cache_is_replaced_by_another_url(homeserver: Homeserver, script: Script) -> None:
    async def scenario() -> None:
        signer, request = LinkSigner(homeserver), MediaRequest(MXC)

        async def url() -> str:
            return (await signer.request_link(request, Traffic())).url

        first = await url()
        signer.replace(request.key, first)
        second = await url()
        assert second != first
        signer.replace(request.key, first)
        assert await url() == second, "it was replaced already"
        signer.replace(request.key, second)
        third = await url()
        assert len({first, second, third}) == 3
        assert script.grants(second)
        assert script.grants(third)
        signer.close()

    run(scenario())


def test_everything_is_forgotten(loader: MediaLoader, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        await load(loader)
        await loader.forget(MediaRequest(MXC))
        await load(loader)
        assert ours(browser) == ["GET config"], "the key is of no one media"
        await loader.forget()
        assert loader._strategy.inner._signer._key is None  # type: ignore[attr-defined]
        await load(loader)
        assert ours(browser) == ["GET config", "POST key"]
        loader.close()
        assert loader._strategy.inner._signer._key is None  # type: ignore[attr-defined]
        await turns()
        assert [task for task in asyncio.all_tasks() if "_renew_ahead" in repr(task)] == []

    run(scenario())


def test_closing_ends_what_waits_for_a_key(script: Script, homeserver: Homeserver) -> None:
    gate = asyncio.Event()
    script.instead = lambda request: fake.Response(200, b"{}", gate=gate)

    async def scenario() -> None:
        signer = LinkSigner(homeserver)
        waiting = asyncio.create_task(signer.request_link(MediaRequest(MXC), Traffic()))
        await turns()
        signer.close()
        with pytest.raises(errors.ServerFailure, match="no key"):
            await waiting

    run(scenario())
