"""The account's setting for media previews on a page: read, followed, and changed by the user.

https://spec.matrix.org/v1.19/client-server-api/#media-preview-configuration
"""

import asyncio
import json

from authmedia import browser
from authmedia.elements.media_policy import MediaPolicy
from authmedia.errors import AuthMediaError
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.preview_config import CONFIG_TYPES, MediaPreviewConfig, config_content
from authmedia.matrix.urls import percent_encode
from authmedia.support.untrusted import json_object, parse_json
from demo.session import CHOICES_KEY, PREFETCH_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROPERTY = "media_previews"
# How long the homeserver waits for a change, and the page after an error.
_POLL_MS, _PAUSE_S = 30_000, 20.0
# Of all that `/sync` has, this account data alone, of all rooms: Synapse 1.163 sends none of a room by a filter with
# `rooms`. It ends in a room that is none, by which no two pages have the same filter: Synapse answers an equal first
# request with what it answered two minutes ago.
_FILTER = (
    '{"presence":{"types":[]},"account_data":{"types":%s},"room":{"account_data":{"types":%s},'
    '"state":{"types":[]},"timeline":{"types":[]},"ephemeral":{"types":[]},"not_rooms":["!'
)
_FILTER_END = ':page.invalid"]}}'
_TYPES = json.dumps(CONFIG_TYPES)
_PATH_START = f"/_matrix/client/v3/sync?set_presence=offline&filter={percent_encode(_FILTER % (_TYPES, _TYPES))}"
_WORDS = {True: "By it, this page loads media by itself.", False: "By it, this page waits until you ask for a media."}


class Previews:
    """The setting of an account for one room, and the policy that it makes.

    :param room_id: the room that the page shows.
    """

    __slots__ = ("_homeserver", "_join_rule", "_room_id", "_since", "account", "policy", "room")

    def __init__(self, homeserver: Homeserver, room_id: str) -> None:
        self._homeserver = homeserver
        self._room_id = room_id
        self._join_rule: object = None
        self._since = ""
        #: The contents of the account data that matter, by their types: the account's, and the room's.
        self.account: dict[str, Any] = {}
        self.room: dict[str, Any] = {}
        self.policy = MediaPolicy(on_choice=lambda _mxc, _shown: browser.create_task(self._store_choices()))

    @property
    def allowed(self) -> bool:
        """Whether media in the room may be shown without being asked for."""
        return MediaPreviewConfig(self.account, self.room).allows_previews(self._join_rule)

    async def read(self) -> None:
        """Reads the setting, and what the user chose before in this tab.

        :raises AuthMediaError: of the class that fits what happened.
        """
        self.policy.choices.update(json_object(parse_json(await browser.get_session_item(CHOICES_KEY))))
        # What this page has requested already, while Python started.
        early = parse_json(await browser.get_session_item(PREFETCH_KEY))
        start = self._homeserver.base_url + _PATH_START
        paths = [url[len(self._homeserver.base_url) :] for url in early or [] if url.startswith(start)]
        await self._sync(paths[0] if paths else new_path())

    def apply(self, join_rule: object) -> None:
        """Has the policy follow the setting from now on.

        :param join_rule: the room's.
        """
        self._join_rule = join_rule
        self._update_policy()

    async def wait_for_change(self) -> None:
        """Waits until the homeserver may have another setting, and applies that.

        :raises AuthMediaError: of the class that fits what happened.
        """
        await self._sync(f"{new_path()}&since={percent_encode(self._since)}&timeout={_POLL_MS}")
        self._update_policy()

    async def write(self, value: str, in_room: bool) -> None:
        """Writes the setting into the account data: by the specification's type, and by that of older clients.

        :param value: ``on``, ``private`` or ``off``; empty for none.
        :param in_room: whether it is for this room alone.
        :raises AuthMediaError: of the class that fits what happened.
        """
        contents = self.room if in_room else self.account
        content = dict(config_content(contents))
        content.pop(_PROPERTY, None)
        if value:
            content[_PROPERTY] = value
        room = f"/rooms/{percent_encode(self._room_id)}" if in_room else ""
        path = f"/_matrix/client/v3/user/{percent_encode(self._homeserver.user_id)}{room}/account_data/"
        for name in CONFIG_TYPES:
            await self._homeserver.request_json("PUT", path + name, content)
            contents[name] = content
        self._update_policy()

    def _update_policy(self) -> None:
        # For the page's archive, which has what is imported by a statement; `bind` imports it when it is needed.
        if not self.allowed:
            from authmedia.elements import held_back, still  # noqa: F401
        if self.policy.previews != self.allowed:
            self.policy.update(previews=self.allowed)

    async def _sync(self, path: str) -> None:
        body = await self._homeserver.request_json("GET", path)
        self._since = str(body.get("next_batch", ""))
        _take(body, self.account)
        rooms = json_object(json_object(body.get("rooms")).get("join"))
        _take(json_object(rooms.get(self._room_id)), self.room)

    async def _store_choices(self) -> None:
        await browser.set_session_item(CHOICES_KEY, json.dumps(self.policy.choices))


class PreviewControl:
    """The part of a page where the user sees and changes the setting.

    :param place: its element.
    """

    __slots__ = ("_account", "_is_writing", "_place", "_previews", "_room", "_status")

    def __init__(self, place: browser.Element, previews: Previews) -> None:
        self._place = place
        self._previews = previews
        self._is_writing = False
        self._account, self._room = place.query("[name=account]"), place.query("[name=room]")
        self._status = place.query("[role=status]")
        self._account.listen("change", lambda: self._start_writing(self._account, in_room=False))
        self._room.listen("change", lambda: self._start_writing(self._room, in_room=True))

    def show(self, words: str = "") -> None:
        """Shows the setting.

        :param words: what went wrong.
        """
        previews = self._previews
        self._account.value = MediaPreviewConfig(previews.account).media_previews
        in_room = config_content(previews.room)
        self._room.value = MediaPreviewConfig(previews.room).media_previews if _PROPERTY in in_room else ""
        self._status.text = words or _WORDS[previews.allowed]
        self._place.remove_attribute("aria-busy")
        for field in (self._account, self._room):
            field.remove_attribute("disabled")

    async def follow(self) -> None:
        """Shows and applies each change of the setting, also by other clients, until it is cancelled."""
        while True:
            try:
                await self._previews.wait_for_change()
                if not self._is_writing:  # else half of it may be written
                    self.show()
            except AuthMediaError as error:
                if not error.temporary:
                    return  # elements say what ended the session
                await asyncio.sleep(_PAUSE_S)

    def _start_writing(self, field: browser.Element, *, in_room: bool) -> None:
        browser.create_task(self._write(field.value, in_room))

    async def _write(self, value: str, in_room: bool) -> None:
        self._is_writing = True
        self._place.set_attribute("aria-busy", "true")
        words = ""
        try:
            await self._previews.write(value, in_room)
        except AuthMediaError as error:
            words = f"Your server did not take that. {error.user_message}"
        finally:
            self._is_writing = False
        self.show(words)


def new_path() -> str:
    """Returns a path by which a page reads the setting, once."""
    return _PATH_START + browser.random_uuid() + percent_encode(_FILTER_END)


def _take(body: "dict[str, Any]", contents: "dict[str, Any]") -> None:
    """Adds the account data in a part of a sync's answer to what is known."""
    events = json_object(body.get("account_data")).get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("type") in CONFIG_TYPES:
            contents[event["type"]] = json_object(event.get("content"))
