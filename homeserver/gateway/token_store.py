"""The newest access token of each session, in memory and in an SQLite database behind it.

Several processes share the database. Tokens in it are sealed with the gateway's secret.
"""

import os
import sqlite3
import time
from collections import OrderedDict
from pathlib import Path

from media_protocol.signing import InvalidSignature, Keyring

_PURPOSE = "stored token"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    user_id TEXT NOT NULL, device_id TEXT NOT NULL, sealed TEXT NOT NULL, shown_s INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
) WITHOUT ROWID
"""
_MAX_AGE_S = 366 * 24 * 3600
_MEMORY_ENTRIES = 10_000
# Another process may have stored a newer token.
_MEMORY_S = 2.0


class TokenStore:
    """Stores one token for each user and device. The database is created when the first token is stored.

    :param path: of the database.
    """

    def __init__(self, path: Path, keyring: Keyring) -> None:
        self._path = path
        self._keyring = keyring
        self._database: sqlite3.Connection | None = None
        self._memory: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def close(self) -> None:
        """Closes the database."""
        if self._database:
            self._database.close()
            self._database = None

    def put(self, user_id: str, device_id: str, token: str) -> None:
        """Stores a token that the homeserver has just accepted, in the place of an older one."""
        if self.get(user_id, device_id) == token:
            return
        sealed = self._keyring.seal_token(token.encode(), _PURPOSE)
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", (user_id, device_id, sealed, int(time.time()))
            )
        self._remember(user_id, device_id, token)

    def get(self, user_id: str, device_id: str) -> str | None:
        """Returns the newest token; ``None`` if there is none that this keyring can open."""
        token, expires = self._memory.get((user_id, device_id), ("", 0.0))
        if time.monotonic() < expires:
            return token
        if self._database is None and not self._path.exists():
            return None
        row = (
            self._open()
            .execute("SELECT sealed FROM tokens WHERE user_id = ? AND device_id = ?", (user_id, device_id))
            .fetchone()
        )
        if row is None:
            return None
        try:
            token = self._keyring.open_token(row[0], _PURPOSE).decode()
        except InvalidSignature:
            return None
        self._remember(user_id, device_id, token)
        return token

    def _remember(self, user_id: str, device_id: str, token: str) -> None:
        self._memory[user_id, device_id] = token, time.monotonic() + _MEMORY_S
        self._memory.move_to_end((user_id, device_id))
        if len(self._memory) > _MEMORY_ENTRIES:
            self._memory.popitem(last=False)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(self._path, timeout=5)
            self._database.execute("PRAGMA journal_mode = WAL")
            with self._database:
                self._database.execute(_SCHEMA)
                self._database.execute("DELETE FROM tokens WHERE shown_s < ?", (int(time.time()) - _MAX_AGE_S,))
        return self._database
