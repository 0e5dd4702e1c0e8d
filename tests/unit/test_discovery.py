"""Discovery of homeservers: by user id, domain and URL, and in words where there is none."""

import json
from typing import Any

import pytest

from authmedia.errors import (
    AuthMediaError,
    HomeserverHidden,
    HomeserverNotFound,
    MalformedAddress,
    MalformedWellKnown,
    NoHomeserver,
    RateLimited,
    ServerFailure,
)
from authmedia.matrix.discovery import DiscoveredServer, discover_homeserver
from authmedia.matrix.server_versions import ServerVersions
from tests.unit import fake_browser as fake
from tests.unit.support import answer, error, run

VERSIONS = {"versions": ["v1.1", "v1.11"], "unstable_features": {}}
WEBSITE = fake.Response(200, b"<!doctype html><HTML><body>Welcome</body>")
WELL_KNOWN = "https://example.org/.well-known/matrix/client"
OWN = "https://example.org/_matrix/client/versions"
MATRIX = "https://matrix.example.org/_matrix/client/versions"


def named(base_url: object = "https://matrix.example.org/") -> Any:
    return answer({"m.homeserver": {"base_url": base_url}})


def serve(browser: Any, **responses: Any) -> None:
    """Answers by URL; what is not listed does not answer."""
    missing = fake.BrowserError("TypeError", "Failed to fetch")
    places = {"well_known": WELL_KNOWN, "own": OWN, "matrix": MATRIX}
    by_url = {places[name]: response for name, response in responses.items()}
    browser.server = lambda request: by_url.get(request.url, missing)


def discover(name: str) -> DiscoveredServer:
    found = run(discover_homeserver(name))
    assert isinstance(found, DiscoveredServer)
    return found


@pytest.mark.parametrize("name", ["@ana:example.org", "example.org", " EXAMPLE.org ", "https://example.org"])
def test_a_domain_names_its_homeserver(browser: Any, name: str) -> None:
    serve(browser, well_known=named(), own=error(404, "", ""), matrix=answer(VERSIONS))
    found = discover(name)
    assert found.base_url == "https://matrix.example.org"
    assert found.versions.newest == "Matrix 1.11"
    assert all(not request.headers for request in browser.requests)


@pytest.mark.parametrize(
    ("given", "found"),
    [({"base_url": "https://gateway.example.org"}, "https://gateway.example.org"), (None, ""), (7, "")],
)
def test_a_domain_may_name_a_gateway_for_media(browser: Any, given: object, found: str) -> None:
    document = {"m.homeserver": {"base_url": "https://matrix.example.org"}, "dev.authmedia.media": given}
    serve(browser, well_known=answer(document), matrix=answer(VERSIONS))
    assert discover("example.org").media_base_url == found


@pytest.mark.parametrize(
    ("well_known", "name"),
    [(error(404, "", ""), "example.org"), (WEBSITE, "example.org"), (None, "@ana:example.org")],
    ids=["missing", "a-page-for-all", "unreadable"],
)
def test_a_domain_may_be_the_homeserver_itself(browser: Any, well_known: Any, name: str) -> None:
    responses = {"well_known": well_known} if well_known else {}
    serve(browser, own=answer(VERSIONS), **responses)
    assert discover(name).base_url == "https://example.org"


