"""The bundle client: one request for all small media, and a result for each."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import Media, MediaRequest
from tests.unit import fake_browser as fake
from tests.unit.support import PICTURE, Script, error, part, run, turns

Damage = Callable[[bytes], bytes]


@pytest.fixture
def loader(script: Script, homeserver: Homeserver) -> MediaLoader:
    script.media = {f"example.org/m{number}": b"picture %d" % number for number in range(10)}
    return open_loader("bundle", homeserver)


def avatar(number: int | str) -> MediaRequest:
    return MediaRequest(f"mxc://example.org/m{number}", width=32, height=32, method="crop")


async def outcome(loader: MediaLoader, request: MediaRequest) -> Any:
    """What becomes of a load: its media, or its error."""
    return (await asyncio.gather(loader.load(request), return_exceptions=True))[0]


async def outcomes(loader: MediaLoader, count: int) -> list[Any]:
    return await asyncio.gather(*[outcome(loader, avatar(number)) for number in range(count)])


def shown(medias: list[Any]) -> list[bytes]:
    return [fake.STATE.object_urls[media.src].content for media in medias]


def in_place_of(script: Script, answers: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Answers bundles in another way than usual."""

    def instead(request: Any) -> Any:
        if not request.url.endswith(AUTHMEDIA_PREFIX + "/bundle"):
            return None
        wanted = json.loads(request.body)["media"]
        script.bundles += [wanted] if wanted else []
        return answers(wanted) if wanted else fake.Response(200)

    script.instead = instead


def whole(script: Script, wanted: list[dict[str, Any]]) -> bytes:
    return b"".join(script.part(number, entry) for number, entry in enumerate(wanted))


def test_all_requests_of_one_turn_are_one_bundle(script: Script, loader: MediaLoader) -> None:
    medias = run(outcomes(loader, 10))
    assert shown(medias) == list(script.media.values())
    thumbnail = {"width": 32, "height": 32, "method": "crop", "animated": False}
    assert script.bundles == [[{"mxc": f"mxc://{name}", "thumbnail": thumbnail} for name in script.media]]
    assert sum(media.traffic.requests for media in medias) == 1
    assert [media.traffic.bytes for media in medias] == [9] * 10
    assert {(media.strategy, media.source, media.content_type) for media in medias} == {
        ("bundle", "network", "image/png")
    }


def test_more_media_than_the_limit_are_several_bundles(script: Script, loader: MediaLoader) -> None:
    script.bundle_limit = 4

    async def scenario() -> list[Any]:
        assert (await loader.support()).works
        return await outcomes(loader, 10)

    assert shown(run(scenario())) == list(script.media.values())
    assert [len(bundle) for bundle in script.bundles] == [4, 4, 2]


def test_visible_media_are_requested_first(script: Script, loader: MediaLoader) -> None:
    async def scenario() -> None:
        loads = [loader.load(avatar(number), lambda number=number: number >= 7) for number in range(10)]
        await asyncio.gather(*loads)

    run(scenario())
    order = [int(entry["mxc"].rpartition("m")[2]) for entry in script.bundles[0]]
    assert order == [7, 8, 9, 0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("request_", "bundled"),
    [
        (MediaRequest("mxc://example.org/m1", width=32, height=32), True),
        (MediaRequest("mxc://example.org/m1", size=1000), True),
        (MediaRequest("mxc://example.org/m1", size=1001), False),
        (MediaRequest("mxc://example.org/m1"), False),
        (MediaRequest("mxc://example.org/m1", size=10, kind="video"), False),
        (MediaRequest("mxc://example.org/m1", size=10, kind="file"), False),
    ],
)
def test_large_media_are_requested_by_themselves(
    script: Script, loader: MediaLoader, request_: MediaRequest, bundled: bool
) -> None:
    async def scenario() -> Media:
        await loader.support()
        return await loader.load(request_)

    assert shown([run(scenario())]) == [b"picture 1"]
    assert len(script.bundles) == bundled


def test_a_bad_part_fails_alone(loader: MediaLoader) -> None:
    async def scenario() -> list[Any]:
        return await asyncio.gather(outcome(loader, avatar(1)), outcome(loader, avatar("issing")))

    good, bad = run(scenario())
    assert shown([good]) == [b"picture 1"]
    assert isinstance(bad, errors.MediaNotFound)
    assert (bad.mxc, bad.words) == ("mxc://example.org/missing", "M_NOT_FOUND: Unknown media")


