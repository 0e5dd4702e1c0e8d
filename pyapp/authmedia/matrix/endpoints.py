"""Path prefixes of the endpoints for media, from the root of the homeserver."""

#: The client-server API. https://spec.matrix.org/latest/client-server-api/#content-repository
MEDIA_PREFIX = "/_matrix/client/v1/media"
#: The endpoints of the Synapse module ``media_links``.
AUTHMEDIA_PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
#: The id of no media, of every server: a link to it shows whether links arrive as they were made.
PROBE_ID = "dev_authmedia_probe"
