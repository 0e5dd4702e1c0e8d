"""Opens media and thumbnails as files that are ready to be sent; creates thumbnails that are missing."""

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.http.site import SynapseRequest
from synapse.media._base import FileInfo, ThumbnailInfo
from synapse.media.thumbnailer import ANIMATED_THUMBNAIL_TYPE, ThumbnailProvider
from synapse.server import HomeServer
from synapse.util.async_helpers import Linearizer

from media_protocol.signing import Media, Thumbnail

from .local_files import LocalFiles
from .media_lookup import MediaLookup, MediaRecords, StoredMedia

# Called with the maximum size, in bytes, of a thumbnail before it is created; raises an error if it must not be.
Reserve = Callable[[int], None]


def _no_limit(max_bytes: int) -> None:
    """Allows thumbnails of any size."""


@dataclass(slots=True)
class OpenMedia:
    """A media or a thumbnail whose file is open.

    :param size: in bytes.
    :param name: the file name that the uploader has chosen; ``None`` for thumbnails.
    :param etag: a strong entity tag.
    """

    file: BinaryIO
    size: int
    content_type: str
    name: str | None
    etag: str


class FileDescription(NamedTuple):
    """A file of the media store that need not be on this machine; for the other fields see `OpenMedia`."""

    info: FileInfo
    size: int
    content_type: str
    name: str | None


class MediaOpener:
    """Looks up media and opens their files. The caller closes them."""

    def __init__(self, hs: HomeServer) -> None:
        self._repository = hs.get_media_repository()
        self._lookup = MediaLookup(hs)
        self._files = LocalFiles(hs)
        self._thumbnails = ThumbnailProvider(hs, self._repository, self._repository.media_storage)
        self._dynamic_thumbnails = hs.config.media.dynamic_thumbnails
        # Concurrent requests for one missing thumbnail: the first one creates it, the others wait.
        self._thumbnail_lock = Linearizer("media_links_thumbnail_lock", hs.get_clock())

    def is_local(self, media: Media) -> bool:
        """Whether it belongs to this homeserver and not to another one."""
        return self._lookup.is_local(media)

    async def find_when_uploaded(self, request: SynapseRequest, media: Media) -> StoredMedia | None:
        """Finds a media; waits for the upload of one whose id is reserved.

        :returns: ``None`` if Synapse has sent the response, because that upload has not begun in time.
        :raises SynapseError: as Synapse's own download does.
        """
        return await self._lookup.find(request, media, wait=True)

    async def describe(self, stored: StoredMedia, thumbnail: Thumbnail | None) -> FileDescription | None:
        """Describes the file of a media or a thumbnail without opening it.

        :returns: ``None`` for a thumbnail that has to be created first.
        :raises SynapseError: as Synapse's own download does.
        """
        if not thumbnail:
            return FileDescription(stored.file_info, stored.length, stored.content_type, stored.name)
        info = await self._select_thumbnail(stored, thumbnail)
        if info is None or not info.length:
            return None
        return FileDescription(stored.thumbnail_file_info(info), info.length, info.type, None)

    async def open_found(self, stored: StoredMedia, thumbnail: Thumbnail | None) -> OpenMedia:
        """Opens a media or a thumbnail that has been found.

        :raises SynapseError: as Synapse's own download does.
        """
        return await self._open(stored, thumbnail)

    async def open(self, request: SynapseRequest, media: Media, reserve: Reserve = _no_limit) -> OpenMedia:
        """Opens a media or a thumbnail, without waiting for an upload.

        :param reserve: called with the maximum size of a thumbnail, in bytes, before it is created. Its
            ``SynapseError`` prevents that.
        :raises SynapseError: as Synapse's own download does, and 504 for a media that has not been uploaded.
        """
        return await self._open(await self._lookup.find_uploaded(request, media), media.thumbnail, reserve)

    async def select_many(self, batch: Iterable[Media]) -> MediaRecords:
        """Selects the database's records of many media, for ``open_local``."""
        return await self._lookup.select_many(batch)

    async def open_local(self, request: SynapseRequest, media: Media, records: MediaRecords) -> OpenMedia | None:
        """Opens a media or a thumbnail whose file is on this machine's disk.

        :param records: of the batch that the media belongs to.
        :returns: ``None`` if a thumbnail has to be created, or a file has to be fetched, first.
        :raises SynapseError: as ``open`` does.
        """
        if self.is_local(media):
            stored = self._lookup.from_records(records, media)
            thumbnails = records.thumbnails.get(media.media_id, [])
        elif await self._lookup.is_cached(media):
            stored = await self._lookup.find_uploaded(request, media)
            thumbnails = await self._lookup.thumbnails(stored) if media.thumbnail else []
        else:
            return None
        if not media.thumbnail:
            file = self._files.open_local(stored.file_info, stored.length)
            return _open_original(stored, file) if file else None
        info = self._choose_thumbnail(stored, media.thumbnail, thumbnails)
        file = self._files.open_local(stored.thumbnail_file_info(info), info.length) if info else None
        return _open_thumbnail(stored, info, file) if info and file else None

    async def _open(self, stored: StoredMedia, thumbnail: Thumbnail | None, reserve: Reserve = _no_limit) -> OpenMedia:
        if thumbnail:
            return await self._open_or_create_thumbnail(stored, thumbnail, reserve)
        return _open_original(stored, await self._files.open(stored.file_info, stored.length))

    async def _open_or_create_thumbnail(self, stored: StoredMedia, requested: Thumbnail, reserve: Reserve) -> OpenMedia:
        info = await self._select_thumbnail(stored, requested)
        file = await self._open_stored_thumbnail(stored, info)
        if info is None or file is None:
            async with self._thumbnail_lock.queue((stored.origin, stored.file_id, requested)):
                info = await self._select_thumbnail(stored, requested) or _exact_thumbnail(requested)
                file = await self._open_stored_thumbnail(stored, info)
                if file is None:
                    reserve(_max_thumbnail_bytes(info))
                    file = await self._create_thumbnail(stored, info)
        return _open_thumbnail(stored, info, file)

    async def _select_thumbnail(self, stored: StoredMedia, requested: Thumbnail) -> ThumbnailInfo | None:
        return self._choose_thumbnail(stored, requested, await self._lookup.thumbnails(stored))

    def _choose_thumbnail(
        self, stored: StoredMedia, requested: Thumbnail, thumbnails: list[ThumbnailInfo]
    ) -> ThumbnailInfo | None:
        """Returns the stored thumbnail to send; ``None`` if one has to be created."""
        exact = _exact_thumbnail(requested)
        if self._dynamic_thumbnails:
            return next((info for info in thumbnails if _dimensions(info) == _dimensions(exact)), None)
        if not thumbnails:
            raise SynapseError(400, "There are no thumbnails of this media", Codes.UNKNOWN)
        chosen = self._thumbnails._select_thumbnail(
            requested.width,
            requested.height,
            requested.method,
            exact.type,
            thumbnails,
            stored.file_id,
            stored.url_cache,
            stored.origin,
        )
        if chosen is None:
            raise NotFoundError()
        return chosen.thumbnail

    async def _open_stored_thumbnail(self, stored: StoredMedia, info: ThumbnailInfo | None) -> BinaryIO | None:
        if info is None or not info.length:
            return None
        try:
            return await self._files.open_if_complete(stored.thumbnail_file_info(info), info.length)
        except SynapseError:
            return None  # the file has been deleted, or cannot be fetched: the thumbnail is created again

    async def _create_thumbnail(self, stored: StoredMedia, info: ThumbnailInfo) -> BinaryIO:
        size = (info.width, info.height, info.method, info.type)
        animated = info.type == ANIMATED_THUMBNAIL_TYPE
        await self._files.fetch(stored.file_info, stored.length)
        created: object
        if stored.origin is None:
            created = await self._repository.generate_local_exact_thumbnail(
                stored.media_id, *size, url_cache=stored.url_cache, animated=animated
            )
        else:
            created = await self._repository.generate_remote_exact_thumbnail(
                stored.origin, stored.file_id, stored.media_id, *size, animated=animated
            )
        if not created:
            raise SynapseError(400, "No thumbnail can be made of this media", Codes.UNKNOWN)
        return await self._files.open_created(stored.thumbnail_file_info(info))


