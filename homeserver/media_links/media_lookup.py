"""Finds media: in the database, one by one or many at once, and at other homeservers.

What Synapse's own download refuses is refused here with Synapse's own functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from synapse.api.errors import Codes, FederationDeniedError, NotFoundError, SynapseError
from synapse.http.site import SynapseRequest
from synapse.media._base import DEFAULT_MAX_TIMEOUT_MS, FileInfo, ThumbnailInfo
from synapse.server import HomeServer
from synapse.storage.databases.main.media_repository import LocalMedia

from media_protocol.signing import Media


@dataclass(frozen=True, slots=True)
class Original:
    """A media in Synapse's store: local, or fetched from another server."""

    origin: str | None
    media_id: str
    file_id: str
    content_type: str
    name: str | None
    length: int
    digest: str | None
    url_cache: bool

    @property
    def file(self) -> FileInfo:
        """Synapse's name for its file."""
        return FileInfo(self.origin, self.file_id, url_cache=self.url_cache)

    def thumbnail_file(self, info: ThumbnailInfo) -> FileInfo:
        """Synapse's name for the file of a thumbnail of it."""
        return FileInfo(self.origin, self.file_id, url_cache=self.url_cache, thumbnail=info)


class _Row(NamedTuple):
    """Of a local media what is needed here; its fields are called as those of `LocalMedia`, and as the columns."""

    media_id: str
    media_type: str | None
    media_length: int | None
    upload_name: str | None
    url_cache: str | None
    quarantined_by: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """What the database knew of many media of this homeserver when it was asked for all of them together."""

    media: Mapping[str, _Row]
    thumbnails: Mapping[str, list[ThumbnailInfo]]


class Finder:
    """Finds media."""

    def __init__(self, hs: HomeServer) -> None:
        self._store = hs.get_datastores().main
        self._repository = hs.get_media_repository()
        self._refused_servers = hs.config.media.prevent_media_downloads_from
        self._is_mine = hs.is_mine_server_name

    def is_mine(self, media: Media) -> bool:
        """Whether it was uploaded here rather than at another server."""
        return self._is_mine(media.server_name)

    async def find(self, request: SynapseRequest, media: Media, wait: bool) -> Original | None:
        """Finds a media; gives nothing for one that is announced but not uploaded.

        :param wait: whether to wait for its upload; then Synapse has answered where it waited in vain.
        :raises SynapseError: for what Synapse's own download refuses too.
        """
        if self.is_mine(media):
            return await self._find_local(request, media.media_id, wait)
        return await self._find_remote(request, media.server_name, media.media_id)

    async def find_uploaded(self, request: SynapseRequest, media: Media) -> Original:
        """As ``find``, without waiting.

        :raises SynapseError: also for what is announced but not uploaded.
        """
        original = await self.find(request, media, wait=False)
        if original is None:
            raise _not_uploaded()
        return original

    async def is_cached(self, media: Media) -> bool:
        """Whether a media of another server has been fetched from there already."""
        return await self._store.get_cached_remote_media(media.server_name, media.media_id) is not None

    async def thumbnails(self, original: Original) -> list[ThumbnailInfo]:
        """All thumbnails of a media that are stored."""
        if original.origin is None:
            return await self._store.get_local_media_thumbnails(original.media_id)
        return await self._store.get_remote_media_thumbnails(original.origin, original.media_id)

    async def look_up(self, wanted: Iterable[Media]) -> Records:
        """Asks the database for many media, and for thumbnails where one is wanted; other servers' are left out.

        To ask for each by itself would be most of what a bundle costs.
        """
        local = [media for media in wanted if self.is_mine(media)]
        rows = await self._store.db_pool.simple_select_many_batch(
            table="local_media_repository",
            column="media_id",
            iterable={media.media_id for media in local},
            retcols=_Row._fields,
            desc="media_links_look_up",
        )
        thumbnails = await self._store.db_pool.simple_select_many_batch(
            table="local_media_repository_thumbnails",
            column="media_id",
            iterable={media.media_id for media in local if media.thumbnail},
            retcols=(
                "media_id",
                "thumbnail_width",
                "thumbnail_height",
                "thumbnail_method",
                "thumbnail_type",
                "thumbnail_length",
            ),
            desc="media_links_look_up_thumbnails",
        )
        stored: dict[str, list[ThumbnailInfo]] = {}
        for media_id, *columns in thumbnails:
            stored.setdefault(media_id, []).append(ThumbnailInfo(*columns))
        return Records({row[0]: _Row(*row) for row in rows}, stored)

    def recorded(self, records: Records, media: Media) -> Original:
        """A media of this homeserver, from what was looked up.

        :raises SynapseError: as ``find_uploaded`` does.
        """
        row = records.media.get(media.media_id)
        if row is None or row.quarantined_by:
            raise _missing()
        if row.media_length is None:
            raise _not_uploaded()
        return self._local(row, row.media_length)

    async def _find_local(self, request: SynapseRequest, media_id: str, wait: bool) -> Original | None:
        info = await self._store.get_local_media(media_id)
        if info is None or info.quarantined_by:
            raise _missing()
        if info.media_length is None:
            # Announced, and perhaps being uploaded: Synapse waits a while, and answers where it waited in vain.
            info = (
                await self._repository.get_local_media_info(request, media_id, DEFAULT_MAX_TIMEOUT_MS) if wait else None
            )
            if info is None:
                return None
        assert info.media_length is not None, "it has been uploaded"
        return self._local(info, info.media_length)

    def _local(self, info: LocalMedia | _Row, length: int) -> Original:
        self._repository.mark_recently_accessed(None, info.media_id)
        return Original(
            origin=None,
            media_id=info.media_id,
            file_id=info.media_id,
            content_type=info.media_type or "application/octet-stream",
            name=info.upload_name,
            length=length,
            digest=info.sha256,
            url_cache=bool(info.url_cache),
        )

    async def _find_remote(self, request: SynapseRequest, server_name: str, media_id: str) -> Original:
        if server_name in self._refused_servers:
            raise NotFoundError()
        try:
            # Fetches the media from its server, once, and within Synapse's limits on such downloads.
            info = await self._repository.get_remote_media_info(
                server_name,
                media_id,
                DEFAULT_MAX_TIMEOUT_MS,
                request.get_client_ip_if_available(),
                use_federation=True,
                allow_authenticated=True,
            )
        except FederationDeniedError:
            # Not its 403: to clients that means that the link is dead, and that another one would help.
            raise NotFoundError() from None
        self._repository.mark_recently_accessed(server_name, media_id)
        return Original(
            origin=server_name,
            media_id=media_id,
            file_id=info.filesystem_id,
            content_type=info.media_type or "application/octet-stream",
            name=info.upload_name,
            length=info.media_length,
            digest=info.sha256,
            url_cache=False,
        )


def _missing() -> SynapseError:
    return NotFoundError("There is no such media here")


def _not_uploaded() -> SynapseError:
    return SynapseError(504, "This media has not been uploaded yet", Codes.NOT_YET_UPLOADED)
