"""Seeds a homeserver with the sample room over the client-server API.

Seeding is idempotent: every step first checks whether it is done, so that seeding again, after an interruption or
without its record, ends in the same room without duplicates.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from development.attachments import encrypt
from development.blurhash_encoding import BLURHASH, blurhash_of
from development.conversation import ALIAS, CONVERSATION, DEMO, ORGANISER, PEOPLE, ROOM_NAME, ROOM_TOPIC, Line
from development.matrix import Matrix, MatrixError, SeedError, segment
from development.private_files import make_private_folder
from development.sample_media.catalogue import DRAWING_THREADS, POSTER, ROOM_AVATAR, Sample, avatar_of, prepare, samples
from development.seed_record import Record, passwords
from development.synapse import HomeserverError

__all__ = ["Demo", "SeedError", "media_of", "seed"]

Progress = Callable[[str, int, int], None]

_BLURHASH_COMPONENTS = (4, 3)
_BLURHASH_PIXELS = (32, 24)
# Key of a line's number in its message's content.
_STEP = "dev.authmedia.line"


@dataclass(frozen=True)
class Demo:
    """The account and the room of the demonstration."""

    user_id: str
    password: str
    room_id: str


def _no_progress(words: str, done: int, total: int) -> None:
    """Discards progress messages."""


def seed(
    base_url: str,
    register: Callable[[str, str], dict[str, Any]],
    *,
    directory: Path,
    progress: Progress = _no_progress,
) -> Demo:
    """Creates the sample room, or what is missing of it.

    :param register: registers an account by name and password; returns the fields of a login.
    :param directory: the folder for passwords, sample media and the record.
    :param progress: called before every step with its description, the number of its kind done, and their total.
    :raises SeedError: with a message that says what to do.
    """
    make_private_folder(directory)  # the record in it has access tokens
    with Matrix(base_url) as matrix:
        return _Seeding(matrix, register, directory, progress).run()


def renew_sessions(register: Callable[[str, str], dict[str, Any]], directory: Path) -> None:
    """Signs all accounts in again, whose sessions an authorization server has forgotten with its last run."""
    make_private_folder(directory)
    record, known = Record.read(directory), passwords(directory, PEOPLE)
    for person in PEOPLE:
        session = register(person, known[person])
        record.tokens[person] = session["access_token"]
        if person == DEMO:
            record.user_id = session["user_id"]
    record.write(directory)


def media_of(directory: Path) -> dict[str, Sample]:
    """Returns the samples by their ``mxc://`` URI on a seeded homeserver (of the ciphertext if encrypted)."""
    record = Record.read(directory)
    known = record.media | {sha256: file["url"] for sha256, file in record.encrypted.items()}
    return {known[sample.sha256]: sample for sample in samples(directory) if sample.sha256 in known}