def test_parts_in_any_order(script: Script, loader: MediaLoader) -> None:
    def backwards(wanted: list[dict[str, Any]]) -> Any:
        return fake.Response(200, b"".join(script.part(n, entry) for n, entry in reversed(list(enumerate(wanted)))))

    in_place_of(script, backwards)
    assert shown(run(outcomes(loader, 10))) == list(script.media.values())


def test_a_media_too_large_for_a_bundle_is_requested_by_itself(script: Script, loader: MediaLoader) -> None:
    refusal = b'{"errcode": "M_TOO_LARGE", "error": "This media is too large for a bundle"}'
    in_place_of(script, lambda wanted: fake.Response(200, part(0, refusal, 413, "application/json")))
    assert shown(run(outcomes(loader, 1))) == [b"picture 0"]
    assert len(script.bundles) == 1


def test_media_that_a_full_bundle_omits_are_in_the_next_one(script: Script, loader: MediaLoader) -> None:
    refusal = b'{"errcode": "DEV.AUTHMEDIA.BUNDLE_FULL", "error": "This bundle is full"}'

    def three(wanted: list[dict[str, Any]]) -> Any:
        parts = [script.part(number, entry) for number, entry in enumerate(wanted)]
        parts[3:] = [part(3 + number, refusal, 413, "application/json") for number in range(len(parts[3:]))]
        return fake.Response(200, b"".join(parts))

    in_place_of(script, three)
    assert shown(run(outcomes(loader, 10))) == list(script.media.values())
    assert [len(bundle) for bundle in script.bundles] == [10, 7, 4, 1]


@pytest.mark.usefixtures("no_pauses")
def test_bundles_that_are_full_without_any_part_fail(script: Script, loader: MediaLoader) -> None:
    refusal = b'{"errcode": "DEV.AUTHMEDIA.BUNDLE_FULL", "error": "This bundle is full"}'
    in_place_of(script, lambda wanted: fake.Response(200, part(0, refusal, 413, "application/json")))
    (failure,) = run(outcomes(loader, 1))
    assert isinstance(failure, errors.HomeserverUnreachable)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("at", [1, 60, 75, 76, 100, 500])
@pytest.mark.parametrize("breaks", [None, fake.BrowserError("TypeError", "network error")])
def test_media_missing_from_an_interrupted_bundle_are_requested_again(
    script: Script, loader: MediaLoader, at: int, breaks: fake.BrowserError | None
) -> None:
    def cut_once(wanted: list[dict[str, Any]]) -> Any:
        content = whole(script, wanted)
        return fake.Response(200, content[:at] if len(script.bundles) == 1 else content, breaks=breaks)

    in_place_of(script, cut_once)
    assert shown(run(outcomes(loader, 10))) == list(script.media.values())
    known = [script.bundles[0].index(entry) for bundle in script.bundles[1:] for entry in bundle]
    arrived = at // len(part(0, b"picture 0"))
    assert sorted(known) == list(range(arrived, 10)), "nothing that arrived is asked for again"


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"<html>" + content,
        lambda content: content.replace(b'"part": 0', b'"part": 7'),
        lambda content: content.replace(b'"part": 0', b'"part": -1'),
        lambda content: content.replace(b'"length": 9', b'"length": -9'),
        lambda content: content.replace(b'"length": 9', b'"length": 1e999'),
        lambda content: content.replace(b'"length"', b'"size"'),
        lambda content: b"[]\n" + content,
        lambda content: b"x" * 2000,
    ],
)
def test_a_response_that_is_no_bundle_fails(script: Script, loader: MediaLoader, damage: Damage) -> None:
    in_place_of(script, lambda wanted: fake.Response(200, damage(whole(script, wanted))))
    (failure,) = run(outcomes(loader, 1))
    assert isinstance(failure, (errors.ServerFailure, errors.HomeserverUnreachable))
    assert fake.STATE.object_urls == {}


def test_a_repeated_part_is_no_bundle(script: Script, loader: MediaLoader) -> None:
    def twice(wanted: list[dict[str, Any]]) -> Any:
        return fake.Response(200, script.part(0, wanted[0]) + part(0, b"another") + whole(script, wanted)[100:])

    in_place_of(script, twice)
    assert shown(run(outcomes(loader, 3))) == [b"picture 0", b"picture 1", b"picture 2"]


def test_a_refused_bundle_fails_each_of_its_media(script: Script, loader: MediaLoader) -> None:
    script.signed_out = True
    in_place_of(script, lambda wanted: error(401, "M_UNKNOWN_TOKEN", "Token is not active"))
    failures = run(outcomes(loader, 3))
    assert [(type(failure), failure.mxc) for failure in failures] == [
        (errors.SessionExpired, f"mxc://example.org/m{number}") for number in range(3)
    ]
    assert len(script.bundles) == 1


