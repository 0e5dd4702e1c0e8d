"""The tokens that a login or a refresh responds with."""

from authmedia import browser

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

    __slots__ = ("access_token", "expires_at_ms", "refresh_token")

    def __init__(self, access_token: str, *, refresh_token: str = "", expires_in_ms: float | None = None) -> None:
        self.access_token = access_token
        self.refresh_token = refresh_token
        #: When the access token ends, in milliseconds since 1970 on this device's clock.
        self.expires_at_ms = None if expires_in_ms is None else browser.epoch_ms() + expires_in_ms

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
        }

    @classmethod
    def from_json(cls, fields: "dict[str, Any]") -> "Tokens":
        """Returns the tokens that `to_json` returned the fields of."""
        tokens = cls(str(fields.get("access_token", "")), refresh_token=str(fields.get("refresh_token", "")))
        expires_at_ms = fields.get("expires_at_ms")
        tokens.expires_at_ms = float(expires_at_ms) if isinstance(expires_at_ms, (int, float)) else None
        return tokens
