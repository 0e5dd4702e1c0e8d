"""The parts of the media interface that need no server: links and keys, ranges, redaction and the bundle format.

This package imports neither Synapse nor Twisted, so a server without Synapse installed can serve the same interface.
It stands beside ``media_links`` and is no part of it, because importing ``media_links`` imports Synapse.

- ``signing``: what a link grants, in one canonical form, and its signature.
- ``delegation``: links that a page signs by itself, and the derivation of its key.
- ``ranges``: conditional and range requests (RFC 9110).
- ``log_redaction``: request URIs as they may be logged.
- ``bundle_format``: the body of a bundle.
- ``media_requests``: the entries of a batch. ``limits``: bytes per session, requests in flight.
- ``error_page``: errors as pages. ``file_names``: harmless file names. ``origins``: scheme, host and port of a URL.
"""
