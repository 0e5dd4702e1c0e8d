"""Tries links from end to end by one to no media, and says what happens to them on their way."""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.http import read_text, request_url
from authmedia.matrix.link_addresses import LinkAddresses
from authmedia.media import Support
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.request_hooks import RequestHooks

# The status of a link to no media.
_NO_CONTENT = 204


async def try_link(url: str, addresses: LinkAddresses, hooks: "tuple[RequestHooks, ...]") -> Support:
    """Requests a link to no media: where it leads to, and, if it does not arrive there, where the page asked for it.

    In the second case all links are corrected from then on, and the words say which setting is wrong.

    :param addresses: of the links of the same session.
    """
    base, _, rest = url.partition(AUTHMEDIA_PREFIX)
    corrected = addresses.url_of(url)
    words = await _request(corrected, hooks)
    if rest and words and corrected != addresses.asked + AUTHMEDIA_PREFIX + rest:
        other_words = await _request(addresses.asked + AUTHMEDIA_PREFIX + rest, hooks)
        if other_words:
            return Support(False, f"{_difference(base, addresses.asked)} ({words}); there: {other_words}")
        addresses.uses_asked = True
        words = ""
    if words:
        return Support(False, words)
    return Support(True, _difference(base, addresses.asked) if corrected != url or addresses.uses_asked else "")


async def _request(url: str, hooks: "tuple[RequestHooks, ...]") -> str:
    """Returns why a link to no media does not arrive as it was made; empty if it does."""
    try:
        response = await request_url(url, hooks=hooks, check=False)
        if response.status == _NO_CONTENT:
            return ""
        body = json_object(parse_json(await read_text(response)))
    except AuthMediaError as error:
        return error.words or error.summary
    received = body.get("query")
    if isinstance(received, list):
        return _alteration(url, [str(name) for name in received])
    if "errcode" in body:
        return f"{body['errcode']}: {body.get('error', '')}"
    return f"Something before the homeserver answers to links, with HTTP {response.status}"


def _difference(named: str, asked: str) -> str:
    """Returns how the address in links differs from the one that the page uses, and which setting to look at."""
    leads = f"links lead to {named}, and the page asked {asked}:"
    parsed, own = browser.parse_url(named), browser.parse_url(asked)
    if parsed and own and parsed.origin == own.origin:
        return f"{leads} `base_url` lacks the path"
    if parsed and own and parsed.hostname == own.hostname and parsed.protocol != own.protocol:
        return f"{leads} the proxy does not pass on `X-Forwarded-Proto`, or `base_url` has another scheme"
    return f"{leads} the proxy does not pass on `Host`, or `base_url` is wrong"


def _alteration(url: str, received: list[str]) -> str:
    """Returns what was done to the query of a link.

    :param received: the names of its parameters in the order in which the homeserver received them.
    """
    sent = [part.partition("=")[0] for part in url.partition("?")[2].split("&")]
    missing = [name for name in sent if name not in received]
    if len(missing) == len(sent):
        return "a proxy strips the query of links"
    if missing:
        return f"a proxy strips a part of the query of links: {', '.join(missing)}"
    if len(received) > len(sent):
        return "a proxy adds to the query of links"
    if received != sent:
        return "a proxy sorts the query of links"
    return "a proxy changes links, or the homeserver sees another address at each request (`bind_ip`)"
