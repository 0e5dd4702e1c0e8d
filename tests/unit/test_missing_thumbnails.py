"""Thumbnails that the homeserver does not have: one refusal, then the media itself, by every strategy."""

from typing import Any

import pytest

from authmedia import errors, strategies
from authmedia.elements.binding import FAILED, SHOWN, Binding
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.support.limits import Limits
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, part, run, turns

# What homeservers say of a media that they make no thumbnail of.
REFUSALS = [
    (400, "M_UNKNOWN", "Failed to generate thumbnail."),
    (400, "M_INVALID_PARAM", "Cannot find any thumbnails for the requested media"),
    (413, "M_TOO_LARGE", "The image is too large to thumbnail"),
    (502, "M_TOO_LARGE", "The remote content is too large"),
    (415, "M_UNKNOWN", "Unsupported media type"),
    (501, "M_UNRECOGNIZED_FORMAT", "Not implemented"),
]
NAMES = (*strategies.NAMES, strategies.AUTO)
THUMBNAIL = {"data_width": "96", "data_height": "96"}


class Refusing:
    """A homeserver without thumbnails of its media."""

    def __init__(self, refusal: tuple[int, str, str]) -> None:
        self.refusal = refusal
        self.refused = 0

    def __call__(self, request: Any) -> Any:
        status, errcode, words = self.refusal
        if request.url.endswith(AUTHMEDIA_PREFIX + "/bundle") and '"thumbnail"' in (request.body or ""):
            self.refused += 1
            return fake.Response(200, part(0, error(*self.refusal).content, status, "application/json"))
        if "/thumbnail/" in request.url or "thumbnail=1" in request.url or "&w=" in request.url:
            self.refused += 1
            return error(status, errcode, words)
        return None


def mark_thumbnail_links(script: Script) -> None:
    """Has the links of thumbnails say so, as those of the module do."""
    plain = script._links

    def links(wanted: list[dict[str, Any]]) -> Any:
        reply = plain(wanted)
        if any("thumbnail" in entry for entry in wanted):
            reply.content = reply.content.replace(b"?batch=", b"?thumbnail=1&batch=")
        return reply

    script._links = links  # type: ignore[method-assign]


async def show(homeserver: Homeserver, name: str, limits: Limits | None = None, **attributes: str) -> Any:
    """An element that shows whatever is no thumbnail, and its binding."""
    element = fake.Element("img", data_mxc=MXC, **{**THUMBNAIL, **attributes})

    async def shows(src: str) -> bool:
        return "thumbnail=1" not in src and "&w=" not in src

    element.shows = shows
    binding = Binding(element, open_loader(name, homeserver, limits=limits))
    binding.start()
    await binding.settled()
    return element, binding


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_the_media_itself_is_shown_after_one_refusal(
    script: Script, homeserver: Homeserver, browser: Any, name: str, refusal: tuple[int, str, str]
) -> None:
    mark_thumbnail_links(script)
    script.instead = refusing = Refusing(refusal)

    async def scenario() -> None:
        _, binding = await show(homeserver, name)
        assert binding.state == SHOWN, binding.failure
        # An element reports no cause, so its link is requested once more.
        refused = refusing.refused
        in_bundle = name in ("bundle", "auto")
        expected = 2 if in_bundle and refusal[0] == 413 else 1  # which says: not in a bundle
        assert refused == expected
        again = await binding._loader.load(MediaRequest(MXC, width=96, height=96))
        assert refusing.refused == refused, "it is known by now"
        binding._loader.release(again)
        binding.close()
        binding._loader.close()

    run(scenario())
    assert browser.object_urls == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("original_bytes", [0, len(PICTURE) - 1])
def test_a_media_that_is_too_large_waits_for_the_user(
    script: Script, homeserver: Homeserver, name: str, original_bytes: int
) -> None:
    mark_thumbnail_links(script)
    script.instead = Refusing(REFUSALS[0])

    async def scenario() -> None:
        limits = Limits(original_bytes=original_bytes)
        element, binding = await show(homeserver, name, limits, data_blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj")
        assert binding.state == FAILED
        assert type(binding.failure) is errors.NoThumbnail
        (view,) = element.siblings
        assert view.text == "The server has no preview of this media."
        (button,) = view.children
        assert button.text == "Show it"
        button.fire("click")
        await turns()
        await binding.settled()
        assert binding.state == SHOWN
        binding.close()

    run(scenario())


@pytest.mark.parametrize("name", ["link", "blob", "opfs", "bundle"])
def test_other_failures_of_a_thumbnail_stay_what_they_are(script: Script, homeserver: Homeserver, name: str) -> None:
    script.instead = lambda request: error(404, "M_NOT_FOUND", "Not found") if "thumbnail" in request.url else None
    script.media = {}
    with pytest.raises(errors.MediaNotFound):
        run(open_loader(name, homeserver).load(MediaRequest(MXC, width=96, height=96)))


@pytest.mark.parametrize("name", ["blob", "opfs", "bundle"])
@pytest.mark.parametrize(
    ("status", "errcode", "expected"),
    [
        (400, "M_UNKNOWN", errors.RequestRefused),
        (400, "M_BAD_JSON", errors.RequestRefused),
        (410, "", errors.RequestRefused),
        (501, "M_UNKNOWN", errors.RequestRefused),
        (413, "M_TOO_LARGE", errors.MediaTooLarge),
        (502, "M_TOO_LARGE", errors.MediaTooLarge),
        (413, "", errors.MediaTooLarge),
        (451, "M_UNKNOWN", errors.MediaBlocked),
    ],
)
def test_a_final_status_is_requested_once(
    script: Script,
    homeserver: Homeserver,
    browser: Any,
    name: str,
    status: int,
    errcode: str,
    expected: type[errors.AuthMediaError],
) -> None:
    script.instead = lambda request: (
        (error(status, errcode, "No") if errcode else fake.Response(status, b"<html>"))
        if "/download/" in request.url
        else None
    )
    with pytest.raises(errors.AuthMediaError) as caught:
        run(open_loader(name, homeserver).load(MediaRequest(MXC)))
    assert type(caught.value) is expected
    assert not caught.value.temporary
    assert len([request for request in browser.requests if "/download/" in request.url]) == 1


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_what_can_change_is_requested_again(script: Script, homeserver: Homeserver, browser: Any, status: int) -> None:
    script.instead = lambda request: error(status, "M_UNKNOWN", "Not now")
    with pytest.raises(errors.ServerFailure):
        run(open_loader("blob", homeserver).load(MediaRequest(MXC)))
    assert len(browser.requests) == 4
