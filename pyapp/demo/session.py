"""Session of a demo page: the one stored in the tab, the demonstration's account, or a sign-in by the form."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import AuthMediaError, Forbidden, MediaNotFound, SessionExpired
from authmedia.matrix.homeserver import Homeserver, log_in
from authmedia.matrix.http import read_text, request_url
from authmedia.matrix.urls import BaseUrl, percent_encode
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SESSION_KEY = "authmedia.session"
_PREFETCH_KEY = "authmedia.beginning"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Session:
    """A homeserver session and the room to show.

    :param renewable: whether it belongs to the demonstration's account, which signs in again without the form.
    """

    __slots__ = ("homeserver", "renewable", "room")

    def __init__(self, homeserver: Homeserver, room: str, renewable: bool) -> None:
        self.homeserver = homeserver
        self.room = room
        self.renewable = renewable


async def remembered_session_unchecked() -> Session | None:
    """Returns the session stored in the tab without asking the homeserver whether it is valid.

    It lets a page start one round trip earlier; if its first request raises `SessionExpired`, call `open_session`.
    """
    kept = await _stored_session(_homeserver_parameter())
    return _session(kept) if kept else None


async def open_session() -> Session:
    """Returns the page's session: the one stored in the tab if still valid, else a new sign-in.

    :raises AuthMediaError: if the homeserver cannot be reached or refuses the demonstration's account, or if the
        page's URL names a homeserver whose address is malformed.
    """
    demo = await _demo()
    asked, own = _homeserver_parameter(), _base_url(str(demo.get("homeserver") or ""))
    kept = await _stored_session(asked)
    # The demonstration may have restarted at another address; a session from the form keeps its homeserver.
    outdated = kept.get("renewable") and not asked and own and kept["address"] != own
    remembered = None if outdated else await _verified(kept)
    if remembered:
        return remembered
    address = asked or own
    if demo.get("user") and address and _may_receive_demo_password(address, own):
        return await _sign_in(address, str(demo["user"]), str(demo["password"]), str(demo["room"]), renewable=True)
    return await _sign_in_by_form(address)


async def forget_session() -> None:
    """Deletes the session stored in the tab; `sign_out` ends it on the homeserver as well."""
    await browser.remove_session_item(_SESSION_KEY)
    await browser.remove_session_item(_PREFETCH_KEY)


async def prefetch_on_next_page(session: Session, paths: "list[str]") -> None:
    """Stores paths that the tab's next room page requests while Python starts (``boot.js``)."""
    await browser.set_session_item(_PREFETCH_KEY, json.dumps([session.homeserver.base_url + path for path in paths]))


async def detach_session() -> str:
    """Removes the session from the tab's storage, as in a new tab; returns it for `restore_session`."""
    kept = await browser.get_session_item(_SESSION_KEY)
    await forget_session()
    return kept


async def restore_session(kept: str) -> None:
    """Stores a session again that `detach_session` returned."""
    await browser.set_session_item(_SESSION_KEY, kept)


async def sign_out(homeserver: Homeserver) -> None:
    """Ends the session on the homeserver and in this tab."""
    await forget_session()
    await _log_out(homeserver)


async def _log_out(homeserver: Homeserver) -> None:
    try:
        await homeserver.request_json("POST", "/_matrix/client/v3/logout", {})
    except SessionExpired:
        return  # already ended


def _homeserver_parameter() -> str:
    """Returns the homeserver named in the page's URL, empty if none.

    :raises MalformedAddress: if it is not the address of a homeserver.
    """
    return _base_url(browser.query_parameter("homeserver"))


def _base_url(address: str) -> str:
    """Returns an address as `Homeserver.base_url` spells it, empty if it is empty."""
    return BaseUrl(address).href if address else ""


async def _demo() -> "dict[str, Any]":
    """Returns the demonstration's account from ``demo.json``; empty on hosts other than `build.py serve`."""
    try:
        response = await request_url(browser.page_url().rsplit("/", 1)[0] + "/demo.json")
        return json_object(parse_json(await read_text(response)))
    except AuthMediaError:
        return {}


