"""Renders the ``formatted_body`` of an event: of its markup, what an allow-list has, and never by a parser of HTML.

https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes (``org.matrix.custom.html``)
"""

from authmedia import browser

# What an element of each name becomes. Others are left out, and what they contain stays.
_SAME = "b strong i em u s del code pre blockquote p ul ol li sub sup br hr"
_ELEMENTS = {name: name for name in _SAME.split()}
_ELEMENTS.update({"strike": "s", "h1": "p", "h2": "p", "h3": "p", "h4": "p", "h5": "p", "h6": "p", "div": "p"})
_VOID = ("br", "hr", "img")
# Those that are left out with all that they contain.
_DROPPED = ("script", "style", "mx-reply", "template", "iframe", "svg", "math", "title", "textarea")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": "\u00a0"}
_SCHEMES = ("https://", "http://", "mailto:", "magnet:", "ftp://")
_SPACE = " \t\n\r\f"
_MAX_CHARACTERS, _MAX_DEPTH, _MAX_ELEMENTS = 50_000, 50, 1_000
# Longer tags are left out: MicroPython finds a character of a text that is not ASCII by counting from its beginning.
_MAX_TAG, _MAX_NAME = 4_000, 32
# The side of a custom emoji, in pixels of the image.
_EMOJI_PX = "64"


def draw_formatted(html: str, into: browser.Element) -> bool:
    """Renders markup into an element; returns ``False``, and renders nothing, where there is too much of it."""
    if len(html) > _MAX_CHARACTERS or html.count("<") > _MAX_ELEMENTS:
        return False
    _Renderer(into).run(html)
    return True


class _Renderer:
    """Renders one text. The element that is open is the last one of a stack, each with the name that closes it."""

    __slots__ = ("_dropped", "_stack")

    def __init__(self, into: browser.Element) -> None:
        self._stack = [("", into)]
        # The name of the dropped element that is open, if one is.
        self._dropped = ""

    def run(self, html: str) -> None:
        position = 0
        while position < len(html):
            start = html.find("<", position)
            if start < 0:
                start = len(html)
            self._text(html[position:start])
            position = self._tag(html, start) if start < len(html) else start

    def _text(self, text: str) -> None:
        if text and not self._dropped:
            self._stack[-1][1].append(_unescaped(text))

    def _tag(self, html: str, start: int) -> int:
        """Renders the tag or comment that begins at a position; returns the position behind it."""
        if html[start : start + 4] == "<!--":
            end = html.find("-->", start)
            return end + 3 if end >= 0 else len(html)
        tag = html[start : start + _MAX_TAG]
        closes = tag[1:2] == "/"
        name = _name(tag[1 + closes : _MAX_NAME]).lower()
        if not name:
            self._text("<")
            return start + 1
        end = _end_of_tag(tag)
        if end == _MAX_TAG:
            end = html.find(">", start + end)
            return end + 1 if end >= 0 else len(html)
        if closes:
            self._close(name)
        elif not self._dropped:
            self._open(name, _attributes(tag[1 + len(name) : end]))
        return start + end + 1

    def _open(self, name: str, attributes: "dict[str, str]") -> None:
        if name in _DROPPED:
            self._dropped = name
            return
        element = _element(name, attributes)
        if element is None or len(self._stack) > _MAX_DEPTH:
            return
        self._stack[-1][1].append(element)
        if name not in _VOID:
            self._stack.append((name, element))

    def _close(self, name: str) -> None:
        if self._dropped:
            self._dropped = "" if name == self._dropped else self._dropped
            return
        for depth in range(len(self._stack) - 1, 0, -1):
            if self._stack[depth][0] == name:
                self._stack = self._stack[:depth]
                return


def _element(name: str, attributes: "dict[str, str]") -> browser.Element | None:
    """Returns what an element becomes; ``None`` for nothing."""
    if name == "img":
        return _image(attributes)
    if name == "a":
        return _link(attributes.get("href", ""))
    if name == "span" and "data-mx-spoiler" in attributes:
        return spoiler(attributes["data-mx-spoiler"])
    return browser.create_element(_ELEMENTS[name]) if name in _ELEMENTS else None


def spoiler(reason: str) -> browser.Element:
    """Returns an element that shows what it contains once a user opens it."""
    summary = browser.create_element("summary")
    summary.text = f"Spoiler: {reason}" if reason else "Spoiler"
    details = browser.create_element("details", class_="spoiler")
    details.append(summary)
    return details


def _image(attributes: "dict[str, str]") -> browser.Element | None:
    """Returns a custom emoji, or another small image of a homeserver; of others, the text that stands for them."""
    source, words = attributes.get("src", ""), attributes.get("alt") or attributes.get("title") or ""
    if not source.startswith("mxc://"):
        replaced = browser.create_element("span")
        replaced.text = words
        return replaced
    image = browser.create_element("img", class_="emoticon", alt=words, title=words)
    for name, value in (("mxc", source), ("width", _EMOJI_PX), ("height", _EMOJI_PX), ("animated", "true")):
        image.set_attribute("data-" + name, value)
    image.set_attribute("data-label", words or "emoji")
    return image


def _link(address: str) -> browser.Element:
    if not address.lower().startswith(_SCHEMES):
        return browser.create_element("span")
    return browser.create_element("a", href=address, rel="noopener noreferrer", target="_blank")


def _end_of_tag(tag: str) -> int:
    """Returns the position of the ``>`` that ends a tag, outside of quoted values; the text's end without one."""
    quote = ""
    for position, character in enumerate(tag):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and tag[position - 1] == "=":
            quote = character
        elif character == ">":
            return position
    return len(tag)


def _name(text: str) -> str:
    """Returns the name at the beginning of a tag; empty where no letter begins one."""
    end = 0
    while end < len(text) and (text[end].isalpha() or (end and text[end] in "-0123456789")):
        end += 1
    return text[:end]


def _attributes(text: str) -> "dict[str, str]":
    """Returns a tag's attributes, of equal names the first."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        start = position
        while position < len(text) and text[position] not in _SPACE + "=":
            position += 1
        name, value = text[start:position].lower(), ""
        if text[position : position + 1] == "=":
            value, position = _value(text, position + 1)
        if name and name not in found:
            found[name] = _unescaped(value)
        position = max(position, start + 1)
    return found


def _value(text: str, start: int) -> "tuple[str, int]":
    """Returns the value that begins at a position, and the position behind it."""
    quote = text[start : start + 1]
    if quote and quote in "\"'":
        end = text.find(quote, start + 1)
        end = len(text) if end < 0 else end
        return text[start + 1 : end], end + 1
    end = start
    while end < len(text) and text[end] not in _SPACE:
        end += 1
    return text[start:end], end


def _unescaped(text: str) -> str:
    """Returns a text with its character references resolved, those that are known."""
    head, *parts = text.split("&")
    resolved = [head]
    for part in parts:
        name, semicolon, rest = part.partition(";")
        character = _ENTITIES.get(name, "") or _numbered(name) if semicolon else ""
        resolved.append(character + rest if character else "&" + part)
    return "".join(resolved)


def _numbered(name: str) -> str:
    """Returns the character of a numeric reference; empty for what is none."""
    digits, base = (name[2:], 16) if name[:2] in ("#x", "#X") else (name[1:], 10)
    if name[:1] != "#" or not 0 < len(digits) <= 6:
        return ""
    try:
        code = int(digits, base)
    except ValueError:
        return ""
    return chr(code) if 31 < code < 0xD800 or 0xDFFF < code < 0x110000 else ""
