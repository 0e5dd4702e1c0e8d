"""Looks up media: in the database, one by one or many at once, and at other homeservers.

Uses Synapse's own functions, so that what Synapse's own download refuses is refused here too.
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
class StoredMedia:
    """A media in Synapse's media store: uploaded here, or fetched from another homeserver.

    :param origin: the name of the homeserver it was fetched from; ``None`` for a local media.
    :param file_id: its name in the media store.
    :param name: the file name that its uploader has chosen.
    :param length: in bytes.
    :param digest: the SHA-256 of its content, where Synapse has recorded it.
    :param url_cache: whether it is the image of a URL preview.
    """

    origin: str | None
    media_id: str
    file_id: str
    content_type: str
    name: str | None
    length: int
    digest: str | None
    url_cache: bool

    @property
    def file_info(self) -> FileInfo:
        """Identifies its file in Synapse's media store."""
        return FileInfo(self.origin, self.file_id, url_cache=self.url_cache)

    def thumbnail_file_info(self, info: ThumbnailInfo) -> FileInfo:
        """Identifies the file of one of its thumbnails in Synapse's media store."""
        return FileInfo(self.origin, self.file_id, url_cache=self.url_cache, thumbnail=info)


class _LocalMediaRow(NamedTuple):
    """The columns of a local media that are used here, with the names that `LocalMedia` gives them too."""

    media_id: str
    media_type: str | None
    media_length: int | None
    upload_name: str | None
    url_cache: str | None
    quarantined_by: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class MediaRecords:
    """The database's records of many local media and of their thumbnails, by media id."""

    media: Mapping[str, _LocalMediaRow]
    thumbnails: Mapping[str, list[ThumbnailInfo]]


class MediaLookup:
    """Looks up media in the database and at other homeservers."""

    def __init__(self, hs: HomeServer) -> None:
        self._store = hs.get_datastores().main
        self._repository = hs.get_media_repository()
        self._blocked_servers = hs.config.media.prevent_media_downloads_from
        self._is_mine = hs.is_mine_server_name

    def is_local(self, media: Media) -> bool:
        """Whether it belongs to this homeserver and not to another one."""
        return self._is_mine(media.server_name)

    async def find(self, request: SynapseRequest, media: Media, wait: bool) -> StoredMedia | None:
        """Finds a media; fetches one of another homeserver from there.

        :param wait: whether to wait for the upload of a media whose id is reserved. On a timeout, Synapse has sent the
            response.
        :returns: ``None`` for a media that has not been uploaded.
        :raises SynapseError: as Synapse's own download does.
        """
        if self.is_local(media):
            return await self._find_local(request, media.media_id, wait)
        return await self._find_remote(request, media.server_name, media.media_id)

    async def find_uploaded(self, request: SynapseRequest, media: Media) -> StoredMedia:
        """Finds a media, without waiting for its upload.

        :raises SynapseError: as Synapse's own download does, and 504 for a media that has not been uploaded.
        """
        stored = await self.find(request, media, wait=False)
        if stored is None:
            raise _not_yet_uploaded_error()
        return stored

    async def is_cached(self, media: Media) -> bool:
        """Whether a media of another homeserver has been fetched before."""
        return await self._store.get_cached_remote_media(media.server_name, media.media_id) is not None

    async def thumbnails(self, media: StoredMedia) -> list[ThumbnailInfo]:
        """Returns all stored thumbnails of a media."""
        if media.origin is None:
            return await self._store.get_local_media_thumbnails(media.media_id)
        return await self._store.get_remote_media_thumbnails(media.origin, media.media_id)

    async def select_many(self, batch: Iterable[Media]) -> MediaRecords:
        """Selects the records of all local media of a batch, and of thumbnails where one is requested.

        A query for each media would be most of what a bundle costs.
        """
        local = [media for media in batch if self.is_local(media)]
        rows = await self._store.db_pool.simple_select_many_batch(
            table="local_media_repository",
            column="media_id",
            iterable={media.media_id for media in local},
            retcols=_LocalMediaRow._fields,
            desc="media_links_look_up",
        )
        thumbnail_rows = await self._store.db_pool.simple_select_many_batch(
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
        thumbnails: dict[str, list[ThumbnailInfo]] = {}
        for media_id, *columns in thumbnail_rows:
            thumbnails.setdefault(media_id, []).append(ThumbnailInfo(*columns))
        return MediaRecords({row[0]: _LocalMediaRow(*row) for row in rows}, thumbnails)

    def from_records(self, records: MediaRecords, media: Media) -> StoredMedia:
        """Returns a local media from the records of its batch.

        :raises SynapseError: as ``find_uploaded`` does.
        """
        row = records.media.get(media.media_id)
        if row is None or row.quarantined_by:
            raise _not_found_error()
        if row.media_length is None:
            raise _not_yet_uploaded_error()
        return self._stored_local(row, row.media_length)

    async def _find_local(self, request: SynapseRequest, media_id: str, wait: bool) -> StoredMedia | None:
        info = await self._store.get_local_media(media_id)
        if info is None or info.quarantined_by:
            raise _not_found_error()
        if info.media_length is None:
            # Synapse waits for the upload, and sends the response itself on a timeout.
            info = (
                await self._repository.get_local_media_info(request, media_id, DEFAULT_MAX_TIMEOUT_MS) if wait else None
            )
            if info is None:
                return None
        assert info.media_length is not None, "it has been uploaded"
        return self._stored_local(info, info.media_length)

    def _stored_local(self, info: LocalMedia | _LocalMediaRow, length: int) -> StoredMedia:
        self._repository.mark_recently_accessed(None, info.media_id)
        return StoredMedia(
            origin=None,
            media_id=info.media_id,
            file_id=info.media_id,
            content_type=info.media_type or "application/octet-stream",
            name=info.upload_name,
            length=length,
            digest=info.sha256,
            url_cache=bool(info.url_cache),
        )

    async def _find_remote(self, request: SynapseRequest, server_name: str, media_id: str) -> StoredMedia:
        if server_name in self._blocked_servers:
            raise NotFoundError()
        try:
            # Fetches the media from its homeserver, once, within Synapse's limits on such downloads.
            info = await self._repository.get_remote_media_info(
                server_name,
                media_id,
                DEFAULT_MAX_TIMEOUT_MS,
                request.get_client_ip_if_available(),
                use_federation=True,
                allow_authenticated=True,
            )
        except FederationDeniedError:
            # Not its 403, on which clients would discard the link and request another one.
            raise NotFoundError() from None
        self._repository.mark_recently_accessed(server_name, media_id)
        return StoredMedia(
            origin=server_name,
            media_id=media_id,
            file_id=info.filesystem_id,
            content_type=info.media_type or "application/octet-stream",
            name=info.upload_name,
            length=info.media_length,
            digest=info.sha256,
            url_cache=False,
        )


def _not_found_error() -> SynapseError:
    return NotFoundError("There is no such media here")


def _not_yet_uploaded_error() -> SynapseError:
    return SynapseError(504, "This media has not been uploaded yet", Codes.NOT_YET_UPLOADED)
