"""The cache policy of a request: what memory, disk and links are used for. https://fetch.spec.whatwg.org/"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binder import bind
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import DISK, MEMORY, NETWORK, Media, MediaRequest
from authmedia.support.limits import Limits
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, image, run, state_of

NEW = b"\x89PNG another picture"
STRATEGIES = ("blob", "opfs", "link", "bundle", "auto")


@pytest.fixture(params=STRATEGIES)
def loader(request: pytest.FixtureRequest, script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader(request.param, homeserver)


@pytest.fixture
def on_disk(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("opfs", homeserver, limits=Limits(idle_bytes=0))


def requested(cache: str = "default", **more: Any) -> MediaRequest:
    return MediaRequest(MXC, cache=cache, **more)


def body(media: Media) -> bytes:
    return bytes(fake.STATE.object_urls[media.src].content)


def leaves_nothing(loader: MediaLoader, work: Coroutine[Any, Any, None]) -> None:
    """Runs a scenario, and closes the loader, which then holds nothing."""
    run(work)
    loader.close()
    assert fake.STATE.object_urls == {}
    assert loader.counters.opened == loader.counters.released


def test_reload_replaces_what_is_cached_and_spares_what_is_shown(loader: MediaLoader, script: Script) -> None:
    async def scenario() -> None:
        before = await loader.load(requested())
        script.media["example.org/abc"] = NEW
        reloaded = await loader.load(requested("reload"))
        assert reloaded.source == NETWORK
        assert reloaded.src != before.src
        if before.src.startswith("blob:"):
            assert (body(before), body(reloaded)) == (PICTURE, NEW), "an element may still play the first one"
        assert (await loader.load(requested())).src == reloaded.src, "it has taken the place of the first one"
        loader.release(before)
        assert not before.src.startswith("blob:") or before.src not in fake.STATE.object_urls

    leaves_nothing(loader, scenario())


def test_no_store_reads_and_fills_no_cache(loader: MediaLoader, script: Script) -> None:
    async def scenario() -> None:
        stored = await loader.load(requested())
        script.media["example.org/abc"] = NEW
        files, links = dict(fake.STATE.files), len(script.batches)
        first, second = [await loader.load(requested("no-store")) for _ in range(2)]
        assert (body(first), body(second), first.source) == (NEW, NEW, NETWORK)
        assert first.src != second.src
        assert (fake.STATE.files, len(script.batches)) == (files, links)
        assert [request.cache for request in fake.STATE.requests[-2:]] == ["no-store", "no-store"]
        assert (await loader.load(requested())).src == stored.src
        for media in (first, second):
            assert await loader.observe(media)
            loader.release(media)
            assert media.src not in fake.STATE.object_urls

    leaves_nothing(loader, scenario())


def test_concurrent_loads_share_a_transfer_only_under_one_policy(loader: MediaLoader) -> None:
    async def scenario() -> None:
        policies = ["default", "reload", "no-store"] * 2
        loaded = await asyncio.gather(*[loader.load(requested(cache, kind="video")) for cache in policies])
        assert loader.counters.coalesced == 3
        assert len({id(media) for media in loaded}) == 3
        for media in loaded:
            loader.release(media)

    leaves_nothing(loader, scenario())


def test_only_if_cached_requests_nothing(loader: MediaLoader) -> None:
    async def scenario() -> None:
        before = len(fake.STATE.requests)
        with pytest.raises(errors.NotCached) as raised:
            await loader.load(requested("only-if-cached"))
        assert raised.value.mxc == MXC
        assert len(fake.STATE.requests) == before
        media = await loader.load(requested())
        await loader.observe(media)
        before = len(fake.STATE.requests)
        assert (await loader.load(requested("only-if-cached"))).source == MEMORY
        assert len(fake.STATE.requests) == before

    leaves_nothing(loader, scenario())


def test_reload_and_only_if_cached_on_disk(on_disk: MediaLoader, script: Script) -> None:
    async def scenario() -> None:
        on_disk.release(await on_disk.load(requested()))
        script.media["example.org/abc"] = NEW
        stored = await on_disk.load(requested("only-if-cached"))
        assert (stored.source, body(stored)) == (DISK, PICTURE)
        on_disk.release(stored)
        on_disk.release(await on_disk.load(requested("reload")))
        assert body(await on_disk.load(requested())) == NEW

    leaves_nothing(on_disk, scenario())


@pytest.mark.parametrize("name", STRATEGIES)
def test_encrypted_media_follow_the_policy(name: str, script: Script, homeserver: Homeserver) -> None:
    ciphertext, file = encrypt(PICTURE)
    script.media["example.org/abc"] = ciphertext
    encrypted = EncryptedFile({**file, "url": MXC})
    loader = open_loader(name, homeserver)

    async def scenario() -> None:
        media = await loader.load(requested("no-store", encrypted=encrypted))
        assert body(media) == PICTURE
        assert await loader.observe(media)
        assert fake.STATE.files == {}
        assert list(fake.STATE.object_urls) == [media.src], "its ciphertext is gone"
        with pytest.raises(errors.NotCached):
            await loader.load(requested("only-if-cached", encrypted=encrypted))
        loader.release(await loader.load(requested(encrypted=encrypted)))
        assert body(await loader.load(requested("only-if-cached", encrypted=encrypted))) == PICTURE

    leaves_nothing(loader, scenario())


def test_a_ciphertext_on_disk_is_decrypted_without_a_request(on_disk: MediaLoader, script: Script) -> None:
    ciphertext, file = encrypt(PICTURE)
    script.media["example.org/abc"] = ciphertext
    encrypted = EncryptedFile({**file, "url": MXC})

    async def scenario() -> None:
        on_disk.release(await on_disk.load(requested(encrypted=encrypted)))
        script.media.clear()
        media = await on_disk.load(requested("only-if-cached", encrypted=encrypted))
        assert (media.source, body(media)) == (DISK, PICTURE)

    leaves_nothing(on_disk, scenario())


def test_auto_finds_what_any_of_its_strategies_has_stored(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("auto", homeserver)

    async def scenario() -> None:
        stored = open_loader("opfs", homeserver)
        await stored.load(requested())
        stored.close()
        media = await loader.load(requested("only-if-cached"))
        assert (media.source, media.strategy, body(media)) == (DISK, "opfs", PICTURE)

    leaves_nothing(loader, scenario())


def test_a_reloaded_link_is_new_to_any_cache_and_stays_pinned(script: Script, homeserver: Homeserver) -> None:
    async def scenario() -> None:
        loader = open_loader("link", homeserver)
        client: Any = loader._strategy.inner._client  # type: ignore[attr-defined]
        first, second = [await loader.load(requested(cache, kind="video")) for cache in ("default", "reload")]
        assert first.src != second.src
        assert script.fresh == [MXC]
        loader.release(first)
        assert list(client._pinned) == [MXC], "the second one still plays"
        loader.release(second)
        assert list(client._pinned) == []
        loader.close()

    run(scenario())


def test_what_has_failed_is_removed_under_every_policy(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("blob", homeserver)

    async def scenario() -> None:
        for cache in ("default", "reload", "no-store"):
            media = await loader.load(requested(cache))
            failure = await loader.examine(media)
            assert isinstance(failure, errors.WrongContent)
            assert media.src not in fake.STATE.object_urls

    leaves_nothing(loader, scenario())


def test_forget_removes_what_must_not_be_stored(script: Script, homeserver: Homeserver) -> None:
    loader = open_loader("blob", homeserver)

    async def scenario() -> None:
        for request in (requested(), None):
            await loader.load(requested("no-store"))
            await loader.forget(request)
            assert fake.STATE.object_urls == {}

    leaves_nothing(loader, scenario())


def test_elements_load_by_the_policy_of_their_binder(on_disk: MediaLoader, script: Script) -> None:
    async def scenario() -> None:
        for cache, expected in (("only-if-cached", "failed"), ("no-store", "shown"), ("only-if-cached", "failed")):
            element = image()
            root = fake.Element("div")
            root.append(element)
            binder = bind(root, on_disk, near_px=None, cache=cache)
            await binder.settled()
            assert state_of(element) == expected
            binder.close()

    leaves_nothing(on_disk, scenario())
    assert fake.STATE.files == {}


def test_another_policy_is_an_error(homeserver: Homeserver) -> None:
    with pytest.raises(ValueError, match="no cache policy 'never'; there are: default, reload, no-store, only-if-cach"):
        requested("never")
    with pytest.raises(ValueError, match="cache is 'never'; it must be one of default, reload, no-store, only-if-cach"):
        bind(fake.Element("div"), open_loader("blob", homeserver), cache="never")
