"""Session of a demo page: the one stored in the tab, the demonstration's account, or a sign-in by the form."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import AuthMediaError, Forbidden, MediaNotFound, SessionExpired
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.http import read_text, request_url
from authmedia.matrix.tokens import Tokens
from authmedia.matrix.urls import BaseUrl, percent_encode
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.login import Login
    from authmedia.matrix.oauth import OAuthSession
    from authmedia.matrix.shared_refresh import SharedRefresh
    from demo.sign_in_redirect import SignInReturn

_SESSION_KEY = "authmedia.session"
#: What the tab's next page requests while Python starts.
PREFETCH_KEY = "authmedia.prefetch"
#: Which media the user chose to see or to hide.
CHOICES_KEY = "authmedia.choices"
# Other tabs hear of this one after so long, when its page has loaded.
_SHARE_AFTER_S = 2.0
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Session:
    """A homeserver session and the room to show.

    :param stored: its fields as the tab stores them: ``address``, ``user``, ``room``, ``is_demo``, ``name`` (a secret
        of the tabs that share the session), those of its `Tokens`, and ``oauth``, those of its `OAuthSession` if it has
        one.
    """

    __slots__ = ("_shared", "_sharing", "_stored", "homeserver", "is_demo", "room")

    def __init__(self, stored: "dict[str, Any]") -> None:
        tokens = Tokens.from_json(stored)
        self._stored = stored
        self._shared: SharedRefresh | None = None
        self._sharing: asyncio.Task[None] | None = None
        self.room = str(stored.get("room", ""))
        #: Whether it belongs to the demonstration's account, which signs in again without the form.
        self.is_demo = bool(stored.get("is_demo"))
        self.homeserver = Homeserver(
            str(stored["address"]),
            str(stored["user"]),
            tokens.access_token,
            refresh=self._refresh if tokens.refresh_token else None,
            expires_in_ms=tokens.expires_in_ms,
        )
        if tokens.refresh_token:
            self._sharing = browser.create_task(self._share_later())

    @property
    def name(self) -> str:
        """The name that no other session has."""
        return str(self._stored.get("name") or self._stored["access_token"])

    async def store(self) -> None:
        """Stores the session for the lifetime of the tab."""
        await browser.set_session_item(_SESSION_KEY, json.dumps(self._stored))

    async def end(self) -> None:
        """Ends the session on the homeserver, or where its tokens come from."""
        await _end(self.homeserver, Tokens.from_json(self._stored), _oauth_session(self._stored))

    def close(self) -> None:
        """Stops exchanging tokens with other tabs."""
        _opened.pop(self.name, None)
        if self._sharing:
            self._sharing.cancel()
        if self._shared:
            self._shared.close()

    async def _refresh(self) -> Tokens:
        return await self._open_shared().refresh()

    async def _share_later(self) -> None:
        await asyncio.sleep(_SHARE_AFTER_S)
        self._open_shared()

    def _open_shared(self) -> "SharedRefresh":
        """Opens what exchanges tokens with the tabs that have the same session, as one that was duplicated."""
        if not self._shared:
            from authmedia.matrix.login import refresh_tokens
            from authmedia.matrix.shared_refresh import SharedRefresh

            address, oauth = self.homeserver.base_url, _oauth_session(self._stored)
            self._shared = SharedRefresh(
                self.name,
                Tokens.from_json(self._stored),
                oauth.refresh if oauth else lambda token: refresh_tokens(address, token),
                self._store_tokens,
            )
        return self._shared

    async def _store_tokens(self, tokens: Tokens) -> None:
        self._stored.update(tokens.to_json())
        if (await _stored_fields()).get("name") == self._stored.get(
            "name"
        ):  # else the tab has another session meanwhile, or none
            await self.store()


# The page's sessions by name: the tokens of one that is stored may be older than those of the page.
_opened: "dict[str, Session]" = {}


async def remembered_session_unchecked() -> Session | None:
    """Returns the session stored in the tab without asking the homeserver whether it is valid.

    It lets a page start one round trip earlier; if its first request raises `SessionExpired`, call `open_session`.
    """
    if _has_returned():
        return None  # `open_session` finishes the sign-in, and removes its result from the URL
    return _session(await _stored_session(_homeserver_parameter()))


async def open_session() -> Session:
    """Returns the page's session: the one stored in the tab if still valid, else a new sign-in.

    :raises AuthMediaError: if the homeserver cannot be reached or refuses the demonstration's account, or if the
        page's URL names a homeserver whose address is malformed.
    """
    returned = await _take_return()
    opened = await _adopt_returned(returned) if returned and returned.login else None
    if opened:
        return opened
    demo = await _demo()
    requested, demo_address = _homeserver_parameter(), _base_url(str(demo.get("homeserver") or ""))
    session = _session(await _stored_session(requested))
    # The demonstration may have restarted at another address; a session from the form keeps its homeserver.
    if session and session.is_demo and not requested and demo_address not in ("", session.homeserver.base_url):
        session = None
    verified = await _verified(session)
    if verified:
        return verified
    address = requested or demo_address
    if demo.get("user") and address and _may_receive_demo_password(address, demo_address):
        return await _sign_in_demo(address, demo)
    room = "" if requested else str(demo.get("room") or "")
    if returned:
        return await _sign_in_by_form(returned.address or address, returned.room or room, returned.problem)
    return await _sign_in_by_form(address, room)


async def forget_session() -> None:
    """Deletes the session stored in the tab; `sign_out` ends it on the homeserver as well."""
    for key in (_SESSION_KEY, PREFETCH_KEY, CHOICES_KEY):
        await browser.remove_session_item(key)


async def prefetch_on_next_page(session: Session, paths: "list[str]") -> None:
    """Stores paths that the tab's next room page requests while Python starts (``boot.js``)."""
    await browser.set_session_item(PREFETCH_KEY, json.dumps([session.homeserver.base_url + path for path in paths]))


