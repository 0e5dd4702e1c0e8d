"""Makes presigned URLs of files in an S3 storage, which the package ``synapse-s3-storage-provider`` gives to Synapse.

A presigned URL grants one object for a limited time, without credentials
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html). The storage signs and stores nothing:
making one costs no request, but for the first of each file, which looks whether the storage has all of it.
"""

import logging
from collections.abc import Iterable
from typing import Any

from synapse.config._base import ConfigError
from synapse.logging.context import defer_to_threadpool
from synapse.media._base import FileInfo
from synapse.server import HomeServer
from synapse.util.caches.response_cache import ResponseCache
from synapse.util.duration import Duration

logger = logging.getLogger(__name__)

# How long the size of a file in the storage is cached. A file that is uploaded later than it is first requested is sent
# by Synapse until then.
_SIZE_CACHE = Duration(minutes=10)
_METHODS = {b"GET": "get_object", b"HEAD": "head_object"}


def require_provider(hs: HomeServer) -> None:
    """Checks that there is a storage provider whose files can have presigned URLs.

    :raises ConfigError: if there is none.
    """
    configured = hs.config.media.media_storage_providers
    usable = [parsed for provider, parsed, _ in configured if hasattr(provider, "_get_s3_client")]
    if not usable:
        raise ConfigError(
            "media_links: 'offload: redirect' needs a storage in 'media_storage_providers' that makes presigned URLs: "
            "s3_storage_provider.S3StorageProviderBackend"
        )
    if "SSECustomerKey" in usable[0]["extra_args"]:
        raise ConfigError("media_links: 'offload: redirect' cannot be used with 'sse_customer_key', which clients lack")


class PresignedUrls:
    """Makes the presigned URLs of one S3 storage.

    :param endpoint: the storage's address for clients, if it differs from the one that Synapse uses.
    """

    def __init__(self, hs: HomeServer, endpoint: str | None) -> None:
        self._reactor = hs.get_reactor()
        self._storage = hs.get_media_repository().media_storage
        # `require_provider` has found it.
        self._provider: Any = _find(self._storage.storage_providers)
        self._backend: Any = self._provider.backend
        self._endpoint = endpoint
        self._client: Any = None
        self._sizes: ResponseCache[str] = ResponseCache(
            clock=hs.get_clock(), name="media_links_storage_sizes", server_name=hs.hostname, timeout=_SIZE_CACHE
        )

    async def make(self, method: bytes, info: FileInfo, size: int, valid_s: int, headers: dict[str, str]) -> str | None:
        """Returns a URL of a file.

        :param method: of the request that the URL is for.
        :param size: of the complete file, in bytes.
        :param valid_s: for how many seconds the URL is valid.
        :param headers: of the storage's response: its type, disposition and caching.
        :returns: ``None`` if the storage does not have the file, or not all of it.
        """
        if await self.stored_size(info) != size:
            return None
        key = self._key(info)
        overrides = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        url: str = await self._in_thread(self._sign, _METHODS[method], key, valid_s, overrides)
        return url

    async def stored_size(self, info: FileInfo) -> int | None:
        """Returns how many bytes of a file the storage has; ``None`` if it has none, or does not say."""
        if not self._may_have(info):
            return None
        key = self._key(info)
        size: int | None = await self._sizes.wrap(key, self._in_thread, self._request_size, key)
        return size

    def _key(self, info: FileInfo) -> str:
        key: str = self._backend.prefix + self._storage._file_info_to_path(info)
        return key

    def _may_have(self, info: FileInfo) -> bool:
        """Whether Synapse is configured to store files of this kind there."""
        stored: bool = self._provider.store_remote if info.server_name else self._provider.store_local
        return stored and not info.url_cache

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        """Runs a function in one of the provider's threads: for credentials too it may use the network."""
        return await defer_to_threadpool(self._reactor, self._backend._s3_pool, function, *arguments)

    def _request_size(self, key: str) -> int | None:
        try:
            size: int = self._backend._get_s3_client().head_object(Bucket=self._backend.bucket, Key=key)[
                "ContentLength"
            ]
            return size
        except Exception as error:
            # Its client raises errors of types that are made at run time. Synapse sends the file instead.
            logger.info("The storage does not have %s: %s", key, error)
            return None

    def _sign(self, operation: str, key: str, valid_s: int, overrides: dict[str, str]) -> str:
        if self._client is None:
            self._client = self._make_client()
        parameters = {"Bucket": self._backend.bucket, "Key": key, **overrides}
        url: str = self._client.generate_presigned_url(operation, Params=parameters, ExpiresIn=valid_s)
        return url

    def _make_client(self) -> Any:
        """Returns a client like the provider's own, that signs for the storage's address for clients.

        The signature covers the host name, so that it cannot be replaced afterwards. The older signature, which is
        the default in some regions, does not cover the headers of the response.
        """
        import boto3
        from botocore.config import Config

        # At the level DEBUG it logs each signature.
        logging.getLogger("botocore.auth").setLevel(logging.INFO)
        options = dict(self._backend.api_kwargs)
        options["config"] = options.get("config", Config()).merge(Config(signature_version="s3v4"))
        if self._endpoint:
            options["endpoint_url"] = self._endpoint
        return boto3.session.Session().client("s3", **options)


def _find(providers: Iterable[Any]) -> Any:
    return next(provider for provider in providers if hasattr(provider.backend, "_get_s3_client"))