def test_the_address_of_a_homeserver_is_asked_for_nothing_else(browser: Any) -> None:
    serve(browser, matrix=answer(VERSIONS))
    assert discover("https://matrix.example.org/").base_url == "https://matrix.example.org"
    assert len(browser.requests) == 1


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("localhost:8008", "http://localhost:8008"),
        ("@ana:127.0.0.1:8008", "http://127.0.0.1:8008"),
        ("@ana:[2001:db8::1]:8448", "https://[2001:db8::1]:8448"),
        ("b\u00fccher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_ports_loopback_names_and_other_alphabets(browser: Any, name: str, base_url: str) -> None:
    browser.server = lambda request: answer(VERSIONS) if request.url.endswith("/versions") else error(404, "", "")
    assert discover(name).base_url == base_url


@pytest.mark.parametrize(
    "name",
    [
        *("", "@ana", "@ana:", "@", "example.org/path", "exa mple.org", "ana@example.org", "javascript:alert(1)"),
        *("ftp://example.org", "https://", "https://a:b@example.org", "https://example.org?x", "https://example.org#x"),
        *("example.org:99999", "@ana:evil.example@example.org", "example.org\\x", "[::1", "a%2fb", "\n"),
    ],
)
def test_what_is_neither_user_id_nor_domain_nor_url_is_malformed(browser: Any, name: str) -> None:
    with pytest.raises(MalformedAddress):
        discover(name)
    assert browser.requests == []


BROKEN = [
    fake.Response(200, b"not JSON"),
    fake.Response(200, b""),
    answer([]),
    answer({}),
    answer({"m.homeserver": "https://matrix.example.org"}),
    answer({"m.homeserver": {}}),
    *(named(value) for value in (None, 7, "", [], "matrix.example.org", "ftp://matrix.example.org", "https://a@b/")),
    *(named(value) for value in ("https://matrix.example.org?x=1", "javascript:alert(1)", "https://")),
    *(fake.Response(status, b"") for status in (204, 403, 500)),
    fake.Response(200, b"[" * 100_000),
]


@pytest.mark.parametrize("well_known", BROKEN)
def test_a_broken_well_known_is_said_to_be_that(browser: Any, well_known: Any) -> None:
    serve(browser, well_known=well_known, own=answer(VERSIONS), matrix=answer(VERSIONS))
    with pytest.raises(MalformedWellKnown) as caught:
        discover("@ana:example.org")
    assert "example.org" in caught.value.summary
    assert str(caught.value).isprintable()


NOT_MATRIX = [
    WEBSITE,
    fake.Response(404, b"Not Found"),
    fake.Response(403, b"<html>"),
    fake.Response(200, b""),
    answer([]),
    answer({"versions": "v1.11"}),
    error(404, "M_UNRECOGNIZED", "Unrecognized request"),
]


@pytest.mark.parametrize("response", NOT_MATRIX)
def test_a_website_is_no_homeserver(browser: Any, response: Any) -> None:
    serve(browser, well_known=error(404, "", ""), own=response)
    for name in ("example.org", "https://example.org"):
        with pytest.raises(NoHomeserver):
            discover(name)
    serve(browser, well_known=named(), matrix=response)
    with pytest.raises(MalformedWellKnown, match="which is no homeserver"):
        discover("example.org")


def test_a_domain_without_a_server(browser: Any) -> None:
    serve(browser)
    for name in ("example.org", "https://example.org", "@ana:example.org"):
        with pytest.raises(HomeserverNotFound, match=r"No server answers at https://example\.org"):
            discover(name)


def test_a_server_without_cors_is_told_from_none(browser: Any) -> None:
    serve(browser)
    browser.hidden_origins = {"https://example.org"}
    for name in ("example.org", "https://example.org"):
        with pytest.raises(HomeserverHidden, match="Access-Control-Allow-Origin"):
            discover(name)
    serve(browser, well_known=named())
    browser.hidden_origins = {"https://matrix.example.org"}
    with pytest.raises(HomeserverHidden, match=r"https://matrix\.example\.org answers"):
        discover("example.org")


def test_a_website_may_hide_which_homeserver_it_has(browser: Any) -> None:
    serve(browser, own=WEBSITE)
    with pytest.raises(HomeserverHidden, match="does not let this page read which homeserver"):
        discover("example.org")


def test_a_page_of_https_reaches_no_plain_http(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "page_origin", lambda: "https://page.test")
    serve(browser)
    with pytest.raises(HomeserverNotFound, match=r"A page of https cannot reach http://example\.org"):
        discover("http://example.org")
    with pytest.raises(HomeserverNotFound, match="No server answers"):
        discover("http://localhost:8008")


@pytest.mark.parametrize(
    ("response", "kind"),
    [(fake.Response(502, b"<html>"), ServerFailure), (error(429, "M_LIMIT_EXCEEDED", "slow"), RateLimited)],
)
def test_a_homeserver_that_fails_for_a_while_is_no_website(
    browser: Any, response: Any, kind: type[AuthMediaError]
) -> None:
    serve(browser, well_known=named(), matrix=response)
    with pytest.raises(kind):
        discover("example.org")


@pytest.mark.parametrize(
    ("names", "features", "prefix", "newest"),
    [
        (["v1.11"], {}, "/_matrix/client/v1/media", "Matrix 1.11"),
        (["r0.6.1", "v1.9", "v1.12"], {}, "/_matrix/client/v1/media", "Matrix 1.12"),
        (["v2.0"], {}, "/_matrix/client/v1/media", "Matrix 2.0"),
        (["v1.10"], {"org.matrix.msc3916.stable": True}, "/_matrix/client/v1/media", "Matrix 1.10"),
        (["v1.10"], {"org.matrix.msc3916.stable": "yes"}, "/_matrix/media/v3", "Matrix 1.10"),
        (["r0.6.1", "v1.1"], {"org.matrix.msc3916": True}, "/_matrix/media/v3", "Matrix 1.1"),
        (["r0.0.1", "r0.6.1"], {}, "/_matrix/media/r0", "Matrix r0"),
        ([], {}, "", ""),
        (["v", "v1", "vx.y", "1.11", "v1.999999999999999999", "v-1.20", "v\u0661.11"], {}, "", ""),
    ],
)
def test_versions_decide_where_media_are(names: list[str], features: dict[str, Any], prefix: str, newest: str) -> None:
    versions = ServerVersions(names, json.loads(json.dumps(features)))
    assert (versions.media_prefix, versions.newest) == (prefix, newest)
