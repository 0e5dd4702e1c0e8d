"""Draws a room's messages from the page's templates; what is media in them is left to a binding."""

from authmedia import browser
from authmedia.errors import MalformedMxc
from authmedia.media import MediaRequest
from demo.formatting import readable_bytes
from demo.room import Message, Person, Room

#: What the label of a person's picture begins with.
AVATAR_LABEL = "Avatar of "
_AVATAR_PIXELS = 96
_SHOWN_KINDS = ("image", "video", "audio")
# A picture larger than this is shown as the homeserver's thumbnail, as chat clients do; a click shows all of it.
_WHOLE_PICTURE_BYTES = 1_500_000
_THUMBNAIL = (800, 600)
# So many messages are drawn before the browser may do something else again: a few milliseconds' worth.
_IN_ONE_BREATH = 4


def draw(messages: "list[Message]", into: browser.Element, behind: Message | None = None) -> None:
    """Draws messages, oldest first, at the end of a timeline.

    :param behind: the message that stands there now.
    """
    into.append(*[item(message, follows) for message, follows in _in_order(messages, behind)])


async def draw_gently(messages: "list[Message]", into: browser.Element, behind: Message | None = None) -> None:
    """Draws messages as `draw` does, with pauses for the browser's own work; they appear all at once."""
    drawn: list[browser.Element] = []
    for message, follows in _in_order(messages, behind):
        if len(drawn) % _IN_ONE_BREATH == 0:
            await browser.breath()
        drawn.append(item(message, follows))
    into.append(*drawn)


def _in_order(messages: "list[Message]", behind: Message | None) -> "list[tuple[Message, bool]]":
    """Each message, and whether it follows another one by the same person."""
    found = []
    for message in messages:
        found.append((message, behind is not None and behind.sender.user_id == message.sender.user_id))
        behind = message
    return found


def requests(room: Room) -> "list[MediaRequest]":
    """What the media elements of a drawn room ask for, each once; what has no valid address is left out."""
    found: dict[str, MediaRequest] = {}
    for message in room.messages:
        wanted = [(message.sender.avatar, "image", (_AVATAR_PIXELS, _AVATAR_PIXELS), "crop")]
        if message.kind in _SHOWN_KINDS:
            wanted.append((message.mxc, message.kind, _thumbnail(message), "scale"))
        for mxc, kind, (width, height), method in wanted:
            try:
                request = MediaRequest(mxc, width=width, height=height, method=method, kind=kind)
            except MalformedMxc:
                continue
            found[request.key] = request
    return list(found.values())


def draw_heading(room: Room, into: browser.Element) -> None:
    """Names the room in the page's heading."""
    into.find(".room-name").text = room.name
    into.find(".room-topic").text = room.topic
    into.find(".room-people").text = f"{room.joined} people" if room.joined != 1 else "1 person"


def item(message: Message, follows: bool) -> browser.Element:
    """One message.

    :param follows: whether it follows another one by the same person, and needs no heading of its own.
    """
    drawn = browser.instance("message")
    if follows:
        drawn.set("class", "message follows")
    drawn.find(".sender").text = message.sender.name
    drawn.find("time").text = browser.time_of_day(message.sent_ms)
    _avatar(drawn.find(".avatar"), message.sender, wanted=not follows)
    body = drawn.find(".body")
    if message.kind == "text":
        body.text = message.body
        body.set("dir", "auto")
    else:
        body.append(_media(message))
    return drawn


def _avatar(place: browser.Element, person: Person, wanted: bool) -> None:
    place.find(".initial").text = person.name[:1].upper()
    image = place.find("img")
    if not wanted or not person.avatar:
        image.remove()
        return
    image.set("data-mxc", person.avatar)
    image.set("data-width", str(_AVATAR_PIXELS))
    image.set("data-height", str(_AVATAR_PIXELS))
    image.set("data-method", "crop")
    image.set("data-label", AVATAR_LABEL + person.name)


def _media(message: Message) -> browser.Element:
    figure = browser.instance(message.kind)
    name = message.body or message.kind
    if message.kind == "file":
        _file(figure, message, name)
        return figure
    element = figure.find(".media")
    element.set("data-mxc", message.mxc or "(none)")
    element.set("data-label", name)
    element.set("data-type", message.mimetype)
    element.set("alt" if message.kind == "image" else "aria-label", message.caption or name)
    if message.kind != "audio" and message.wide and message.high:
        element.set("width", str(message.wide))
        element.set("height", str(message.high))
        # For the page's styles, which reserve its place before there is anything in it.
        element.style("--wide", str(message.wide))
        element.style("--high", str(message.high))
    if message.blurhash:
        element.set("data-blurhash", message.blurhash)
    width, height = _thumbnail(message)
    if width:
        element.set("data-width", str(width))
        element.set("data-height", str(height))
    figure.find("figcaption").text = _caption(message, name)
    if message.encrypted:
        element.set("data-encrypted", message.encrypted)
        figure.set("class", "encrypted")
    return figure


def _thumbnail(message: Message) -> "tuple[int, int]":
    """The size of the thumbnail that stands for a picture; zeros where it is shown whole."""
    large = message.size > _WHOLE_PICTURE_BYTES and not message.encrypted  # of which the server can make none
    return _THUMBNAIL if message.kind == "image" and large else (0, 0)


def _file(button: browser.Element, message: Message, name: str) -> None:
    button.set("data-file", message.mxc)
    button.set("data-encrypted", message.encrypted)
    button.set("data-name", name)
    button.set("data-type", message.mimetype)
    button.find(".name").text = name
    button.find(".size").text = readable_bytes(message.size)


def _caption(message: Message, name: str) -> str:
    if message.caption:
        return message.caption
    seconds = message.spoken_ms // 1000
    length = f", {seconds // 60}:{seconds % 60:02d}" if seconds else ""
    return f"{name}{length}, {readable_bytes(message.size)}" if message.size else name
