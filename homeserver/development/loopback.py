"""The names of this machine, for servers that other machines must not reach."""

# Any other name can be made to resolve to this machine while a page of that name is open, which then reads the server
# as its own origin: https://en.wikipedia.org/wiki/DNS_rebinding
# Names below `localhost` are never looked up in the DNS: https://www.rfc-editor.org/rfc/rfc6761#section-6.3
HOSTS = ("localhost", "*.localhost", "127.0.0.1", "[::1]")


def is_loopback(hostname: str) -> bool:
    """Whether a host name, without port and brackets, is one of this machine."""
    return hostname in ("localhost", "127.0.0.1", "::1") or hostname.endswith(".localhost")
