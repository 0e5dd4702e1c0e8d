"""The page `attic.html`: a room with one media of each odd kind that people send, by any strategy."""

from authmedia import browser, strategies
from authmedia.errors import MediaNotFound
from authmedia.matrix.urls import percent_encode
from demo.room import Room, read_room
from demo.room_page import RoomPage
from demo.session import Session

_ALIAS = "attic"


class AtticPage(RoomPage):
    """Shows the demonstration's attic by the strategy that the page's URL names."""

    def __init__(self) -> None:
        super().__init__("attic", browser.query_parameter("strategy") or strategies.AUTO)
        for link in self.root.query_all(f'a[data-strategy-choice="{self.strategy}"]'):
            link.set_attribute("aria-current", "true")
        self.root.query("#strategy").text = self.strategy
        self.root.query(".what").set_attribute("data-support", self.strategy)

    async def read(self, session: Session) -> Room:
        """Reads the attic; on other homeservers than the demonstration's the session's room."""
        if not session.is_demo:
            return await super().read(session)  # a user's own account joins no room unasked
        alias = percent_encode(f"#{_ALIAS}:" + session.homeserver.user_id.partition(":")[2])
        try:
            joined = await session.homeserver.request_json("POST", f"/_matrix/client/v3/join/{alias}", {})
        except MediaNotFound:  # M_NOT_FOUND, which is also the error for an unknown alias
            return await super().read(session)
        return await read_room(session.homeserver, str(joined["room_id"]))