class _Seeding:
    def __init__(
        self, matrix: Matrix, register: Callable[[str, str], dict[str, Any]], directory: Path, progress: Progress
    ) -> None:
        self._matrix = matrix
        self._register = register
        self._directory = directory
        self._progress = progress
        self._record = Record.read(directory)
        self._has_passwords = (directory / "passwords.json").exists()
        self._passwords = passwords(directory, PEOPLE)
        self._samples: dict[str, Future[Sample]] = {}

    def run(self) -> Demo:
        self._matrix.check()
        if not self._is_complete():
            with ThreadPoolExecutor(DRAWING_THREADS) as pool:
                try:
                    self._samples = prepare(self._directory, pool)
                    self._make_everything()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return Demo(self._record.user_id, self._passwords[DEMO], self._record.room_id)

    def _is_complete(self) -> bool:
        record = self._record
        said = record.lines == len(CONVERSATION)
        return record.complete and said and record.room_id == self._room_at_alias(record.user_id)

    def _make_everything(self) -> None:
        if not self._record_is_valid():
            self._record = Record()
        for done, person in enumerate(PEOPLE):
            self._progress("Making accounts", done, len(PEOPLE))
            self._sign_in(person)
        room_id = self._room_at_alias(self._record.user_id)
        members, said = self._read_room(room_id) if room_id else (set(), set())
        for done, person in enumerate(PEOPLE):
            self._progress("Drawing avatars", done, len(PEOPLE))
            self._set_profile(person)
        room_id = room_id or self._make_room()
        for done, person in enumerate(PEOPLE):
            self._progress("Filling the room", done, len(PEOPLE))
            if self._user_id(person) not in members:
                self._call("POST", f"/join/{segment(room_id)}", person, {})
        for done, line in enumerate(CONVERSATION):
            self._progress("Writing messages", done, len(CONVERSATION))
            if done not in said:
                self._send_line(room_id, done, line)
        self._record.room_id = room_id
        self._record.complete = True
        self._record.lines = len(CONVERSATION)
        self._save_record()

    # --- accounts ----------------------------------------------------------------------------------------------------

    def _record_is_valid(self) -> bool:
        """Whether the record belongs to this homeserver and its tokens are valid."""
        token = self._record.tokens.get(ORGANISER)
        if not token:
            return False
        try:
            self._matrix.call("GET", "/account/whoami", token)
        except MatrixError:
            return False
        return True

    def _sign_in(self, person: str) -> None:
        if person in self._record.tokens:
            return
        session = self._log_in(person) if self._has_passwords else None
        session = session or self._register_account(person)
        self._record.tokens[person] = session["access_token"]
        if person == DEMO:
            self._record.user_id = session["user_id"]
        self._save_record()

    def _log_in(self, person: str) -> dict[str, Any] | None:
        """Logs in to an account that an earlier run may have registered; returns None if it did not."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": person},
            "password": self._passwords[person],
            "initial_device_display_name": "Seeding",
        }
        try:
            return dict(self._matrix.call("POST", "/login", "", body))
        except MatrixError as refusal:
            if refusal.errcode in ("M_FORBIDDEN", "M_UNRECOGNIZED"):  # an authorization server signs users in
                return None
            raise

    def _register_account(self, person: str) -> dict[str, Any]:
        try:
            return self._register(person, self._passwords[person])
        except HomeserverError as error:
            raise SeedError(
                f"The account {person} could not be made, nor do the passwords in {self._directory} open it: {error} "
                "Remove both that folder and the homeserver's data, and start afresh."
            ) from error

    def _set_profile(self, person: str) -> None:
        """Sets an account's display name and avatar."""
        path = f"/profile/{segment(self._user_id(person))}"
        profile = self._matrix.find(path) or {}
        if profile.get("displayname") != PEOPLE[person]:
            self._call("PUT", f"{path}/displayname", person, {"displayname": PEOPLE[person]})
        if not profile.get("avatar_url"):
            avatar = {"avatar_url": self._uploaded(avatar_of(person), person)}
            self._call("PUT", f"{path}/avatar_url", person, avatar)
        self._identify_media(profile)

    # --- the room ----------------------------------------------------------------------------------------------------

    def _room_at_alias(self, user_id: str) -> str:
        room = self._matrix.find(f"/directory/room/{segment(f'#{ALIAS}:{_server(user_id)}')}")
        return room["room_id"] if room else ""

    def _read_room(self, room_id: str) -> tuple[set[str], set[int]]:
        """Returns the room's joined members and the numbers of the lines sent."""
        path = f"/rooms/{segment(room_id)}"
        state = self._call("GET", f"{path}/state", ORGANISER)
        messages = self._matrix.messages(room_id, self._record.tokens[ORGANISER])
        for event in state + messages:
            self._identify_media(event["content"])
        members = {
            event["state_key"]
            for event in state
            if event["type"] == "m.room.member" and event["content"]["membership"] == "join"
        }
        return members, {event["content"][_STEP] for event in messages if _STEP in event["content"]}

    def _make_room(self) -> str:
        avatar = self._sample(ROOM_AVATAR)
        content = {"url": self._uploaded(avatar.name, ORGANISER), "info": _info(avatar)}
        body = {
            "preset": "public_chat",
            "visibility": "public",
            "room_alias_name": ALIAS,
            "name": ROOM_NAME,
            "topic": ROOM_TOPIC,
            "initial_state": [{"type": "m.room.avatar", "state_key": "", "content": content}],
        }
        return str(self._call("POST", "/createRoom", ORGANISER, body)["room_id"])

    def _send_line(self, room_id: str, number: int, line: Line) -> None:
        content = self._media_content(line) if line.sample else {"msgtype": "m.text", "body": line.words}
        # A transaction id makes the request idempotent, should the response get lost.
        path = f"/rooms/{segment(room_id)}/send/m.room.message/authmedia-{number}"
        self._call("PUT", path, line.sender, content | {_STEP: number})

    # --- media -------------------------------------------------------------------------------------------------------

    def _media_content(self, line: Line) -> dict[str, Any]:
        sample = self._sample(line.sample)
        info = _info(sample)
        if sample.kind == "video":
            info["thumbnail_url"] = self._uploaded(POSTER, line.sender)
            info["thumbnail_info"] = _info(self._sample(POSTER))
        content = {"msgtype": f"m.{sample.kind}", "body": line.words or sample.name, "filename": sample.name}
        if line.encrypted:
            return content | {"file": self._encrypted(sample, line.sender), "info": info}
        return content | {"url": self._uploaded(sample.name, line.sender), "info": info}

    def _encrypted(self, sample: Sample, person: str) -> dict[str, Any]:
        """Returns the ``EncryptedFile`` of a sample, and uploads its ciphertext first if needed."""
        known = self._record.encrypted
        if sample.sha256 not in known:
            ciphertext, file = encrypt(sample.path.read_bytes())
            mxc = self._matrix.reserve(self._record.tokens[person])
            # Without name and type, which must not be revealed to the server.
            self._matrix.upload(self._record.tokens[person], mxc, "", "application/octet-stream", ciphertext)
            known[sample.sha256] = {"url": mxc, **file}
            self._save_record()
        return known[sample.sha256]

    def _uploaded(self, name: str, person: str) -> str:
        """Returns the ``mxc://`` URI of a sample, and uploads it first if needed."""
        sample = self._sample(name)
        media, token = self._record.media, self._record.tokens[person]
        while sample.sha256 not in media:
            mxc = self._reserved(sample, token)
            try:
                self._matrix.upload(token, mxc, name, sample.mimetype, sample.path.read_bytes())
            except MatrixError as refusal:
                if refusal.errcode == "M_NOT_FOUND":  # a created URI expires after a day
                    del self._record.reserved[sample.sha256]
                    continue
                if refusal.errcode != "M_CANNOT_OVERWRITE_MEDIA":  # uploaded, but interrupted before it was recorded
                    raise
            media[sample.sha256] = mxc
            self._save_record()
        return media[sample.sha256]

    def _reserved(self, sample: Sample, token: str) -> str:
        if sample.sha256 not in self._record.reserved:
            self._record.reserved[sample.sha256] = self._matrix.reserve(token)
            self._save_record()
        return self._record.reserved[sample.sha256]

    def _identify_media(self, content: dict[str, Any]) -> None:
        """Records which samples the media of an event's content are, by their hashes."""
        if "file" in content:
            self._record.encrypted[self._sample(content["filename"]).sha256] = content["file"]
        info = content.get("info") or {}
        for mxc in (content.get("avatar_url"), content.get("url"), info.get("thumbnail_url")):
            if mxc and mxc not in self._record.media.values():
                body = self._matrix.download(self._record.tokens[ORGANISER], mxc)
                self._record.media[hashlib.sha256(body).hexdigest()] = mxc

    # --- small things ------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, person: str, body: dict[str, Any] | None = None) -> Any:
        return self._matrix.call(method, path, self._record.tokens[person], body)

    def _user_id(self, person: str) -> str:
        return f"@{person}:{_server(self._record.user_id)}"

    def _sample(self, name: str) -> Sample:
        return self._samples[name].result()

    def _save_record(self) -> None:
        self._record.write(self._directory)


def _server(user_id: str) -> str:
    return user_id.partition(":")[2]


def _info(sample: Sample) -> dict[str, Any]:
    info: dict[str, Any] = {"mimetype": sample.mimetype, "size": sample.size}
    if sample.width:
        info |= {"w": sample.width, "h": sample.height}
    if sample.duration_ms:
        info["duration"] = sample.duration_ms
    if sample.kind == "image":
        with Image.open(sample.path) as picture:
            info[BLURHASH] = blurhash_of(picture, _BLURHASH_COMPONENTS, _BLURHASH_PIXELS)
    return info
