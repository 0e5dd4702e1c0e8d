"""The ways to sign in that a homeserver offers, and its single sign-on.

https://spec.matrix.org/latest/client-server-api/#login
"""

from authmedia.errors import LoginRefused, SignInExpired
from authmedia.matrix.http import read_json_object, request_url
from authmedia.matrix.login import Login, request_login
from authmedia.matrix.urls import BaseUrl, percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOGIN_PATH = "/_matrix/client/v3/login"


class IdentityProvider:
    """A service that a homeserver signs its users in with.

    :param provider_id: its id, empty if the homeserver has one that it does not name.
    :param name: its name for people, empty if it has none.
    """

    __slots__ = ("name", "provider_id")

    def __init__(self, provider_id: str, name: str) -> None:
        self.provider_id = provider_id
        self.name = name


class LoginFlows:
    """What a homeserver offers.

    :param base_url: the homeserver's base URL.
    :param response: its response to ``GET /login``.
    """

    __slots__ = ("base_url", "password", "providers")

    def __init__(self, base_url: str, response: "dict[str, Any]") -> None:
        self.base_url = base_url
        #: Whether it takes passwords.
        self.password = False
        #: What its single sign-on offers; empty if it has none.
        self.providers: list[IdentityProvider] = []
        listed = response.get("flows")
        flows = [flow for flow in listed if isinstance(flow, dict)] if isinstance(listed, list) else []
        kinds = [flow.get("type") for flow in flows]
        self.password = "m.login.password" in kinds
        for flow in flows:
            # Without the second, the homeserver would not take what its single sign-on returns.
            if flow.get("type") == "m.login.sso" and "m.login.token" in kinds:
                self.providers = _providers(flow.get("identity_providers"))

    def sso_url(self, return_url: str, provider: IdentityProvider) -> str:
        """Returns where the browser has to go for a single sign-on.

        https://spec.matrix.org/latest/client-server-api/#client-login-via-sso

        :param return_url: where it comes back to, with the parameter ``loginToken``.
        """
        path = _LOGIN_PATH + "/sso/redirect"
        if provider.provider_id:
            path += "/" + percent_encode(provider.provider_id)
        return self.base_url + path + "?redirectUrl=" + percent_encode(return_url)


async def request_login_flows(base_url: str) -> LoginFlows:
    """Requests the ways to sign in that a homeserver offers.

    :raises AuthMediaError: of the class that fits what happened.
    """
    base_url = BaseUrl(base_url).href
    return LoginFlows(base_url, await read_json_object(await request_url(base_url + _LOGIN_PATH)))


async def log_in_with_token(base_url: str, login_token: str, *, renewable: bool = False) -> Login:
    """Logs in with the token that a single sign-on returned.

    :param login_token: is valid once, and for a few minutes.
    :param renewable: see `log_in`.
    :raises SignInExpired: if the token was used before, or is too old.
    :raises AuthMediaError: of the class that fits what happened otherwise.
    """
    try:
        return await request_login(base_url, {"type": "m.login.token", "token": login_token}, renewable)
    except LoginRefused as error:
        failure = SignInExpired("The homeserver does not take the login token", words=error.words)
    raise failure


def _providers(listed: object) -> "list[IdentityProvider]":
    providers = []
    for entry in listed if isinstance(listed, list) else []:
        provider_id = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(provider_id, str) and provider_id:
            name = entry.get("name")
            providers.append(IdentityProvider(provider_id, name[:80] if isinstance(name, str) else ""))
    return providers or [IdentityProvider("", "")]
