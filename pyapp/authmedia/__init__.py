"""Authenticated Matrix media for a page in Python, on Pyodide and MicroPython.

>>> from authmedia import Homeserver, bind, document_element, open_loader
>>>
>>> homeserver = Homeserver("https://matrix.example.org", "@ana:example.org", access_token)
>>> loader = open_loader("auto", homeserver)      # or link, delegated, opfs, blob, bundle
>>> support = await loader.support()              # tries it in this window
>>> print(support.works, support.words)
>>>
>>> # Loads each <img>, <video> and <audio> with data-mxc="mxc://…" that comes near to the viewport.
>>> binder = bind(document_element(), loader)

One media, without an element:

>>> from authmedia import MediaRequest
>>>
>>> media = await loader.load(MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop"))
>>> image.src = media.src
>>> loader.release(media)

The errors are in `authmedia.errors`, the strategies, one file each, in `authmedia.strategies`.
"""

import sys

# MicroPython before 1.27 cannot catch a rejected promise, or is not what today's PyScript is for.
_OLDEST = {"micropython": (1, 27), "cpython": (3, 11)}


def _check_interpreter(implementation: str, version: "tuple[object, ...]") -> None:
    """Checks the version of the interpreter, before any module needs what an older one lacks.

    :raises ImportError: if it is too old.
    """
    oldest = _OLDEST.get(implementation)
    if oldest and tuple(version[:2]) < oldest:
        name = "MicroPython" if implementation == "micropython" else "Python"
        needed, found = (".".join([str(part) for part in numbers[:2]]) for numbers in (oldest, version))
        raise ImportError(
            f"authmedia needs {name} {needed} or newer, and this is {found}. In a page, set `interpreter` in the "
            "configuration of PyScript to a newer MicroPython or Pyodide; elsewhere, install a newer Python."
        )


_check_interpreter(sys.implementation.name, tuple(sys.implementation.version))

from authmedia.support.lazy_imports import lazy_getattr  # noqa: E402  (after the check)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.browser import Element, document_element
    from authmedia.elements.binder import Binder, bind
    from authmedia.elements.binding import Binding
    from authmedia.elements.element_options import Failure
    from authmedia.elements.file_saving import save_media
    from authmedia.elements.media_policy import MediaPolicy
    from authmedia.elements.messages import Messages
    from authmedia.errors import AuthMediaError
    from authmedia.loader import MediaLoader, forget_account, open_loader
    from authmedia.matrix.discovery import DiscoveredServer, discover_homeserver
    from authmedia.matrix.encrypted_file import EncryptedFile, Keyring
    from authmedia.matrix.homeserver import Homeserver
    from authmedia.matrix.login import Login, log_in, refresh_tokens
    from authmedia.matrix.login_flows import LoginFlows, log_in_with_token, request_login_flows
    from authmedia.matrix.oauth import OAuthServer, OAuthSession, OAuthSignIn, request_oauth_server
    from authmedia.matrix.preview_config import MediaPreviewConfig
    from authmedia.matrix.request_hooks import Exchange, RequestHooks
    from authmedia.matrix.shared_refresh import SharedRefresh
    from authmedia.matrix.tokens import Tokens
    from authmedia.media import Media, MediaRequest, Support
    from authmedia.prefetch import Prefetch
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy

__all__ = (
    "AuthMediaError",
    "Binder",
    "Binding",
    "DiscoveredServer",
    "Element",
    "EncryptedFile",
    "Exchange",
    "Failure",
    "Homeserver",
    "Keyring",
    "Limits",
    "Login",
    "LoginFlows",
    "Media",
    "MediaLoader",
    "MediaPolicy",
    "MediaPreviewConfig",
    "MediaRequest",
    "Messages",
    "OAuthServer",
    "OAuthSession",
    "OAuthSignIn",
    "Prefetch",
    "RequestHooks",
    "RetryPolicy",
    "SharedRefresh",
    "Support",
    "Tokens",
    "bind",
    "discover_homeserver",
    "document_element",
    "forget_account",
    "log_in",
    "log_in_with_token",
    "open_loader",
    "refresh_tokens",
    "request_login_flows",
    "request_oauth_server",
    "save_media",
)

# The module of each public name. It is imported when the name is first used, and the build packs it for the pages that
# import the name: a page loads only what it uses.
_MODULES = {
    "AuthMediaError": "authmedia.errors",
    "Binder": "authmedia.elements.binder",
    "Binding": "authmedia.elements.binding",
    "DiscoveredServer": "authmedia.matrix.discovery",
    "Element": "authmedia.browser",
    "EncryptedFile": "authmedia.matrix.encrypted_file",
    "Exchange": "authmedia.matrix.request_hooks",
    "Failure": "authmedia.elements.element_options",
    "Homeserver": "authmedia.matrix.homeserver",
    "Keyring": "authmedia.matrix.encrypted_file",
    "Limits": "authmedia.support.limits",
    "Login": "authmedia.matrix.login",
    "LoginFlows": "authmedia.matrix.login_flows",
    "Media": "authmedia.media",
    "MediaLoader": "authmedia.loader",
    "MediaPolicy": "authmedia.elements.media_policy",
    "MediaPreviewConfig": "authmedia.matrix.preview_config",
    "MediaRequest": "authmedia.media",
    "Messages": "authmedia.elements.messages",
    "OAuthServer": "authmedia.matrix.oauth",
    "OAuthSession": "authmedia.matrix.oauth",
    "OAuthSignIn": "authmedia.matrix.oauth",
    "Prefetch": "authmedia.prefetch",
    "RequestHooks": "authmedia.matrix.request_hooks",
    "RetryPolicy": "authmedia.support.retry_policy",
    "SharedRefresh": "authmedia.matrix.shared_refresh",
    "Support": "authmedia.media",
    "Tokens": "authmedia.matrix.tokens",
    "bind": "authmedia.elements.binder",
    "discover_homeserver": "authmedia.matrix.discovery",
    "document_element": "authmedia.browser",
    "forget_account": "authmedia.loader",
    "log_in": "authmedia.matrix.login",
    "log_in_with_token": "authmedia.matrix.login_flows",
    "open_loader": "authmedia.loader",
    "refresh_tokens": "authmedia.matrix.login",
    "request_login_flows": "authmedia.matrix.login_flows",
    "request_oauth_server": "authmedia.matrix.oauth",
    "save_media": "authmedia.elements.file_saving",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_getattr("authmedia", _MODULES, globals())
