"""The only door to JavaScript: all other modules are plain Python, and unit tests replace this package.

A module for each browser interface; other packages import names from here. `interop` lists how the two interpreters
differ.
"""

from authmedia.browser import event_loop  # noqa: F401  (tunes MicroPython's)
from authmedia.browser.blobs import OBJECT_URLS, Blob, bytes_blob, revoke_object_url, text_blob
from authmedia.browser.crypto import hmac_sha256
from authmedia.browser.dom import (
    Element,
    EventListener,
    can_decode_image,
    create_element,
    document_element,
)
from authmedia.browser.fetch_api import TRANSFER_ERRORS, Response, blob_response, evict_from_http_cache, fetch
from authmedia.browser.iframes import Frame
from authmedia.browser.interop import BrowserError
from authmedia.browser.locks import Lock, open_channel
from authmedia.browser.observers import ElementHandler, ElementObserver, LongTasks
from authmedia.browser.page import (
    build_query,
    call_hook,
    clone_template,
    copy_to_clipboard,
    create_task,
    device_pixel_ratio,
    epoch_ms,
    format_time,
    iso_timestamp,
    now_ms,
    on_unhandled_exception,
    page_fragment,
    page_origin,
    page_url,
    query_parameter,
    random_uuid,
    reload_page,
    remove_query_parameter,
    user_agent,
    yield_to_browser,
)
from authmedia.browser.resource_timing import ResourceTimings, resource_timing_generation, resource_timings
from authmedia.browser.storage import (
    Directory,
    File,
    get_session_item,
    remove_session_item,
    set_session_item,
)
from authmedia.browser.streams import BodyReader
from authmedia.browser.urls import Url, parse_url
from authmedia.browser.workers import MediaServiceWorker, has_service_worker, set_worker_script
from authmedia.support.lazy_imports import lazy_getattr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.browser.activation import listen_for_activation, open_tab
    from authmedia.browser.blanks import blank_media
    from authmedia.browser.connectivity import ConnectivityEvents
    from authmedia.browser.content_security_policy import refused_request, violated_directive
    from authmedia.browser.frames import capture_frame
    from authmedia.browser.intl import format_bytes, format_number, plural_category
    from authmedia.browser.navigation import navigate, page_url_with, take_fragment_parameters
    from authmedia.browser.persistence import persist_storage
    from authmedia.browser.preferences import Preferences
    from authmedia.browser.reachability import is_reachable, is_redirected
    from authmedia.browser.roots import as_element
    from authmedia.browser.stills import draw_still
    from authmedia.browser.svg import contain_svg, create_svg_element

__all__ = (
    "OBJECT_URLS",
    "TRANSFER_ERRORS",
    "Blob",
    "BodyReader",
    "BrowserError",
    "ConnectivityEvents",
    "Directory",
    "Element",
    "ElementHandler",
    "ElementObserver",
    "EventListener",
    "File",
    "Frame",
    "Lock",
    "LongTasks",
    "MediaServiceWorker",
    "Preferences",
    "ResourceTimings",
    "Response",
    "Url",
    "as_element",
    "blank_media",
    "blob_response",
    "build_query",
    "bytes_blob",
    "call_hook",
    "can_decode_image",
    "capture_frame",
    "clone_template",
    "contain_svg",
    "copy_to_clipboard",
    "create_element",
    "create_svg_element",
    "create_task",
    "device_pixel_ratio",
    "document_element",
    "draw_still",
    "epoch_ms",
    "evict_from_http_cache",
    "fetch",
    "format_bytes",
    "format_number",
    "format_time",
    "get_session_item",
    "has_service_worker",
    "hmac_sha256",
    "is_reachable",
    "is_redirected",
    "iso_timestamp",
    "listen_for_activation",
    "navigate",
    "now_ms",
    "on_unhandled_exception",
    "open_channel",
    "open_tab",
    "page_fragment",
    "page_origin",
    "page_url",
    "page_url_with",
    "parse_url",
    "persist_storage",
    "plural_category",
    "query_parameter",
    "random_uuid",
    "refused_request",
    "reload_page",
    "remove_query_parameter",
    "remove_session_item",
    "resource_timing_generation",
    "resource_timings",
    "revoke_object_url",
    "set_session_item",
    "set_worker_script",
    "take_fragment_parameters",
    "text_blob",
    "user_agent",
    "violated_directive",
    "yield_to_browser",
)

# What few pages use: the module of each name is imported when the name is first used.
_MODULES = {
    "ConnectivityEvents": "authmedia.browser.connectivity",
    "blank_media": "authmedia.browser.blanks",
    "capture_frame": "authmedia.browser.frames",
    "Preferences": "authmedia.browser.preferences",
    "as_element": "authmedia.browser.roots",
    "contain_svg": "authmedia.browser.svg",
    "create_svg_element": "authmedia.browser.svg",
    "draw_still": "authmedia.browser.stills",
    "listen_for_activation": "authmedia.browser.activation",
    "open_tab": "authmedia.browser.activation",
    "format_bytes": "authmedia.browser.intl",
    "format_number": "authmedia.browser.intl",
    "is_redirected": "authmedia.browser.reachability",
    "is_reachable": "authmedia.browser.reachability",
    "navigate": "authmedia.browser.navigation",
    "page_url_with": "authmedia.browser.navigation",
    "persist_storage": "authmedia.browser.persistence",
    "plural_category": "authmedia.browser.intl",
    "refused_request": "authmedia.browser.content_security_policy",
    "violated_directive": "authmedia.browser.content_security_policy",
    "take_fragment_parameters": "authmedia.browser.navigation",
}

if not TYPE_CHECKING:
    __getattr__ = lazy_getattr("authmedia.browser", _MODULES, globals())
