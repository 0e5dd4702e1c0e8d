"""What seeding remembers from one time to the next, in files that only their owner can read."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from development.private_files import write_private

_RECORD = "record.json"
_PASSWORDS = "passwords.json"


@dataclass
class Record:
    """How far seeding has come. All of it can be found out again from the homeserver, only slower.

    :param user_id: the demonstration's account, once it is made.
    :param tokens: the access tokens of the accounts made so far, by name.
    :param reserved: ``mxc://…`` by a media's SHA-256, from just before its upload starts.
    :param lines: how many lines of the conversation are said: fewer than there are, where it has grown since.
    :param media: the same, once it is uploaded.
    :param encrypted: the ``EncryptedFile`` of what was uploaded encrypted, by the SHA-256 of what is in it.
    """

    user_id: str = ""
    room_id: str = ""
    complete: bool = False
    lines: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    reserved: dict[str, str] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    encrypted: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> "Record":
        """The record kept in a folder; a new one where there is none, or none that can be read."""
        try:
            return cls(**json.loads((directory / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, directory: Path) -> None:
        """Keeps the record in a folder."""
        write_private(directory / _RECORD, json.dumps(asdict(self), indent=1))


def passwords(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """The accounts' passwords by name: random, made the first time."""
    path = directory / _PASSWORDS
    if not path.exists():
        write_private(path, json.dumps({name: secrets.token_urlsafe(18) for name in names}, indent=1))
    return dict(json.loads(path.read_text(encoding="utf-8")))
