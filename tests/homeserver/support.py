"""Accounts, media, and requests whose URLs no library normalizes, for the tests of the homeserver."""

import hashlib
import http.client
import io
import re
import socket
import ssl
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from PIL import Image

from development.synapse import Synapse

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
PASSWORD = "correct horse battery staple"
# The headers of a browser's navigation.
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}

# Linux has all of 127.0.0.0/8 on its loopback device, and shows a process's open files in /proc.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's loopback addresses or /proc")

# Content types that browsers execute or open in a program, which are therefore attachments; and file names.
NOT_SHOWN = [
    ("text/html", "page.html"),
    ("image/svg+xml", "drawing.svg"),
    ("application/pdf", "paper.pdf"),
    ("text/html; charset=utf-8", "page.html"),
    ("application/xhtml+xml", "page.xhtml"),
    ("text/javascript", "script.js"),
]

T = TypeVar("T")
# Shared: to make one takes longer than most requests do, and every client would.
_TLS = ssl.create_default_context()
_numbers = count(1)


def wait_for(look: Callable[[], T], seconds: float = 5.0, what: str = "the state") -> T:
    """Polls until a value is true.

    :raises AssertionError: after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.05)


def wait_for_log(path: Path, line: str) -> str:
    """Returns a log once it has a line; a server writes it after the response, which arrives earlier."""
    wait_for(lambda: line in path.read_text(), what=f"{line} in {path.name}")
    return path.read_text()


# --- requests ---------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(httpx.Response(self.status, content=self.body).json()["errcode"])


def send(
    url: str, method: str = "GET", headers: Mapping[str, str | bytes] | None = None, source: str | None = None
) -> Answer:
    """Sends a request with exactly this URL.

    :param source: the client's IP address.
    """
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=30, source_address=(source, 0) if source else None
    )
    try:
        connection.request(method, url.partition(parts.netloc)[2], headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


# --- accounts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mxc:
    uri: str

    @property
    def names(self) -> str:
        return self.uri.removeprefix("mxc://")

    @property
    def server_name(self) -> str:
        return self.names.partition("/")[0]

    @property
    def media_id(self) -> str:
        return self.names.partition("/")[2]


@dataclass
class Account:
    """A session of a user."""

    synapse: Synapse
    user_id: str
    device_id: str
    token: str
    http: httpx.Client = field(repr=False)

    @classmethod
    def new(cls, synapse: Synapse, admin: bool = False) -> "Account":
        made = synapse.register(f"user{next(_numbers)}", PASSWORD, admin=admin)
        return cls._of(synapse, made)

    @classmethod
    def _of(cls, synapse: Synapse, made: dict[str, Any]) -> "Account":
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{synapse.port}",
            headers={"Authorization": f"Bearer {made['access_token']}"},
            timeout=30,
            verify=_TLS,
        )
        return cls(synapse, made["user_id"], made.get("device_id", ""), made["access_token"], client)

    def again(self) -> "Account":
        """Another session of the same user."""
        answer = self.http.post(
            "/_matrix/client/v3/login",
            json={
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": self.user_id},
                "password": PASSWORD,
            },
        )
        return self._of(self.synapse, answer.raise_for_status().json())

    def with_token(self, token: str) -> "Account":
        return self._of(self.synapse, {"user_id": self.user_id, "access_token": token})

    def upload(self, content: bytes, content_type: str = "application/octet-stream", name: str | None = None) -> Mxc:
        answer = self.http.post(
            "/_matrix/media/v3/upload",
            content=content,
            headers={"Content-Type": content_type},
            params={"filename": name} if name else {},
        )
        return Mxc(answer.raise_for_status().json()["content_uri"])

    def download(self, mxc: Mxc, **headers: str) -> httpx.Response:
        """Synapse's own download."""
        return self.http.get(f"/_matrix/client/v1/media/download/{mxc.names}", headers=headers)

    def thumbnail(self, mxc: Mxc, **wanted: Any) -> httpx.Response:
        """Synapse's own thumbnail."""
        return self.http.get(f"/_matrix/client/v1/media/thumbnail/{mxc.names}", params=query(wanted))

    def ask(self, body: Any) -> httpx.Response:
        return self.http.post(f"{PREFIX}/links", json=body)

    def links(self, *entries: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.ask({"media": list(entries)})
        return list(answer.raise_for_status().json()["links"])

    def link(self, mxc: Mxc, **thumbnail: Any) -> str:
        """Returns the URL of a link."""
        entry: dict[str, Any] = {"mxc": mxc.uri}
        (made,) = self.links({**entry, "thumbnail": thumbnail} if thumbnail else entry)
        return str(made["url"])

    def download_link(self, mxc: Mxc, file_name: str = "") -> str:
        """Returns the URL of a link whose media is an attachment, with another name than its uploader's or not."""
        (made,) = self.links({"mxc": mxc.uri, "download": True, "filename": file_name})
        return str(made["url"])

    def quarantine(self, mxc: Mxc) -> None:
        self.http.post(f"/_synapse/admin/v1/media/quarantine/{mxc.names}").raise_for_status()


def readable(text: str) -> bytes:
    """Returns a text, and everything in it that can be decoded as base64."""
    parts = re.findall(r"[A-Za-z0-9_+/-]{4,}", text)
    decoded = [
        urlsafe_b64decode(part.replace("+", "-").replace("/", "_") + "=" * (-len(part) % 4))
        for part in parts
        if len(part) % 4 != 1
    ]
    return b"\n".join([text.encode(), *decoded])


def query(wanted: dict[str, Any]) -> dict[str, str]:
    return {key: str(value).lower() for key, value in wanted.items()}


def certificate_files(directory: Path) -> tuple[Path, Path, Path]:
    """Creates a certificate for ``localhost``, its private key, and the certificate of its authority."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    files = directory / "certificate.pem", directory / "private.key", directory / "authority.pem"
    pems = certificate.cert_chain_pems[0], certificate.private_key_pem, authority.cert_pem
    for file, pem in zip(files, pems, strict=True):
        pem.write_to_path(file)
    return files


# --- media ------------------------------------------------------------------------------------------------------------


def noise(size: int, seed: str = "noise") -> bytes:
    """Returns pseudorandom bytes, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


@cache
def picture(width: int = 320, height: int = 200) -> bytes:
    """Returns a PNG without any symmetry, so that a crop and a scale of it differ."""
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.radial_gradient("L").resize((width, height))
    file = io.BytesIO()
    Image.merge("RGB", (red, green, red.transpose(Image.Transpose.FLIP_TOP_BOTTOM))).save(file, "PNG")
    return file.getvalue()


@cache
def animation() -> bytes:
    frames = [Image.new("RGB", (200, 120), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return file.getvalue()


def image(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@contextmanager
def abandoned_download(url: str, headers: Mapping[str, str] | None = None) -> Iterator[socket.socket]:
    """Begins a download, reads its first bytes, and closes the connection at the end of the block."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", parts.port))
    with connection:
        lines = [f"GET {url.partition(parts.netloc)[2]} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 20")
        yield connection


# --- state of the homeserver ------------------------------------------------------------------------------------------


def log_with(synapse: Synapse, text: str) -> str:
    """Returns Synapse's log, if it contains this text; otherwise an empty string."""
    log = synapse.log_path.read_text() + (synapse.directory / "output.log").read_text()
    return log if text in log else ""


def open_media(synapse: Synapse, kind: str = "local_content") -> list[int]:
    """Returns the position in each media file that the homeserver has open."""
    store = str(synapse.directory / "media" / kind)
    process = Path(f"/proc/{synapse.process_id}")
    found = []
    for entry in (process / "fd").iterdir():
        try:
            if str(entry.readlink()).startswith(store):
                found.append(int((process / "fdinfo" / entry.name).read_text().split()[1]))
        except FileNotFoundError:
            continue  # closed since
    return found


def standing_still(synapse: Synapse) -> int:
    """Returns the position in an open file, if it does not change for a moment; otherwise 0."""
    before = open_media(synapse)
    time.sleep(0.15)
    return before[0] if before and before == open_media(synapse) else 0


def other_end(connection: socket.socket) -> Callable[[], bool]:
    """Returns a function that tells whether the peer, on this machine, has the connection open."""
    ends = f":{connection.getpeername()[1]:04X}", f":{connection.getsockname()[1]:04X}"

    def is_open() -> bool:
        sockets = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any((local[-5:], remote[-5:]) == ends and state == "01" for local, remote, state in sockets)

    return is_open


def listener(
    port: int, name: str = "client", *, x_forwarded: bool = False, addresses: Sequence[str] = ("127.0.0.1",)
) -> dict[str, Any]:
    """Returns one of Synapse's ``listeners``, on loopback.

    :param name: of its resource.
    :param addresses: each has a backlog of connections of its own.
    """
    return {
        "port": port,
        "bind_addresses": list(addresses),
        "type": "http",
        "tls": False,
        "x_forwarded": x_forwarded,
        "resources": [{"names": [name], "compress": False}],
    }
