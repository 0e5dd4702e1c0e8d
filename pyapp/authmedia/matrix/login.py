"""Login with a password, and the renewal of a session's tokens by its refresh token."""

import json

from authmedia.errors import AuthMediaError, Forbidden, LoginRefused, ServerFailure, SessionExpired, TokenRefused
from authmedia.matrix.http import read_json_object, request_url
from authmedia.matrix.tokens import Tokens
from authmedia.matrix.urls import BaseUrl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_JSON = {"Content-Type": "application/json"}


class Login:
    """A new session.

    :param user_id: whose session it is.
    :param tokens: its tokens.
    """

    __slots__ = ("tokens", "user_id")

    def __init__(self, user_id: str, tokens: Tokens) -> None:
        self.user_id = user_id
        self.tokens = tokens


async def log_in(base_url: str, user: str, password: str, *, renewable: bool = False) -> Login:
    """Logs in with a password.

    https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3login

    >>> login = await log_in("https://matrix.example.org", "@ana:example.org", password)
    >>> homeserver = Homeserver("https://matrix.example.org", login.user_id, login.tokens.access_token)

    :param user: a user id or its localpart.
    :param renewable: whether to request a refresh token. Its access token ends, on servers that give such tokens.
    :raises LoginRefused: if user name or password is wrong.
    :raises AuthMediaError: of the class that fits what happened otherwise.
    """
    identifier = {"type": "m.id.user", "user": user}
    credentials = {"type": "m.login.password", "identifier": identifier, "password": password}
    return await request_login(base_url, credentials, renewable)


async def request_login(base_url: str, credentials: "dict[str, Any]", renewable: bool) -> Login:
    """Sends one login.

    :param credentials: the fields by its type.
    :param renewable: see `log_in`.
    :raises AuthMediaError: of the class that fits what happened.
    """
    body = dict(credentials)
    body["initial_device_display_name"] = "authmedia"
    if renewable:
        body["refresh_token"] = True
    response = await _post_login(BaseUrl(base_url).href + "/_matrix/client/v3/login", body)
    user_id = response.get("user_id")
    if not isinstance(user_id, str) or not user_id:
        raise ServerFailure("The homeserver's answer to the sign-in does not say whose session it is")
    return Login(user_id, Tokens.from_response(response))


async def refresh_tokens(base_url: str, refresh_token: str) -> Tokens:
    """Spends a refresh token and returns the next tokens of the session.

    https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3refresh

    :raises SessionExpired: if the homeserver does not take the refresh token.
    :raises AuthMediaError: of the class that fits what happened.
    """
    try:
        response = await _post(BaseUrl(base_url).href + "/_matrix/client/v3/refresh", {"refresh_token": refresh_token})
        return Tokens.from_response(response, refresh_token)
    except (TokenRefused, Forbidden) as error:
        failure: AuthMediaError = SessionExpired("The homeserver does not renew this session", words=error.words)
    raise failure


async def _post_login(url: str, body: "dict[str, Any]") -> "dict[str, Any]":
    try:
        return await _post(url, body)
    except Forbidden as error:
        failure = LoginRefused("The homeserver refused the login", words=error.words)
    raise failure


async def _post(url: str, body: "dict[str, Any]") -> "dict[str, Any]":
    return await read_json_object(await request_url(url, method="POST", headers=_JSON, body=json.dumps(body)))
