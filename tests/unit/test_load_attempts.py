"""The attempts of one load: what is retried, how often, and what becomes the cause."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binding import FAILED, SHOWN, Binding
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.support import backoff
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, run, turns

SIZE = str(len(PICTURE))


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
