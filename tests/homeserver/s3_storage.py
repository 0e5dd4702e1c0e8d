"""A storage with Amazon's S3 interface, by moto, that verifies presigned URLs as Amazon's does."""

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl, quote

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET, REGION = "media", "eu-central-1"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "AKIAEXAMPLE", "the secret of the storage"
_PARAMETERS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")


class S3Storage:
    """A bucket, on a port of its own.

    :param is_open: whether pages of other origins may read from it (CORS).
    """

    def __init__(self, is_open: bool = True) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        #: Method, headers and status of each request by a presigned URL.
        self.presigned_requests: list[tuple[str, dict[str, str], int]] = []
        #: Method and path of each of Synapse's own requests.
        self.own_requests: list[tuple[str, str]] = []
        #: The headers that each preflight asked for.
        self.preflights: list[str] = []
        self._is_open = is_open
        application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._verified(application), threaded=True, request_handler=_Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        #: Another name of the same, as one for clients.
        self.public_url = f"http://localhost:{self._server.server_port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(retries={"max_attempts": 0}),
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        with suppress(self.client.exceptions.BucketAlreadyOwnedByYou):  # moto keeps its buckets as long as the process
            self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def provider(self, **options: Any) -> dict[str, Any]:
        """Returns an entry of ``media_storage_providers``."""
        return {
            "module": "s3_storage_provider.S3StorageProviderBackend",
            "store_local": True,
            "store_remote": True,
            "store_synchronous": True,
            "config": {
                "bucket": BUCKET,
                "prefix": "of a homeserver/",
                "region_name": REGION,
                "endpoint_url": self.url,
                "access_key_id": ACCESS_KEY_ID,
                "secret_access_key": SECRET_ACCESS_KEY,
                **options,
            },
        }

    def _verified(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Returns an application that refuses presigned URLs which are altered, expired, or of another method."""

        def answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            is_presigned = "X-Amz-Signature" in environment["QUERY_STRING"]
            origin = environment.get("HTTP_ORIGIN")
            if not is_presigned:
                self.own_requests.append((environment["REQUEST_METHOD"], environment["PATH_INFO"]))
            if environment["REQUEST_METHOD"] == "OPTIONS":
                self.preflights.append(environment.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
                allowed = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", "GET, HEAD")]
                allowed += [("Access-Control-Allow-Headers", self.preflights[-1])]
                start_response("200 OK" if self._is_open else "403 Forbidden", allowed if self._is_open else [])
                return []

            def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                if is_presigned:
                    sent = {name[5:].lower(): text for name, text in environment.items() if name[:5] == "HTTP_"}
                    self.presigned_requests.append((environment["REQUEST_METHOD"], sent, int(status[:3])))
                kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
                if origin and self._is_open:
                    kept += [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "ETag")]
                return start_response(status, kept, *rest)

            if is_presigned and not _is_valid(environment):
                start("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code></Error>"]
            return application(environment, start)

        return answer


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"


def _is_valid(environment: dict[str, Any]) -> bool:
    """Verifies a presigned URL: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
    query = parse_qsl(environment["QUERY_STRING"], keep_blank_values=True)
    given = dict(query)
    if any(name not in given for name in _PARAMETERS) or given["X-Amz-SignedHeaders"] != "host":
        return False
    signed_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    age = datetime.now(UTC) - signed_at
    if not timedelta(seconds=-60) < age < timedelta(seconds=int(given["X-Amz-Expires"])):
        return False
    _, _, scope = given["X-Amz-Credential"].partition("/")
    signed = sorted((_encode(name), _encode(value)) for name, value in query if name != "X-Amz-Signature")
    canonical = [
        environment["REQUEST_METHOD"],
        environment["RAW_URI"].partition("?")[0],
        "&".join(f"{name}={value}" for name, value in signed),
        f"host:{environment['HTTP_HOST']}\n",
        "host",
        "UNSIGNED-PAYLOAD",
    ]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join((given["X-Amz-Algorithm"], given["X-Amz-Date"], scope, digest))
    key = f"AWS4{SECRET_ACCESS_KEY}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), given["X-Amz-Signature"])


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
