"""Encrypted media through any strategy: its way brings the ciphertext, and what elements get is an object URL."""

from authmedia import browser
from authmedia.errors import AuthMediaError, DecryptionRefused, HomeserverUnreachable, WrongHash
from authmedia.media import DISK, MEMORY, Media, MediaRequest, Support, safe_content_type
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic


class Decrypting(Strategy):
    """A strategy that also opens what is encrypted. What the strategy keeps, on disk or in a cache, stays encrypted.

    https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments

    :param inner: the strategy that brings the bytes.
    """

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.homeserver)
        self.inner = inner
        self.name = inner.name
        self.retried = inner.retried
        #: By object URL, what the strategy had given for what was decrypted: released, but it knows what it cost.
        self._ciphertexts: dict[str, Media] = {}

    def carries(self, request: MediaRequest) -> bool:
        """The ciphertext always comes through here."""
        return bool(request.encrypted) or self.inner.carries(request)

    def suits(self, request: MediaRequest) -> bool:
        """As the strategy says of what it brings."""
        return self.inner.suits(request.of_ciphertext() if request.encrypted else request)

    async def support(self) -> Support:
        """Whether the strategy works; what decrypts works wherever pages are served securely."""
        return await self.inner.support()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Fetches, checks and decrypts what is encrypted; leaves the rest to the strategy."""
        if not request.encrypted:
            return await self.inner.open(request, traffic)
        ciphertext = await self.inner.open(request.of_ciphertext(), traffic)
        if ciphertext.source == DISK:
            try:
                return await self._decrypted(request, ciphertext, traffic)
            except WrongHash:
                # What was altered on this device, the homeserver may still have as it was.
                await self.inner.forget(ciphertext.request)
            ciphertext = await self.inner.open(request.of_ciphertext(), traffic)
        return await self._decrypted(request, ciphertext, traffic)

    def release(self, media: Media) -> None:
        """Revokes the object URL of what was decrypted."""
        if self._ciphertexts.pop(media.src, None):
            browser.revoke_object_url(media.src)
        else:
            self.inner.release(media)

    async def observe(self, media: Media) -> bool:
        """Asks the strategy what the ciphertext cost, where from it came."""
        ciphertext = self._ciphertexts.get(media.src)
        if not ciphertext:
            return await self.inner.observe(media)
        whole = await self.inner.observe(ciphertext)
        if media.source != MEMORY:  # else another element had it first
            media.source = ciphertext.source
        return whole

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """What was decrypted is what its sender made; the strategy knows the rest."""
        if media.src in self._ciphertexts:
            return await super().examine(media, words)
        return await self.inner.examine(media, words)

    async def forget(self, request: MediaRequest | None) -> None:
        """Drops the ciphertext, or all."""
        await self.inner.forget(request.of_ciphertext() if request and request.encrypted else request)

    def close(self) -> None:
        """Closes the strategy."""
        self.inner.close()

    async def _decrypted(self, request: MediaRequest, ciphertext: Media, traffic: Traffic) -> Media:
        try:
            body = await self._body(request, ciphertext)
        finally:
            self.inner.release(ciphertext)
        content_type = safe_content_type(request.content_type)
        media = Media(
            request,
            body.slice(0, content_type).create_object_url(),
            strategy=self.name,
            source=ciphertext.source,
            traffic=traffic,
            content_type=content_type,
            size=body.size,
        )
        self._ciphertexts[media.src] = ciphertext
        return media

    async def _body(self, request: MediaRequest, ciphertext: Media) -> browser.Blob:
        assert request.encrypted
        encrypted = request.encrypted
        failure: AuthMediaError
        try:
            response = await self.inner.read(ciphertext)
            body = await response.decrypt(encrypted.key, encrypted.counter, encrypted.sha256)
            if body:
                return body
            failure = WrongHash("The ciphertext has another SHA-256 than the event says", mxc=request.mxc)
        except browser.BrowserError as error:
            if error.name in browser.TRANSFER_ERRORS:
                failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
            else:
                failure = DecryptionRefused("The browser does not decrypt this", mxc=request.mxc, words=error.words)
        except AuthMediaError as error:
            failure = error.about(request.mxc)
        raise failure
