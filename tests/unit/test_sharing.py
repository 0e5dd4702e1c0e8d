"""A result of `compare.html` as a message for a room: what it says and leaves out, and the rooms to choose from."""

import json
from typing import Any

import tests.unit.support  # isort: skip  # noqa: F401  (puts the fake browser in place)
from demo import sharing
from tests.evidence import contribution
from tests.unit.test_contributions import report as downloaded


def report() -> dict[str, Any]:
    whole = downloaded()
    for found in whole["strategies"].values():
        if found["first"]:
            found["first"] = {**found["first"], "chosen": {"blob": 39}}
    whole["strategies"]["opfs"]["support"]["words"] = 'SecurityError: <b>no</b> & "never"'
    return whole


def test_every_client_has_something_to_show() -> None:
    content = sharing.event_content(report())
    assert content["msgtype"] == "m.notice"
    first, *lines = content["body"].splitlines()
    assert first == "1 of 2 strategies work in this window: blob."
    assert lines[0].startswith("- blob works: all 39 media on show after 900 ms, for 39 requests, 39 preflights")
    assert lines[1].startswith("- opfs does not work here: SecurityError")
    assert lines[2] == "Measured with authmedia in Firefox 153.7.1, in a private window, on 2026-11-29."
    table = content["formatted_body"]
    assert "<td>39 + 39 requests, 8.5 MB, 900 ms</td>" in table
    assert "fails: SecurityError: &lt;b&gt;no&lt;/b&gt; &amp; &quot;never&quot;" in table


def test_the_message_names_no_server_and_no_media_and_has_no_fractions() -> None:
    text = json.dumps(sharing.event_content(report()), ensure_ascii=False)
    for left_out in ("secret.example", "Mozilla", "cat.jpg", "Ana"):
        assert left_out not in text
    assert len(text) < 20_000
    json.loads(text, parse_float=_refuse)


def _refuse(number: str) -> float:
    raise AssertionError(f"{number} is no whole number, as events have them")


def test_the_figures_of_a_message_can_be_added_to_the_evidence() -> None:
    figures = sharing.event_content(report())[sharing.FIGURES]
    assert contribution.problem_of(figures) == ""
    verdicts = {
        name: found["verdict"] for name, found in contribution.summary(figures)["worlds"][0]["strategies"].items()
    }
    assert verdicts == {"blob": "works", "opfs": "fails"}


def state(**events: dict[str, Any]) -> dict[str, Any]:
    found = [{"type": f"m.room.{name}", "state_key": "", "content": content} for name, content in events.items()]
    return {"state": {"events": found}}


def test_rooms_are_those_that_a_message_can_go_to_first() -> None:
    joined = {
        "!1:example.org": state(name={"name": "Zoo"}),
        "!2:example.org": state(name={"name": "Attic"}, encryption={"algorithm": "m.megolm.v1.aes-sha2"}),
        "!3:example.org": state(name={"name": "Old"}, tombstone={"replacement_room": "!1:example.org"}),
        "!4:example.org": state(canonical_alias={"alias": "#b:example.org"}, name={"name": " "}),
        "!5:example.org": {"summary": {"m.heroes": ["@ana:example.org", 7]}, "state": {"events": [None, 3]}},
        "!6:example.org": {"state": []},
    }
    rooms = sharing.joined_rooms({"rooms": {"join": joined}})
    assert [(room.name, room.encrypted) for room in rooms] == [
        ("!6:example.org", False),
        ("#b:example.org", False),
        ("@ana:example.org", False),
        ("Zoo", False),
        ("Attic", True),
    ]
    assert sharing.joined_rooms({"rooms": []}) == sharing.joined_rooms({}) == []
