"""The dialog *Share with a room*: shows the message, sends it to the room that the user chooses, or does not."""

import json

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.urls import percent_encode
from demo import sharing
from demo.notices import Notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from demo.sharing import JoinedRoom

_ENCRYPTED = "This room is encrypted, and this page cannot encrypt. Choose another one."
_NO_ROOMS = "This account is in no room."


class ShareDialog:
    """The dialog.

    :param homeserver: the account that sends.
    :param room_id: the room that is chosen at first, if the account is still in it.
    :param start: runs a coroutine as a task of the page.
    """

    def __init__(
        self, homeserver: Homeserver, room_id: str, start: "Callable[[Coroutine[Any, Any, None]], object]"
    ) -> None:
        self._homeserver = homeserver
        self._room_id = room_id
        self._rooms: dict[str, JoinedRoom] = {}
        self._content: dict[str, Any] = {}
        self._transaction = ""
        self._sending = False
        self._dialog = browser.document_element().query("#share-dialog")
        self._notices = Notices(self._dialog)
        self._select = self._dialog.query("select")
        self._send_button = self._dialog.query(".send")
        self._send_button.listen("click", lambda: start(self._send()))
        self._select.listen("change", self._check_room)

    async def open(self, report: "dict[str, Any]") -> None:
        """Shows the message of a report, and the rooms to choose from."""
        self._content = sharing.event_content(report)
        # The homeserver takes a transaction once, also if the answer to the first attempt was lost.
        self._transaction = browser.random_uuid()
        self._notices.say("Asking the homeserver for your rooms\u2026")
        self._notices.show_problem("")
        self._draw(report)
        self._set_ready(False)
        self._dialog.show_dialog()
        try:
            await self._read_rooms()
        except AuthMediaError as error:
            self._notices.say("")
            self._notices.show_error("Your rooms could not be read.", error)

    def _draw(self, report: "dict[str, Any]") -> None:
        self._dialog.query(".body").text = self._content["body"]
        table = self._dialog.query("tbody")
        table.remove_children()
        for name, *cells in sharing.rows(report):
            row = browser.create_element("tr")
            head = browser.create_element("th", scope="row")
            head.text = name
            row.append(head)
            for words in cells:
                cell = browser.create_element("td")
                cell.text = words
                row.append(cell)
            table.append(row)

    async def _read_rooms(self) -> None:
        rule = percent_encode(json.dumps(sharing.SYNC_FILTER))
        found = await self._homeserver.request_json("GET", f"/_matrix/client/v3/sync?timeout=0&filter={rule}")
        rooms = sharing.joined_rooms(found)
        self._rooms = {room.room_id: room for room in rooms}
        self._select.remove_children()
        for room in rooms:
            option = browser.create_element("option", value=room.room_id)
            option.text = f"{room.name} (encrypted)" if room.encrypted else room.name
            if room.room_id == self._room_id:
                option.set_attribute("selected", "")
            self._select.append(option)
        self._notices.say("")
        self._check_room()

    def _check_room(self) -> None:
        """Says which room is chosen, and whether the message can be sent there."""
        room = self._rooms.get(self._select.value)
        self._dialog.query(".room-id").text = room.room_id if room else ""
        self._notices.show_problem(_NO_ROOMS if not room else _ENCRYPTED if room.encrypted else "")
        self._set_ready(bool(room) and not (room and room.encrypted))

    async def _send(self) -> None:
        room = self._rooms.get(self._select.value)
        if not room or self._sending:
            return
        self._sending = True
        self._set_ready(False)
        self._notices.show_problem("")
        self._notices.say("Sending\u2026")
        room_id, transaction = percent_encode(room.room_id), percent_encode(self._transaction)
        path = f"/_matrix/client/v3/rooms/{room_id}/send/m.room.message/{transaction}"
        try:
            await self._homeserver.request_json("PUT", path, self._content)
        except AuthMediaError as error:
            self._notices.say("")
            self._notices.show_error(f"It was not sent to {room.name}.", error)
            self._set_ready(True)
            return
        finally:
            self._sending = False
        self._notices.say(f"Sent to {room.name}.")

    def _set_ready(self, ready: bool) -> None:
        if ready:
            self._send_button.remove_attribute("disabled")
        else:
            self._send_button.set_attribute("disabled", "")
