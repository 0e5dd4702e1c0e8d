"""Reads a room's state and messages over the client-server API."""

from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.urls import percent_encode
from authmedia.support.gather import gather_all
from authmedia.support.untrusted import finite_number, json_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MESSAGES = 100
_MEDIA_TYPES = ("m.image", "m.video", "m.audio", "m.file")
_HTML = "org.matrix.custom.html"
_EVENT_TYPES = ("m.room.message", "m.sticker")
_ANIMATED_TYPES = ("image/gif", "image/webp", "image/apng", "image/avif")
# How clients mark media that are hidden until a user asks for them: in the content, a flag and its reason
# (https://github.com/matrix-org/matrix-spec-proposals/pull/4193), or an object with a description (…/pull/3725).
_SPOILERS = ("m.spoiler", "page.codeberg.everypizza.msc4193.spoiler")
_WARNINGS = ("m.content_warning", "town.robin.msc3725.content_warning")


class Person:
    """A member of the room."""

    __slots__ = ("avatar", "name", "user_id")

    def __init__(self, user_id: str, name: str, avatar: str) -> None:
        self.user_id = user_id
        self.name = name
        self.avatar = avatar


class Message:
    """One message as the timeline shows it. Events are untrusted input: fields of a wrong type are left empty."""

    __slots__ = (
        "animated",
        "blurhash",
        "body",
        "caption",
        "duration_ms",
        "encrypted",
        "formatted",
        "high",
        "kind",
        "mimetype",
        "mxc",
        "sender",
        "sent_ms",
        "size",
        "spoiler",
        "sticker",
        "thread",
        "thumbnail",
        "thumbnail_encrypted",
        "thumbnail_type",
        "wide",
    )

    def __init__(self, event: "dict[str, Any]", sender: Person, keyring: Keyring) -> None:
        content = json_object(event.get("content"))
        info = json_object(content.get("info"))
        self.sticker = event.get("type") == "m.sticker"
        kind = "m.image" if self.sticker else _text(content.get("msgtype"))
        self.sender = sender
        self.sent_ms = _number(event.get("origin_server_ts"))
        self.kind = kind[2:] if kind in _MEDIA_TYPES else "text"
        file = content.get("file") if self.kind != "text" else None
        #: Handle of its key in the keyring, empty if it is not encrypted.
        self.encrypted = keyring.add(file) if file else ""
        self.mxc = _text(json_object(file or content).get("url"))
        name = _text(content.get("filename"))
        self.body = _forwards(name or _text(content.get("body")))
        self.caption = _text(content.get("body")) if name and name != content.get("body") else ""
        self.mimetype = _text(info.get("mimetype"))
        self.size = _number(info.get("size"))
        self.blurhash = _text(info.get("xyz.amorgan.blurhash"))
        self.wide = _number(info.get("w"))
        self.high = _number(info.get("h"))
        self.duration_ms = _number(info.get("duration"))
        self.animated = self.mimetype in _ANIMATED_TYPES or info.get("org.matrix.msc4230.is_animated") is True
        #: The event's own thumbnail, its content type, and the handle of its key if it is encrypted.
        thumbnail_file = info.get("thumbnail_file") if self.kind != "text" else None
        self.thumbnail = _text(json_object(thumbnail_file).get("url") if thumbnail_file else info.get("thumbnail_url"))
        self.thumbnail_encrypted = keyring.add(thumbnail_file) if thumbnail_file else ""
        self.thumbnail_type = _text(json_object(info.get("thumbnail_info")).get("mimetype"))
        #: The markup of the text, or of the caption.
        self.formatted = _text(content.get("formatted_body")) if content.get("format") == _HTML else ""
        self.thread = json_object(content.get("m.relates_to")).get("rel_type") == "m.thread"
        #: Why the media is hidden until a user asks for it; ``None`` where it is not.
        self.spoiler = _spoiler(content) if self.kind != "text" else None


