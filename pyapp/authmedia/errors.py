"""The errors of this library, a class for each cause.

Each says to developers what happened to which media, and what to do (``str(error)``), and has a short sentence for the
user of the page, which a binding shows in place of the media (``error.user_message``).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.traffic import Traffic


class AuthMediaError(Exception):
    """The base of all errors of this library.

    :param summary: what happened, without a full stop.
    :param mxc: the media that it happened to, empty where it concerns all.
    :param words: the browser's or the server's own message, verbatim.
    :param retry_after_s: the seconds that the server asked to wait; ``None`` if it did not.
    """

    #: What a developer can do.
    advice = "Report this: it should have had an error class of its own."
    #: A sentence for the user of the page.
    user_message = "This media could not be loaded."
    #: Whether a later attempt of the same request may succeed.
    temporary = False
    #: Whether an attempt without delay may succeed, because the cause was removed.
    retry_at_once = False
    #: Whether no later attempt of the same request can succeed.
    permanent = False

    def __init__(self, summary: str, *, mxc: str = "", words: str = "", retry_after_s: float | None = None) -> None:
        #: What the failed load had cost, set by the pipeline.
        self.traffic: Traffic | None = None
        self.summary = summary
        self.mxc = mxc
        self.words = words
        self.retry_after_s = retry_after_s
        of_media = f" ({mxc})" if mxc else ""
        quoted = f': "{words}"' if words else ""
        super().__init__(f"{summary}{of_media}{quoted}. {self.advice}")

    def for_media(self, mxc: str) -> "AuthMediaError":
        """Returns the same error for one media, where a failure concerns many requests."""
        return type(self)(self.summary, mxc=mxc, words=self.words, retry_after_s=self.retry_after_s)


class MalformedMxc(AuthMediaError):
    """The URI is no ``mxc://server/id``."""

    advice = "Pass the event's `url` (or `avatar_url`) unchanged; do not load what is not an mxc:// URI."
    user_message = "This message names a media address that is not valid."
    permanent = True


class MalformedAddress(AuthMediaError):
    """The homeserver's address is not an http or https URL of scheme, host, port and path alone."""

    advice = "Give the homeserver's address in full and with nothing else in it, such as https://matrix.example.org."
    user_message = "This is not the address of a homeserver."


class MalformedEncryptedFile(AuthMediaError):
    """An event's ``file`` is no valid ``EncryptedFile``."""

    advice = "Pass the event's `file` unchanged; it must be an EncryptedFile of version 2 (AES-256-CTR, SHA-256)."
    user_message = "This message does not say how to decrypt its media."
    permanent = True


class MediaNotFound(AuthMediaError):
    """The homeserver does not have this media (404, M_NOT_FOUND)."""

    advice = "Check the server name and the media id; it may have been removed or quarantined by an administrator."
    user_message = "This media is not on the server (any more)."


class NotYetUploaded(AuthMediaError):
    """The media's URI exists, and its upload has not ended yet (504, M_NOT_YET_UPLOADED)."""

    advice = "Load it again in a while; elements do so by themselves."
    user_message = "This media is still being uploaded."
    temporary = True


class RequestRefused(AuthMediaError):
    """The homeserver refuses the request for good (400, M_UNKNOWN, for example)."""

    advice = "Read the server's words; the same request will be refused again."
    user_message = "The server cannot give out this media."


class MediaTooLarge(RequestRefused):
    """The media is larger than the homeserver takes from another server, or hands out (413, or 502 M_TOO_LARGE)."""

    advice = "Ask the homeserver's administrator to raise `max_upload_size` or `remote_media_download_size`."
    user_message = "This media is larger than your server allows."


class NoThumbnail(RequestRefused):
    """The homeserver has no thumbnail of this media, which is itself larger than `Limits.original_bytes`."""

    advice = "Load the media without width and height, or with a higher Limits(original_bytes=…)."
    user_message = "The server has no preview of this media."


class MediaBlocked(AuthMediaError):
    """The homeserver must not give out this media, for legal reasons (451)."""

    advice = "Ask the homeserver's administrator; no other attempt will succeed."
    user_message = "The server may not show this media, for legal reasons."


class SessionExpired(AuthMediaError):
    """The session has ended: the homeserver's ``/whoami`` does not know its access token, and nothing renews it."""

    advice = "Sign in again, and pass the new token to `set_access_token`, or open a new loader for another account."
    user_message = "You are signed out. Sign in again to see this media."


class SoftLoggedOut(SessionExpired):
    """The server alone has ended the session: https://spec.matrix.org/latest/client-server-api/#soft-logout."""

    advice = "Keep what the device has stored, sign in again with the same device id, and call `set_access_token`."
    user_message = "Your server asks you to sign in again to see this media."


class TokenRefused(AuthMediaError):
    """The homeserver refused an access token (401, M_UNKNOWN_TOKEN) although the session has not ended."""

    advice = "Look at what answers this endpoint: a proxy, a media server or a worker that does not know the session."
    user_message = "The server did not accept your sign-in for this media."
    #: Whether the server asks to sign in again on the same device.
    soft_logout = False


