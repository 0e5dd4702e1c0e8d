"""`delegated`: the page signs each link by itself, with a key that the homeserver gives it once in a few hours.

Use it where the homeserver offers it, for what `link` is for: the same links, without a round trip before the first.
"""

from authmedia.errors import AuthMediaError
from authmedia.media import Support
from authmedia.strategies.linked import LinkedStrategy
from authmedia.transport.link_probe import try_link
from authmedia.transport.link_signer import LinkSigner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver


class DelegatedStrategy(LinkedStrategy):
    """Opens each media as a link that this page signs."""

    name = "delegated"

    def __init__(self, homeserver: "Homeserver") -> None:
        self._signer = LinkSigner(homeserver)
        super().__init__(homeserver, self._signer)

    async def support(self) -> Support:
        """Requests the key, which is a part of what the homeserver says of its limits, and tries a link."""
        try:
            probe = await self._signer.warm_up()
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        found = await try_link(probe, self.homeserver.link_addresses, self.homeserver.hooks)
        self._signer.correct_address()
        return found


STRATEGY = DelegatedStrategy
