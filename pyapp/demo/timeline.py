"""Renders a room's messages from the page's ``<template>`` elements; a binder loads the media in them."""

from authmedia import browser
from authmedia.errors import MalformedMxc
from authmedia.media import MediaRequest
from demo.formatting import format_bytes
from demo.room import Message, Person, Room

#: Prefix of an avatar's label.
AVATAR_LABEL = "Avatar of "
_AVATAR_PIXELS = 96
_SHOWN_KINDS = ("image", "video", "audio")
# A larger image is shown as the homeserver's thumbnail, as chat clients do; a click loads the original.
_WHOLE_PICTURE_BYTES = 1_500_000
_THUMBNAIL = (800, 600)
# From this size on, an event's own thumbnail is worth a request of its own, before the whole image is there.
_SMALL_PICTURE_BYTES = 100_000
# A larger video or audio costs nothing before it is played; of an encrypted one all would be transferred.
_PRELOADED_BYTES = 4_000_000
# Messages rendered before yielding to the browser: a few milliseconds of work.
_MESSAGES_PER_YIELD = 4


def draw(messages: "list[Message]", into: browser.Element, previous: Message | None = None) -> None:
    """Renders messages, oldest first, at the end of a timeline.

    :param previous: the message before them.
    """
    into.append(*[message_item(message, follows) for message, follows in _in_order(messages, previous)])


async def draw_incrementally(messages: "list[Message]", into: browser.Element, previous: Message | None = None) -> None:
    """Renders messages as `draw` does, yielding to the browser in between; they are appended all at once."""
    drawn: list[browser.Element] = []
    for message, follows in _in_order(messages, previous):
        if len(drawn) % _MESSAGES_PER_YIELD == 0:
            await browser.yield_to_browser()
        drawn.append(message_item(message, follows))
    into.append(*drawn)


def _in_order(messages: "list[Message]", previous: Message | None) -> "list[tuple[Message, bool]]":
    """Returns each message, and whether it follows one by the same sender."""
    found = []
    for message in messages:
        found.append((message, previous is not None and previous.sender.user_id == message.sender.user_id))
        previous = message
    return found


def requests(room: Room) -> "list[MediaRequest]":
    """Returns the distinct requests of a rendered room's media elements; invalid ``mxc://`` URIs are left out."""
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
    """Renders the room's name, topic and number of members into the page's heading."""
    into.query(".room-name").text = room.name
    into.query(".room-topic").text = room.topic
    into.query(".room-people").text = f"{room.joined} people" if room.joined != 1 else "1 person"


def message_item(message: Message, follows: bool) -> browser.Element:
    """Renders one message.

    :param follows: whether it follows one by the same sender, and so needs no heading.
    """
    drawn = browser.clone_template("message")
    if follows:
        drawn.set_attribute("class", "message follows")
    drawn.query(".sender").text = message.sender.name
    drawn.query("time").text = browser.format_time(message.sent_ms)
    _avatar(drawn.query(".avatar"), message.sender, wanted=not follows)
    body = drawn.query(".body")
    if message.kind == "text":
        _words(body, message.body, message.formatted)
    elif message.spoiler is None:
        body.append(_media(message))
    else:
        from demo.formatted_body import spoiler

        hidden = spoiler(message.spoiler)
        hidden.append(_media(message))
        body.append(hidden)
    if message.thread:
        body.append(_note("in a thread"))
    return drawn


def _note(text: str) -> browser.Element:
    note = browser.create_element("span", class_="hint")
    note.text = text
    return note


def _words(place: browser.Element, plain: str, formatted: str) -> None:
    """Renders a text or a caption, with its markup if it has any."""
    place.set_attribute("dir", "auto")
    if "<" in formatted:
        from demo.formatted_body import draw_formatted  # here, since most messages are plain

        if draw_formatted(formatted, place):
            return
    place.text = plain


