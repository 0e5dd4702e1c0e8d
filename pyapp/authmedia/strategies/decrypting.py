"""What every strategy gets around it: decryption, and transfers that nothing caches.

Of an encrypted media the strategy transfers the ciphertext; elements get an object URL of the plaintext.
"""

from authmedia import browser
from authmedia.errors import AuthMediaError, DecryptionRefused, HomeserverUnreachable, WrongHash
from authmedia.media import DISK, MEMORY, NO_STORE, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import request_media
from authmedia.transport.object_urls import request_as_object_url, safe_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy


class DecryptingStrategy(Strategy):
    """Adds decryption to a strategy, whose caches contain ciphertexts alone; and the cache policy ``no-store``.

    https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments

    :param inner: the strategy that transfers the ciphertext.
    """

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.homeserver)
        self.inner = inner
        self.name = inner.name
        self.retries = inner.retries
        # The object URLs of bodies that were transferred past the strategy.
        self._unstored: set[str] = set()
        # By object URL of the plaintext, the ciphertext's media: disposed of, but it is still measured.
        self._ciphertexts: dict[str, Media] = {}

    def transfers_body_of(self, request: MediaRequest) -> bool:
        """Returns ``True`` for what is encrypted or must not be stored, else what the strategy says."""
        return bool(request.encrypted) or request.cache == NO_STORE or self.inner.transfers_body_of(request)

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether the strategy accepts the ciphertext."""
        return self.inner.accepts(request.ciphertext_request() if request.encrypted else request)

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Passes them on to the strategy."""
        self.inner.configure(limits, retry)

    async def support(self) -> Support:
        """Tries the strategy; decryption works in every secure context."""
        return await self.inner.support()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Opens, verifies and decrypts an encrypted media; passes others on to the strategy."""
        if not request.encrypted:
            return await self._open(request, traffic)
        ciphertext = await self._open(request.ciphertext_request(), traffic)
        if ciphertext.source == DISK:
            try:
                return await self._decrypt(request, ciphertext, traffic)
            except WrongHash:
                # The file on this device was modified; the homeserver's may be intact.
                await self.inner.clear(ciphertext.request)
            ciphertext = await self.inner.open(request.ciphertext_request(), traffic)
        return await self._decrypt(request, ciphertext, traffic)

    async def open_stored(self, request: MediaRequest, traffic: Traffic) -> Media | None:
        """Opens what the strategy has stored, and decrypts it."""
        if not request.encrypted:
            return await self.inner.open_stored(request, traffic)
        ciphertext = await self.inner.open_stored(request.ciphertext_request(), traffic)
        return await self._decrypt(request, ciphertext, traffic) if ciphertext else None

    def dispose(self, media: Media) -> None:
        """Revokes the object URL of a plaintext, or of what must not be stored."""
        if self._ciphertexts.pop(media.src, None):
            browser.revoke_object_url(media.src)
        elif media.src in self._unstored:
            self._unstored.remove(media.src)
            browser.revoke_object_url(media.src)
        else:
            self.inner.dispose(media)

    async def measure(self, media: Media) -> bool:
        """Measures the ciphertext."""
        ciphertext = self._ciphertexts.get(media.src)
        if media.request.cache == NO_STORE:
            return True
        if not ciphertext:
            return await self.inner.measure(media)
        complete = await self.inner.measure(ciphertext)
        if media.source != MEMORY:  # else another element had it first
            media.source = ciphertext.source
        return complete

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Returns `WrongContent` for a body that this page has transferred whole; passes others on to the strategy."""
        if media.src in self._ciphertexts or media.src in self._unstored:
            return await super().diagnose(media, words)
        return await self.inner.diagnose(media, words)

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes the ciphertext of one media, or all that is cached or stored."""
        await self.inner.clear(request.ciphertext_request() if request and request.encrypted else request)

    def close(self) -> None:
        """Closes the strategy."""
        self.inner.close()

    async def _open(self, request: MediaRequest, traffic: Traffic) -> Media:
        if request.cache != NO_STORE:
            if request.max_bytes is not None and not self.inner.transfers_body_of(request):
                # An element would transfer it, whatever its size.
                (await request_media(self.homeserver, request, traffic)).abort()
            return await self.inner.open(request, traffic)
        media = await request_as_object_url(self.homeserver, request, traffic, self.name)
        self._unstored.add(media.src)
        return media

    async def _decrypt(self, request: MediaRequest, ciphertext: Media, traffic: Traffic) -> Media:
        try:
            plaintext = await self._plaintext(request, ciphertext)
        finally:
            self.dispose(ciphertext)
        shown = await safe_body(request, plaintext, "")
        media = Media(
            request,
            shown.create_object_url(),
            strategy=self.name,
            source=ciphertext.source,
            traffic=traffic,
            content_type=shown.content_type,
            size=plaintext.size,
        )
        self._ciphertexts[media.src] = ciphertext
        return media

    async def _plaintext(self, request: MediaRequest, ciphertext: Media) -> browser.Blob:
        assert request.encrypted
        encrypted = request.encrypted
        failure: AuthMediaError
        response: browser.Response | None = None
        try:
            if ciphertext.src in self._unstored:
                response = await super().request_ciphertext(ciphertext)
            else:
                response = await self.inner.request_ciphertext(ciphertext)
            on_progress = ciphertext.traffic.on_progress
            plaintext = await response.decrypt(encrypted.key, encrypted.counter, encrypted.sha256, on_progress)
            if plaintext:
                return plaintext
            failure = WrongHash("The ciphertext has another SHA-256 than the event says", mxc=request.mxc)
        except browser.BrowserError as error:
            if error.name in browser.TRANSFER_ERRORS:
                ciphertext.traffic.partial = response.partial if response else None
                failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
            else:
                failure = DecryptionRefused("The browser does not decrypt this", mxc=request.mxc, words=error.words)
        except AuthMediaError as error:
            failure = error.for_media(request.mxc)
        raise failure
