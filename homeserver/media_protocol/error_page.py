"""The HTML page that a person gets instead of a Matrix error, when they have opened the URL of a media in a browser."""

import hashlib
from base64 import b64encode
from html import escape

# The errcode of a request with a cookie that a page of another site has caused.
OTHER_SITE = "DEV.AUTHMEDIA.OTHER_SITE"

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1c2128; --soft: #56606d; --line: #d9dee5;
  --mark: #0b6b57; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2126; --ink: #e8ebef; --soft: #a5afbb;
  --line: #343b44; --mark: #5fd0b4; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; }
main { max-width: 34rem; padding: 2rem 2.25rem; background: var(--card); border: 1px solid var(--line);
  border-top: 4px solid var(--mark); border-radius: .75rem; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 1.5rem 0 .25rem; font-size: 1.0625rem; color: var(--mark); }
p { margin: 0; }
footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .875rem; overflow-wrap: anywhere; }
"""
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{happened}</p>
<h2>What you can do</h2>
<p>{advice}</p>
<footer>{code} from the Matrix homeserver {server}</footer>
</main>
</body>
</html>
"""

_EXPIRED = (
    "This link has expired",
    "It led to a picture or a file in a Matrix chat. Such links work for a short time only, and only while the person "
    "who opened the chat stays signed in, so that what was shared in a chat stays there.",
    "Open the chat and look at it there. If somebody sent you this link, ask them for the file itself, or to invite "
    "you to the room.",
)
_INVALID = (
    "This link does not work",
    "It should lead to a picture or a file in a Matrix chat, but it was shortened or changed on its way, or the "
    "session that it belonged to was signed out.",
    "Open the chat and look at it there. If somebody sent you this link, ask them for the file itself, or to invite "
    "you to the room.",
)
_NOT_SIGNED_IN = (
    "This opens in your chat only",
    "It is the address of a picture or a file in a Matrix chat. It works in a browser in which that chat is open and "
    "signed in, and neither in another one nor from a link on another website.",
    "Open the chat and look at it there. If somebody sent you this address, ask them for the file itself, or to invite "
    "you to the room.",
)
_TOO_OFTEN = (
    "This was opened too often",
    "It leads to a picture or a file in a Matrix chat, and so much was loaded by such links within the last hour that "
    "the homeserver has stopped to send more.",
    "Try again in some minutes. If you did not open much, somebody else may have a copy of your links: sign out of the "
    "chat and in again, which ends them all.",
)
_UNAVAILABLE = (
    "This file is not available",
    "The link is good, but the homeserver cannot give out the file behind it: it may have been removed, or the server "
    "that it comes from does not answer.",
    "Try again in a few minutes. If it stays like this, ask the person who shared it to send it again.",
)


def prefers_html(accept: str, sec_fetch_mode: str | None) -> bool:
    """Whether the response is shown to a person: a browser requests HTML for a navigation, and not for an ``<img>``.

    :param accept: the request's header ``Accept``.
    :param sec_fetch_mode: its header ``Sec-Fetch-Mode``; ``None`` if the browser sends none.
    """
    return "text/html" in accept and sec_fetch_mode in (None, "navigate")


def render(status: int, errcode: str, server_name: str) -> str:
    """Returns the page for an HTTP status and an errcode, as HTML."""
    if errcode.endswith("_EXPIRED"):
        text = _EXPIRED
    elif status == 401 or errcode == OTHER_SITE:
        text = _NOT_SIGNED_IN
    elif status == 429:
        text = _TOO_OFTEN
    elif status == 403:
        text = _INVALID
    else:
        text = _UNAVAILABLE
    title, happened, advice = text
    return _TEMPLATE.format(
        title=title, happened=happened, advice=advice, style=_STYLE, code=status, server=escape(server_name)
    )
