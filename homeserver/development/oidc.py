"""OpenID Connect for the development environment's authorization server: who has signed in, as a signed token.

A homeserver's single sign-on uses it (``oidc_providers``). https://openid.net/specs/openid-connect-core-1_0.html
"""

# authlib has no annotations.
# mypy: disable-error-code="misc, no-untyped-call, no-any-return"

from typing import Any

from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import ECKey

from development.oauth_records import Client, User

ALGORITHM = "ES256"


class IdTokens(OpenIDCode):
    """Adds an ID token to the answer of a code whose scope has ``openid``.

    :param issuer: who signs.
    """

    def __init__(self, issuer: str) -> None:
        super().__init__(require_nonce=False)
        self._issuer = issuer
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM, "kid": "1"})

    @property
    def public_keys(self) -> dict[str, Any]:
        """The keys that verify its tokens, https://www.rfc-editor.org/rfc/rfc7517#section-5"""
        return {"keys": [self._key.as_dict(private=False)]}

    def exists_nonce(self, nonce: str, request: object) -> bool:
        """Returns false: the homeserver draws each nonce at random, and verifies it."""
        return False

    def resolve_client_private_key(self, client: Client) -> ECKey:
        """Returns the key that signs."""
        return self._key

    def get_client_algorithm(self, client: Client) -> str:
        """Returns the algorithm of its signatures."""
        return ALGORITHM

    def get_encode_header(self, client: Client) -> dict[str, str]:
        """Returns the header of a token."""
        return {"alg": ALGORITHM, "kid": "1"}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        """Returns who issued a token, and for whom."""
        return {"iss": self._issuer, "aud": [client.get_client_id()]}

    def generate_user_info(self, user: User, scope: str) -> UserInfo:
        """Returns who has signed in."""
        return UserInfo(sub=user.name, preferred_username=user.name)