def _avatar(place: browser.Element, person: Person, wanted: bool) -> None:
    place.query(".initial").text = person.name[:1].upper()
    image = place.query("img")
    if not wanted or not person.avatar:
        image.remove()
        return
    image.set_attribute("data-mxc", person.avatar)
    image.set_attribute("data-width", str(_AVATAR_PIXELS))
    image.set_attribute("data-height", str(_AVATAR_PIXELS))
    image.set_attribute("data-method", "crop")
    image.set_attribute("data-label", AVATAR_LABEL + person.name)


def _media(message: Message) -> browser.Element:
    figure = browser.clone_template(message.kind)
    name = message.body or message.kind
    if message.kind == "file":
        _file(figure, message, name)
        return figure
    element = figure.query(".media")
    element.set_attribute("data-mxc", message.mxc or "(none)")
    element.set_attribute("data-label", name)
    element.set_attribute("data-type", message.mimetype)
    element.set_attribute("data-size", str(message.size))
    element.set_attribute("alt" if message.kind == "image" else "aria-label", message.caption or name)
    if message.kind != "audio" and message.wide and message.high:
        element.set_attribute("width", str(message.wide))
        element.set_attribute("height", str(message.high))
        # For the style sheet, which reserves the element's box before it has content.
        element.set_style("--wide", str(message.wide))
        element.set_style("--high", str(message.high))
    if message.blurhash:
        element.set_attribute("data-blurhash", message.blurhash)
    width, height = _thumbnail(message)
    if width:
        element.set_attribute("data-width", str(width))
        element.set_attribute("data-height", str(height))
    if message.animated and width:
        element.set_attribute("data-animated", "true")
    if message.kind == "image" and message.thumbnail and not width and message.size > _SMALL_PICTURE_BYTES:
        _preview(element, message)
    elif message.kind != "image" and _is_on_demand(message):
        _on_demand(element, message)
    caption = figure.query("figcaption")
    _words(caption, _caption(message, name), message.formatted if message.caption else "")
    if message.encrypted:
        element.set_attribute("data-encrypted", message.encrypted)
    classes = [name for name in ("encrypted", "sticker") if getattr(message, name)]
    if classes:
        figure.set_attribute("class", " ".join(classes))
    return figure


def _preview(element: browser.Element, message: Message) -> None:
    import authmedia.elements.preview  # noqa: F401  (the binder imports it by name)

    _set_small_picture(element, "data-thumbnail", message)


def _on_demand(element: browser.Element, message: Message) -> None:
    import authmedia.elements.on_demand  # noqa: F401  (the binder imports it by name)

    element.set_attribute("preload", "none")
    if message.thumbnail and message.kind == "video":
        _set_small_picture(element, "data-poster", message)


def _set_small_picture(element: browser.Element, name: str, message: Message) -> None:
    """Sets the attributes of an event's own thumbnail, of which the first has the name."""
    element.set_attribute(name, message.thumbnail)
    element.set_attribute(f"{name}-type", message.thumbnail_type)
    if message.thumbnail_encrypted:
        element.set_attribute(f"{name}-encrypted", message.thumbnail_encrypted)


def _is_on_demand(message: Message) -> bool:
    """Returns whether a video or audio is loaded when it is played."""
    return message.size > _PRELOADED_BYTES or (bool(message.encrypted) and not message.size)


def _thumbnail(message: Message) -> "tuple[int, int]":
    """Returns the size of the thumbnail that represents an image; zeros if the original is shown."""
    # The homeserver cannot make thumbnails of encrypted files.
    large = message.size > _WHOLE_PICTURE_BYTES and not message.encrypted
    return _THUMBNAIL if message.kind == "image" and large else (0, 0)


def _file(button: browser.Element, message: Message, name: str) -> None:
    button.set_attribute("data-file", message.mxc)
    button.set_attribute("data-encrypted", message.encrypted)
    button.set_attribute("data-name", name)
    button.set_attribute("data-type", message.mimetype)
    button.query(".name").text = name
    button.query(".size").text = format_bytes(message.size)


def _caption(message: Message, name: str) -> str:
    if message.caption:
        return message.caption
    seconds = message.duration_ms // 1000
    length = f", {seconds // 60}:{seconds % 60:02d}" if seconds else ""
    return f"{name}{length}, {format_bytes(message.size)}" if message.size else name
