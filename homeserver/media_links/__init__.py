"""Signed links to authenticated Matrix media: a module for the Synapse homeserver.

A web client asks, with its access token, for links to some media. Each link is a plain URL that can stand in
``<img src>`` or ``<video src>``: it needs no header, works for a limited time, for one media, for one session, and dies
with that session. See ``README.md`` beside this package for how to install and configure it.

The parts, from the inside out:

- ``config``: this module's section of ``homeserver.yaml``.
- ``sessions``: the session a link belongs to, and whether it still lives.
- ``media_lookup``: media in the database, one by one or many at once, and at other servers.
- ``local_files``: the files of media, whole or not at all.
- ``media_response``: sends one media to somebody who may have it, however that was established.
- ``request_parsing`` and ``media_servlet``: what endpoints have in common, before and after somebody is known.
- ``endpoints``: the HTTP interface. ``html_errors``: what a person sees who opens a dead link.
- ``cookie`` and ``signed_query``: two other ways to media that were proposed, to be compared with links; off unless
  configured.
- ``synapse_patches``: the places where Synapse has to be told about all this.
"""

from synapse.module_api import JsonDict, ModuleApi

from .config import MediaLinksConfig
from .synapse_patches import install

__all__ = ["MediaLinks", "MediaLinksConfig"]
__version__ = "0.1.0"


class MediaLinks:
    """The class to name in ``homeserver.yaml``, as ``module: media_links.MediaLinks``.

    See https://element-hq.github.io/synapse/latest/modules/index.html
    """

    def __init__(self, config: MediaLinksConfig, api: ModuleApi) -> None:
        # The module API has no media and no way to add client endpoints, so this module needs the homeserver itself.
        install(api._hs, config)

    @staticmethod
    def parse_config(config: JsonDict) -> MediaLinksConfig:
        """Reads this module's section of the configuration; Synapse calls it before anything is started."""
        return MediaLinksConfig.parse(config)
