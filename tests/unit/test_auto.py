"""`auto` chooses a strategy that works, with its reason, and falls back to the next."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binding import SHOWN, Binding
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import Media, MediaRequest
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, PROBE, Script, error, run

QUOTA = fake.BrowserError("QuotaExceededError", "The quota has been exceeded.")
SECURITY = fake.BrowserError("SecurityError", "Security error when calling GetDirectory")


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    return open_loader("auto", homeserver)


def no_links(request: Any) -> Any:
    """A homeserver that has never heard of links."""
    return error(404, "M_UNRECOGNIZED", "Unrecognized request") if AUTHMEDIA_PREFIX in request.url else None


def load(loader: MediaLoader, **request: Any) -> Media:
    media: Media = run(loader.load(MediaRequest(MXC, **request)))
    return media


@pytest.mark.parametrize("strategy", ["delegated", "link"])
def test_links_are_used_where_the_homeserver_has_them(loader: MediaLoader, script: Script, strategy: str) -> None:
    script.delegates = strategy == "delegated"
    media = load(loader, kind="video")
    assert media.strategy == strategy
    assert media.reason.startswith(f"{strategy}: a long media plays and seeks before it is complete")
    assert media.crossorigin == "anonymous"
    assert len(script.batches) == (strategy == "link")


def test_minted_links_take_the_place_of_links_that_the_page_cannot_sign(loader: MediaLoader, script: Script) -> None:
    script.delegates = False

    async def scenario() -> None:
        assert (await loader.support()).works
        media = await loader.load(MediaRequest(MXC))
        assert media.strategy == "link"
        assert "delegated does not work here (delegated is off)" in media.reason

    run(scenario())


def test_no_links_are_requested_where_the_page_signs_them(loader: MediaLoader, browser: Any) -> None:
    async def scenario() -> None:
        assert (await loader.support()).works
        await loader.load(MediaRequest(MXC))

    run(scenario())
    ours = [request.url.rpartition("/")[2] for request in browser.requests if AUTHMEDIA_PREFIX in request.url]
    assert [name.partition("?")[0] for name in sorted(ours)] == ["bundle", "config", "dev_authmedia_probe"]


def test_media_of_one_link_are_released_one_by_one(loader: MediaLoader) -> None:
    """Two cache policies, in an order in which both get the link that is new to any cache."""

    async def scenario() -> None:
        policies = ("reload", "default")
        loaded = await asyncio.gather(*[loader.load(MediaRequest(MXC, kind="video", cache=each)) for each in policies])
        assert loaded[0].src == loaded[1].src
        for media in loaded:
            assert await loader.observe(media)
            loader.release(media)
        loader.close()
        assert loader.counters.opened == loader.counters.released

    run(scenario())


def test_without_links_the_disk_is_used_and_without_a_disk_memory(
    loader: MediaLoader, script: Script, browser: Any
) -> None:
    script.instead = no_links
    media = load(loader)
    assert media.strategy == "opfs"
    assert "link does not work here (M_UNRECOGNIZED: Unrecognized request)" in media.reason
    assert media.traffic.requests == 3, "the questions for a key and a link were asked in vain"
    browser.storage_refusal = SECURITY
    other = open_loader("auto", Homeserver("http://home.test", "@eve:example.org", "other"))
    media = load(other)
    assert media.strategy == "blob"
    assert "SecurityError" in media.reason
    assert browser.object_urls[media.src].content == PICTURE


def test_a_full_disk_is_not_used_until_it_is_cleared(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = no_links
    browser.write_refusal = QUOTA
    media = load(loader)
    assert (media.strategy, "QuotaExceededError" in media.reason) == ("blob", True)
    browser.write_refusal = None
    run(loader.forget())
    assert load(loader).strategy == "opfs"


def test_a_link_endpoint_that_vanishes_is_replaced_while_elements_wait(
    loader: MediaLoader, script: Script, browser: Any
) -> None:
    async def scenario() -> None:
        element = fake.Element("img", data_mxc=MXC)
        shown = []

        async def shows(src: str) -> bool:
            if "/signed/" in src:
                script.instead = lambda request: (
                    no_links(request)
                    or (error(404, "M_UNRECOGNIZED", "Unrecognized request") if "/signed/" in request.url else None)
                )
                return False
            shown.append(src)
            return True

        element.shows = shows
        binding = Binding(element, loader)
        binding.start()
        await binding.settled()
        assert binding.state == SHOWN
        assert element.get_attribute("data-strategy") == "opfs"
        assert "link does not work here" in element.get_attribute("data-reason")
        binding.close()

    run(scenario())


def test_an_error_of_the_media_does_not_change_the_strategy(loader: MediaLoader, script: Script) -> None:
    script.delegates = False
    with pytest.raises(errors.MediaNotFound):
        run(loader.load(MediaRequest("mxc://example.org/missing")))
    assert load(loader).strategy == "link"


def test_without_a_working_strategy_each_reason_is_reported(loader: MediaLoader, browser: Any) -> None:
    auto = loader._strategy
    auto.refused = {"delegated": "M_UNRECOGNIZED", "opfs": "SecurityError", "blob": "none"}
    with pytest.raises(errors.StrategyUnsupported, match="delegated: M_UNRECOGNIZED; opfs: SecurityError; blob: none"):
        run(loader.load(MediaRequest(MXC)))


def test_support_needs_one_working_strategy(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = no_links
    browser.storage_refusal = SECURITY
    assert run(loader.support()).works, "there is still blob"
    assert load(loader).strategy == "blob"


def test_everything_is_released(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = no_links

    async def scenario() -> None:
        medias = await asyncio.gather(*[loader.load(MediaRequest(MXC)) for _ in range(3)])
        for media in medias:
            loader.release(media)
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


def test_visibility_and_progress_are_passed_on_to_the_loaders(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.instead = no_links
    browser.storage_refusal = SECURITY
    asked: list[bool] = []
    told: list[tuple[int, int]] = []

    def visible() -> bool:
        asked.append(True)
        return True

    async def scenario() -> None:
        loader = open_loader("auto", homeserver)
        requests = [MediaRequest(f"mxc://example.org/m{number}") for number in range(20)]
        script.media = {f"example.org/m{number}": PICTURE for number in range(20)}
        await asyncio.gather(
            *[loader.load(request, visible, lambda have, all: told.append((have, all))) for request in requests]
        )

    run(scenario())
    assert asked
    assert told[0] == (len(PICTURE) // 2, len(PICTURE))


@pytest.mark.usefixtures("no_pauses")
def test_retries_of_the_loaders_are_not_repeated(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.instead = lambda request: error(503, "M_UNKNOWN", "Down")
    loader = open_loader("auto", homeserver)
    with pytest.raises(errors.ServerFailure) as caught:
        run(loader.load(MediaRequest(MXC)))
    assert len(browser.requests) == 4
    assert caught.value.traffic
    assert caught.value.traffic.requests == 4


def test_a_strategy_that_works_again_is_used_again(loader: MediaLoader, script: Script) -> None:
    async def scenario() -> None:
        script.instead = lambda request: fake.BrowserError("TypeError", "Failed to fetch")
        await loader.support()
        script.instead = None
        assert (await loader.support()).works
        assert (await loader.load(MediaRequest(MXC))).strategy == "delegated"

    run(scenario())


def test_endpoints_that_a_proxy_does_not_pass_on_are_no_missing_media(loader: MediaLoader, script: Script) -> None:
    script.instead = lambda request: (
        fake.Response(404, b"<h1>Not Found</h1>") if AUTHMEDIA_PREFIX in request.url else None
    )
    assert load(loader, width=32, height=32).strategy == "opfs"


def test_locks_that_a_browser_refuses_are_no_reason_to_fail(
    loader: MediaLoader, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(fake.Lock):
        async def __aenter__(self) -> "fake.Lock":
            raise fake.BrowserError("NotSupportedError", "navigator.locks is missing in this window")

    script.instead = no_links
    monkeypatch.setattr(fake, "Lock", Refused)
    media = load(loader)
    assert media.strategy == "blob"
    assert "navigator.locks is missing" in media.reason


def many(script: Script, count: int) -> list[MediaRequest]:
    """Requests for media that there are."""
    script.media = {f"example.org/m{number}": PICTURE for number in range(count)}
    return [MediaRequest(f"mxc://example.org/m{number}") for number in range(count)]


def test_one_file_too_large_for_the_disk_changes_nothing_for_the_others(
    loader: MediaLoader, script: Script, browser: Any
) -> None:
    script.instead = no_links

    async def scenario() -> list[str]:
        found = []
        for number, request in enumerate(many(script, 9)):
            browser.clock += 1000
            browser.write_refusal = QUOTA if number in (0, 1, 4, 5) else None
            found.append((await loader.load(request)).strategy)
        return found

    assert run(scenario()) == ["blob", "blob", "opfs", "opfs", "blob", "blob", "opfs", "opfs", "opfs"]


def test_several_refusals_in_a_row_leave_a_strategy_out(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = no_links

    async def scenario() -> list[str]:
        found = []
        for number, request in enumerate(many(script, 6)):
            browser.clock += 1000
            browser.write_refusal = QUOTA if number < 3 else None
            found.append((await loader.load(request)).strategy)
        return found

    assert run(scenario()) == ["blob"] * 6


def test_refusals_of_one_moment_count_as_one(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = no_links

    async def scenario() -> None:
        browser.write_refusal = QUOTA
        requests = many(script, 6)
        await asyncio.gather(*[loader.load(request) for request in requests[:5]])
        browser.write_refusal = None
        assert (await loader.load(requests[5])).strategy == "opfs"

    run(scenario())


# What proxies answer to a link: without its query, with a page of their own, or by a path that they do not know.
PROXIES = [
    lambda: error(403, "M_FORBIDDEN", "This is not a link that can be used here"),
    lambda: fake.Response(403, b"<html>nginx</html>"),
    lambda: fake.Response(404, b"<html>not found</html>"),
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_links_that_are_refused_in_a_row_make_it_change(
    loader: MediaLoader, script: Script, browser: Any, proxy: Any
) -> None:
    script.instead = lambda request: proxy() if "/signed/" in request.url else None

    async def shows(src: str) -> bool:
        return "/signed/" not in src

    async def scenario() -> None:
        served = []
        for request in many(script, 5):
            browser.clock += 1000
            element = fake.Element("img", data_mxc=request.mxc)
            element.shows = shows
            binding = Binding(element, loader)
            binding.start()
            await binding.settled()
            assert binding.state == SHOWN, binding.failure
            served.append(element.get_attribute("data-strategy"))
            binding.close()
        assert served == ["opfs"] * 5
        asked = [request for request in browser.requests if "/signed/" in request.url]
        links = len(script.batches)
        assert "link" in loader._strategy.refused  # type: ignore[attr-defined]
        assert len(asked) <= 3 * 3, (
            "a link and a new one that the page signs, and one of the homeserver, of three media"
        )
        assert links <= 2 * 3

    run(scenario())


def test_an_expired_link_is_no_refusal(loader: MediaLoader, script: Script, browser: Any) -> None:
    script.instead = lambda request: (
        error(403, "DEV.AUTHMEDIA.LINK_EXPIRED", "Expired") if "batch=1" in request.url else None
    )

    async def shows(src: str) -> bool:
        return "batch=1" not in src

    async def scenario() -> None:
        element = fake.Element("img", data_mxc=MXC)
        element.shows = shows
        binding = Binding(element, loader)
        binding.start()
        await binding.settled()
        assert element.get_attribute("data-strategy") in ("delegated", "link")
        binding.close()

    run(scenario())


@pytest.mark.parametrize("reply", [*PROXIES, lambda: fake.Response(200, b"<html>Sign in to this network</html>")])
def test_support_tries_one_real_link(homeserver: Homeserver, script: Script, reply: Any) -> None:
    link = open_loader("link", homeserver)
    assert run(link.support()).works
    script.instead = lambda request: reply() if request.url == PROBE else None
    assert not run(link.support()).works
