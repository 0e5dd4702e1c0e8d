"""Signed links to authenticated Matrix media: a module for the Synapse homeserver.

A web client requests links to media with its access token. Each link is a URL for ``<img src>`` or ``<video src>`` that
needs no header. It grants one media to one session for a limited time, and is invalid when the session has ended.
``README.md`` beside this package says how to install and configure the module.

- ``config``: this module's section of ``homeserver.yaml``.
- ``endpoints``: the servlets, and minting links. ``delegated_keys``: the keys with which pages sign links.
- ``link_terms``: what the links of a session have in common.
- ``request_parsing``: what requests have in common. ``concurrency_limit``: limits of requests in flight.
- ``sessions``: the session that a link belongs to, and whether it still exists.
- ``media_servlet``: the base class of servlets that send media. ``html_errors``: errors as pages.
- ``media_response``: one media as a response. ``bundle``: many media in one response.
- ``media_opener``: opens media and thumbnails. ``media_lookup``: finds them in the database and at other homeservers.
- ``local_files``: their files. ``body_producer``: writes bodies at the pace at which clients read them.
- ``metrics``: counters for Prometheus.
- ``byte_budget``: limits what a session receives in an hour.
- ``cookie`` and ``signed_query``: baselines, which are disabled by default.
- ``native_ranges``: ranges for Synapse's own downloads, which are disabled by default.
- ``offload``: hands media over to nginx or a storage. ``presigned_urls``: the URLs that the storage accepts.
- ``synapse_patches``: what Synapse's module API has no hook for.

What depends on no server (signatures, ranges, the bundle's format) is in the package ``media_protocol``.
"""

from synapse.module_api import JsonDict, ModuleApi

from .config import MediaLinksConfig
from .synapse_patches import install

__all__ = ["MediaLinks", "MediaLinksConfig"]
__version__ = "0.1.0"


class MediaLinks:
    """The module's class, which ``homeserver.yaml`` names as ``module: media_links.MediaLinks``.

    See https://element-hq.github.io/synapse/latest/modules/index.html
    """

    def __init__(self, config: MediaLinksConfig, api: ModuleApi) -> None:
        # The module API gives access neither to media nor to client endpoints, so this module needs the homeserver.
        install(api._hs, config)

    @staticmethod
    def parse_config(config: JsonDict) -> MediaLinksConfig:
        """Parses this module's section of the configuration. Synapse calls it before it starts."""
        return MediaLinksConfig.parse(config)
