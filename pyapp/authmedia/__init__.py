"""Authenticated Matrix media for a page in Python: one loader, several strategies.

>>> from authmedia.matrix.homeserver import Homeserver
>>> from authmedia.loader import open_loader
>>> from authmedia.elements.binder import bind
"""
