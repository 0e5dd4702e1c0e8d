"""A room's latest messages and the people in it, read over the client-server API."""

from authmedia.encrypted import Keyring
from authmedia.homeserver import Homeserver, percent_encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MESSAGES = 100
_MEDIA_TYPES = ("m.image", "m.video", "m.audio", "m.file")


class Person:
    """A member of the room."""

    __slots__ = ("avatar", "name", "user_id")

    def __init__(self, user_id: str, name: str, avatar: str) -> None:
        self.user_id = user_id
        self.name = name
        self.avatar = avatar


class Message:
    """One message as the timeline shows it. An event is a stranger's word: what does not fit is left out."""

    __slots__ = (
        "blurhash",
        "body",
        "caption",
        "encrypted",
        "high",
        "kind",
        "mimetype",
        "mxc",
        "sender",
        "sent_ms",
        "size",
        "spoken_ms",
        "wide",
    )

    def __init__(self, event: "dict[str, Any]", sender: Person, keyring: Keyring) -> None:
        content = _mapping(event.get("content"))
        info = _mapping(content.get("info"))
        kind = _text(content.get("msgtype"))
        self.sender = sender
        self.sent_ms = _number(event.get("origin_server_ts"))
        self.kind = kind[2:] if kind in _MEDIA_TYPES else "text"
        self.encrypted = "file" in content
        self.mxc = keyring.add(content["file"]) if self.encrypted else _text(content.get("url"))
        name = _text(content.get("filename"))
        self.body = name or _text(content.get("body"))
        self.caption = _text(content.get("body")) if name and name != content.get("body") else ""
        self.mimetype = _text(info.get("mimetype"))
        self.size = _number(info.get("size"))
        self.blurhash = _text(info.get("xyz.amorgan.blurhash"))
        self.wide = _number(info.get("w"))
        self.high = _number(info.get("h"))
        self.spoken_ms = _number(info.get("duration"))


class Room:
    """A room's name, its people, its latest messages, oldest first, and the keys to what is encrypted in them."""

    __slots__ = ("avatar", "keyring", "messages", "name", "people", "topic")

    def __init__(self, state: "list[dict[str, Any]]", events: "list[dict[str, Any]]") -> None:
        named = {event["type"]: _mapping(event.get("content")) for event in state if event.get("state_key") == ""}
        self.name = _text(named.get("m.room.name", {}).get("name")) or "A room without a name"
        self.topic = _text(named.get("m.room.topic", {}).get("topic"))
        self.avatar = _text(named.get("m.room.avatar", {}).get("url"))
        members = [event for event in state if event.get("type") == "m.room.member"]
        self.people = {event["state_key"]: _person(event) for event in members}
        self.keyring = Keyring()
        self.messages = [
            Message(
                event, self.people.get(event["sender"]) or Person(event["sender"], event["sender"], ""), self.keyring
            )
            for event in events
            if event.get("type") == "m.room.message" and event.get("content")
        ]


async def read_room(homeserver: Homeserver, room_id: str) -> Room:
    """Reads a room that this account is in.

    https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmessages

    :raises AuthMediaError: of the class that fits what happened.
    """
    path = f"/_matrix/client/v3/rooms/{percent_encoded(room_id)}"
    state = await homeserver.call_list("GET", path + "/state")
    page = await homeserver.call("GET", f"{path}/messages?dir=b&limit={_MESSAGES}")
    events = page.get("chunk")
    return Room(state, list(reversed(events)) if isinstance(events, list) else [])


def _person(event: "dict[str, Any]") -> Person:
    content = _mapping(event.get("content"))
    user_id = event["state_key"]
    return Person(user_id, _text(content.get("displayname")) or user_id, _text(content.get("avatar_url")))


def _mapping(value: object) -> "dict[str, Any]":
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0
