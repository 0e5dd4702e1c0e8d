"""The tokens that a login or a refresh responds with."""

from authmedia import browser
from authmedia.errors import ServerFailure
from authmedia.support.untrusted import finite_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Tokens:
    """An access token, how long it is valid, and what renews it.

    https://spec.matrix.org/latest/client-server-api/#refreshing-access-tokens

    :param access_token: the token of requests.
    :param refresh_token: renews it; empty if nothing does. It is a secret that is valid for longer than the other.
    :param expires_in_ms: how long the access token is valid, in milliseconds; ``None`` if the server does not say.
    """

    __slots__ = ("access_token", "expires_at_ms", "refresh_token", "renewals")

    def __init__(self, access_token: str, *, refresh_token: str = "", expires_in_ms: float | None = None) -> None:
        self.access_token = access_token
        self.refresh_token = refresh_token
        #: When the access token ends, in milliseconds since 1970 on this device's clock.
        self.expires_at_ms = None if expires_in_ms is None else browser.epoch_ms() + expires_in_ms
        #: How often they were renewed since the login: of two tabs' tokens, those with more renewals are the newer.
        self.renewals = 0

    def __repr__(self) -> str:
        return "Tokens()"  # without the tokens: reprs end up in logs

    @property
    def expires_in_ms(self) -> float | None:
        """How long the access token is still valid, in milliseconds."""
        return None if self.expires_at_ms is None else self.expires_at_ms - browser.epoch_ms()

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields to store, for `from_json`."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at_ms": self.expires_at_ms,
            "renewals": self.renewals,
        }

    @classmethod
    def from_json(cls, fields: "dict[str, Any]") -> "Tokens":
        """Returns the tokens that `to_json` returned the fields of."""
        tokens = cls(str(fields.get("access_token", "")), refresh_token=str(fields.get("refresh_token", "")))
        tokens.expires_at_ms = finite_number(fields.get("expires_at_ms")) or None
        tokens.renewals = int(finite_number(fields.get("renewals")))
        return tokens

    @classmethod
    def from_response(cls, response: "dict[str, Any]", refresh_token: str = "") -> "Tokens":
        """Returns the tokens in the response of a login or a refresh.

        :param refresh_token: the one that stays valid if the response has none.
        :raises ServerFailure: if there is no access token.
        """
        access_token, new_refresh_token = response.get("access_token"), response.get("refresh_token")
        if not isinstance(access_token, str) or not access_token:
            raise ServerFailure("The homeserver's answer to the sign-in has no access token")
        return cls(
            access_token,
            refresh_token=new_refresh_token if isinstance(new_refresh_token, str) else refresh_token,
            expires_in_ms=finite_number(response.get("expires_in_ms")) or None,
        )
