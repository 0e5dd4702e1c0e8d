"""Creates small rooms for tests over the client-server API."""

import io
from collections.abc import Callable
from typing import Any

import httpx
from PIL import Image

from development.synapse import Synapse

PASSWORD = "a password for tests"

Account = dict[str, str]


class Room:
    """A room with one member.

    :param register: creates an account where the homeserver does not; see `Synapse.register`.
    """

    def __init__(
        self, synapse: Synapse, user: str, register: Callable[[str, str], dict[str, Any]] | None = None
    ) -> None:
        session = (register or synapse.register)(user, PASSWORD)
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        self._client = httpx.Client(base_url=synapse.base_url, headers=headers)
        room = self._client.post("/_matrix/client/v3/createRoom", json={"name": f"The room of {user}"}).json()
        self.account = {
            "homeserver": synapse.base_url,
            "user": session["user_id"],
            "password": PASSWORD,
            "room": str(room["room_id"]),
        }

    def upload(self, content: bytes, content_type: str, name: str = "") -> str:
        """Uploads media, with a file name or without; returns its ``mxc://`` URI."""
        headers, params = {"Content-Type": content_type}, {"filename": name} if name else {}
        answer = self._client.post("/_matrix/media/v3/upload", content=content, headers=headers, params=params)
        return str(answer.json()["content_uri"])

    def reserve(self) -> str:
        """Returns an ``mxc://`` URI whose media is uploaded later."""
        return str(self._client.post("/_matrix/media/v1/create").raise_for_status().json()["content_uri"])

    def upload_reserved(self, mxc: str, content: bytes) -> None:
        """Uploads the PNG of an ``mxc://`` URI that `reserve` returned."""
        path = f"/_matrix/media/v3/upload/{mxc.removeprefix('mxc://')}"
        self._client.put(path, content=content, headers={"Content-Type": "image/png"}).raise_for_status()

    def thumbnail(self, mxc: str, width: int, height: int, method: str) -> bytes:
        """Downloads the homeserver's thumbnail of an image."""
        path = f"/_matrix/client/v1/media/thumbnail/{mxc.removeprefix('mxc://')}"
        answer = self._client.get(path, params={"width": width, "height": height, "method": method})
        return answer.raise_for_status().content

    def send_media(self, name: str, mxc: str, kind: str = "m.image", **info: object) -> None:
        """Sends a message with media."""
        path = f"/_matrix/client/v3/rooms/{self.account['room']}/send/m.room.message/{name}"
        content = {"msgtype": kind, "body": name, "url": mxc, "info": info}
        self._client.put(path, json=content).raise_for_status()

    def get(self, path: str) -> object:
        """Requests an endpoint of the client-server API; returns what it responds with."""
        return self._client.get(path).raise_for_status().json()

    def put(self, path: str, content: dict[str, str]) -> None:
        """Sends an object to an endpoint of the client-server API."""
        self._client.put(path, json=content).raise_for_status()

    def close(self) -> None:
        self._client.close()


def picture(red: int) -> bytes:
    """Returns a PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (red, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()