class Room:
    """A room: its name, members, the messages read so far (oldest first), and the keys of its encrypted files."""

    __slots__ = (
        "_start",
        "avatar",
        "complete",
        "homeserver",
        "join_rule",
        "joined",
        "keyring",
        "messages",
        "name",
        "people",
        "room_id",
        "topic",
    )

    def __init__(self, homeserver: Homeserver, room_id: str, state: "list[dict[str, Any]]") -> None:
        self.homeserver = homeserver
        self.room_id = room_id
        state = _events(state)
        named = state_contents(state)
        self.name = _text(named.get("m.room.name", {}).get("name")) or "A room without a name"
        self.topic = _text(named.get("m.room.topic", {}).get("topic"))
        self.avatar = _text(named.get("m.room.avatar", {}).get("url"))
        #: Who may join, as the room says it; nothing is sure of it.
        self.join_rule: object = named.get("m.room.join_rules", {}).get("join_rule")
        members = [event for event in state if event["type"] == "m.room.member" and _text(event.get("state_key"))]
        #: Members, past ones included, by user id; `joined` counts the present ones.
        self.people = {event["state_key"]: _person(event) for event in members}
        self.joined = len([event for event in members if json_object(event.get("content")).get("membership") == "join"])
        self.keyring = Keyring()
        self.messages: list[Message] = []
        #: Whether the oldest message has been read.
        self.complete = False
        self._start = ""

    async def read_older(self, limit: int) -> "list[Message]":
        """Reads the page of history before the messages read so far.

        https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmessages

        :param limit: the most events to read.
        :returns: its messages, oldest first.
        :raises AuthMediaError: of the class that fits what happened.
        """
        return self.add_older(await _read_page(self.homeserver, self.room_id, limit, self._start))

    def add_older(self, page: "dict[str, Any]") -> "list[Message]":
        """Adds a page of history before the messages read so far; returns its messages, oldest first."""
        self._start = _text(page.get("end"))
        self.complete = not self._start
        events = _events(page.get("chunk"))
        read = [self._message(event) for event in reversed(events) if _is_message(event)]
        self.messages = read + self.messages
        return read

    def _message(self, event: "dict[str, Any]") -> Message:
        sender = _text(event.get("sender"))
        return Message(event, self.people.get(sender) or Person(sender, sender, ""), self.keyring)


async def open_room(homeserver: Homeserver, room_id: str) -> Room:
    """Opens a room that the account is in, without reading messages.

    :raises AuthMediaError: of the class that fits what happened.
    """
    return Room(homeserver, room_id, await _read_state(homeserver, room_id))


async def read_room(homeserver: Homeserver, room_id: str) -> Room:
    """Opens a room that the account is in and reads its latest messages.

    :raises AuthMediaError: of the class that fits what happened.
    """
    # Concurrently: the two requests are independent.
    state, page = await gather_all(_read_state(homeserver, room_id), _read_page(homeserver, room_id, _MESSAGES))
    room = Room(homeserver, room_id, state)
    room.add_older(page)
    return room


def request_paths(room_id: str) -> "list[str]":
    """Returns the paths that `read_room` requests."""
    return [_state_path(room_id), _history_path(room_id, _MESSAGES)]


async def _read_state(homeserver: Homeserver, room_id: str) -> "list[dict[str, Any]]":
    return await homeserver.request_json_list("GET", _state_path(room_id))


async def _read_page(homeserver: Homeserver, room_id: str, limit: int, start: str = "") -> "dict[str, Any]":
    since = f"&from={percent_encode(start)}" if start else ""
    return await homeserver.request_json("GET", _history_path(room_id, limit) + since)


def _state_path(room_id: str) -> str:
    return f"/_matrix/client/v3/rooms/{percent_encode(room_id)}/state"


def _history_path(room_id: str, limit: int) -> str:
    return f"/_matrix/client/v3/rooms/{percent_encode(room_id)}/messages?dir=b&limit={limit}"


def _is_message(event: "dict[str, Any]") -> bool:
    return event["type"] in _EVENT_TYPES and bool(event.get("content"))


def state_contents(state: object) -> "dict[str, dict[str, Any]]":
    """Returns the contents of a room's state events by their types, of those that have no state key.

    :param state: the list of events; none is in any other value.
    """
    return {
        event["type"]: json_object(event.get("content")) for event in _events(state) if event.get("state_key") == ""
    }


def _events(value: object) -> "list[dict[str, Any]]":
    """Returns the events of a list, those that have a type; none of any other value."""
    events = value if isinstance(value, list) else []
    return [event for event in events if isinstance(event, dict) and isinstance(event.get("type"), str)]


def _person(event: "dict[str, Any]") -> Person:
    content = json_object(event.get("content"))
    user_id = event["state_key"]
    return Person(user_id, _text(content.get("displayname")) or user_id, _text(content.get("avatar_url")))


def _forwards(text: str) -> str:
    """Returns a text without the characters that turn what is behind them around: `exe.png` may be an `.exe`."""
    return "".join([character for character in text if not "\u202a" <= character <= "\u202e"])


def _spoiler(content: "dict[str, Any]") -> str | None:
    """Returns the reason for which a media is hidden, which may be empty; ``None`` where it is not."""
    for name in _SPOILERS:
        if content.get(name) is True:
            return _text(content.get(name + ".reason"))
    for name in _WARNINGS:
        if isinstance(content.get(name), dict):
            return _text(content[name].get("description")) or _text(content[name].get("type"))
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return int(finite_number(value))
