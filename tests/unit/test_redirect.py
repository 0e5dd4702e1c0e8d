"""The strategy `redirect`: the URL that a homeserver redirects to, and how long it is used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authmedia import errors
from authmedia.elements.binding import SHOWN, Binding
from authmedia.loader import MediaLoader, open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import RELOAD, MediaRequest
from authmedia.transport.redirects import lifetime_s
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, answer, error, image, run, state_of

PRESIGNED = "https://storage.test/bucket/abc?X-Amz-Date=20270115T080000Z&X-Amz-Expires=600&X-Amz-Signature=1"
DOWNLOAD = "http://home.test/_matrix/client/v1/media/download/example.org/abc"


class Storage:
    """A homeserver that redirects downloads, and the storage that it redirects to."""

    def __init__(self) -> None:
        self.target = PRESIGNED
        self.headers: dict[str, str] = {}
        #: Whether the storage refuses requests without a token.
        self.needs_token = False
        #: URLs that have expired.
        self.expired: set[str] = set()

    def __call__(self, request: Any) -> Any:
        if request.url.startswith((DOWNLOAD, DOWNLOAD.replace("/download/", "/thumbnail/"))):
            response = fake.Response(200, PICTURE, {"Content-Type": "image/png", **self.headers})
            response.redirected_url = self.target
            return response
        if request.url not in (self.target, *self.expired):
            return None
        assert "Authorization" not in request.headers
        if self.needs_token:
            return error(401, "M_MISSING_TOKEN", "Missing access token")
        return fake.Response(403, b"<Error/>") if request.url in self.expired else fake.Response(200, PICTURE)


@pytest.fixture
def storage(script: Script) -> Storage:
    storage = Storage()
    script.instead = storage
    return storage


@pytest.fixture
def loader(homeserver: Homeserver) -> MediaLoader:
    return open_loader("redirect", homeserver)


def load(loader: MediaLoader, **options: Any) -> Any:
    async def scenario() -> Any:
        media = await loader.load(MediaRequest(MXC, **options))
        loader.release(media)
        return media

    return run(scenario())


def urls() -> list[str]:
    return [request.url for request in fake.STATE.requests]


def test_the_redirected_url_is_given_and_the_body_is_aborted(storage: Storage, loader: MediaLoader) -> None:
    media = load(loader)
    assert (media.src, media.crossorigin, media.strategy) == (PRESIGNED, "anonymous", "redirect")
    assert [bool(response.aborted) for response in fake.STATE.aborted] == [True, True]
    assert urls() == [DOWNLOAD, PRESIGNED], "the storage is tried without a token, once"
    assert media.traffic.requests == 2
    load(loader, width=32, height=32)
    load(loader)
    assert len(urls()) == 3, "the thumbnail alone is requested; the other URL is kept"


def test_a_url_is_kept_no_longer_than_its_signature(storage: Storage, loader: MediaLoader) -> None:
    load(loader)
    fake.STATE.clock += 539_000
    load(loader)
    assert len(urls()) == 2
    fake.STATE.clock += 32_000
    load(loader)
    assert len(urls()) == 3


def test_what_must_not_be_stored_is_requested_each_time(storage: Storage, loader: MediaLoader) -> None:
    storage.headers = {"Cache-Control": "private, no-store"}
    load(loader)
    load(loader)
    assert urls().count(DOWNLOAD) == 2


def test_reload_requests_anew(storage: Storage, loader: MediaLoader) -> None:
    load(loader)
    load(loader, cache=RELOAD)
    assert urls().count(DOWNLOAD) == 2


@pytest.mark.parametrize(
    ("query", "headers", "seconds"),
    [
        ("", {}, 60),
        ("X-Amz-Date=20270115T080000Z&X-Amz-Expires=600", {}, 600),
        ("X-Amz-Expires=600&X-Amz-Date=20270115T075000Z", {}, 0),
        ("X-Amz-Date=20270115T075500Z&X-Amz-Expires=600", {}, 300),
        ("X-Amz-Date=20270115T090000Z&X-Amz-Expires=600", {}, 600),
        ("X-Amz-Expires=600", {}, 600),
        ("X-Amz-Expires=1e9", {}, 60),
        ("X-Goog-Date=20270115T080000Z&X-Goog-Expires=90", {}, 90),
        ("AWSAccessKeyId=a&Expires=1800000120&Signature=b", {}, 120),
        ("Expires=soon", {}, 60),
        ("", {"Cache-Control": "private, max-age=5, immutable"}, 5),
        ("X-Amz-Expires=600", {"Cache-Control": "max-age=5"}, 5),
        ("X-Amz-Expires=4", {"Cache-Control": "max-age=500"}, 4),
        ("X-Amz-Expires=600", {"Cache-Control": "no-cache"}, 0),
        ("", {"Cache-Control": "max-age=soon"}, 0),
        ("", {"Expires": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ("", {"Expires": "0"}, 0),
        ("", {"Expires": "Fri, 15 Jan 2027 08:00:30 GMT", "Cache-Control": "max-age=7"}, 7),
    ],
)
def test_terms_of_a_url(browser: Any, query: str, headers: dict[str, str], seconds: float) -> None:
    """The clock of the fake browser stands at 08:00 on 15 January 2027."""
    given = {name.lower(): value for name, value in headers.items()}
    assert lifetime_s(f"https://storage.test/abc?{query}", lambda name: given.get(name.lower(), "")) == seconds


@given(
    query=st.text("XAmzGoogExpiresDatTZ-=&0123456789 \u0660", max_size=60),
    cache_control=st.text("max-age=no-store, 0123456789\u0660", max_size=40),
    expires=st.text("Fri, 15 Jan 2027 08:00:30 GMT-1", max_size=40),
)
def test_any_terms_are_parsed(query: str, cache_control: str, expires: str) -> None:
    given = {"Cache-Control": cache_control, "Expires": expires}
    assert lifetime_s(f"https://storage.test/abc?{query}", lambda name: given[name]) >= 0


def test_what_the_homeserver_sends_itself_is_an_object_url(
    script: Script, loader: MediaLoader, homeserver: Homeserver
) -> None:
    async def scenario() -> None:
        media = await loader.load(MediaRequest(MXC))
        assert fake.STATE.object_urls[media.src].content == PICTURE
        loader.release(media)
        loader.close()

    run(scenario())
    assert (urls(), fake.STATE.object_urls) == ([DOWNLOAD], {})
    assert not homeserver.redirects_media


def test_a_redirect_within_the_homeserver_that_needs_the_token_is_followed_by_the_page(
    storage: Storage, loader: MediaLoader
) -> None:
    """As from one name of a homeserver to another: an element could not load that."""
    storage.target, storage.needs_token = "http://home.test/other", True
    assert load(loader).src.startswith("blob:")
    assert run(loader.support()).words == "the URL that the homeserver redirects to needs a token as well"


def test_a_file_to_be_saved_is_an_object_url(storage: Storage, loader: MediaLoader) -> None:
    assert load(loader, kind="file").src.startswith("blob:")


def test_support_tries_the_avatar_and_then_what_was_requested(
    script: Script, storage: Storage, homeserver: Homeserver
) -> None:
    profile: dict[str, str] = {}

    def server(request: Any) -> Any:
        if request.url.endswith("/profile/%40ana%3Aexample.org/avatar_url"):
            return answer(profile) if profile else error(404, "M_NOT_FOUND", "No avatar")
        return storage(request)

    script.instead = server
    loader = open_loader("redirect", homeserver)
    assert run(loader.support()).works, "there is nothing to try it with"
    profile["avatar_url"] = MXC
    assert run(loader.support()).works
    storage.target = ""
    found = run(loader.support())
    assert (found.works, found.words) == (False, f"the homeserver sends {MXC} itself, and redirects to no storage")
    profile.clear()
    load(loader)
    assert not run(loader.support()).works


def test_support_tells_a_storage_without_cors_from_no_answer(
    script: Script, storage: Storage, homeserver: Homeserver, no_pauses: None
) -> None:
    loader = open_loader("redirect", homeserver)
    script.instead = lambda request: fake.BrowserError("TypeError", "Failed to fetch")
    with pytest.raises(errors.HomeserverUnreachable):
        load(loader)
    assert run(loader.support()).words == "TypeError: Failed to fetch"
    fake.STATE.redirecting.add(DOWNLOAD)
    assert "(CORS)" in run(loader.support()).words


def test_a_url_that_the_storage_refuses_is_replaced(storage: Storage, loader: MediaLoader) -> None:
    renewed = PRESIGNED.replace("Signature=1", "Signature=2")
    element = image()

    async def shows(src: str) -> bool:
        if src == PRESIGNED:
            storage.expired, storage.target = {PRESIGNED}, renewed
        return src != PRESIGNED

    async def scenario() -> None:
        element.shows = shows
        binding = Binding(element, loader)
        binding.start()
        await binding.settled()
        assert (state_of(element), element.src) == (SHOWN, renewed)
        binding.close()

    run(scenario())
    assert urls().count(DOWNLOAD) == 2


@pytest.mark.parametrize(("kind", "expected"), [("video", "redirect"), ("audio", "redirect"), ("image", "opfs")])
def test_auto_prefers_it_for_what_is_streamed_once_a_request_was_redirected(
    script: Script, storage: Storage, homeserver: Homeserver, kind: str, expected: str
) -> None:
    def server(request: Any) -> Any:
        if "dev.authmedia" in request.url:
            return error(404, "M_UNRECOGNIZED", "Unrecognized request")
        return storage(request)

    script.instead = server
    loader = open_loader("auto", homeserver)
    first = load(loader, width=32, height=32)
    assert (first.strategy, homeserver.redirects_media) == ("opfs", True)
    media = load(loader, kind=kind)
    assert media.strategy == expected
    if expected == "redirect":
        assert media.reason.startswith("redirect: a long media plays and seeks before it is complete")
