"""Playback: what becomes of a video or audio whose link expires or whose connection breaks."""

from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binder import Binder
from authmedia.elements.binding import FAILED, SHOWN
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.support import backoff
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, error, run, state_of, turns

OTHER = "mxc://example.org/other"


@pytest.mark.parametrize("when", ["before", "while"])
def test_seeking_while_a_link_is_replaced_is_respected(script: Script, homeserver: Homeserver, when: str) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)

    async def seek(_src: str) -> bool:
        video.current_time = 20.0
        return True

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        first, video.current_time = video.src, 3.0
        script.instead = lambda request: error(403, "M_FORBIDDEN", "Expired") if request.url == first else None
        video.fire("error")
        if when == "before":
            video.current_time = 20.0
        else:
            video.shows = seek
        await turns(60)
        assert video.src != first
        assert video.current_time == 20.0

    run(scenario())


def test_an_expired_link_of_a_video_is_replaced_at_its_position(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        first = video.src
        video.current_time, video.playing = 12.5, True
        script.instead = lambda request: (
            error(403, "M_FORBIDDEN", "The link has expired") if request.url == first else None
        )
        video.fire("error")
        video.playing = False
        await turns(60)
        assert video.src != first
        assert (video.current_time, video.playing) == (12.5, True)
        assert state_of(video) == SHOWN
        script.instead = lambda request: error(404, "M_NOT_FOUND", "It was removed")
        video.fire("error")
        await turns(60)
        assert state_of(video) == FAILED
        assert isinstance(binder.bindings[0].failure, errors.MediaNotFound)

    run(scenario())


@pytest.mark.usefixtures("no_pauses")
def test_a_broken_connection_of_a_video_is_replaced(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("link", homeserver)
    video = fake.Element("video", data_mxc=MXC)
    downs = [True, True]

    def down_for_a_while(request: Any) -> Any:
        return fake.BrowserError("TypeError", "Failed to fetch") if "/signed/" in request.url and downs.pop() else None

    async def shows(src: str) -> bool:
        return len(downs) == 0

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        await binder.settled()
        # Its server is away while it is asked why, and when the video tries again.
        video.current_time, video.playing, video.has_network_error = 12.5, True, True
        script.instead = lambda request: down_for_a_while(request) if downs else None
        video.shows = shows
        video.fire("error")
        await turns(200)
        assert state_of(video) == SHOWN
        assert (video.current_time, video.playing) == (12.5, True)
        # It breaks off at one place again and again, though its link is good.
        video.shows = None
        for _ in range(backoff.MAX_ATTEMPTS):
            video.fire("error")
            await turns(100)
        assert state_of(video) == FAILED
        assert isinstance(binder.bindings[0].failure, errors.TransferInterrupted)
        binder.bindings[0].retry()
        await binder.settled()
        assert state_of(video) == SHOWN

    run(scenario())


def test_a_video_that_fails_before_it_begins_is_retried_once(script: Script, homeserver: Homeserver) -> None:
    script.media[OTHER[6:]] = b"no film"
    loader = open_loader("link", homeserver)
    video, bad = fake.Element("video", data_mxc=MXC), fake.Element("video", data_mxc=OTHER)
    tries: list[str] = []

    async def shows_in_the_end(src: str) -> bool:
        tries.append(src)
        return len(tries) == 2

    async def never_shows(_src: str) -> bool:
        return False

    async def scenario() -> None:
        video.shows, bad.shows = shows_in_the_end, never_shows
        binder = Binder(fake.Element("div"), loader, near_px=None)
        binder.on_added(1, video)
        binder.on_added(2, bad)
        await binder.settled()
        assert (state_of(video), state_of(bad)) == (SHOWN, FAILED)
        assert isinstance(binder.bindings[1].failure, errors.WrongContent)

    run(scenario())


def test_two_videos_of_one_link_both_continue_when_it_expires(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.delegates = False
    loader = open_loader("auto", homeserver)
    videos = [fake.Element("video", data_mxc=MXC) for _ in range(2)]

    async def scenario() -> None:
        binder = Binder(fake.Element("div"), loader, near_px=None)
        for number, video in enumerate(videos):
            binder.on_added(number, video)
        await binder.settled()
        first = videos[0].src
        assert videos[1].src == first
        script.instead = lambda request: error(403, "M_FORBIDDEN", "Over") if request.url == first else None
        for video in videos:
            video.fire("error")
            await turns(60)
            assert video.src != first
            assert state_of(video) == SHOWN
        assert videos[0].src == videos[1].src
        binder.close()

    run(scenario())
