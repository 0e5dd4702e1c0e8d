"""The homeservers of the comparison beside the demonstration's: copies with its accounts, rooms and media."""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from development.synapse import Synapse
from tests.evidence.compare.results import GATEWAY, RANGES, REDIRECTING
from tests.gateway.process import Gateway
from tests.homeserver.s3_storage import BUCKET, S3Storage
from tests.relay import free_port

# The client has the same access token for as long as a comparison takes.
_TOKEN_LIFETIME = {"refreshable_access_token_lifetime": "1d"}


def copied_homeserver(
    original: Synapse, directory: Path, module_config: dict[str, Any] | None, **extra_config: Any
) -> Synapse:
    """Returns a homeserver, not yet started, with all data of another one, which may be running.

    :param directory: of the copy; what is there is deleted.
    :param module_config: ``None`` for a homeserver without the module.
    """
    shutil.rmtree(directory, ignore_errors=True)
    ignored = shutil.ignore_patterns("homeserver.db*", "*.log", "*.pid")
    shutil.copytree(original.directory, directory, ignore=ignored)
    with (
        closing(sqlite3.connect(original.directory / "homeserver.db")) as source,
        closing(sqlite3.connect(directory / "homeserver.db")) as target,
    ):
        source.backup(target)
    extra = {**_TOKEN_LIFETIME, **extra_config, **({"modules": []} if module_config is None else {})}
    return Synapse(directory, free_port(), module_config=module_config, extra_config=extra)


class Servers:
    """Starts each homeserver when its URL is first requested.

    :param original: the demonstration's homeserver.
    :param stack: stops them.
    """

    def __init__(self, original: Synapse, state: Path, stack: ExitStack) -> None:
        self._original = original
        self._state = state
        self._stack = stack
        self._urls: dict[str, str] = {}
        self._starts = {RANGES: self._with_ranges, GATEWAY: self._behind_gateway, REDIRECTING: self._redirecting}

    def url(self, place: str) -> str:
        """Returns the URL of a homeserver.

        :param place: one of `SERVERS`.
        """
        if place not in self._urls:
            self._urls[place] = self._starts[place](self._state / place)
        return self._urls[place]

    def _with_ranges(self, directory: Path) -> str:
        module = {"native_ranges": True, "cookie": True, "signed_query": True}
        return self._stack.enter_context(copied_homeserver(self._original, directory, module)).base_url

    def _behind_gateway(self, directory: Path) -> str:
        plain = self._stack.enter_context(copied_homeserver(self._original, directory / "homeserver", None))
        shutil.rmtree(directory / "gateway", ignore_errors=True)
        return self._stack.enter_context(Gateway(directory / "gateway", plain.base_url)).url

    def _redirecting(self, directory: Path) -> str:
        storage = self._stack.enter_context(S3Storage())
        provider = storage.provider()
        # The strategy is probed with the avatar, which is small.
        module = {"offload": "redirect", "offload_downloads": True, "offload_min_bytes": 1}
        synapse = copied_homeserver(self._original, directory, module, media_storage_providers=[provider])
        store = synapse.directory / "media"
        for path in store.rglob("*"):
            if path.is_file():
                key = provider["config"]["prefix"] + path.relative_to(store).as_posix()
                storage.client.upload_file(str(path), BUCKET, key)
        return self._stack.enter_context(synapse).base_url
