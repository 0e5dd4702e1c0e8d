"""Authenticated Matrix media for a page in Python: one loader, several strategies.

>>> from authmedia.homeserver import Homeserver
>>> from authmedia.loader import open_loader
>>> from authmedia.elements import bind
"""