class RenewalFailed(AuthMediaError):
    """The application's ``refresh`` raised an error of another library, or returned no token."""

    advice = "Have `refresh` raise SessionExpired where the session has ended; any other error is tried again later."
    user_message = "Your sign-in could not be renewed."
    temporary = True


class UserLocked(AuthMediaError):
    """An administrator has locked the account (M_USER_LOCKED). Its sessions go on once it is unlocked."""

    advice = "Keep the session, and ask the homeserver's administrator; requests are tried again from time to time."
    user_message = "Your account is locked. Ask the people who run your server."


class UserSuspended(AuthMediaError):
    """An administrator has suspended the account (M_USER_SUSPENDED), which may read but not do this."""

    advice = "Ask the homeserver's administrator why the account is suspended."
    user_message = "Your account is suspended, so the server does not let it do this."


class UserDeactivated(AuthMediaError):
    """The account is deactivated (M_USER_DEACTIVATED), for good."""

    advice = "Sign in to another account; a deactivated one does not come back."
    user_message = "Your account no longer exists on this server."


class ProxyRefused(AuthMediaError):
    """Something before the homeserver refused the request: a 401 or 403 without a Matrix error, or a removed header."""

    advice = "Look at what stands before the homeserver: a reverse proxy, a firewall, or a sign-in page of a network."
    user_message = "Something between you and the server, such as a network's sign-in page, refused this media."


class Forbidden(AuthMediaError):
    """The homeserver refuses this media to this session (403, M_FORBIDDEN)."""

    advice = "Ask the homeserver's administrator why this account may not load this media."
    user_message = "The server does not let you see this media."


class LoginRefused(Forbidden):
    """The homeserver refuses a login: user name or password is wrong, or the account is deactivated."""

    advice = "Check user name and password, or sign in in another way."
    user_message = "The server refused the sign-in. Check user name and password."


class SignInDenied(LoginRefused):
    """A sign-in by redirect came back without a session: the user denied it, or a policy of the server does."""

    advice = "Offer to sign in again; the server's own words say what it did not allow."
    user_message = "The sign-in was cancelled or not allowed. You can try again."


class SignInExpired(LoginRefused):
    """A sign-in by redirect came back with a code or a login token that was used before or is too old."""

    advice = "Begin the sign-in again: each code and login token works once, and for a short time."
    user_message = "This sign-in took too long or was used before. Sign in again."


class ForeignSignIn(LoginRefused):
    """The page was opened with the result of a sign-in that this tab has not begun, or has finished already.

    It may be to another account: https://www.rfc-editor.org/rfc/rfc6819#section-4.4.1.8
    """

    advice = "Do not use it: it may come from a link that somebody sent. Begin a sign-in from this page."
    user_message = "This sign-in was not begun in this tab, or was used already, so it was not used. Sign in here."


class LinkExpired(AuthMediaError):
    """A signed link is no longer valid: it expired, or its session was logged out."""

    advice = "Load the media again: the loader then asks the homeserver for a new link."
    user_message = "The link to this media has expired."
    retry_at_once = True


class HomeserverUnreachable(AuthMediaError):
    """No response arrived: the server is down, the URL is wrong, CORS headers are missing, or the connection broke."""

    advice = "Check that the homeserver runs at this address and sends CORS headers; the browser's console has more."
    user_message = "The server cannot be reached."
    temporary = True


class HomeserverNotFound(HomeserverUnreachable):
    """No server answers under the name that was entered."""

    advice = "Check the spelling of the domain, and that this device is online."
    user_message = "There is no server under this name. Check its spelling, and whether this device is online."


class HomeserverHidden(HomeserverUnreachable):
    """A server answers, and its answers lack the CORS headers by which pages of other sites may read them."""

    advice = "Its administrators must send `Access-Control-Allow-Origin: *` on /_matrix/ and /.well-known/matrix/."
    user_message = "A server answers there, and does not let web pages read what it says: its CORS headers are missing."
    temporary = False


class NoHomeserver(AuthMediaError):
    """What answers at an address is no Matrix homeserver, but a website, for example."""

    advice = "Enter the domain in the account's user id, or the homeserver's own address."
    user_message = "That is a website or another server, and no Matrix homeserver. Enter your user id instead."


class MalformedWellKnown(AuthMediaError):
    """A domain's ``/.well-known/matrix/client`` does not lead to a homeserver."""

    advice = "Its administrators must correct /.well-known/matrix/client; enter the homeserver's own address till then."
    user_message = "This domain names a homeserver, wrongly. Enter your homeserver's own address, or tell who runs it."


class MediaUnsupported(AuthMediaError):
    """The homeserver has no endpoints for media, neither those of Matrix 1.11 nor the older ones."""

    advice = "Look at what answers /_matrix/client/versions: by it, this server has no media that a client can load."
    user_message = "This server has no media, or none that this page knows how to load."


