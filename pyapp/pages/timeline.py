"""The page `timeline.html`: a long room, and what a loader does while somebody scrolls through it."""

from demo.timeline_page import TimelinePage

TimelinePage().open()
