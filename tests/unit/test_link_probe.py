"""Links behind odd proxies: what `support` says of them, and which of them the page corrects."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from authmedia.elements.binding import SHOWN, Binding
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.link_addresses import LinkAddresses
from authmedia.media import MediaRequest
from media_protocol.media_requests import received_parameters
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, Script, answer, error, image, run, state_of

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
SIGNED = f"{PREFIX}/signed/example.org"
ASKED = "https://example.org/matrix"
QUERY = "k=1&e=1800000600000&s=session"


class Proxied:
    """A homeserver behind a proxy that makes links lead to a base URL, and alters those that arrive at some origins.

    :param named: the base URL of its links.
    :param answering: the base URLs at which links arrive.
    :param alter: what a proxy does to the query of a link.
    """

    def __init__(
        self, named: str, answering: tuple[str, ...], alter: Callable[[str], str] = lambda query: query
    ) -> None:
        self.script = Script()
        self.named, self.answering, self.alter = named, answering, alter
        self.requested: list[str] = []

    def __call__(self, request: Any) -> Any:
        base, _, path = request.url.partition(PREFIX)
        if path == "/config":
            return answer({"batch_limit": 100, "delegated": {**self.script.key(), "base_url": self.named}})
        if path == "/links":
            media = json.loads(request.body)["media"]
            links = [self.link(entry["mxc"].rpartition("/")[2]) for entry in media]
            return answer({"links": links, "probe": self.link("dev_authmedia_probe")})
        self.requested.append(request.url)
        if base not in self.answering:
            return fake.BrowserError("TypeError", "Failed to fetch")
        sent = path.partition("?")[2]
        arrived = self.alter(sent)
        if arrived != sent:
            return error(
                403, "M_FORBIDDEN", "No link", query=received_parameters(f"{path.partition('?')[0]}?{arrived}")
            )
        return fake.Response(204)

    def link(self, media_id: str) -> dict[str, Any]:
        return {"url": f"{self.named}{SIGNED}/{media_id}?{QUERY}&sig=signature", "expires_in_ms": 600_000}


def probe(proxied: Proxied, strategy: str) -> tuple[bool, str, str]:
    """Returns what `support` says, and where a link that is opened afterwards leads to."""
    browser = fake.reset()
    browser.server = proxied
    loader = open_loader(strategy, Homeserver(ASKED, "@ana:example.org", "token"))

    async def scenario() -> tuple[bool, str, str]:
        support = await loader.support()
        media = await loader.load(MediaRequest(MXC))
        loader.close()
        return support.works, support.words, media.src.partition(PREFIX)[0]

    found: tuple[bool, str, str] = run(scenario())
    return found


@pytest.fixture(params=["link", "delegated"])
def strategy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_links_that_lead_to_where_they_arrive_are_left_alone(strategy: str) -> None:
    assert probe(Proxied(ASKED, (ASKED,)), strategy) == (True, "", ASKED)
    elsewhere = "https://media.example.net"
    assert probe(Proxied(elsewhere, (ASKED, elsewhere)), strategy) == (True, "", elsewhere)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("https://example.org", "`base_url` lacks the path"),
        ("http://example.org/matrix", "the proxy does not pass on `X-Forwarded-Proto`"),
        ("http://example.org:8008", "the proxy does not pass on `X-Forwarded-Proto`"),
        ("http://synapse:8008", "the proxy does not pass on `Host`"),
        ("https://example.org:8448", "the proxy does not pass on `Host`"),
        ("http://127.0.0.1:8008", "the proxy does not pass on `Host`"),
    ],
)
def test_links_that_lead_elsewhere_are_corrected_and_the_setting_is_named(
    strategy: str, named: str, words: str
) -> None:
    works, said, leads = probe(Proxied(named, (ASKED,)), strategy)
    assert (works, leads) == (True, ASKED)
    assert said.startswith(f"links lead to {named}, and the page asked {ASKED}: {words}")


def test_links_that_arrive_nowhere_are_no_support(strategy: str) -> None:
    works, said, leads = probe(Proxied("http://synapse:8008", ()), strategy)
    assert (works, leads) == (False, "http://synapse:8008")
    assert "the proxy does not pass on `Host`" in said
    assert said.endswith("(TypeError: Failed to fetch); there: TypeError: Failed to fetch")


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda query: "", "a proxy strips the query of links"),
        (lambda query: query.replace("&s=", "&x="), "a proxy strips a part of the query of links: s"),
        (lambda query: urlencode(sorted(parse_qsl(query))), "a proxy sorts the query of links"),
        (lambda query: query + "&utm_source=proxy", "a proxy adds to the query of links"),
        (lambda query: query.replace("sig=", "sig=a"), "a proxy changes links, or the homeserver sees another address"),
    ],
)
def test_queries_that_arrive_altered_are_named(strategy: str, alter: Callable[[str], str], words: str) -> None:
    works, said, _ = probe(Proxied(ASKED, (ASKED,), alter), strategy)
    assert not works
    assert said.startswith(words)


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (lambda: fake.Response(200, b"<html>Sign in</html>"), "Something before the homeserver answers to links, with"),
        (
            lambda: fake.Response(403, b"<html>No</html>"),
            "Something before the homeserver answers to links, with HTTP 403",
        ),
        (lambda: error(404, "M_UNRECOGNIZED", "Unrecognized request"), "M_UNRECOGNIZED: Unrecognized request"),
        (lambda: error(403, "M_FORBIDDEN", "No link", query=None), "M_FORBIDDEN: No link"),
    ],
)
def test_other_answers_are_said(strategy: str, response: Callable[[], Any], words: str) -> None:
    proxied = Proxied(ASKED, (ASKED,))
    usual = proxied.__call__

    class Instead:
        def __call__(self, request: Any) -> Any:
            return response() if "/signed/" in request.url else usual(request)

    works, said, _ = probe(Instead(), strategy)  # type: ignore[arg-type]
    assert not works
    assert said.startswith(words)


@pytest.mark.parametrize("named", ["http://synapse:8008", "http://nowhere"])
def test_an_element_whose_link_leads_elsewhere_is_shown_without_a_call_of_support(strategy: str, named: str) -> None:
    fake.reset().server = Proxied(named, (ASKED,))
    element = image()

    async def shows(src: str) -> bool:
        return src.startswith(ASKED)

    async def scenario() -> None:
        element.shows = shows
        loader = open_loader(strategy, Homeserver(ASKED, "@ana:example.org", "token"))
        binding = Binding(element, loader)
        binding.start()
        await binding.settled()
        assert state_of(element) == SHOWN
        media = await loader.load(MediaRequest("mxc://example.org/other"))
        assert media.src.startswith(ASKED), "and so are all others"
        binding.close()
        loader.close()

    run(scenario())


@pytest.mark.parametrize(
    ("asked", "named", "corrected"),
    [
        ("https://example.org/matrix", "https://example.org", True),
        ("https://example.org/matrix", "https://example.org/other", True),
        ("https://example.org", "http://example.org", True),
        ("https://example.org", "http://EXAMPLE.org:8008", True),
        ("http://example.org", "https://example.org", False),
        ("https://example.org", "https://example.org:8448", False),
        ("https://example.org", "http://example.org.evil.test", False),
        ("https://example.org", "http://matrix.example.org", False),
        ("https://example.org", "nonsense", False),
    ],
)
def test_what_is_corrected_without_being_tried(browser: Any, asked: str, named: str, corrected: bool) -> None:
    """Only what can be no other server, and only to where the page has sent its request."""
    url = f"{named}{SIGNED}/abc?{QUERY}"
    assert LinkAddresses(asked).url_of(url) == (url.replace(named, asked) if corrected else url)


def test_the_homeserver_tells_no_more_of_a_query_than_the_names_of_its_parameters() -> None:
    told = received_parameters(f"{SIGNED}/abc?e=1&secret=2&k&sig=%3D&{'x=1&' * 50}")
    assert told == ["e", "?", "k", "sig", *["?"] * 16]
    assert received_parameters(f"{SIGNED}/abc") == []