async def remembered_session() -> Session | None:
    """Returns the session stored in the tab, if its homeserver says that it is valid.

    :raises AuthMediaError: if the homeserver gives no answer to that.
    """
    return await _verified(await _stored_session(""))


async def _verified(kept: "dict[str, Any]") -> Session | None:
    if not kept:
        return None
    session = _session(kept)
    try:
        await session.homeserver.request_json("GET", "/_matrix/client/v3/account/whoami")
    except SessionExpired:
        await forget_session()
        return None
    return session


async def _stored_session(address: str) -> "dict[str, Any]":
    """Returns the stored session's fields if they are of this homeserver.

    :param address: the homeserver; empty for any.
    """
    text = await browser.get_session_item(_SESSION_KEY)
    kept = json.loads(text) if text else {}
    return {} if address and kept and kept["address"] != address else kept


def _session(kept: "dict[str, Any]") -> Session:
    homeserver = Homeserver(kept["address"], kept["user"], kept["token"])
    return Session(homeserver, kept["room"], bool(kept.get("renewable")))


def _may_receive_demo_password(address: str, own: str) -> bool:
    """Whether the demonstration's password may be sent there: to its own homeserver or to loopback addresses only."""
    return address == own or BaseUrl(address).hostname in _LOOPBACK


async def _sign_in(address: str, user: str, password: str, room: str, *, renewable: bool) -> Session:
    user_id, token = await log_in(address, user, password)
    homeserver = Homeserver(address, user_id, token)
    try:
        room_id = room if renewable else await _room_id(homeserver, room)
    except AuthMediaError:
        await _log_out(homeserver)  # else each failed attempt would leave a session behind
        raise
    kept = {"address": homeserver.base_url, "user": user_id, "token": token, "room": room_id, "renewable": renewable}
    await browser.set_session_item(_SESSION_KEY, json.dumps(kept))
    return Session(homeserver, room_id, renewable)


async def _room_id(homeserver: Homeserver, room: str) -> str:
    """Returns the id of a room given by id or alias; of the first joined room if none is given."""
    if room[:1] in ("!", "#"):
        return await _resolve_room(homeserver, room)
    if room:
        raise AuthMediaError(f"{room} is no room: its id begins with !, and its alias with #")
    joined = (await homeserver.request_json("GET", "/_matrix/client/v3/joined_rooms"))["joined_rooms"]
    if not joined:
        raise AuthMediaError(f"{homeserver.user_id} is in no room")
    return str(joined[0])


async def _resolve_room(homeserver: Homeserver, room: str) -> str:
    try:
        if room.startswith("#"):
            found = await homeserver.request_json("GET", "/_matrix/client/v3/directory/room/" + percent_encode(room))
            return str(found["room_id"])
        await homeserver.request_json("GET", f"/_matrix/client/v3/rooms/{percent_encode(room)}/state/m.room.create")
        return room
    except (Forbidden, MediaNotFound) as error:
        failure = AuthMediaError(f"{room} is no room that {homeserver.user_id} is in", words=error.words)
    raise failure


async def _sign_in_by_form(address: str) -> Session:
    """Shows the sign-in form until a sign-in succeeds."""
    form = browser.document_element().query("#sign-in")
    problem = form.query(".problem")
    fields = {name: form.query(f"[name={name}]") for name in ("homeserver", "user", "password", "room")}
    if address:
        fields["homeserver"].value = address
    form.hidden = False
    submitted = asyncio.Event()
    listener = form.listen("submit", submitted.set)
    try:
        while True:
            await submitted.wait()
            submitted.clear()
            values = [fields[name].value.strip() for name in ("homeserver", "user", "password", "room")]
            try:
                session = await _sign_in(*values, renewable=False)
            except AuthMediaError as error:
                problem.text = f"{error.summary}. {error.words}"
                continue
            fields["password"].value = ""
            form.hidden = True
            browser.document_element().query("#main").focus()  # the form's focused field is hidden now
            return session
    finally:
        listener.close()
