"""Single sign-on of a demo page: leaves it for the homeserver's sign-in, and takes what that returns."""

import json

from authmedia import browser
from authmedia.browser import navigate, page_url_with
from authmedia.errors import AuthMediaError
from authmedia.matrix.login_flows import log_in_with_token
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.login import Login
    from authmedia.matrix.login_flows import IdentityProvider, LoginFlows

# What the tab remembers of a sign-in that it has begun.
_BEGUN_KEY = "authmedia.sign-in"
TOKEN_PARAMETER = "loginToken"
_STATE_PARAMETER = "sign-in"


class ForeignSignIn(AuthMediaError):
    """The page's URL has a login token of a sign-in that this tab has not begun.

    Whoever makes a user open such a URL would have them use an account that is not theirs.
    https://www.rfc-editor.org/rfc/rfc6819#section-4.4.1.8
    """

    advice = "Sign in from this page; a login token in a link that somebody sent must not be used."
    user_message = "This sign-in was not begun in this tab, so it was not used. Sign in here."


class SsoReturn:
    """A login by single sign-on.

    :param address: the homeserver's base URL.
    :param login: the new session.
    :param room: what was entered as the room.
    """

    __slots__ = ("address", "login", "room")

    def __init__(self, address: str, login: "Login", room: str) -> None:
        self.address = address
        self.login = login
        self.room = room


async def leave_for_sign_on(flows: "LoginFlows", provider: "IdentityProvider", room: str) -> None:
    """Leaves the page; the browser comes back to the same URL with a login token."""
    state = browser.random_uuid()
    begun = {"state": state, "address": flows.base_url, "room": room}
    await browser.set_session_item(_BEGUN_KEY, json.dumps(begun))
    navigate(flows.sso_url(page_url_with(_STATE_PARAMETER, state), provider))


async def take_return(login_token: str) -> SsoReturn:
    """Logs in with the login token in the page's URL, and removes it from there and from the tab's history.

    :raises ForeignSignIn: if this tab has not begun that sign-in.
    :raises AuthMediaError: if the homeserver does not take the token.
    """
    state = browser.query_parameter(_STATE_PARAMETER)
    for name in (TOKEN_PARAMETER, _STATE_PARAMETER):
        browser.remove_query_parameter(name)
    begun = json_object(parse_json(await browser.get_session_item(_BEGUN_KEY)))
    await browser.remove_session_item(_BEGUN_KEY)  # each state is good for one return
    if not state or begun.get("state") != state:
        raise ForeignSignIn("The page was opened with a login token that this tab has not asked for")
    address = str(begun.get("address", ""))
    return SsoReturn(address, await log_in_with_token(address, login_token, renewable=True), str(begun.get("room", "")))
