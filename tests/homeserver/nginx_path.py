"""The recommended configuration of nginx with the changes that put a homeserver under a path, as the guide has them."""

from pathlib import Path

from tests.evidence.bench.nginx_proxy import NginxProxy

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "administrators.md"
PATH = "/matrix"
# In the guide, and in the configuration.
MAP = """map $request_uri $below_path {
    "~^/matrix(?<rest>/.*)$" $rest;
}
"""
CHANGES = {
    "location ~ ^/(_matrix|_synapse/client) {": "location ~ ^/matrix/(_matrix|_synapse/client) {",
    "location ~ ^/_matrix/client/": "location ~ ^/matrix/_matrix/client/",
    "proxy_pass http://synapse;": "proxy_pass http://synapse$below_path;",
}


def put_under_path(proxy: NginxProxy, folder: Path, *, tls: bool = True) -> None:
    """Changes the configuration of an nginx that is not started yet.

    :param folder: of the files of that nginx.
    :param tls: whether it goes on to speak TLS and HTTP/2.
    """
    written = folder / "matrix.conf"
    text = written.read_text(encoding="utf-8")
    for recommended, changed in {
        **CHANGES,
        **({} if tls else {f":{proxy.port} ssl http2;": f":{proxy.port};"}),
    }.items():
        assert recommended in text, recommended
        text = text.replace(recommended, changed)
    written.write_text(MAP + text, encoding="utf-8")
