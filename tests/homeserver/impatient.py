"""The module with short patience, loaded by a homeserver of the tests in the place of the real one."""

from media_links import MediaLinks, bringing, bundle, sending

__all__ = ["MediaLinks"]

sending._STALLED_S = 0.5
bundle._STALLED_S = 0.5
bringing._ARRIVAL_TRIES = 6