async def sign_out(session: Session) -> None:
    """Ends the session on the homeserver and in this tab."""
    await forget_session()
    await session.end()
    session.close()


async def _end(homeserver: Homeserver, tokens: Tokens, oauth: "OAuthSession | None") -> None:
    try:
        if oauth:
            await oauth.revoke(tokens.refresh_token or tokens.access_token)
        else:
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
    return await _verified(_session(await _stored_session("")))


async def _verified(session: Session | None) -> Session | None:
    if not session:
        return None
    try:
        await session.homeserver.request_json("GET", "/_matrix/client/v3/account/whoami")
    except SessionExpired:
        await forget_session()
        session.close()
        return None
    return session


async def _stored_fields() -> "dict[str, Any]":
    return json_object(parse_json(await browser.get_session_item(_SESSION_KEY)))


async def _stored_session(address: str) -> "dict[str, Any]":
    """Returns the stored session's fields if they are of this homeserver.

    :param address: the homeserver; empty for any.
    """
    stored = await _stored_fields()
    known = all(isinstance(stored.get(field), str) for field in ("address", "user", "access_token"))
    return stored if known and address in ("", stored["address"]) else {}


def _session(stored: "dict[str, Any]") -> Session | None:
    """Returns the session of stored fields, the page's own if it has opened it before."""
    if not stored:
        return None
    session = _opened.get(str(stored.get("name"))) or Session(stored)
    _opened[session.name] = session
    return session


def _may_receive_demo_password(address: str, demo_address: str) -> bool:
    """Whether the demonstration's password may be sent there: to its own homeserver or to loopback addresses only."""
    return address == demo_address or BaseUrl(address).hostname in _LOOPBACK


async def _sign_in_demo(address: str, demo: "dict[str, Any]") -> Session:
    from authmedia.matrix.login import log_in  # most pages find a session in the tab

    login = await log_in(address, str(demo["user"]), str(demo["password"]), renewable=True)
    return await _open(address, login, str(demo["room"]), is_demo=True)


def _oauth_session(stored: "dict[str, Any]") -> "OAuthSession | None":
    """Returns what renews and ends a stored session of OAuth; ``None`` for another session."""
    if not stored.get("oauth"):
        return None
    from authmedia.matrix.oauth import OAuthSession

    return OAuthSession.from_json(stored["oauth"])


async def _adopt(address: str, login: "Login", room: str, oauth: "OAuthSession | None" = None) -> Session:
    """Makes a login the tab's session, or ends it if the account is not in the room."""
    homeserver = Homeserver(address, login.user_id, login.tokens.access_token)
    try:
        room_id = await _room_id(homeserver, room)
    except AuthMediaError:
        await _end(homeserver, login.tokens, oauth)  # else each failed attempt would leave a session behind
        raise
    return await _open(address, login, room_id, is_demo=False, oauth=oauth)


async def _open(
    address: str, login: "Login", room: str, *, is_demo: bool, oauth: "OAuthSession | None" = None
) -> Session:
    stored: dict[str, Any] = {
        "address": BaseUrl(address).href,
        "user": login.user_id,
        "room": room,
        "is_demo": is_demo,
        "name": browser.random_uuid(),
        "oauth": oauth.to_json() if oauth else None,
    }
    stored.update(login.tokens.to_json())
    session = _session(stored)
    assert session
    await session.store()
    return session


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


async def _sign_in_by_form(address: str, room: str = "", problem: AuthMediaError | None = None) -> Session:
    """Shows the sign-in form until a sign-in succeeds.

    :param address: the homeserver; empty for none.
    :param room: what is entered as the room already.
    :param problem: why a sign-in before failed.
    """
    from demo.sign_in_form import SignInForm  # most pages find a session in the tab

    session: Session = await SignInForm(_adopt).run(address, room, problem)
    browser.document_element().query("#main").focus()  # the form's focused field is hidden now
    return session


def _has_returned() -> bool:
    """Whether the browser comes back from a sign-in by redirect: OAuth's result is in the fragment."""
    fragment = browser.page_fragment()
    return bool("code=" in fragment or "error=" in fragment or browser.query_parameter("loginToken"))


async def _take_return() -> "SignInReturn | None":
    """Returns the sign-in that the browser comes back from, if it does."""
    if not _has_returned():
        return None
    from demo.sign_in_redirect import take_return

    return await take_return()


async def _adopt_returned(returned: "SignInReturn") -> Session | None:
    """Makes a sign-in by redirect the tab's session, or sets its problem."""
    assert returned.login
    try:
        return await _adopt(returned.address, returned.login, returned.room, returned.oauth)
    except AuthMediaError as error:
        returned.problem = error
        return None
