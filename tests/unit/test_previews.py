"""The demo's reading, following and writing of the setting for media previews."""

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from synapse.api.filtering import Filtering

import tests.unit.support  # isort: skip  # noqa: F401  (puts the fake browser in place)
from authmedia import errors
from authmedia.matrix.homeserver import Homeserver
from demo.previews import Previews, new_path
from tests.unit.support import MXC, Script, answer, error, run, turns

STABLE, UNSTABLE = "m.media_preview_config", "io.element.msc4278.media_preview_config"
ROOM = "!a room:example.org"


def synced(account: dict[str, Any], room: dict[str, Any], since: str = "s1") -> dict[str, Any]:
    """The answer of a homeserver to a sync."""
    events = lambda data: {"events": [{"type": name, "content": content} for name, content in data.items()]}  # noqa: E731
    joined = {ROOM: {"account_data": events(room)}, "!other": {"account_data": events({STABLE: {"media_previews": 1}})}}
    return {"next_batch": since, "account_data": events(account), "rooms": {"join": joined}}


@pytest.fixture
def previews(homeserver: Homeserver) -> Previews:
    return Previews(homeserver, ROOM)


@pytest.mark.parametrize(
    ("account", "room", "join_rule", "allowed"),
    [
        ({}, {}, "public", True),
        ({STABLE: {"media_previews": "private"}, "m.other": {}}, {}, "public", False),
        ({STABLE: {"media_previews": "private"}}, {}, "invite", True),
        ({UNSTABLE: {"media_previews": "off"}}, {UNSTABLE: {"media_previews": "on"}}, "public", True),
        ({STABLE: []}, {STABLE: None}, None, True),
    ],
)
def test_one_request_reads_the_setting(
    script: Script, previews: Previews, browser: Any, account: Any, room: Any, join_rule: Any, allowed: bool
) -> None:
    script.instead = lambda request: answer(synced(account, room)) if "/sync" in request.url else None
    run(previews.read())
    previews.apply(join_rule)
    assert previews.policy.previews is allowed
    (request,) = browser.requests
    query = parse_qs(urlsplit(request.url).query)
    wanted = json.loads(query["filter"][0])
    assert "rooms" not in wanted["room"], "or Synapse sends no account data of rooms"
    assert wanted["account_data"]["types"] == wanted["room"]["account_data"]["types"] == [STABLE, UNSTABLE]
    assert query["set_presence"] == ["offline"]
    run(previews.read())
    assert browser.requests[1].url != request.url, "or Synapse answers as it did before"


def test_what_was_requested_while_python_started_is_used(
    script: Script, previews: Previews, homeserver: Homeserver, browser: Any
) -> None:
    path = new_path()
    browser.remembered["authmedia.prefetch"] = json.dumps([homeserver.base_url + one for one in ("/x", path)])
    script.instead = lambda request: answer(synced({}, {}))
    run(previews.read())
    assert [request.url for request in browser.requests] == [homeserver.base_url + path]


@pytest.mark.parametrize(
    "body", [{}, {"rooms": 1, "account_data": {"events": {}}}, {"account_data": {"events": [7, {}]}}]
)
def test_an_answer_of_another_shape_has_no_setting(script: Script, previews: Previews, body: Any) -> None:
    script.instead = lambda request: answer(body)
    run(previews.read())
    assert previews.allowed


def test_a_change_is_waited_for_and_applied(script: Script, previews: Previews, browser: Any) -> None:
    script.instead = lambda request: answer(synced({}, {}))
    run(previews.read())
    previews.apply("public")
    script.instead = lambda request: answer(synced({STABLE: {"media_previews": "off"}}, {}, "s2"))
    run(previews.wait_for_change())
    assert not previews.policy.previews
    query = parse_qs(urlsplit(browser.requests[-1].url).query)
    assert (query["since"], query["timeout"]) == (["s1"], ["30000"])
    script.instead = lambda request: error(429, "M_LIMIT_EXCEEDED", "Slower")
    with pytest.raises(errors.RateLimited):
        run(previews.wait_for_change())


def test_the_setting_is_written_by_both_types_and_keeps_the_rest(
    script: Script, previews: Previews, browser: Any
) -> None:
    script.instead = lambda request: answer(synced({STABLE: {"invite_avatars": "off"}}, {}))
    run(previews.read())
    previews.apply("public")
    run(previews.write("off", in_room=False))
    run(previews.write("on", in_room=True))
    assert previews.policy.previews
    run(previews.write("", in_room=True))
    assert not previews.policy.previews
    written = [
        (unquote(request.url.partition("/user/")[2]), json.loads(request.body)) for request in browser.requests[1:]
    ]
    account, room = "@ana:example.org/account_data/", f"@ana:example.org/rooms/{ROOM}/account_data/"
    assert written == [
        *[(account + name, {"invite_avatars": "off", "media_previews": "off"}) for name in (STABLE, UNSTABLE)],
        *[(room + name, {"media_previews": "on"}) for name in (STABLE, UNSTABLE)],
        *[(room + name, {}) for name in (STABLE, UNSTABLE)],
    ]


def test_what_the_user_chose_is_remembered_in_the_tab(script: Script, homeserver: Homeserver, browser: Any) -> None:
    script.instead = lambda request: answer(synced({}, {}))

    async def scenario() -> None:
        Previews(homeserver, ROOM).policy.choose(MXC, True)
        await turns()
        later = Previews(homeserver, ROOM)
        await later.read()
        assert later.policy.choices == {MXC: True}

    run(scenario())


def test_synapse_takes_the_filter() -> None:
    query = parse_qs(urlsplit(new_path()).query)
    Filtering.check_valid_filter(object.__new__(Filtering), json.loads(query["filter"][0]))
