"""Homeservers from before Matrix 1.11: their media need no token, and one request of their versions finds them."""

from typing import Any

import pytest

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX, MEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import Media, MediaRequest
from authmedia.support.gather import gather_all
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, answer, error, run

OTHER = "mxc://example.org/def"
# What old servers and the proxies before them say of an endpoint that they do not have.
MISSING = {
    "synapse": lambda: error(404, "M_UNRECOGNIZED", "Unrecognized request"),
    "older-synapse": lambda: error(400, "M_UNRECOGNIZED", "Unrecognized request"),
    "web-server": lambda: fake.Response(404, b"<html>No Such Resource"),
    "method": lambda: fake.Response(405, b""),
}


@pytest.fixture(params=MISSING)
def old(script: Script, request: pytest.FixtureRequest) -> Script:
    return age(script, ["r0.6.1", "v1.1", "v1.10"], MISSING[request.param])


def age(script: Script, versions: list[str], missing: Any = MISSING["synapse"]) -> Script:
    """Takes the endpoints away that came with Matrix 1.11, and our own."""

    def instead(request: Any) -> Any:
        if request.url.endswith("/_matrix/client/versions"):
            return answer({"versions": versions})
        return missing() if MEDIA_PREFIX in request.url or AUTHMEDIA_PREFIX in request.url else None

    script.media["example.org/def"] = PICTURE
    script.instead = instead
    return script


def paths(browser: Any, part: str) -> list[str]:
    return [request.url for request in browser.requests if part in request.url]


@pytest.mark.parametrize("strategy", ["blob", "opfs"])
def test_strategies_load_open_media_without_a_token(
    old: Script, homeserver: Homeserver, browser: Any, strategy: str
) -> None:
    loader = open_loader(strategy, homeserver)

    async def load_three() -> list[Media]:
        both = await gather_all(loader.load(MediaRequest(MXC)), loader.load(MediaRequest(OTHER)))
        return [*both, await loader.load(MediaRequest(MXC, width=96, height=96, method="crop"))]

    media = run(load_three())
    assert {browser.object_urls[one.src].content[-len(PICTURE) :] for one in media} == {PICTURE}
    assert len(paths(browser, "/versions")) == 1
    assert len(paths(browser, MEDIA_PREFIX)) == 2, "later media do not try what the server lacks"
    without = [request for request in browser.requests if "/_matrix/media/v3/" in request.url]
    assert len(without) == 3
    assert all(not request.headers for request in without)
    assert without[-1].url.startswith("http://home.test/_matrix/media/v3/thumbnail/example.org/abc?width=96")


def test_auto_takes_plain_urls_as_soon_as_it_knows(old: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("auto", homeserver)
    first = run(loader.load(MediaRequest(MXC)))
    assert first.strategy == "opfs"
    second = run(loader.load(MediaRequest(OTHER, kind="video")))
    assert second.src == "http://home.test/_matrix/media/v3/download/example.org/def"
    assert (second.strategy, second.crossorigin) == ("plain", "anonymous")
    assert "gives media to everybody" in second.reason
    assert len(paths(browser, "/versions")) == 1
    loader.close()


def test_plain_works_on_old_servers_alone(script: Script, homeserver: Homeserver) -> None:
    age(script, ["r0.6.1"])
    loader = open_loader("plain", homeserver)
    assert run(loader.support()).works
    assert run(loader.load(MediaRequest(MXC))).src == "http://home.test/_matrix/media/r0/download/example.org/abc"
    age(script, ["v1.11"])
    modern = open_loader("plain", Homeserver("http://home.test", "@ana:example.org", "token"))
    support = run(modern.support())
    assert (support.works, support.words) == (False, "media need an access token on this homeserver (Matrix 1.11)")
    with pytest.raises(errors.StrategyUnsupported):
        run(modern.load(MediaRequest(MXC)))


@pytest.mark.parametrize(
    ("versions", "words"), [([], "versions: none"), (["v1.12"], "M_UNRECOGNIZED: Unrecognized request")]
)
def test_a_server_that_has_neither_says_so(
    script: Script, homeserver: Homeserver, versions: list[str], words: str
) -> None:
    age(script, versions)
    with pytest.raises(errors.MediaUnsupported) as caught:
        run(open_loader("blob", homeserver).load(MediaRequest(MXC)))
    assert (caught.value.mxc, caught.value.words) == (MXC, words)


def test_modern_servers_are_not_asked_for_their_versions(script: Script, homeserver: Homeserver, browser: Any) -> None:
    loader = open_loader("blob", homeserver)
    run(loader.load(MediaRequest(MXC)))
    with pytest.raises(errors.MediaNotFound):
        run(loader.load(MediaRequest("mxc://example.org/missing")))
    assert paths(browser, "/versions") == []


def test_a_missing_media_stays_missing_when_the_server_says_little(script: Script, homeserver: Homeserver) -> None:
    age(script, ["v1.11"], MISSING["web-server"])
    with pytest.raises(errors.MediaNotFound):
        run(open_loader("blob", homeserver).load(MediaRequest(MXC)))


NEED_NEWER = ["link", "bundle", "cookie", "signed_query", "service_worker"]


@pytest.mark.parametrize("strategy", NEED_NEWER)
def test_strategies_that_need_a_newer_server_say_so(
    old: Script, homeserver: Homeserver, browser: Any, strategy: str
) -> None:
    loader = open_loader(strategy, homeserver)
    support = run(loader.support())
    words = "this homeserver has Matrix 1.10 and gives its media to everybody, by `plain` or `auto`"
    assert (support.works, support.words) == (False, words)
    assert isinstance(support.error, errors.HomeserverTooOld)
    if strategy != "service_worker":  # whose worker is what requests
        with pytest.raises(errors.HomeserverTooOld) as caught:
            run(loader.load(MediaRequest(MXC, width=96, height=96)))
        assert (caught.value.mxc, caught.value.words) == (MXC, words)
        assert str(caught.value).startswith(f"`{strategy}` needs a homeserver from Matrix 1.11 on ({MXC})")
    else:
        media = run(loader.load(MediaRequest(MXC)))
        assert isinstance(run(loader.examine(media)), errors.HomeserverTooOld)
    assert len(paths(browser, "/versions")) == 1
    loader.close()


@pytest.mark.parametrize("strategy", NEED_NEWER)
@pytest.mark.parametrize("versions", [[], ["v2.0-future"]])
def test_every_strategy_says_that_a_server_has_neither(
    script: Script, homeserver: Homeserver, strategy: str, versions: list[str]
) -> None:
    age(script, versions)
    support = run(open_loader(strategy, homeserver).support())
    assert isinstance(support.error, errors.MediaUnsupported)
    assert support.words.startswith("versions: ")


def test_a_modern_server_without_the_module_keeps_its_own_words(
    script: Script, homeserver: Homeserver, browser: Any
) -> None:
    age(script, ["v1.17"])
    for strategy in ("link", "bundle", "cookie"):
        support = run(open_loader(strategy, homeserver).support())
        assert (support.words, type(support.error)) == ("M_UNRECOGNIZED: Unrecognized request", errors.LinksUnsupported)
    assert len(paths(browser, "/versions")) == 1
