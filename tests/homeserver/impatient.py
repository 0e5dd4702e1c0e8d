"""The module with short patience, loaded by a homeserver of the tests in the place of the real one."""

from media_links import MediaLinks, body_producer, bundle, local_files

__all__ = ["MediaLinks"]

body_producer._STALLED_S = 0.5
bundle._STALLED_S = 0.5
local_files._ARRIVAL_TRIES = 6
