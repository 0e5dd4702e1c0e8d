"""Who is signed in on a demo page: a session of this tab, the demonstration's account, or whoever fills the form."""

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

_REMEMBERED = "authmedia.session"
_BEGINNING = "authmedia.beginning"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Session:
    """A homeserver to talk to and the room to show.

    :param renewable: whether it is the demonstration's account, which signs in again without a person.
    """

    __slots__ = ("homeserver", "renewable", "room")

    def __init__(self, homeserver: Homeserver, room: str, renewable: bool) -> None:
        self.homeserver = homeserver
        self.room = room
        self.renewable = renewable


async def assumed_session() -> Session | None:
    """The session that this tab remembers, taken to be good: whoever asks the homeserver first will hear if it is not.

    So that a page begins at once; where it hears that, `open_session` is the careful way.
    """
    kept = await _kept(_asked_for())
    return _session(kept) if kept else None


async def open_session() -> Session:
    """The session for this page: remembered by the tab, else signed in anew.

    :raises AuthMediaError: if the homeserver cannot be reached or refuses the demonstration's account, or if what the
        page's address names is no homeserver's.
    """
    demo = await _demo()
    asked, own = _asked_for(), _base_url(str(demo.get("homeserver") or ""))
    kept = await _kept(asked)
    # The demonstration may have another address since; whoever signed in by themselves goes on as they are.
    outdated = kept.get("renewable") and not asked and own and kept["address"] != own
    remembered = None if outdated else await _still_good(kept)
    if remembered:
        return remembered
    address = asked or own
    if demo.get("user") and address and _may_know_the_demo(address, own):
        return await _sign_in(address, str(demo["user"]), str(demo["password"]), str(demo["room"]), renewable=True)
    return await _ask_person(address)


async def forget_session() -> None:
    """Signs this tab out of the page; the homeserver is told by `sign_out`."""
    await browser.remove_session_item(_REMEMBERED)
    await browser.remove_session_item(_BEGINNING)


async def begin_with(session: Session, paths: "list[str]") -> None:
    """Has this tab's next page of a room ask for these as it opens, while its Python still starts (``boot.js``)."""
    await browser.set_session_item(_BEGINNING, json.dumps([session.homeserver.base_url + path for path in paths]))


async def set_aside() -> str:
    """Takes the tab's session out of its memory, as in a new tab; gives it for `bring_back`."""
    kept = await browser.get_session_item(_REMEMBERED)
    await forget_session()
    return kept


async def bring_back(kept: str) -> None:
    """Has the tab remember the session again that was set aside."""
    await browser.set_session_item(_REMEMBERED, kept)


async def sign_out(homeserver: Homeserver) -> None:
    """Ends the session on the homeserver and in this tab."""
    await forget_session()
    await _log_out(homeserver)


async def _log_out(homeserver: Homeserver) -> None:
    try:
        await homeserver.request_json("POST", "/_matrix/client/v3/logout", {})
    except SessionExpired:
        return  # it is over already


def _asked_for() -> str:
    """The homeserver that the page's address names; empty where it names none.

    :raises MalformedAddress: if what it names is no address of a homeserver.
    """
    return _base_url(browser.query_parameter("homeserver"))


def _base_url(address: str) -> str:
    """An address as `Homeserver` keeps it; empty where it is."""
    return BaseUrl(address).href if address else ""


async def _demo() -> "dict[str, Any]":
    """What `build.py serve` says of the homeserver beside it; an empty one on any other host."""
    try:
        response = await request_url(browser.page_url().rsplit("/", 1)[0] + "/demo.json")
        return json_object(parse_json(await read_text(response)))
    except AuthMediaError:
        return {}


async def remembered_session() -> Session | None:
    """The session that this tab remembers, if its homeserver still knows it.

    :raises AuthMediaError: if the homeserver does not say whether it knows it.
    """
    return await _still_good(await _kept(""))


async def _still_good(kept: "dict[str, Any]") -> Session | None:
    if not kept:
        return None
    session = _session(kept)
    try:
        await session.homeserver.request_json("GET", "/_matrix/client/v3/account/whoami")
    except SessionExpired:
        await forget_session()
        return None
    return session


async def _kept(address: str) -> "dict[str, Any]":
    """What the tab remembers, if it is of this homeserver; empty for any homeserver's."""
    text = await browser.get_session_item(_REMEMBERED)
    kept = json.loads(text) if text else {}
    return {} if address and kept and kept["address"] != address else kept


def _session(kept: "dict[str, Any]") -> Session:
    homeserver = Homeserver(kept["address"], kept["user"], kept["token"])
    return Session(homeserver, kept["room"], bool(kept.get("renewable")))


def _may_know_the_demo(address: str, own: str) -> bool:
    """The demonstration's password goes to its own homeserver or to this machine, whatever the page's address says."""
    return address == own or BaseUrl(address).hostname in _LOOPBACK


async def _sign_in(address: str, user: str, password: str, room: str, *, renewable: bool) -> Session:
    user_id, token = await log_in(address, user, password)
    homeserver = Homeserver(address, user_id, token)
    try:
        room_id = room if renewable else await _room_id(homeserver, room)
    except AuthMediaError:
        await _log_out(homeserver)  # else each try would leave a session behind
        raise
    kept = {"address": homeserver.base_url, "user": user_id, "token": token, "room": room_id, "renewable": renewable}
    await browser.set_session_item(_REMEMBERED, json.dumps(kept))
    return Session(homeserver, room_id, renewable)


async def _room_id(homeserver: Homeserver, room: str) -> str:
    """The id of a room given by id or alias; the first joined one where none is given."""
    if room[:1] in ("!", "#"):
        return await _named_room(homeserver, room)
    if room:
        raise AuthMediaError(f"{room} is no room: its id begins with !, and its alias with #")
    joined = (await homeserver.request_json("GET", "/_matrix/client/v3/joined_rooms"))["joined_rooms"]
    if not joined:
        raise AuthMediaError(f"{homeserver.user_id} is in no room")
    return str(joined[0])


async def _named_room(homeserver: Homeserver, room: str) -> str:
    try:
        if room.startswith("#"):
            found = await homeserver.request_json("GET", "/_matrix/client/v3/directory/room/" + percent_encode(room))
            return str(found["room_id"])
        await homeserver.request_json("GET", f"/_matrix/client/v3/rooms/{percent_encode(room)}/state/m.room.create")
        return room
    except (Forbidden, MediaNotFound) as error:
        failure = AuthMediaError(f"{room} is no room that {homeserver.user_id} is in", words=error.words)
    raise failure


async def _ask_person(address: str) -> Session:
    """Shows the sign-in form until somebody got in with it."""
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
            browser.document_element().query("#main").focus()  # where the form was
            return session
    finally:
        listener.close()
