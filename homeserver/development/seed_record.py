"""The persistent state of seeding, in files that only their owner can read."""

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
    """The progress of seeding. If it is lost, seeding recovers it from the homeserver, more slowly.

    :param user_id: the demonstration's account, once registered.
    :param complete: whether seeding has completed.
    :param lines: number of lines of the conversation sent; less than all if the conversation has grown since.
    :param tokens: access tokens of the registered accounts, by name.
    :param reserved: ``mxc://`` URIs created for uploads, by SHA-256 of the content.
    :param media: ``mxc://`` URIs of completed uploads, by SHA-256 of the content.
    :param encrypted: ``EncryptedFile`` of encrypted uploads, by SHA-256 of the plaintext.
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
        """Reads the record from a folder; returns a new one if there is none or it is unreadable."""
        try:
            return cls(**json.loads((directory / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, directory: Path) -> None:
        """Writes the record into a folder."""
        write_private(directory / _RECORD, json.dumps(asdict(self), indent=1))


def passwords(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """Returns the accounts' passwords by name, generated on first use."""
    path = directory / _PASSWORDS
    if not path.exists():
        write_private(path, json.dumps({name: secrets.token_urlsafe(18) for name in names}, indent=1))
    return dict(json.loads(path.read_text(encoding="utf-8")))
