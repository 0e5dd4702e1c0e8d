"""Sign-in by redirect: leaves the page for OAuth 2.0 or single sign-on, and takes what the browser comes back with."""

import json

from authmedia import browser
from authmedia.browser import navigate, page_url_with, take_fragment_parameters
from authmedia.errors import AuthMediaError, ForeignSignIn
from authmedia.matrix.login_flows import log_in_with_token
from authmedia.matrix.oauth import OAuthServer, OAuthSession, OAuthSignIn
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.login import Login
    from authmedia.matrix.login_flows import IdentityProvider, LoginFlows

# What the tab remembers of a sign-in that it has begun.
_BEGUN_KEY = "authmedia.sign-in"
_TOKEN_PARAMETER = "loginToken"
_STATE_PARAMETER = "sign-in"
_OAUTH_PARAMETERS = ("code", "state", "error", "error_description")


class SignInReturn:
    """What the browser came back with.

    :param address: the homeserver's base URL; empty if the tab has not begun this sign-in.
    :param room: what was entered as the room.
    """

    __slots__ = ("address", "login", "oauth", "problem", "room")

    def __init__(self, address: str = "", room: str = "") -> None:
        self.address = address
        self.room = room
        #: The new session, unless there is a problem.
        self.login: Login | None = None
        #: What renews and ends the session, if it is one of OAuth.
        self.oauth: OAuthSession | None = None
        self.problem: AuthMediaError | None = None


async def leave_for_sign_on(flows: "LoginFlows", provider: "IdentityProvider", room: str) -> None:
    """Leaves the page for single sign-on; the browser comes back to the same URL with a login token."""
    state = browser.random_uuid()
    await _remember({"state": state, "address": flows.base_url, "room": room})
    navigate(flows.sso_url(page_url_with(_STATE_PARAMETER, state), provider))


async def leave_for_oauth(server: OAuthServer, room: str) -> None:
    """Leaves the page for the authorization server; the browser comes back to the same URL with a code.

    :raises AuthMediaError: if the server does not register this page.
    """
    page = page_url_with("", "")
    client_id = await server.register(browser.page_url().rsplit("/", 1)[0] + "/", page, "authmedia")
    sign_in = server.begin(client_id, page)
    fields = sign_in.to_json()
    await _remember({"state": fields["state"], "address": sign_in.base_url, "room": room, "oauth": fields})
    navigate(sign_in.url)


async def take_return() -> SignInReturn:
    """Finishes the sign-in that the page's URL has the result of, and first removes that from the tab's history."""
    login_token, state = browser.query_parameter(_TOKEN_PARAMETER), browser.query_parameter(_STATE_PARAMETER)
    parameters = take_fragment_parameters(_OAUTH_PARAMETERS)
    for name in (_TOKEN_PARAMETER, _STATE_PARAMETER) if login_token else ():
        browser.remove_query_parameter(name)
    begun = json_object(parse_json(await browser.get_session_item(_BEGUN_KEY)))
    state = state if login_token else parameters["state"]
    if not state or begun.get("state") != state or ("oauth" in begun) != (not login_token):
        returned = SignInReturn()  # a sign-in that the tab has begun meanwhile may still come back
        returned.problem = ForeignSignIn("The page was opened with a sign-in that this tab has not asked for")
        return returned
    await browser.remove_session_item(_BEGUN_KEY)  # each state is good for one return
    returned = SignInReturn(str(begun.get("address", "")), str(begun.get("room", "")))
    try:
        if login_token:
            returned.login = await log_in_with_token(returned.address, login_token, renewable=True)
        else:
            sign_in = OAuthSignIn.from_json(begun["oauth"])
            returned.login, returned.oauth = await sign_in.finish(parameters), sign_in.session
    except AuthMediaError as error:
        returned.problem = error
    return returned


async def _remember(begun: "dict[str, Any]") -> None:
    await browser.set_session_item(_BEGUN_KEY, json.dumps(begun))
