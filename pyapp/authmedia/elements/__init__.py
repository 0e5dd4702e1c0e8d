"""Binds the elements of a page to a loader: finding them, scheduling their loads, showing progress and failures."""