class TransferInterrupted(HomeserverUnreachable):
    """An element's transfer broke off, while another transfer of the same media was complete."""

    advice = "Load the media again: connections to the homeserver, or the homeserver itself, fail now and then."


class ServerFailure(AuthMediaError):
    """The homeserver responded with an internal error (5xx), or with something else than Matrix."""

    advice = "Try again later; if it stays, look into the homeserver's log."
    user_message = "The server had a problem with this media."
    temporary = True


class RateLimited(AuthMediaError):
    """The homeserver limits the rate of requests (429, M_LIMIT_EXCEEDED)."""

    advice = "Wait for `retry_after_s` seconds before the next try; the loader does this by itself."
    user_message = "The server asked us to slow down."
    temporary = True


class LinksUnsupported(AuthMediaError):
    """The homeserver has no endpoint for signed links or bundles (404, M_UNRECOGNIZED)."""

    advice = "Install the Synapse module media_links (see its guide for administrators), or use another strategy."
    user_message = "This server does not make links to media."


class WrongContent(AuthMediaError):
    """The browser cannot decode the body as its kind."""

    advice = "The browser could not decode it: compare the file's bytes with its declared content type."
    user_message = "This file is damaged, or not of the kind that it claims to be."


class FormatUnsupported(WrongContent):
    """The browser cannot show the format of this media, or not in this kind of element."""

    advice = "Offer the file to be saved; ask senders for a format that all browsers have."
    user_message = "This browser cannot show the format of this media."
    permanent = True
    #: The format's name, such as ``HEIC``.
    format = ""


class EmptyMedia(WrongContent):
    """The media has no bytes at all."""

    advice = "Ask its sender to send it again: the upload had no content."
    user_message = "This file is empty."


class WrongHash(AuthMediaError):
    """The ciphertext's SHA-256 differs from the one in the event, so nothing of it is shown."""

    advice = "Do not show it. It was altered or damaged on a server or on this device; ask its sender to send it again."
    user_message = "This media is not what its sender encrypted, so it is not shown."


class ActivationEnded(AuthMediaError):
    """The file has arrived when the click that asked for it was too old for the browser to open a tab for it."""

    advice = "Call save_media again at the user's next click: the file is kept for a minute."
    user_message = "The file is here. Press again to save it."
    permanent = True


class DecryptionRefused(AuthMediaError):
    """The browser refuses to decrypt: WebCrypto needs a secure context, and limits the size."""

    advice = "Serve the page over HTTPS or from localhost; a media of gigabytes is too much for a page."
    user_message = "This browser cannot decrypt this media here."


class StorageRefused(AuthMediaError):
    """The browser refuses the origin private file system, as private windows do."""

    advice = "Use a strategy that stores nothing (link or blob) in this browser or window."
    user_message = "This browser does not let the page store media here."


class FileRemoved(AuthMediaError):
    """A stored file was removed while an element showed it: by another tab, or by the user."""

    advice = "Load the media again: the loader then fetches it anew."
    user_message = "This media is no longer kept on this device."
    retry_at_once = True


class NotCached(AuthMediaError):
    """The media is neither in memory nor on disk, and the request's cache policy is ``only-if-cached``."""

    advice = "Load it with another cache policy once the network may be used."
    user_message = "This media is not kept on this device."


class QuotaExceeded(AuthMediaError):
    """The browser's storage for this site is full."""

    advice = "Open the loader with a lower Limits(disk_bytes=…) or with persist=True, or call forget()."
    user_message = "There is no room left on this device to keep this media."


class StrategyReplaced(AuthMediaError):
    """The strategy that served this media no longer works, and another one takes its place."""

    advice = "Load the media again: the loader then takes the next strategy that works."
    user_message = "This media is being loaded in another way."
    retry_at_once = True


class LoadCancelled(AuthMediaError):
    """The load was cancelled, or the loader is closed."""

    advice = "Nothing is wrong; to load after a loader was closed, open another one."
    user_message = "This media is no longer being loaded."


class StrategyUnsupported(AuthMediaError):
    """The strategy does not work in this browser, in this window, or with this homeserver."""

    advice = "Ask support() first, and open a loader with a strategy that works here."
    user_message = "This way of loading media does not work in this browser."


class HomeserverTooOld(StrategyUnsupported):
    """The homeserver is from before Matrix 1.11, and the strategy needs endpoints that came later."""

    advice = "Open a loader with `auto` or `plain`: such homeservers give their media to everybody."
    user_message = "This server is too old for this way of loading media."


class PolicyRefused(StrategyUnsupported):
    """The page's own Content-Security-Policy does not let the page request media from there, or elements show them."""

    advice = "Add the homeserver's origin and `blob:` to connect-src, img-src and media-src of the page's policy."
    user_message = "The rules of this page do not let it show media from this server."
