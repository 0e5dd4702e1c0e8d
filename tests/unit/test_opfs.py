"""The strategy `opfs`: its files, their index, their budget, and what other tabs do to them."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import DISK, NETWORK, MediaRequest
from authmedia.transport import file_index
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, run, turns


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
    loader._strategy.inner._store.budget = 3300

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
    loader._strategy.inner._store.budget = 3300

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
