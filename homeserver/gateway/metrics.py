"""Counters for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.responses = Counter(
            "authmedia_gateway_responses", "Responses, by endpoint", ["endpoint", "status"], registry=self._registry
        )
        self.sent_bytes = Counter("authmedia_gateway_sent_bytes", "Bytes of media sent", registry=self._registry)
        self.homeserver_requests = Counter(
            "authmedia_gateway_homeserver_requests",
            "Requests to the homeserver",
            ["kind", "status"],
            registry=self._registry,
        )
        self.opened = Counter(
            "authmedia_gateway_opened_media",
            "Media opened: from disk, joining a download, or by a new download",
            ["source"],
            registry=self._registry,
        )
        self.links = Counter("authmedia_gateway_links", "Links minted", registry=self._registry)
        self.downloads = Gauge("authmedia_gateway_downloads", "Downloads in flight", registry=self._registry)
        self.cache_bytes = Gauge("authmedia_gateway_cache_bytes", "Bytes of media on disk", registry=self._registry)
        self.evictions = Counter("authmedia_gateway_evictions", "Media evicted from disk", registry=self._registry)

    def render(self) -> bytes:
        """Returns all counters in the text format."""
        return generate_latest(self._registry)
