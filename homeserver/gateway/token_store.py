"""The newest access token of each session, in memory and in a database behind it, which several processes share.

The database is SQLite in the state's folder, or Redis, or its successor Valkey. Tokens in it are sealed with the
gateway's secret.
"""

import hashlib
import importlib
import json
import logging
import os
import sqlite3
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

from media_protocol.signing import InvalidSignature, Keyring

from .config import ConfigError
from .errors import MatrixError

logger = logging.getLogger(__name__)

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
_REDIS_TIMEOUT_S = 2.0
# A connection that was kept may have been closed by the server.
_REDIS_RETRIES = 1


class TokenDatabase(Protocol):
    """Stores one sealed token for each user and device."""

    async def put(self, user_id: str, device_id: str, sealed: str) -> None:
        """Stores a token in the place of an older one."""

    async def get(self, user_id: str, device_id: str) -> str | None:
        """Returns the newest token, if there is one."""

    async def close(self) -> None:
        """Closes connections and files."""


class TokenStore:
    """Seals tokens, and keeps those that were used of late in memory."""

    def __init__(self, database: TokenDatabase, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._memory: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    async def close(self) -> None:
        """Closes the database."""
        await self._database.close()

    async def put(self, user_id: str, device_id: str, token: str) -> None:
        """Stores a token that the homeserver has just accepted, in the place of an older one.

        :raises MatrixError: 503 if the database cannot be reached.
        """
        if await self.get(user_id, device_id) == token:
            return
        await self._database.put(user_id, device_id, self._seal(user_id, device_id, token))
        self._remember(user_id, device_id, token)

    async def get(self, user_id: str, device_id: str, *, from_memory: bool = True) -> str | None:
        """Returns the newest token; ``None`` if there is none that this keyring can open.

        :param from_memory: whether one will do that was the newest two seconds ago.
        :raises MatrixError: 503 if the database cannot be reached.
        """
        token, expires = self._memory.get((user_id, device_id), ("", 0.0))
        if from_memory and time.monotonic() < expires:
            return token
        sealed = await self._database.get(user_id, device_id)
        if sealed is None:
            return None
        try:
            token = self._keyring.open_token(sealed, _purpose(user_id, device_id)).decode()
        except InvalidSignature:
            return None
        self._remember(user_id, device_id, token)
        return token

    def _seal(self, user_id: str, device_id: str, token: str) -> str:
        return self._keyring.seal_token(token.encode(), _purpose(user_id, device_id))

    def _remember(self, user_id: str, device_id: str, token: str) -> None:
        self._memory[user_id, device_id] = token, time.monotonic() + _MEMORY_S
        self._memory.move_to_end((user_id, device_id))
        if len(self._memory) > _MEMORY_ENTRIES:
            self._memory.popitem(last=False)


def _purpose(user_id: str, device_id: str) -> str:
    """Returns what a token is sealed for: a writer of the database cannot give one user's token to another."""
    return "stored token " + json.dumps([user_id, device_id])


class SqliteDatabase:
    """An SQLite database, created when the first token is stored.

    :param path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    async def close(self) -> None:
        """Closes the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    async def put(self, user_id: str, device_id: str, sealed: str) -> None:
        """Stores a token in the place of an older one."""
        with self._open() as connection:
            row = (user_id, device_id, sealed, int(time.time()))
            connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", row)

    async def get(self, user_id: str, device_id: str) -> str | None:
        """Returns the newest token, if there is one."""
        if self._connection is None and not self._path.exists():
            return None
        query = "SELECT sealed FROM tokens WHERE user_id = ? AND device_id = ?"
        row = self._open().execute(query, (user_id, device_id)).fetchone()
        return None if row is None else str(row[0])

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(self._path, timeout=5)
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self._connection:
                self._connection.execute(_SCHEMA)
                self._connection.execute("DELETE FROM tokens WHERE shown_s < ?", (int(time.time()) - _MAX_AGE_S,))
        return self._connection


class RedisDatabase:
    """A Redis or Valkey, for processes on several machines.

    :param url: ``redis://``, ``rediss://`` or ``unix://``.
    :raises ConfigError: if the package ``redis`` is missing, or does not know such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            # As a name, because the package is optional.
            module: Any = importlib.import_module("redis.asyncio")
            retry: Any = importlib.import_module("redis.asyncio.retry")
            backoff: Any = importlib.import_module("redis.backoff")
        except ImportError:
            raise ConfigError("'redis' needs the package redis; install authmedia-gateway[redis]") from None
        try:
            self._redis = module.from_url(
                url,
                decode_responses=True,
                socket_timeout=_REDIS_TIMEOUT_S,
                socket_connect_timeout=_REDIS_TIMEOUT_S,
                retry=retry.Retry(backoff.NoBackoff(), _REDIS_RETRIES),
            )
        except ValueError as error:
            raise ConfigError(f"'redis' must be such a URL as 'redis://localhost:6379/0': {error}") from None
        self._errors: tuple[type[Exception], ...] = (module.RedisError, OSError)

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def put(self, user_id: str, device_id: str, sealed: str) -> None:
        """Stores a token in the place of an older one.

        :raises MatrixError: 503 if Redis does not answer.
        """
        try:
            await self._redis.set(_redis_key(user_id, device_id), sealed, ex=_MAX_AGE_S)
        except self._errors as error:
            raise _unreachable(error) from None

    async def get(self, user_id: str, device_id: str) -> str | None:
        """Returns the newest token, if there is one.

        :raises MatrixError: 503 if Redis does not answer.
        """
        try:
            sealed = await self._redis.get(_redis_key(user_id, device_id))
        except self._errors as error:
            raise _unreachable(error) from None
        return None if sealed is None else str(sealed)


def _redis_key(user_id: str, device_id: str) -> str:
    """Returns a key that names no user to those who see the keys alone."""
    return "authmedia:token:" + hashlib.sha256(f"{user_id} {device_id}".encode()).hexdigest()


def _unreachable(error: Exception) -> MatrixError:
    logger.warning("Redis does not answer: %s", type(error).__name__)
    return MatrixError(503, "M_UNKNOWN", "The gateway cannot look up sessions at the moment")
