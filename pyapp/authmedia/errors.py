"""What can go wrong with a media, each as its own class.

Every error says what happened, to which media, and what to do about it (``str(error)``, for a developer), and carries a
short sentence for the person in front of the page (``error.people``), which is what stands in the media's place.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.traffic import Traffic


class AuthMediaError(Exception):
    """The base of all errors of this library.

    :param what: what happened, without a full stop.
    :param mxc: the media it happened to, empty where it concerns all of them.
    :param words: the browser's or the server's own words, kept as they were.
    :param retry_after_s: seconds the server asked us to wait, or ``None``.
    """

    advice = "Report this: it should have had an error class of its own."
    people = "This media could not be loaded."
    #: Whether a later try of the same request may go well.
    temporary = False
    #: Whether loading anew at once is worth it: what had failed was replaced.
    again = False

    def __init__(self, what: str, *, mxc: str = "", words: str = "", retry_after_s: float | None = None) -> None:
        #: What the load that failed had cost by then (`media.Traffic`), set by the pipeline.
        self.traffic: Traffic | None = None
        self.what = what
        self.mxc = mxc
        self.words = words
        self.retry_after_s = retry_after_s
        super().__init__(self._message())

    def _message(self) -> str:
        of_media = f" ({self.mxc})" if self.mxc else ""
        quoted = f': "{self.words}"' if self.words else ""
        return f"{self.what}{of_media}{quoted}. {self.advice}"

    def about(self, mxc: str) -> "AuthMediaError":
        """The same error, told of one media: for a failure that many requests share."""
        return type(self)(self.what, mxc=mxc, words=self.words, retry_after_s=self.retry_after_s)


class MalformedMxc(AuthMediaError):
    """The address is not an ``mxc://server/id``."""

    advice = "Pass the event's `url` (or `avatar_url`) unchanged; do not load what is not an mxc:// URI."
    people = "This message names a media address that is not valid."


class MalformedAddress(AuthMediaError):
    """The homeserver's address is not an http or https URL of scheme, host, port and path alone."""

    advice = "Give the homeserver's address in full and with nothing else in it, such as https://matrix.example.org."
    people = "This is not the address of a homeserver."


class MalformedEncryptedFile(AuthMediaError):
    """What an event says of an encrypted attachment cannot be right."""

    advice = "Pass the event's `file` unchanged; it must be an EncryptedFile of version 2 (AES-256-CTR, SHA-256)."
    people = "This message does not say how to decrypt its media."


class MediaNotFound(AuthMediaError):
    """The homeserver has no such media, or no longer (M_NOT_FOUND)."""

    advice = "Check the server name and the media id; it may have been removed or quarantined by an administrator."
    people = "This media is not on the server (any more)."


class SessionExpired(AuthMediaError):
    """The homeserver does not know the access token (401, M_UNKNOWN_TOKEN)."""

    advice = "Sign in again and open a new loader with the new session."
    people = "You are signed out. Sign in again to see this media."


class Forbidden(AuthMediaError):
    """The homeserver refused, though it knows the session (403)."""

    advice = "Ask the homeserver's administrator why this account may not load this media."
    people = "The server does not let you see this media."


class LinkExpired(AuthMediaError):
    """A pre-authed link is over: its time is up or its session was signed out."""

    advice = "Load the media again: the loader then asks the homeserver for a new link."
    people = "The link to this media has expired."
    again = True


class HomeserverUnreachable(AuthMediaError):
    """No answer came: down, wrong address, no CORS headers, or the connection broke."""

    advice = "Check that the homeserver runs at this address and sends CORS headers; the browser's console has more."
    people = "The server cannot be reached."
    temporary = True


class TransferBrokeOff(HomeserverUnreachable):
    """An element's transfer came to nothing, but another transfer of the same brought all of it."""

    advice = "Load the media again: connections to the homeserver, or the homeserver itself, fail now and then."


class ServerFailure(AuthMediaError):
    """The homeserver answered with an error of its own (5xx), or with what is not Matrix."""

    advice = "Try again later; if it stays, look into the homeserver's log."
    people = "The server had a problem with this media."
    temporary = True


class RateLimited(AuthMediaError):
    """The homeserver asks for patience (429, M_LIMIT_EXCEEDED)."""

    advice = "Wait for `retry_after_s` seconds before the next try; the loader does this by itself."
    people = "The server asked us to slow down."
    temporary = True


class LinksUnsupported(AuthMediaError):
    """The homeserver has no endpoint for pre-authed links (404, M_UNRECOGNIZED)."""

    advice = "Install the Synapse module media_links (homeserver/README.md), or use another strategy."
    people = "This server does not make links to media."


class WrongContent(AuthMediaError):
    """The body arrived but is not what its kind says."""

    advice = "The browser could not decode it: compare the file's bytes with its declared content type."
    people = "This file is damaged, or not of the kind that it claims to be."


class WrongHash(AuthMediaError):
    """The ciphertext that arrived is not the one that the sender encrypted: nothing of it is shown."""

    advice = "Do not show it. It was altered or damaged on a server or on this device; ask its sender to send it again."
    people = "This media is not what its sender encrypted, so it is not shown."


class DecryptionRefused(AuthMediaError):
    """The browser does not decrypt: WebCrypto is for pages that are served securely, and has its limits."""

    advice = "Serve the page over HTTPS or from localhost; a media of gigabytes is too much for a page."
    people = "This browser cannot decrypt this media here."


class StorageRefused(AuthMediaError):
    """The browser refuses its storage, as private windows do."""

    advice = "Use a strategy that stores nothing (link or blob) in this browser or window."
    people = "This browser does not let the page store media here."


class FileGone(AuthMediaError):
    """What was kept on this device was removed while it was on show: by another tab, or by hand."""

    advice = "Load the media again: the loader then fetches it anew."
    people = "This media is no longer kept on this device."
    again = True


class QuotaExceeded(AuthMediaError):
    """The browser's storage for this site is full."""

    advice = "Lower the store's budget, call forget(), or ask for persistent storage."
    people = "There is no room left on this device to keep this media."


class Degraded(AuthMediaError):
    """What served this media no longer works, and something else will."""

    advice = "Load the media again: the loader then takes the next strategy that works."
    people = "This media is being loaded in another way."
    again = True


class LoadGivenUp(AuthMediaError):
    """Nobody waits for the media any more, or the loader is closed."""

    advice = "Nothing is wrong; to load after a loader was closed, open another one."
    people = "This media is no longer being loaded."


class StrategyUnsupported(AuthMediaError):
    """The strategy cannot work in this browser, window or homeserver."""

    advice = "Ask support() first, and open a loader with a strategy that works here."
    people = "This way of loading media does not work in this browser."
