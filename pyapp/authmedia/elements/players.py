"""Bounds how many videos and audios have a player: Chromium 156 makes 75 in a page, and shows an error for the next.

What is invisible and does not play gives its player back, and keeps its picture as a poster. It loads again when it
becomes visible or comes near, and continues at its position.
"""

from authmedia import browser
from authmedia.browser import capture_frame  # by its name, so that archives have its module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from authmedia.media import Media

    class Player(Protocol):
        """A `Playback`, as far as its player is concerned."""

        @property
        def element(self) -> browser.Element:
            """See `Playback.element`."""
            ...

        @property
        def media(self) -> Media | None:
            """See `Playback.media`."""
            ...

        @property
        def is_idle(self) -> bool:
            """See `Playback.is_idle`."""
            ...

        def follow(self) -> None:
            """See `Playback.follow`."""
            ...

        def stop(self) -> None:
            """See `Playback.stop`."""
            ...

        def suspend(self, picture: "StillPicture") -> None:
            """See `Playback.suspend`."""
            ...


class StillPicture:
    """The frame that a video showed, as its poster.

    :param element: the ``<video>``.
    :param url: the object URL of the frame, empty for none.
    :param position_s: the playback position in seconds.
    """

    __slots__ = ("_element", "_poster", "_url", "position_s")

    def __init__(self, element: browser.Element, url: str, position_s: float) -> None:
        self._element = element
        self._url = url
        self._poster = element.get_attribute("poster")
        self.position_s = position_s
        if url:
            element.set_attribute("poster", url)

    def remove(self) -> None:
        """Restores the element's own poster."""
        if not self._url:
            return
        if self._poster:
            self._element.set_attribute("poster", self._poster)
        else:
            self._element.remove_attribute("poster")
        browser.revoke_object_url(self._url)
        self._url = ""


def release_players(players: "Sequence[Player]", limit: int) -> None:
    """Releases the players of invisible elements, the oldest first, until no more than ``limit`` are left."""
    for playback in list(players):
        if len(players) <= limit:
            return
        if playback.is_idle:
            playback.stop()
            browser.create_task(_release(playback))


async def _release(playback: "Player") -> None:
    element, media = playback.element, playback.media
    position_s = element.current_time
    # At its beginning, a video's own poster says more.
    captures = position_s > 0 or not element.get_attribute("poster")
    url = await capture_frame(element) if captures else ""
    if media and playback.media is media and playback.is_idle:
        playback.suspend(StillPicture(element, url, position_s))
        return
    if url:
        browser.revoke_object_url(url)
    if media and playback.media is media:  # it became visible meanwhile
        playback.follow()
