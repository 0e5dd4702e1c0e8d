"""Signed links to authenticated Matrix media, in front of any homeserver: an ASGI application.

It serves the interface of the Synapse module ``media_links`` for homeservers that have no such module, and passes all
other requests of clients on to the homeserver. What a link grants is granted by the homeserver: the gateway requests
each media with the access token of the client that the link was minted for.

- ``config``: the configuration file. ``command``: the process.
- ``application``: the routes. ``endpoints``: links and the media behind them. ``bundle``: many media in one response.
- ``sessions``: the session that a link belongs to. ``token_store``: the newest token of each session.
- ``homeserver``: requests to the homeserver. ``media_client``: those of media.
- ``media_source``: proves a client's right to a media, and opens it. ``downloads``: bodies that are being received.
- ``body_cache``: bodies on disk. ``write_behind``: writes small ones a moment after they were received.
- ``media_response``: one media as a response, with ranges.
- ``reverse_proxy``: all other requests. ``metrics``: counters for Prometheus.

It imports neither Synapse nor Twisted. What it shares with the module is in the package ``media_protocol``.
"""
