"""The module with short timeouts. A homeserver of the tests loads it instead of `media_links`."""

from media_links import MediaLinks, body_producer, bundle, local_files

__all__ = ["MediaLinks"]

body_producer._STALL_TIMEOUT_S = 1.0
bundle._STALL_TIMEOUT_S = 0.5
local_files._MAX_POLLS = 6
