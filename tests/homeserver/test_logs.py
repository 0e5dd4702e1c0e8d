"""Synapse's log: it contains nothing that opens a media."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from development.synapse import Synapse
from media_links.signed_query import query_hash
from tests.homeserver.links import with_altered_signature
from tests.homeserver.support import PAGE, PREFIX, Account, Mxc, log_with, picture, send, wait_for


def test_log_has_nothing_that_opens_a_media(synapse: Synapse, photo: Mxc) -> None:
    account = Account.new(synapse)
    url = account.link(photo, width=33, height=33)
    base, _, query = url.partition("?")
    values = dict(part.split("=", 1) for part in query.split("&"))
    send(url)
    send(url, "HEAD")
    send(url, headers=dict(PAGE))
    send(url + "&x=1")
    send(base + "?x=1&" + query)
    send(url.replace("/signed/", "/%73igned/"))
    send(url.replace("/signed/", "//signed/"))
    send(url.replace("/signed/", "/signed/x/"))
    send(url.replace("/_matrix/", "/x/_matrix/"))
    send(url, "POST")
    escaped = url.replace("?", "%3F", 1)
    for other in (escaped, escaped.replace("&", "%26"), escaped.replace("sig=", "%73ig="), escaped.replace("%", "%25")):
        send(other)
        send(other.replace("/signed/", "/%73igned/"))
        send(other.replace("%", "%2525252525252525252525252525"))
    for separator in (";", "&", "%20", "%EF%BC%9F", "%26", "/"):
        send(url.replace("?", separator, 1))
        send(url.replace("?", separator, 1).replace("dev.", "dev%2E"))
    account.http.get(f"{PREFIX}/link/{photo.names}", params={"access_token": account.token})
    last = f"/signed/localhost/last{account.device_id}"
    send(account.link(photo).partition("/signed/")[0] + last + "?" + query)
    log = wait_for(lambda: log_with(synapse, last), what="the last request's line in the log")
    assert f"{PREFIX}/signed/{photo.names}?<redacted>" in log
    own = [values["sig"], values["s"], account.token, *_secrets(synapse)]
    assert [secret for secret in own if secret in log] == []


def test_debug_log_has_nothing_that_opens_a_media(short_lived: Synapse) -> None:
    """At DEBUG, Synapse itself logs access tokens. Links, cookies and queries are not logged."""
    account = Account.new(short_lived)
    mxc = account.upload(picture(), "image/png")
    url = account.link(mxc)
    base = url.partition("/signed/")[0]
    cookie_header = account.http.post(f"{PREFIX}/cookie").headers["set-cookie"].partition(";")[0]
    offer = account.http.get(f"{PREFIX}/config").json()["signed_query"]
    parameters = {"token_id": offer["token_id"], "time": str(offer["now_ms"])}
    parameters["h"] = query_hash(account.token, parameters["time"])
    to_query = f"{base}/query/{mxc.names}?{urlencode(parameters)}"
    to_cookie = f"{base}/cookie/{mxc.names}"
    kinds: list[dict[str, str | bytes]] = [{}, dict(PAGE), {"Range": "bytes=0-9"}, {"X-Matrix": "x"}]
    for headers in kinds:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            send(url, method, headers)
            send(to_query, method, headers)
            send(to_cookie, method, {**headers, "Cookie": cookie_header})
    send(with_altered_signature(url))
    send(to_query.replace("&h=", "&h=x"))
    send(to_cookie, headers={"Cookie": cookie_header[:-1]})
    last = f"/signed/localhost/last{account.device_id}"
    send(base + last)
    log = wait_for(lambda: log_with(short_lived, last), what="the last request's line in the log")
    assert " DEBUG " in log
    values = [value for name, value in parse_qsl(urlsplit(url).query) if name in ("sig", "s")]
    own = [*values, parameters["h"], parameters["token_id"], cookie_header.partition("=")[2], *_secrets(short_lived)]
    assert [secret for secret in own if secret[:-1] in log] == []


def _secrets(synapse: Synapse) -> list[str]:
    return re.findall(r'"([A-Za-z0-9_-]{40,})"', Path(synapse.directory / "secrets.json").read_text())
