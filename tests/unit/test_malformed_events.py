"""The whole way from an event's content to an element, with malformed events of every shape."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authmedia.elements.binder import Binder
from authmedia.elements.binding import FAILED, SHOWN
from authmedia.errors import AuthMediaError
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from demo import timeline
from demo.room import Room
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, SPECIFIED, Script, run

EXAMPLES = 120
GOOD = {
    "type": "m.room.message",
    "sender": "@ana:example.org",
    "content": {"msgtype": "m.image", "body": "good", "url": MXC},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=6,
)


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with the fields of a schema, each of them right, of any other shape, or missing; seldom no object."""
    optional = {name.replace("__", "."): value | JSON for name, value in known.items()}
    return st.fixed_dictionaries({}, optional=optional) | JSON


# https://github.com/matrix-org/matrix-spec/tree/main/data/event-schemas/schema, what of it a client looks at
ADDRESSES = st.sampled_from(
    [MXC, MXC + "#auto", "mxc://", "mxc://../x", "https://example.org/a", "", "mxc://example.org/no"]
)
NUMBERS = st.integers(-10, 5000) | st.sampled_from([1e999, -1, 2**31, 2**63, 10**400, 96.5])
TYPES = st.sampled_from(["image/png", "IMAGE/PNG; q=1", "image/svg+xml", "image/heic", "video/mp4", "text/html", ""])
MARKUP = st.sampled_from(
    ["<b>", "</b>", '<img data-mx-emoticon src="', MXC, '">', "<script>", "&#", "&lt;", "<", ">", " x", "<a href="]
)
FILE = st.sampled_from([SPECIFIED, {**SPECIFIED, "v": "v3"}, {**SPECIFIED, "iv": 7}]) | fields(
    url=ADDRESSES,
    v=st.just("v2"),
    key=fields(k=st.text(max_size=9), alg=st.just("A256CTR"), kty=st.just("oct")),
    iv=st.just(SPECIFIED["iv"]),
    hashes=fields(sha256=st.text(max_size=9)),
)
INFO = fields(
    mimetype=TYPES,
    size=NUMBERS,
    w=NUMBERS,
    h=NUMBERS,
    duration=NUMBERS,
    thumbnail_url=ADDRESSES,
    thumbnail_file=FILE,
    xyz__amorgan__blurhash=st.sampled_from(["LEHV6nWB2yk8pyo0adR*.7kCMdnj", "x", ""]),
)
CONTENT = fields(
    msgtype=st.sampled_from(["m.text", "m.image", "m.video", "m.audio", "m.file", "m.location"]),
    body=st.text(max_size=9),
    filename=st.text(max_size=9),
    url=ADDRESSES,
    file=FILE,
    info=INFO,
    format=st.just("org.matrix.custom.html"),
    formatted_body=st.lists(MARKUP, max_size=8).map("".join),
    m__spoiler=st.booleans(),
    town__robin__msc3725__content_warning=fields(type=st.just("m.spoiler"), description=st.text(max_size=5)),
)
EVENT = fields(
    type=st.sampled_from(["m.room.message", "m.sticker"]),
    sender=st.sampled_from(["@ana:example.org", "@no:where"]),
    origin_server_ts=NUMBERS,
    content=CONTENT,
) | st.fixed_dictionaries({"type": st.sampled_from(["m.room.message", "m.sticker"]), "content": CONTENT})
MEMBER = fields(
    type=st.just("m.room.member"),
    state_key=st.just("@ana:example.org"),
    content=fields(displayname=st.text(max_size=5), avatar_url=ADDRESSES, membership=st.just("join")),
)
STRATEGY_NAMES = ("blob", "link")


class Template(fake.Element):
    """A clone of one of a page's templates, which has whatever it is asked for."""

    def __init__(self, template_id: str) -> None:
        super().__init__("template")
        self._kind = template_id
        self._found: dict[str, Template] = {}

    def query(self, selector: str) -> "Template":
        if selector not in self._found:
            tags = {"img": "img", ".media": {"image": "img"}.get(self._kind, self._kind)}
            self._found[selector] = Template(tags.get(selector, "div"))
            self._found[selector].tag = tags.get(selector, "div")
            self.append(self._found[selector])
        return self._found[selector]


@pytest.fixture(autouse=True, scope="module")
def templates() -> Iterator[None]:
    """The page's templates, which have whatever they are asked for."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fake, "clone_template", Template, raising=False)
        yield


def media_elements(element: Any) -> list[Any]:
    found = [element] if element.given.get("data-mxc") and element.tag in ("img", "video", "audio") else []
    return found + [below for child in element.children for below in media_elements(child)]


async def draw_and_load(name: str, homeserver: Homeserver, state: list[Any], events: list[Any]) -> list[str]:
    """Draws a room of these events and loads all media in it; returns the states of those that are good."""
    room = Room(homeserver, "!room:example.org", state)
    room.add_older({"chunk": events})
    into = fake.Element("ol")
    timeline.draw(room.messages, into)
    loader = open_loader(name, homeserver)
    binder = Binder(fake.Element("div"), loader, keyring=room.keyring, near_px=None)
    for number, element in enumerate(media_elements(into)):
        binder.on_added(number, element)
    await asyncio.wait_for(binder.settled(), 20)
    for binding in binder.bindings:
        assert binding.state in (SHOWN, FAILED)
        if binding.failure:
            assert isinstance(binding.failure, AuthMediaError)
            assert "The load ended in a" not in binding.failure.summary, binding.failure
    states = [binding.state for binding in binder.bindings if binding.label == "good"]
    binder.close()
    loader.close()
    return states


def follow(name: str, state: Any, event: Any) -> None:
    """Follows an event between two good ones to their elements, of which those of the good ones show their media."""
    fake.reset().server = Script()
    homeserver = Homeserver("http://home.test", "@ana:example.org", "token")
    unhandled: list[Any] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
        assert await draw_and_load(name, homeserver, state, [GOOD, event, GOOD]) == [SHOWN, SHOWN]

    run(scenario())
    assert unhandled == []


@pytest.mark.parametrize("name", STRATEGY_NAMES)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(state=st.lists(MEMBER, max_size=3), event=EVENT)
@example(state=[], event={"type": "m.sticker", "content": {"url": MXC, "info": {"w": 10**400}}})
@example(
    state=[{"type": "m.room.member", "state_key": 7}], event={"type": "m.room.message", "sender": [], "content": 7}
)
def test_a_malformed_event_raises_nothing_and_leaves_its_neighbours_alone(name: str, state: Any, event: Any) -> None:
    follow(name, state, event)


@pytest.mark.parametrize("page", [{}, {"chunk": None}, {"chunk": {}}, {"chunk": [None, 7, {}, []], "end": 7}])
def test_a_malformed_page_of_history_has_no_messages(page: Any, homeserver: Homeserver) -> None:
    room = Room(homeserver, "!room:example.org", json.loads('[null, {"type": 7}, {"content": {}}]'))
    assert room.add_older(page) == []
    assert room.name
