"""CORS preflights: those of this module are cached, Synapse's own are unchanged."""

import pytest

from development.synapse import Synapse
from tests.homeserver.support import PREFIX, Account, send

PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.parametrize(
    "path", ["links", "link/localhost/abc", "link/thumbnail/localhost/abc", "config", "signed/localhost/abc?k=1"]
)
def test_preflights_of_this_module_are_cached(synapse: Synapse, path: str) -> None:
    answer = send(f"http://127.0.0.1:{synapse.port}{PREFIX}/{path}", "OPTIONS", dict(PREFLIGHT))
    assert answer.status == 204
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "range", "if-range", "if-none-match"} <= set(allowed)
    methods = answer.headers["access-control-allow-methods"].split(", ")
    assert {"GET", "HEAD", "POST"} <= set(methods)


@pytest.mark.parametrize("path", ["download/localhost/abc", "download/localhost/abc/a.png", "thumbnail/localhost/abc"])
def test_preflights_of_native_ranges_are_cached(address_bound: Synapse, path: str) -> None:
    url = f"http://127.0.0.1:{address_bound.port}/_matrix/client/v1/media/"
    answer = send(url + path, "OPTIONS", dict(PREFLIGHT))
    assert (answer.status, answer.headers["access-control-max-age"]) == (204, "86400")
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "range", "if-range", "if-none-match"} <= set(allowed)
    assert "access-control-max-age" not in send(url + "config", "OPTIONS", dict(PREFLIGHT)).headers


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/versions",
        "/_matrix/client/v1/media/download/localhost/abc",
        "/_matrix/media/v3/upload",
        "/_matrix/client/unstable/dev.other/media",
        "/_synapse/admin/v1/register",
        "/",
    ],
)
def test_other_preflights_are_unchanged(synapse: Synapse, path: str) -> None:
    answer = send(f"http://127.0.0.1:{synapse.port}{path}", "OPTIONS", dict(PREFLIGHT))
    assert answer.status == 204
    assert "access-control-max-age" not in answer.headers
    assert answer.headers["access-control-allow-headers"] == "X-Requested-With, Content-Type, Authorization, Date"


def test_synapses_media_endpoints_are_unchanged(ana: Account) -> None:
    mxc = ana.upload(b"as it was", "text/plain")
    answer = ana.download(mxc)
    assert answer.content == b"as it was"
    assert answer.headers["cache-control"] == "public,max-age=86400,s-maxage=0,proxy-revalidate"
    assert answer.headers["etag"] == "1"
    assert "accept-ranges" not in answer.headers
    assert ana.download(mxc, Range="bytes=0-1").status_code == 200
    assert ana.http.get("/_matrix/client/v1/media/config").json()["m.upload.size"] > 0


@pytest.mark.parametrize("path", ["config", "link/localhost/abc", "signed/localhost/abc", "bundle"])
def test_pages_of_other_origins_may_read_when_to_ask_again(synapse: Synapse, path: str) -> None:
    answer = send(f"http://127.0.0.1:{synapse.port}{PREFIX}/{path}", headers={"Origin": "https://app.example"})
    assert answer.status >= 400
    assert "Retry-After" in answer.headers["access-control-expose-headers"].split(", ")
