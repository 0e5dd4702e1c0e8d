"""Runs nginx in front of a homeserver with the recommended configuration, over TLS and HTTP/2."""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from development.private_files import make_private_folder
from tests.browser.engines import install_package
from tests.homeserver.support import wait_for
from tests.relay import free_port, is_open

RECOMMENDED = Path(__file__).resolve().parents[3] / "homeserver" / "nginx"
# The addresses of the servers behind each recommended configuration.
_SERVERS = {"matrix": ("127.0.0.1:8008",), "gateway": ("127.0.0.1:8010", "127.0.0.1:8011")}
_CACHE = "/var/cache/nginx/gateway"
# The rest of the configuration, independent of the machine's own nginx.
_AROUND = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/matrix.conf;
}}
"""


def find_nginx() -> str:
    """Returns the path of nginx, and installs it if possible; empty if there is none."""
    for _ in range(2):
        found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
        if found:
            return found
        install_package("nginx-light")
    return ""


class NginxProxy:
    """An nginx process.

    :param nginx: path of nginx.
    :param folder: the folder for its files.
    :param ports: of the servers behind it, which must trust ``X-Forwarded-For``.
    :param name: of the recommended configuration: ``matrix``, ``gateway`` or ``gateway-cache``.
    :param media_store: the media store of the homeserver behind it, from which nginx may send files.
    :param addresses: of each of those servers.
    """

    def __init__(
        self,
        nginx: str,
        folder: Path,
        *ports: int,
        name: str = "matrix",
        media_store: Path | None = None,
        addresses: Sequence[str] = ("127.0.0.1",),
    ) -> None:
        self.port = free_port()
        make_private_folder(folder)
        certificate = trustme.CA().issue_cert("127.0.0.1", "localhost")
        certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
        certificate.private_key_pem.write_to_path(folder / "private.key")
        #: Makes Chromium trust the certificate (``--ignore-certificate-errors-spki-list``).
        self.spki = _spki(certificate.cert_chain_pems[0].bytes())
        servers = [";\n    server ".join(f"{address}:{port}" for address in addresses) for port in ports]
        (folder / "matrix.conf").write_text(self._configured(folder, servers, name, media_store), encoding="utf-8")
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=_worker_user()), encoding="utf-8")
        self._command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]

    def __enter__(self) -> "NginxProxy":
        self._process = subprocess.Popen(self._command)
        wait_for(lambda: is_open(self.port), what="nginx")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def _configured(self, folder: Path, servers: list[str], name: str, media_store: Path | None) -> str:
        """Returns the recommended configuration with the ports and files of this process."""
        text = (RECOMMENDED / f"{name}.conf").read_text(encoding="utf-8").replace(_CACHE, str(folder / "cache"))
        name = name.partition("-")[0]
        for recommended, own in (
            *zip(_SERVERS[name], servers, strict=True),
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "),
            (f"/etc/ssl/certs/{name}.example.org.pem", str(folder / "certificate.pem")),
            (f"/etc/ssl/private/{name}.example.org.key", str(folder / "private.key")),
            (f"/var/log/nginx/{name}.log", str(folder / "access.log")),
            (f"/var/log/nginx/{name}.error.log", str(folder / "media.error.log")),
            *([("/var/lib/matrix-synapse/media/", f"{media_store}/")] if media_store else []),
        ):
            assert recommended in text, recommended
            text = text.replace(recommended, own)
        return text


def _worker_user() -> str:
    """Has the workers of a root's nginx be root's, too: its folder is for its owner alone."""
    return "user root;" if os.geteuid() == 0 else ""


def _spki(pem: bytes) -> str:
    key = load_pem_x509_certificate(pem).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")
