"""A result of the comparison as a message for a room, and the rooms that it can be sent to.

The message is an ``m.notice`` with text and a table, which every client shows; an event of a type of its own would
show in none. Its figures stand beside the text under `FIGURES`, as ``build.py evidence --add`` reads them, without
homeserver, user agent and media.
"""

from authmedia.support.untrusted import json_object
from demo import comparison
from demo.formatting import format_bytes
from demo.room import state_contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The key of the figures in the content of the event.
FIGURES = "dev.authmedia.comparison"
HEADINGS = ("Strategy", "Here", "First visit", "After a reload")
# What of an account's first sync is needed: names of its rooms, and whether they are encrypted.
SYNC_FILTER: "dict[str, Any]" = {
    "room": {
        "state": {"types": ["m.room.name", "m.room.canonical_alias", "m.room.encryption", "m.room.tombstone"]},
        "timeline": {"limit": 1, "types": []},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
    "presence": {"types": []},
    "account_data": {"types": []},
}
# Events have no fractions, and 65,536 bytes at most.
# https://spec.matrix.org/latest/appendices/#canonical-json
_MAX_WORDS = 300
_VISIT = ("media", "shown", "requests", "preflights", "bytes", "bytes_known")
_TIMES = ("first_ms", "last_ms")


class JoinedRoom:
    """A room that the account is in.

    :param encrypted: whether messages in it are to be encrypted, which this page cannot.
    """

    __slots__ = ("encrypted", "name", "room_id")

    def __init__(self, room_id: str, name: str, encrypted: bool) -> None:
        self.room_id = room_id
        self.name = name
        self.encrypted = encrypted


def joined_rooms(sync: "dict[str, Any]") -> "list[JoinedRoom]":
    """Returns the rooms of a response to ``/sync``, by name; those that were replaced by another are left out."""
    rooms = []
    for room_id, room in json_object(json_object(sync.get("rooms")).get("join")).items():
        room = json_object(room)
        state = state_contents(json_object(room.get("state")).get("events"))
        if "m.room.tombstone" not in state:
            rooms.append(JoinedRoom(room_id, _name(room_id, room, state), "m.room.encryption" in state))
    return sorted(rooms, key=lambda room: (room.encrypted, room.name.lower()))


def _name(room_id: str, room: "dict[str, Any]", state: "dict[str, dict[str, Any]]") -> str:
    """Returns what the room is called. https://spec.matrix.org/latest/client-server-api/#calculating-the-display-name-for-a-room"""
    for event, key in (("m.room.name", "name"), ("m.room.canonical_alias", "alias")):
        name = state.get(event, {}).get(key)
        if isinstance(name, str) and name.strip():
            return name.strip()
    heroes = json_object(room.get("summary")).get("m.heroes")
    people = [hero for hero in heroes if isinstance(hero, str)] if isinstance(heroes, list) else []
    return ", ".join(people) or room_id


def event_content(report: "dict[str, Any]") -> "dict[str, Any]":
    """Returns the content of the message.

    :param report: the page's report after a run.
    """
    outcomes = report["strategies"]
    title = comparison.headline(outcomes)
    sentences = [comparison.cost(name, found) for name, found in outcomes.items()]
    said = circumstances(report)
    return {
        "msgtype": "m.notice",
        "body": "\n".join([title] + ["- " + sentence for sentence in sentences] + [said]),
        "format": "org.matrix.custom.html",
        "formatted_body": f"<p><strong>{_escape(title)}</strong></p>{_table(report)}<p>{_escape(said)}</p>",
        FIGURES: figures(report),
    }


def rows(report: "dict[str, Any]") -> "list[list[str]]":
    """Returns the cells of the table, a row for each strategy."""
    return [
        [name, comparison.explained_verdict(found, _MAX_WORDS), _costs(found["first"]), _costs(found["reload"])]
        for name, found in report["strategies"].items()
    ]


def circumstances(report: "dict[str, Any]") -> str:
    """Returns a sentence that says where and when it was measured, without the homeserver."""
    about = report["browser"]
    window = comparison.window_words(report)
    return f"Measured with authmedia in {about['name']} {about['version']}, in {window}, on {report['date'][:10]}."


def figures(report: "dict[str, Any]") -> "dict[str, Any]":
    """Returns what ``build.py evidence --add`` reads, in whole numbers."""
    about = report["browser"]
    return {
        "page": "compare",
        "browser": {"name": about["name"], "version": about["version"]},
        "interpreter": report["interpreter"],
        "mode": {"guess": report["mode"]["guess"]},
        "date": report["date"],
        "seed": report["seed"],
        "order": report["order"],
        "strategies": {name: _outcome(found) for name, found in report["strategies"].items()},
    }


def _outcome(found: "dict[str, Any]") -> "dict[str, Any]":
    support, video = found["support"], found["video"]
    kept: dict[str, Any] = {
        "support": {"works": support["works"], "words": str(support["words"])[:_MAX_WORDS]},
        "first": _visit(found["first"]),
        "reload": _visit(found["reload"]),
    }
    if video and "right" in video:
        kept["video"] = {"right": video["right"]}
    return kept


def _visit(visit: "dict[str, Any] | None") -> "dict[str, Any] | None":
    if not visit:
        return None
    kept = {name: visit[name] for name in _VISIT}
    kept.update({name: None if visit[name] is None else round(visit[name]) for name in _TIMES})
    return kept


def _costs(visit: "dict[str, Any] | None") -> str:
    if not visit or visit["last_ms"] is None:
        return "-"
    size = "" if visit["bytes_known"] == "none" else ", " + format_bytes(visit["bytes"])
    return f"{visit['requests']} + {visit['preflights']} requests{size}, {comparison.format_ms(visit['last_ms'])}"


def _table(report: "dict[str, Any]") -> str:
    heading = "".join([f"<th>{title}</th>" for title in HEADINGS])
    lines = []
    for name, *cells in rows(report):
        rest = "".join([f"<td>{_escape(cell)}</td>" for cell in cells])
        lines.append(f"<tr><td><code>{_escape(name)}</code></td>{rest}</tr>")
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _escape(text: str) -> str:
    for character, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, reference)
    return text