def _open_original(stored: StoredMedia, file: BinaryIO) -> OpenMedia:
    etag = entity_tag(stored.digest or stored.origin, stored.file_id)
    return OpenMedia(file, stored.length, stored.content_type, stored.name, etag)


def _open_thumbnail(stored: StoredMedia, info: ThumbnailInfo, file: BinaryIO) -> OpenMedia:
    size = os.fstat(file.fileno()).st_size
    etag = entity_tag(stored.origin, stored.file_id, info.width, info.height, info.method, info.type, size)
    return OpenMedia(file, size, info.type, None, etag)


def entity_tag(*identity: object) -> str:
    """Returns a strong entity tag (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3) for what identifies a file."""
    digest = hashlib.sha256(repr(identity).encode()).digest()
    return f'"{urlsafe_b64encode(digest[:18]).decode("ascii")}"'


def _exact_thumbnail(requested: Thumbnail) -> ThumbnailInfo:
    """Returns the thumbnail that Synapse creates for these parameters, with an unknown length."""
    content_type = ANIMATED_THUMBNAIL_TYPE if requested.animated else "image/png"
    return ThumbnailInfo(requested.width, requested.height, requested.method, content_type, 0)


def _max_thumbnail_bytes(info: ThumbnailInfo) -> int:
    """Returns the maximum size of a thumbnail: that of an incompressible PNG of its dimensions.

    An animated thumbnail could have that for each of its frames. Their number is unknown before, but their compression
    is lossy.
    """
    return info.height * (1 + 4 * info.width) * 102 // 100 + 1024


def _dimensions(info: ThumbnailInfo) -> tuple[int, int, str, str]:
    return info.width, info.height, info.method, info.type