def test_cancelling_the_last_load_aborts_the_transfer(script: Script, loader: MediaLoader, browser: Any) -> None:
    gate = asyncio.Event()
    in_place_of(script, lambda wanted: fake.Response(200, whole(script, wanted), gate=gate))

    async def scenario() -> None:
        loads = [asyncio.create_task(loader.load(avatar(number))) for number in range(3)]
        await turns()
        for load in loads[:2]:
            load.cancel()
        await turns()
        assert browser.aborted == []
        loads[2].cancel()
        await turns()
        assert len(browser.aborted) == 1
        assert len(script.bundles) == 1

    run(scenario())
    assert browser.object_urls_made == 0


def test_a_slow_bundle_does_not_block_the_next(script: Script, loader: MediaLoader) -> None:
    gate = asyncio.Event()
    in_place_of(
        script,
        lambda wanted: fake.Response(200, whole(script, wanted), gate=gate if len(script.bundles) == 1 else None),
    )

    async def scenario() -> None:
        slow = asyncio.create_task(loader.load(avatar(1)))
        await turns()
        assert shown([await loader.load(avatar(2))]) == [b"picture 2"]
        assert not slow.done()
        gate.set()
        assert shown([await slow]) == [b"picture 1"]

    run(scenario())


def test_closing_aborts_bundles_in_flight(script: Script, loader: MediaLoader, browser: Any) -> None:
    gate = asyncio.Event()
    script.bundle_limit = 2
    in_place_of(script, lambda wanted: fake.Response(200, whole(script, wanted), gate=gate))

    async def scenario() -> list[Any]:
        await loader.support()
        loads = asyncio.create_task(outcomes(loader, 10))
        await turns()
        loader.close()
        return await loads

    assert {type(failure) for failure in run(scenario())} == {errors.LoadCancelled}
    assert len(script.bundles) == 4, "so many at a time"
    assert [len(bundle) for bundle in script.bundles] == [2, 2, 2, 2]
    assert len(browser.aborted) >= 4


def test_closing_before_a_bundle_is_requested_requests_none(script: Script, loader: MediaLoader) -> None:
    async def scenario() -> list[Any]:
        loads = asyncio.create_task(outcomes(loader, 3))
        for _ in range(50):
            await asyncio.sleep(0)
            if loader._strategy.inner._client._transfers:
                break
        loader.close()
        return await loads

    assert {type(failure) for failure in run(scenario())} == {errors.LoadCancelled}
    assert script.bundles == []


def test_a_cancelled_load_is_not_requested_again(script: Script, loader: MediaLoader) -> None:
    gate = asyncio.Event()
    breaks = fake.BrowserError("TypeError", "network error")
    in_place_of(script, lambda wanted: fake.Response(200, b"", breaks=breaks, gate=gate))

    async def scenario() -> None:
        loads = [asyncio.create_task(outcome(loader, avatar(number))) for number in range(4)]
        await turns()
        loads[0].cancel()
        await turns()
        gate.set()
        await turns(60)
        assert len(script.bundles) == 1, "whoever is left waits a while before the next"
        loader.close()
        await asyncio.gather(*loads[1:])

    run(scenario())


def test_a_homeserver_without_bundles_is_not_supported(script: Script, loader: MediaLoader) -> None:
    script.instead = lambda request: error(404, "M_UNRECOGNIZED", "Unrecognized request")
    support = run(loader.support())
    assert (support.works, support.words) == (False, "M_UNRECOGNIZED: Unrecognized request")
    (failure,) = run(outcomes(loader, 1))
    assert isinstance(failure, errors.LinksUnsupported)


def test_auto_uses_bundles_for_small_media(script: Script, homeserver: Homeserver) -> None:
    script.media["example.org/m1"] = PICTURE
    auto = open_loader("auto", homeserver)

    async def scenario() -> tuple[Media, Media]:
        return await auto.load(avatar(1)), await auto.load(MediaRequest("mxc://example.org/m1"))

    small, large = run(scenario())
    assert (small.strategy, large.strategy) == ("bundle", "delegated")
    assert small.reason == "bundle: small, so it comes together with others in one answer"


def test_auto_falls_back_when_bundles_fail(script: Script, homeserver: Homeserver) -> None:
    script.media["example.org/m1"] = PICTURE
    auto = open_loader("auto", homeserver)
    in_place_of(script, lambda wanted: error(404, "M_UNRECOGNIZED", "Unrecognized request"))
    media = run(auto.load(avatar(1)))
    assert media.strategy == "delegated"
    assert "bundle does not work here (M_UNRECOGNIZED: Unrecognized request)" in media.reason
