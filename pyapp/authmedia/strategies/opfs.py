"""`opfs`: transfers each media once into the origin private file system and shows it from there.

Use it where users come back: bodies are streamed to disk, a reload transfers nothing, and rooms are there without a
network. Private windows of Firefox and Safari refuse the storage.
"""

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    EmptyMedia,
    FileRemoved,
    HomeserverUnreachable,
    PolicyRefused,
    QuotaExceeded,
    ServerFailure,
    StorageRefused,
    WrongContent,
)
from authmedia.matrix.http import request_url
from authmedia.media import (
    DISK,
    NETWORK,
    RELOAD,
    SVG_TYPE,
    UNKNOWN_TYPE,
    Media,
    MediaRequest,
    Support,
    is_svg,
    shown_content_type,
)
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.completeness import complete_body
from authmedia.transport.file_store import FileStore
from authmedia.transport.media_requests import request_media
from authmedia.transport.object_urls import safe_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy


class OpfsStrategy(Strategy):
    """Streams each body to a file of the origin private file system and opens it as an object URL.

    https://developer.mozilla.org/docs/Web/API/File_System_API/Origin_private_file_system
    """

    name = "opfs"

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._store = FileStore(homeserver.account_key)

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Sets the budget of the disk."""
        if limits:
            self._store.budget = limits.disk_bytes

    async def support(self) -> Support:
        """Opens the directory, writes a file, reads it and removes it."""
        try:
            await self._store.probe()
        except browser.BrowserError as error:
            return Support(False, error.words)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Opens the stored file, else streams one authenticated request to disk; two tabs never transfer it twice."""
        try:
            async with self._store.write_lock(request.key):
                stored = None if request.cache == RELOAD else await self._from_disk(request, traffic)
                return stored or await self._from_network(request, traffic)
        except browser.BrowserError as error:
            failure = _storage_failure(error, request)
        raise failure

    async def open_stored(self, request: MediaRequest, traffic: Traffic) -> Media | None:
        """Opens the stored file, if there is one."""
        try:
            async with self._store.write_lock(request.key):
                return await self._from_disk(request, traffic)
        except browser.BrowserError as error:
            failure = _storage_failure(error, request)
        raise failure

    def dispose(self, media: Media) -> None:
        """Revokes the object URL; the file stays, and may be evicted from now on."""
        browser.revoke_object_url(media.src)
        self._store.unpin(media.request.key)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Checks whether the file is still there: another tab may have evicted it, or logged out.

        A file that no element can show is removed, since it may be a wrong answer, such as a network's sign-in page.
        """
        try:
            (await request_url(media.src, cache="default")).abort()
        except HomeserverUnreachable as error:
            return FileRemoved("The file was removed from this device", mxc=media.request.mxc, words=error.words)
        except PolicyRefused:
            pass  # whether it is there cannot be told
        failure = await super().diagnose(media, words)
        if type(failure) in (WrongContent, EmptyMedia):  # else it is a file of another format, which can be saved
            await self.clear(media.request)
        return failure

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes the file of one media, or all of this account's."""
        try:
            await self._store.remove(request.key if request else None)
        except browser.BrowserError as error:
            failure = _storage_failure(error, request)
        else:
            return
        raise failure

    async def _from_disk(self, request: MediaRequest, traffic: Traffic, written: bool = False) -> Media | None:
        stored = await self._store.read(request.key, written)
        if not stored:
            return None
        shown = await safe_body(request, stored.body, stored.content_type)
        self._store.pin(request.key)
        return Media(
            request,
            shown.create_object_url(),
            strategy=self.name,
            source=DISK,
            traffic=traffic,
            content_type=shown.content_type,
            size=stored.body.size,
        )

    async def _from_network(self, request: MediaRequest, traffic: Traffic) -> Media:
        response = await request_media(self.homeserver, request, traffic)
        by_server = response.header("Content-Type")
        content_type = shown_content_type(request.kind, by_server, request.content_type)
        if content_type == UNKNOWN_TYPE and is_svg(by_server, request.content_type):
            content_type = SVG_TYPE  # which is contained when it is read
        try:
            if response.content_length is None:  # a stored file is known as complete by its length
                response = browser.blob_response(await complete_body(response, traffic.on_progress, request.kind))
            await self._store.write(request.key, content_type, response, traffic.on_progress)
        finally:
            traffic.partial = response.partial
            response.abort()  # where the storage refused before the body was read
        media = await self._from_disk(request, traffic, True)
        if not media:
            raise ServerFailure("The body is not as long as it should be", mxc=request.mxc)
        media.source = NETWORK
        traffic.bytes += media.size
        return media


def _storage_failure(error: browser.BrowserError, request: MediaRequest | None) -> AuthMediaError:
    mxc = request.mxc if request else ""
    if error.name == "QuotaExceededError":
        return QuotaExceeded("The browser's storage is full", mxc=mxc, words=error.words)
    if error.name in browser.TRANSFER_ERRORS:
        return HomeserverUnreachable("The transfer broke off", mxc=mxc, words=error.words)
    return StorageRefused("The origin private file system refused", mxc=mxc, words=error.words)


STRATEGY = OpfsStrategy
